"""The frame store gives back what was written, and never shows half a unit."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_bridge import store
from sim_bridge.errors import InputError, StoreError
from sim_bridge.store import FIELDS, UnitFrames, create_store, done_units, open_frames, write_unit

H, W = 6, 8
SIZES = {"y": H, "x": W, "band": 3, "phase": 2, "enu": 3, "quaternion": 4, "intrinsic": 4, "corner": 4}


def unit(count: int, seed: int, fill: bool = False) -> UnitFrames:
    """Random frames; with `fill`, every label is the value that is read where nothing was written."""
    rng = np.random.default_rng(seed)
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name, field in FIELDS.items():
        shape = (count, *(SIZES[dim] for dim in field.dims))
        if field.dtype == "string":
            arrays[name] = np.array([f"{rng.integers(1 << 62):016x}" for _ in range(count)])
        elif fill:
            arrays[name] = np.full(shape, field.fill, field.dtype)
        elif field.dtype.startswith("float"):
            arrays[name] = rng.random(shape).astype(field.dtype)
        else:
            arrays[name] = rng.integers(0, np.iinfo(field.dtype).max, shape, field.dtype, endpoint=True)
    return UnitFrames(arrays)


def check_unit(path: Path, index: int, shard: int, written: UnitFrames) -> None:
    root, first = open_frames(path), index * shard
    for name, values in written.arrays.items():
        found = store.read(root, name, first, first + written.count)
        np.testing.assert_array_equal(found, values.astype(found.dtype), err_msg=name)
    captured = store.read(root, "captured", first, first + shard)
    assert captured[:written.count].all() and not captured[written.count:].any()


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 4), st.data())
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, shard: int, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("store") / "frames.zarr"
    units = {i: unit(data.draw(st.integers(1, shard)), data.draw(st.integers(0, 99)), data.draw(st.booleans()))
             for i in data.draw(st.permutations([0, 1, 2]))[:2]}
    create_store(path, 3 * shard, shard, H, W, {})
    for index, frames in units.items():
        write_unit(path, index, frames)
    assert done_units(path) == frozenset(units)
    for index, frames in units.items():
        check_unit(path, index, shard, frames)


@pytest.mark.parametrize("broken", ["after_rgb", "damage", "scene_id", "captured"])
def test_a_unit_cut_short_is_not_done_and_can_be_written_again(tmp_path: Path, broken: str,
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "frames.zarr"
    create_store(path, 6, 3, H, W, {})
    real = zarr.Array.__setitem__

    def disk_full(array: zarr.Array[Any], selection: Any, value: Any) -> None:
        if array.basename == broken:
            raise OSError(28, "No space left on device")
        real(array, selection, value)

    with monkeypatch.context() as patch, pytest.raises(StoreError, match=r"unit 1 .*No space left on device"):
        patch.setattr(zarr.Array, "__setitem__", disk_full)
        write_unit(path, 1, unit(3, seed=1))
    assert done_units(path) == frozenset()
    assert not store.read(open_frames(path), "captured").any()
    again = unit(2, seed=2, fill=True)
    write_unit(path, 1, again)
    check_unit(path, 1, 3, again)


def test_a_captured_unit_is_never_written_twice(tmp_path: Path) -> None:
    path = tmp_path / "frames.zarr"
    create_store(path, 4, 2, H, W, {})
    first = unit(2, seed=1)
    write_unit(path, 0, first)
    with pytest.raises(StoreError, match="already captured"):
        write_unit(path, 0, unit(2, seed=2))
    check_unit(path, 0, 2, first)


def test_xarray_opens_it_without_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "frames.zarr"
    create_store(path, 4, 2, H, W, {"title": "test"})
    write_unit(path, 0, unit(2, seed=1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = xr.open_zarr(path, consolidated=False)
        assert data.before_rgb.dims == ("frame", "y", "x", "band") and data.before_rgb.dtype == np.uint8
        assert data.damage.dtype == np.uint8 and (data.damage[2:] == 255).all()
        assert data.instance.dtype == np.uint32 and data.captured.dtype == bool
        assert data.time.dtype.kind == "M" and data.time.isnull()[2:].all()
        assert data.before_depth.isnull()[2:].all()
        assert len(str(data.scene_id.values[0])) == 16 and str(data.scene_id.values[2]) == ""
    assert data.captured.sum() == 4
    meanings = dict(zip(data.damage.flag_values, data.damage.flag_meanings.split(), strict=True))
    assert meanings[4] == "destroyed" and data.attrs["title"] == "test"


def test_a_unit_is_one_file_an_array(tmp_path: Path) -> None:
    path = tmp_path / "frames.zarr"
    create_store(path, 8, 4, H, W, {})
    write_unit(path, 1, unit(4, seed=1))
    files = [p for p in path.rglob("*") if p.is_file() and p.name != "zarr.json"]
    assert len(files) == len(FIELDS) + 1


def edit_attributes(path: Path, **changes: object) -> None:
    file = path / "zarr.json"
    whole = json.loads(file.read_text())
    whole["attributes"].update(changes)
    file.write_text(json.dumps(whole))


@pytest.mark.parametrize(("changes", "says"), [
    ({"format_version": store.FORMAT_VERSION + 1}, "update MAGE"),
    ({"format": "other"}, "format 'other'"),
    ({"classes": "0" * 16}, "class table"),
])
def test_foreign_stores_are_refused(tmp_path: Path, changes: dict[str, object], says: str) -> None:
    path = tmp_path / "frames.zarr"
    create_store(path, 2, 2, H, W, {})
    edit_attributes(path, **changes)
    for use in (open_frames, done_units):
        with pytest.raises(StoreError, match=says):
            use(path)


def test_what_is_not_a_store_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in ("missing", "empty"):
        with pytest.raises(InputError, match=f"{folder} is not a Zarr group") as caught:
            open_frames(tmp_path / folder)
        assert "\n" not in str(caught.value)
    create_store(tmp_path / "frames.zarr", 2, 2, H, W, {})
    (tmp_path / "frames.zarr" / "zarr.json").write_text("{")
    with pytest.raises(StoreError, match="cannot be read"):
        open_frames(tmp_path / "frames.zarr")


def test_bad_units_and_sizes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "frames.zarr"
    with pytest.raises(InputError, match="multiple of 4"):
        create_store(path, 6, 4, H, W, {})
    create_store(path, 4, 2, H, W, {})
    with pytest.raises(StoreError, match="already there"):
        create_store(path, 4, 2, H, W, {})
    good = unit(2, seed=1).arrays
    bad: list[tuple[int, dict[str, npt.NDArray[Any]], str]] = [
        (2, dict(good), "expected 0 to 1"),
        (0, dict(unit(3, seed=1).arrays), "3 frames"),
        (0, {**good, "damage": good["damage"].astype(np.int64)}, "damage .*int64"),
        (0, {**good, "after_rgb": good["after_rgb"][:, :-1]}, "after_rgb"),
        (0, {name: good[name] for name in good if name != "gsd"}, "gsd"),
    ]
    for index, arrays, says in bad:
        with pytest.raises(InputError, match=says):
            write_unit(path, index, UnitFrames(arrays))
    assert done_units(path) == frozenset()


def test_stack_puts_single_frames_together() -> None:
    whole = unit(3, seed=4)
    frames = [{name: values[i] for name, values in whole.arrays.items()} for i in range(3)]
    for name, values in store.stack(frames).arrays.items():
        np.testing.assert_array_equal(values, whole.arrays[name])
