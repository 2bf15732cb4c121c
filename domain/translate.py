"""Translates a frame store into a store of its own beside it: pictures only, the labels stay where they are.

A unit (the frames of one shard) is written by one writer, `done` last: a run that was cut short goes on with the first
unit that is missing, and gives the same bytes as one that was not.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr
from tqdm import tqdm

from domain.gate import Verdict
from domain.pipeline import Acquisitions, Paths, RealismPipeline, Translation
from sim_bridge.errors import InputError, StoreError
from sim_bridge.store import done_units, open_frames, read

FORMAT = "mage-translation"
_MEASURES = ("correlation", "recall", "clipped", "accepted")


def translate_store(frames: Path, pipeline: RealismPipeline, out: Path, seed: int, strength: float = 1.0,
                    acquisitions: Acquisitions = "shared", paths: Paths = "full",
                    num_inference_steps: int = 2) -> Path:
    """Translates every captured frame of the store `frames` into the Zarr group `out` and returns `out`.

    out: before_rgb, after_rgb (frame, y, x, band) uint8 with the shapes and chunks of the frames; gate_* (frame, phase)
    float32, the measures of the quality gate (NaN where it was not asked); done (frame) bool. Frames that are done
    already are left alone. Raises InputError if nothing is captured, StoreError if `out` came from other settings.
    """
    source = open_frames(frames)
    units = sorted(done_units(frames))
    if not units:
        raise InputError(f"{frames} has no captured frames: expected a campaign that ran, run mage capture first")
    attrs = {"format": FORMAT, "format_version": 1, "pipeline": pipeline.digest(), "seed": seed, "strength": strength,
             "acquisitions": acquisitions, "paths": paths, "num_inference_steps": num_inference_steps}
    target = _open_or_create(out, source, attrs)
    shard = int(str(source.attrs["frames_per_unit"]))
    finished = read(target, "done")
    pipeline.set_progress_bar_config(disable=True)
    for unit in tqdm(units, desc="translate", unit="unit"):
        first = unit * shard
        captured = read(source, "captured", first, first + shard).all(axis=1)
        if finished[first:first + shard][captured].all():
            continue
        count = int(captured.sum())                                          # a short unit leaves its last frames empty
        before, after, labels_before, labels_after = (
            read(source, name, first, first + count)
            for name in ("before_rgb", "after_rgb", "before_semantic", "after_semantic")
        )
        done = pipeline.translate(before, after, labels_before, labels_after, strength, seed,
                                  range(first, first + count), acquisitions, paths, num_inference_steps)
        _write(target, out, first, shard, done)
    return out


def _open_or_create(out: Path, source: zarr.Group, attrs: Mapping[str, Any]) -> zarr.Group:
    if not out.exists():
        partial = out.with_name(out.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.parent.mkdir(parents=True, exist_ok=True)
        _create(zarr.create_group(partial), source, attrs)
        partial.rename(out)
    try:
        target = zarr.open_group(out, mode="r+")
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(f"{out} cannot be read ({error}): remove it and translate again") from error
    found = target.attrs.asdict()
    for name, value in attrs.items():
        if found.get(name) != value:
            raise StoreError(f"{out} was made with {name} {found.get(name)!r}, asked for {value!r}: "
                             "choose another folder, or remove this one")
    return target


def _create(target: zarr.Group, source: zarr.Group, attrs: Mapping[str, Any]) -> None:
    model = source["before_rgb"]
    assert isinstance(model, zarr.Array)
    for name in ("before_rgb", "after_rgb"):
        target.create_array(name, shape=model.shape, chunks=model.chunks, shards=model.shards, dtype="uint8",
                            fill_value=0, dimension_names=("frame", "y", "x", "band"))
    frames = model.shape[0]
    shard = int(str(source.attrs["frames_per_unit"]))
    for name in _MEASURES:
        target.create_array(f"gate_{name}", shape=(frames, 2), chunks=(shard, 2), dtype="float32",
                            fill_value=np.nan, dimension_names=("frame", "phase"))
    target.create_array("done", shape=(frames,), chunks=(shard,), dtype="bool", fill_value=False,
                        dimension_names=("frame",))
    target.attrs.update(dict(attrs))


def _write(target: zarr.Group, out: Path, first: int, shard: int, unit: Translation) -> None:
    count = len(unit.before)
    values: dict[str, npt.NDArray[Any]] = {
        "before_rgb": unit.before, "after_rgb": unit.after,
        **{f"gate_{name}": _measures(unit.verdicts, name) for name in _MEASURES}, "done": np.ones(count, bool),
    }
    try:
        for name, value in values.items():
            array = target[name]
            assert isinstance(array, zarr.Array)
            array[first:first + shard] = _padded(value, shard, array.fill_value)
    except OSError as error:
        raise StoreError(f"cannot write frames {first} to {first + count} of {out}: {error.strerror or error}: "
                         "make room, then run again; finished frames are kept") from error


def _measures(verdicts: Sequence[tuple[Verdict | None, Verdict | None]], name: str) -> npt.NDArray[np.float32]:
    return np.array([[np.nan if v is None else getattr(v, name) for v in pair] for pair in verdicts], np.float32)


def _padded(values: npt.NDArray[Any], length: int, fill: Any) -> npt.NDArray[Any]:
    rest = np.full((length - len(values), *values.shape[1:]), fill, values.dtype)
    return np.concatenate([values, rest])
