"""Embree's own C interface: acceleration structures, and ray queries in packets for compiled kernels.

The package embreex carries Embree 4 as a shared library, of which its Python classes open up single rays only. Kernels
(numba) call the library itself: packets of 8 for nearest hits, of 16 for shadows, and no Python object in between.
Layouts and constants: Intel Embree 4 API reference, `rtcore_ray.h`, `rtcore_common.h`, `rtcore_scene.h`.
"""

from __future__ import annotations

import ctypes
import sys
import weakref
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import embreex
import llvmlite.binding
import numpy as np
import numpy.typing as npt
from numba import types

F32 = npt.NDArray[np.float32]
I32 = npt.NDArray[np.int32]

NEAREST, SHADOW = 8, 16
"""Rays in a packet."""
ROWS = 24
"""Rows of a packet's memory, a row a field: 12 of the ray, 9 of the hit (RTCRayHit8), and some to spare."""
FAR, ID, PRIMITIVE, GEOMETRY = 8, 10, 17, 18
"""Rows: end of the ray (the hit's distance), number of the ray, face and geometry of the hit."""
MISS = -1

_TRIANGLES, _FLOAT3, _UINT3, _INDEX, _VERTEX, _ROBUST = 0, 0x9003, 0x5003, 0, 1, 4
_COHERENT, _EVERY_FEATURE = 1, 0xFFFFFFFF


def _library_path() -> Path:
    """Where the wheel of embreex keeps Embree. Raises ImportError."""
    package = Path(embreex.__file__).parent
    for folder in (package.parent / "embreex.libs", package / ".dylibs", package):
        for found in sorted(folder.glob("*embree4*")):
            return found
    raise ImportError(f"{package}: no Embree library in it: expected embreex 4.4 or newer from a wheel, "
                      "pip install --only-binary embreex 'embreex>=4.4'")


llvmlite.binding.load_library_permanently(str(_library_path()))
_pointer = types.uintp
intersect8: Any = types.ExternalFunction("rtcIntersect8", types.void(_pointer, _pointer, _pointer, _pointer))
occluded16: Any = types.ExternalFunction("rtcOccluded16", types.void(_pointer, _pointer, _pointer, _pointer))
"""Kernels call both with the addresses of the validity mask, the scene, the packet and the arguments."""

_arguments = np.zeros(8, np.uint64)
_arguments.view(np.uint32)[:2] = (_COHERENT, _EVERY_FEATURE)
ARGUMENTS = int(_arguments.ctypes.data)
"""Address of RTCIntersectArguments: neighbouring rays of a packet go the same way."""


class Packet(NamedTuple):
    """Memory of one packet: its rows as float32 and as int32, and which rays are valid (-1)."""

    values: F32
    whole: I32
    valid: I32


def packet(width: int) -> Packet:
    """Zeroed memory for a packet of `width` rays, at an address that Embree accepts."""
    memory = np.zeros((ROWS + 1) * width + 16, np.float32)
    start = -memory.ctypes.data % 64 // 4
    values, valid = memory[start:start + ROWS * width], memory[start + ROWS * width:start + (ROWS + 1) * width]
    return Packet(values, values.view(np.int32), valid.view(np.int32))


class Bvh:
    """Acceleration structure over triangles, robust: no ray slips between triangles that share an edge.

    `address` is Embree's handle. The arrays are kept, and read by Embree in place; released with this object.
    """

    def __init__(self, vertices: F32, faces: npt.NDArray[np.uint32]) -> None:
        """vertices: (V, 3), of which the last is not used: Embree reads 16 bytes from each. faces: (F, 3).

        Raises MemoryError if Embree cannot build it.
        """
        library = _library()
        self.address = int(library.rtcNewScene(_device()))
        weakref.finalize(self, library.rtcReleaseScene, self.address)
        self._kept = (np.ascontiguousarray(vertices, np.float32), np.ascontiguousarray(faces, np.uint32))
        library.rtcSetSceneFlags(self.address, _ROBUST)
        geometry = library.rtcNewGeometry(_device(), _TRIANGLES)
        for kind, layout, values, count in ((_VERTEX, _FLOAT3, self._kept[0], len(vertices) - 1),
                                            (_INDEX, _UINT3, self._kept[1], len(faces))):
            library.rtcSetSharedGeometryBuffer(geometry, kind, 0, layout, values.ctypes.data, 0, 12, count)
        library.rtcCommitGeometry(geometry)
        library.rtcAttachGeometry(self.address, geometry)
        library.rtcReleaseGeometry(geometry)
        library.rtcCommitScene(self.address)
        if problem := library.rtcGetDeviceError(_device()):
            raise MemoryError(f"Embree error {problem} on {len(faces)} triangles: expected less of them or more memory")

    @property
    def arrays(self) -> tuple[F32, npt.NDArray[np.uint32]]:
        """Vertices and faces."""
        return self._kept


def padded(vertices: F32) -> F32:
    """Vertices with the spare one that `Bvh` asks for."""
    return np.concatenate([vertices, np.zeros((1, 3), np.float32)])


@cache
def _library() -> Any:
    library = ctypes.CDLL(str(_library_path()))
    handle, number, size = ctypes.c_void_p, ctypes.c_uint, ctypes.c_size_t
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "rtcNewDevice": (handle, [ctypes.c_char_p]), "rtcGetDeviceError": (ctypes.c_int, [handle]),
        "rtcNewScene": (handle, [handle]), "rtcReleaseScene": (None, [handle]),
        "rtcSetSceneFlags": (None, [handle, ctypes.c_int]), "rtcCommitScene": (None, [handle]),
        "rtcNewGeometry": (handle, [handle, ctypes.c_int]), "rtcReleaseGeometry": (None, [handle]),
        "rtcSetSharedGeometryBuffer": (None, [handle, ctypes.c_int, number, ctypes.c_int, handle, size, size, size]),
        "rtcCommitGeometry": (None, [handle]), "rtcAttachGeometry": (number, [handle, handle]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


@cache
def _device() -> int:
    """One device a process. One thread: simulators run side by side, one a core."""
    device = _library().rtcNewDevice(b"threads=1")
    if not device:
        raise ImportError(f"Embree does not run on this {sys.platform} machine: expected a processor with SSE2 or Neon")
    return int(device)
