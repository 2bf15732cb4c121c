"""Frame store: Zarr v3 folders of captured frame pairs, written unit by unit, read with xarray (docs/frame-store.md).

A unit is a run of `shard` frames. All arrays are made at full size by one process; then each unit is written by one
writer, whole shards at a time, `captured` last. Zarr's local files appear by rename, so that a unit whose `captured`
is visible is complete, and a unit that was cut short is simply missing and can be written again.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr
from zarr.codecs import BloscCodec, ZstdCodec
from zarr.errors import NodeNotFoundError

from sim_bridge.classes import GRADES, HAZARD_BITS, IGNORE, LAND_USE, SEMANTIC, SURFACE, Entry, table_hash
from sim_bridge.errors import InputError, StoreError

FORMAT = "mage-frames"
FORMAT_VERSION = 1
PHASES = ("before", "after")


@dataclass(frozen=True)
class Field:
    """One array of the store: dimensions without the leading `frame`, and what is read where nothing was written."""

    dtype: str
    fill: Any
    dims: tuple[str, ...] = ()
    about: str = ""
    units: str = ""
    table: tuple[Entry, ...] = ()

    def attributes(self) -> dict[str, Any]:
        """CF attributes: `long_name`, `units`, `flag_values` with `flag_meanings`."""
        attrs: dict[str, Any] = {"long_name": self.about}
        if self.units:
            attrs["units"] = self.units
        if self.table:
            attrs["flag_values"] = [entry.id for entry in self.table]
            attrs["flag_meanings"] = " ".join(entry.name for entry in self.table)
        return attrs


_IMAGE = ("y", "x")
_SIZES = {"band": 3, "phase": 2, "enu": 3, "quaternion": 4, "intrinsic": 4, "corner": 4}

FIELDS: Mapping[str, Field] = {
    "before_rgb": Field("uint8", 0, (*_IMAGE, "band"), "picture before the hazard"),
    "after_rgb": Field("uint8", 0, (*_IMAGE, "band"), "picture after the hazard"),
    "before_depth": Field("float32", np.nan, _IMAGE, "planar depth before, cast", "m"),
    "after_depth": Field("float32", np.nan, _IMAGE, "planar depth after, cast", "m"),
    "before_semantic": Field("uint8", IGNORE, _IMAGE, "what is visible before", table=SEMANTIC),
    "after_semantic": Field("uint8", IGNORE, _IMAGE, "what is visible after", table=SEMANTIC),
    "after_hazard": Field("uint8", IGNORE, _IMAGE, "traces of the hazard, bit flags"),
    "land_use": Field("uint8", IGNORE, _IMAGE, "use of the parcel, pixels of the before frame", table=LAND_USE),
    "surface": Field("uint8", IGNORE, _IMAGE, "roof or wall, pixels of the before frame", table=SURFACE),
    "instance": Field("uint32", 0, _IMAGE, "building id, pixels of the before frame"),
    "damage": Field("uint8", IGNORE, _IMAGE, "damage grade, pixels of the before frame", table=GRADES),
    "asked_position": Field("float64", np.nan, ("phase", "enu"), "camera centre asked for, ENU", "m"),
    "asked_orientation": Field("float64", np.nan, ("phase", "quaternion"), "body in NED asked for, w x y z"),
    "measured_position": Field("float64", np.nan, ("phase", "enu"), "camera centre measured, ENU", "m"),
    "measured_orientation": Field("float64", np.nan, ("phase", "quaternion"), "body in NED measured, w x y z"),
    "intrinsics": Field("float64", np.nan, ("intrinsic",), "pinhole camera fx fy cx cy", "pixel"),
    "gsd": Field("float64", np.nan, (), "ground sampling distance at the image centre", "m"),
    "footprint": Field("float64", np.nan, ("corner", "enu"),
                       "ground under the corners of the before frame, clockwise from the top left, ENU", "m"),
    "time": Field("float64", np.nan, ("phase",), "when the simulator took the picture",
                  "seconds since 1970-01-01T00:00:00Z"),
    "scene_id": Field("string", "", (), "SceneSpec.scene_id of the frame"),
    "world_id": Field("string", "", (), "SceneSpec.world_id of the frame"),
    "agreement_depth": Field("float32", np.nan, ("phase",), "share of pixels with the cast depth in the simulator"),
    "agreement_semantic": Field("float32", np.nan, ("phase",), "share of pixels with the cast class in the simulator"),
}
"""Every array but `captured`, in the order of writing."""

_CAPTURED = Field("bool", False, ("phase",), "true once the frame is complete; written last")
_HAZARD_FLAGS = {"flag_masks": list(HAZARD_BITS.values()), "flag_meanings": " ".join(HAZARD_BITS)}


@dataclass(frozen=True)
class UnitFrames:
    """Frames of one unit: for each name in FIELDS an array (n, ...), n from 1 to the store's shard.

    dtypes and trailing dimensions are those of FIELDS. A unit with fewer frames than its shard leaves the rest
    uncaptured.
    """

    arrays: Mapping[str, npt.NDArray[Any]]

    @property
    def count(self) -> int:
        return len(self.arrays["before_rgb"])


def create_store(path: Path, frames: int, shard: int, height: int, width: int, attrs: Mapping[str, Any]) -> None:
    """Make an empty store of `frames` frames of height x width pixels, `shard` frames a unit.

    `attrs` are added to the group's attributes (plain JSON). The store appears at `path` by one rename, complete.
    Raises InputError if frames do not fill whole units, StoreError if something is already there or cannot be written.
    """
    if min(frames, shard, height, width) < 1 or frames % shard:
        raise InputError(f"store of {frames} frames of {height}x{width}: expected a positive multiple of {shard}")
    if path.exists():
        raise StoreError(f"{path} is already there: choose another folder, or resume the campaign that wrote it")
    partial = path.with_name(path.name + ".partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.parent.mkdir(parents=True, exist_ok=True)
        _create_arrays(zarr.create_group(partial), frames, shard, {"y": height, "x": width, **_SIZES}, attrs)
        partial.rename(path)
    except OSError as error:
        raise StoreError(f"cannot create {path}: {error.strerror or error}: expected a writable folder") from error


def _create_arrays(root: zarr.Group, frames: int, shard: int, sizes: Mapping[str, int],
                   attrs: Mapping[str, Any]) -> None:
    for name, field in (*FIELDS.items(), ("captured", _CAPTURED)):
        cell = tuple(sizes[dim] for dim in field.dims)
        image = field.dims[:2] == _IMAGE
        root.create_array(
            name, shape=(frames, *cell),
            chunks=(1 if image else shard, *cell), shards=(shard, *cell) if image else None,
            dtype=str if field.dtype == "string" else field.dtype, fill_value=field.fill,
            # bytes shuffled: depth takes 60 % of the space in a third of the time; level 1: half the time on colours
            compressors=BloscCodec(cname="zstd", clevel=1, shuffle="shuffle") if field.dtype == "float32" and image
            else ZstdCodec(level=1),
            dimension_names=("frame", *field.dims),
            attributes=field.attributes() | (_HAZARD_FLAGS if name == "after_hazard" else {}),
        )
    root.attrs.update({
        **attrs, "Conventions": "CF-1.11", "format": FORMAT, "format_version": FORMAT_VERSION,
        "classes": table_hash(), "frames_per_unit": shard, "phases": list(PHASES),
    })


def open_frames(path: Path) -> zarr.Group:
    """The store at `path`, read-only, after a check that this version of MAGE can read it.

    Raises InputError if there is no Zarr group, StoreError if it is not a frame store, of a newer format, or labelled
    with another class table.
    """
    return _open(path, "r")


def read(root: zarr.Group, name: str, first: int = 0, last: int | None = None) -> npt.NDArray[Any]:
    """Frames first to last (exclusive) of one array. Raises StoreError if the store has no such array."""
    return np.asarray(_array(root, name)[first:last])


def _open(path: Path, mode: Any) -> zarr.Group:
    try:
        root = zarr.open_group(path, mode=mode)
    except (FileNotFoundError, NodeNotFoundError) as error:
        raise InputError(f"{path} is not a Zarr group: expected the folder of a frame store") from error
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(f"{path} cannot be read ({error}): restore its zarr.json or capture again") from error
    _check_format(path, root.attrs.asdict())
    return root


def _check_format(path: Path, attrs: Mapping[str, Any]) -> None:
    version = attrs.get("format_version")
    if attrs.get("format") != FORMAT or not isinstance(version, int):
        raise StoreError(f"{path} has format {attrs.get('format')!r}: expected a {FORMAT} store, made by mage capture")
    if version > FORMAT_VERSION:
        raise StoreError(f"{path} has format version {version}, this MAGE reads up to {FORMAT_VERSION}: update MAGE")
    if attrs.get("classes") != table_hash():
        raise StoreError(f"{path} has class table {attrs.get('classes')}, expected {table_hash()}: capture again, "
                         f"or read it with the MAGE that wrote it")


def done_units(path: Path) -> frozenset[int]:
    """Units whose frames are complete on disk. Raises like `open_frames`."""
    root = open_frames(path)
    captured = read(root, "captured").all(axis=1)                            # (frames,)
    return frozenset(int(u) for u in np.flatnonzero(captured.reshape(-1, _shard(root)).any(axis=1)))


def write_unit(path: Path, unit_index: int, unit: UnitFrames) -> None:
    """Write all frames of a unit, `captured` last. Nothing of it counts until that last file is there.

    Raises InputError if the arrays do not fit the store, StoreError if the unit was already captured or the disk
    refuses; what other units wrote stays as it is.
    """
    root = _open(path, "r+")
    shard = _shard(root)
    first = unit_index * shard
    _check_unit(root, unit_index, unit)
    if read(root, "captured", first, first + shard).any():
        raise StoreError(f"unit {unit_index} of {path} is already captured: expected a unit that is not in done_units")
    captured = np.ones((unit.count, len(PHASES)), bool)
    try:
        for name, values in (*((name, unit.arrays[name]) for name in FIELDS), ("captured", captured)):
            array = _array(root, name)
            array[first:first + shard] = _padded(values, shard, array.fill_value)
    except OSError as error:
        raise StoreError(f"cannot write unit {unit_index} of {path}: {error.strerror or error}: "
                         f"make room, then run again; finished units are kept") from error


def annotate(path: Path, name: str, value: Any) -> None:
    """Add an attribute (plain JSON) to the store unless it has one of that name. Raises like `open_frames`."""
    if name not in open_frames(path).attrs:
        _open(path, "r+").attrs[name] = value


def _check_unit(root: zarr.Group, unit_index: int, unit: UnitFrames) -> None:
    units, shard = _array(root, "captured").shape[0] // _shard(root), _shard(root)
    if not 0 <= unit_index < units:
        raise InputError(f"unit {unit_index}: expected 0 to {units - 1}")
    if set(unit.arrays) != set(FIELDS):
        raise InputError(f"unit {unit_index} differs from the store in {sorted(set(unit.arrays) ^ set(FIELDS))}")
    if not 1 <= unit.count <= shard:
        raise InputError(f"unit {unit_index} has {unit.count} frames: expected 1 to {shard}")
    for name, field in FIELDS.items():
        values, cell = unit.arrays[name], _array(root, name).shape[1:]
        fits = values.dtype.kind in "UT" if field.dtype == "string" else values.dtype == np.dtype(field.dtype)
        if values.shape != (unit.count, *cell) or not fits:
            raise InputError(f"{name} of unit {unit_index} is {values.dtype} {values.shape}: "
                             f"expected {field.dtype} {(unit.count, *cell)}")


def _padded(values: npt.NDArray[Any], shard: int, fill: Any) -> npt.NDArray[Any]:
    if len(values) == shard:
        return values
    rest = np.full((shard - len(values), *values.shape[1:]), fill, values.dtype)
    return np.concatenate([values, rest])


def _shard(root: zarr.Group) -> int:
    return int(str(root.attrs["frames_per_unit"]))


def _array(root: zarr.Group, name: str) -> zarr.Array[Any]:
    array = root.get(name)
    if not isinstance(array, zarr.Array):
        raise StoreError(f"{root.store_path} has no array {name!r}: restore its files or capture again")
    return array


def stack(frames: Sequence[Mapping[str, Any]]) -> UnitFrames:
    """One unit out of single frames: each maps every name in FIELDS to a value without the frame dimension."""
    return UnitFrames({
        name: np.array([frame[name] for frame in frames], str if field.dtype == "string" else field.dtype)
        for name, field in FIELDS.items()
    })
