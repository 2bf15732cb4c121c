"""Meshes as binary glTF 2.0 (.glb), the subset that a world package needs (Khronos glTF 2.0 specification, 2021).

One mesh, one indexed primitive a material. Attributes: POSITION float32; COLOR_0 unsigned byte normalised RGBA, the
tint (128 = unchanged); _INSTANCE float32, the building id (exact below 2^24). glTF is y-up: ENU (x, y, z) is stored as
(x, z, -y). Normals are left out, which by the specification means flat shading.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sim_bridge.errors import InputError
from sim_bridge.world.materials import INDEX, TABLE, Material
from sim_bridge.world.model import F32, U32, Mesh

MAX_INSTANCE = 2**24
"""Ids from here on are not exact in float32."""

_MAGIC, _JSON, _BIN = 0x46546C67, 0x4E4F534A, 0x004E4942
_COMPONENTS: dict[int, type[np.generic]] = {5121: np.uint8, 5125: np.uint32, 5126: np.float32}
_WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}
_ARRAY_BUFFER, _ELEMENT_BUFFER = 34962, 34963

Array = npt.NDArray[Any]


def write_glb(path: Path, mesh: Mesh, name: str) -> None:
    """Write `mesh` as a .glb with one node called `name`. Raises InputError for ids of 2^24 and above."""
    if mesh.instance.size and int(mesh.instance.max()) >= MAX_INSTANCE:
        raise InputError(f"{path}: instance {int(mesh.instance.max())} does not fit: expected ids below {MAX_INSTANCE}")
    blob = _Blob()
    primitives: list[dict[str, Any]] = []
    materials: list[dict[str, Any]] = []
    for index in np.unique(mesh.material):
        positions, colours, instances, faces = _primitive(mesh, np.flatnonzero(mesh.material == index))
        attributes = {
            "POSITION": blob.add(positions, "VEC3", _ARRAY_BUFFER, bounds=True),
            "COLOR_0": blob.add(colours, "VEC4", _ARRAY_BUFFER, normalized=True),
            "_INSTANCE": blob.add(instances, "SCALAR", _ARRAY_BUFFER),
        }
        indices = blob.add(faces.reshape(-1), "SCALAR", _ELEMENT_BUFFER)
        primitives.append({"attributes": attributes, "indices": indices, "material": len(materials), "mode": 4})
        materials.append(_gltf_material(TABLE[int(index)]))
    document: dict[str, Any] = {"asset": {"version": "2.0", "generator": "MAGE"}, "scene": 0, "scenes": [{}]}
    if primitives:
        document |= {
            "scenes": [{"nodes": [0]}], "nodes": [{"name": name, "mesh": 0}],
            "meshes": [{"name": name, "primitives": primitives}], "materials": materials,
            "accessors": blob.accessors, "bufferViews": blob.views, "buffers": [{"byteLength": blob.size}],
        }
    _write_chunks(path, document, blob.parts)


def read_glb(path: Path) -> Mesh:
    """Mesh of a .glb written by `write_glb`; faces come sorted by material.

    Raises InputError if the file is missing, truncated, not glTF 2.0, or names a material that is not in the table.
    """
    document, blob = _read_chunks(path)
    try:
        primitives = [p for mesh in document.get("meshes", []) for p in mesh["primitives"]]
        return Mesh.concatenate([_read_primitive(path, document, blob, primitive) for primitive in primitives])
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: damaged glTF ({error}): expected a file of a world package, rebuild it") from error


def _primitive(mesh: Mesh, chosen: npt.NDArray[np.intp]) -> tuple[F32, npt.NDArray[np.uint8], F32, U32]:
    """Vertices, RGBA, instances and faces of some faces; corners that differ in tint or instance are split."""
    tint = mesh.tint[chosen].astype(np.int64)
    look = mesh.instance[chosen].astype(np.int64) << 24 | tint[:, 0] << 16 | tint[:, 1] << 8 | tint[:, 2]
    looks, look_of_face = np.unique(look, return_inverse=True)
    corners = mesh.faces[chosen].astype(np.int64) * len(looks) + look_of_face[:, None]
    keys, faces = np.unique(corners, return_inverse=True)
    positions = mesh.vertices[keys // len(looks)]
    packed = looks[keys % len(looks)]
    colours = np.stack([packed >> 16 & 255, packed >> 8 & 255, packed & 255, np.full_like(packed, 255)], axis=1)
    y_up = np.stack([positions[:, 0], positions[:, 2], -positions[:, 1]], axis=1)
    return y_up, colours.astype(np.uint8), (packed >> 24).astype(np.float32), faces.reshape(-1, 3).astype(np.uint32)


def _gltf_material(material: Material) -> dict[str, Any]:
    # COLOR_0 multiplies by tint / 255 while 128 means unchanged, so the factor is scaled up, as far as glTF allows
    factor = [min(1.0, c * 255 / 128) for c in material.albedo]
    extras = {"class": material.semantic, "albedo": material.albedo, "nir": material.nir, "hazard": material.hazard,
              "texture": material.texture, "texture_m": material.texture_m, "contrast": material.contrast}
    pbr = {"baseColorFactor": [*factor, 1.0], "metallicFactor": 0.0, "roughnessFactor": 1.0}
    return {"name": material.name, "pbrMetallicRoughness": pbr, "extras": extras}


class _Blob:
    """The binary chunk while it grows, with its views and accessors."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(self, values: Array, kind: str, target: int, bounds: bool = False, normalized: bool = False) -> int:
        """Append an array; returns its accessor. Every component type here keeps the chunk aligned to 4 bytes."""
        code = next(c for c, dtype in _COMPONENTS.items() if values.dtype == dtype)
        self.views.append({"buffer": 0, "byteOffset": self.size, "byteLength": values.nbytes, "target": target})
        accessor: dict[str, Any] = {"bufferView": len(self.views) - 1, "componentType": code, "count": len(values),
                                    "type": kind}
        if bounds:
            accessor |= {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()}
        if normalized:
            accessor["normalized"] = True
        self.accessors.append(accessor)
        self.parts.append(np.ascontiguousarray(values).tobytes())
        self.size += values.nbytes
        return len(self.accessors) - 1


def _write_chunks(path: Path, document: Mapping[str, Any], parts: Sequence[bytes]) -> None:
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    size = sum(len(part) for part in parts)
    total = 12 + 8 + len(text) + (8 + size if size else 0)
    if total >= 2**32:
        raise InputError(f"{path}: {total} bytes do not fit a .glb: expected below 4 GiB, make the world smaller")
    with path.open("wb") as file:
        file.write(struct.pack("<III", _MAGIC, 2, total))
        file.write(struct.pack("<II", len(text), _JSON) + text)
        if size:
            file.write(struct.pack("<II", size, _BIN))
            file.writelines(parts)


def _read_chunks(path: Path) -> tuple[dict[str, Any], bytes]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}): expected a .glb, rebuild the package") from error
    if len(data) < 20 or struct.unpack_from("<II", data) != (_MAGIC, 2):
        raise InputError(f"{path}: not a binary glTF 2.0 file: rebuild the package")
    total, json_size, json_kind = struct.unpack_from("<III", data, 8)
    if len(data) < total or 20 + json_size > total or json_kind != _JSON:
        raise InputError(f"{path}: truncated, {len(data)} of {total} bytes: rebuild the package")
    try:
        document = json.loads(data[20:20 + json_size])
    except ValueError as error:
        raise InputError(f"{path}: JSON chunk is damaged ({error}): rebuild the package") from error
    if not isinstance(document, dict):
        raise InputError(f"{path}: JSON chunk is {type(document).__name__}: expected an object, rebuild the package")
    return document, data[20 + json_size + 8:total]


def _read_primitive(path: Path, document: Mapping[str, Any], blob: bytes, primitive: Mapping[str, Any]) -> Mesh:
    number, materials = primitive["material"], document["materials"]
    name = materials[number]["name"] if 0 <= number < len(materials) else f"number {number}"
    if name not in INDEX:
        raise InputError(f"{path}: material {name} is not in the table: expected one of sim_bridge/world/materials.py")
    attributes = primitive["attributes"]
    positions, colours, instances, indices = (
        _read_accessor(document, blob, number)
        for number in (attributes["POSITION"], attributes["COLOR_0"], attributes["_INSTANCE"], primitive["indices"])
    )
    faces = indices.reshape(-1, 3)
    if not len(positions) == len(colours) == len(instances) or (faces.size and int(faces.max()) >= len(positions)):
        raise ValueError(f"primitive of {name} points outside its vertices")
    vertices = np.stack([positions[:, 0], -positions[:, 2], positions[:, 1]], axis=1)
    first = faces[:, 0]
    return Mesh(vertices, faces, np.full(len(faces), INDEX[name], np.uint16), instances[first].astype(np.uint32),
                np.ascontiguousarray(colours[first, :3]))


def _read_accessor(document: Mapping[str, Any], blob: bytes, number: int) -> Array:
    accessor = document["accessors"][number]
    view = document["bufferViews"][accessor["bufferView"]]
    width = _WIDTHS[accessor["type"]]
    values = np.frombuffer(blob, _COMPONENTS[accessor["componentType"]], accessor["count"] * width,
                           view.get("byteOffset", 0) + accessor.get("byteOffset", 0))
    return values.reshape(-1, width) if width > 1 else values
