"""What callers ask of the geometry: lines of sight, extents, meshes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim_bridge.embedded.edits import Edits
from sim_bridge.embedded.objects import building_id
from sim_bridge.embedded.overlay import edited, edits_of, mesh_of_faces, mesh_of_thing
from sim_bridge.embedded.scene import Drawn, Landscape, Phase
from sim_bridge.frames import ENU, NED
from sim_bridge.world.model import Mesh

MAX_FACES = 1_000_000
"""Of all meshes that are asked for at a time."""
_TOUCH_M = 0.01
"""What is this near to an end of a line of sight does not stand in it: points may lie on a surface."""


def in_sight(scene: Landscape, phase: Phase, a: ENU, b: ENU) -> bool:
    """True if nothing stands between two points."""
    way = b.array() - a.array()
    length = float(np.linalg.norm(way))
    if length <= 2 * _TOUCH_M:
        return True
    start = a.array() + way * (_TOUCH_M / length)
    hits = scene.cast(start[None], (way / length)[None], phase)
    return bool(hits.t[0] >= length - 2 * _TOUCH_M)


def look_at_deg(eye: NED, target: NED) -> tuple[float, float, float]:
    """Pitch, up positive, roll (0) and yaw in degrees that turn north to the direction from one point to another."""
    north, east, down = target.array() - eye.array()
    flat = math.hypot(north, east)
    return math.degrees(math.atan2(-down, flat)), 0.0, math.degrees(math.atan2(east, north))


def meshes(scene: Landscape, phase: Phase) -> Iterator[tuple[str, Mesh]]:
    """Buildings and spawned objects by name, in ENU metres. Raises ValueError if they have more than `MAX_FACES`."""
    edits, base, total = edits_of(scene), edited(scene, Edits()), 0
    own: dict[int, _Faces] = {}
    for name in scene.objects().poses:
        thing, number = edits.things.get(name), building_id(name)
        if thing is not None:
            mesh, _ = mesh_of_thing(base, name, thing, phase)
        elif number is not None and (tile := base.holder(phase, number)) is not None:
            if id(tile.drawn) not in own:
                own[id(tile.drawn)] = _Faces.of(tile.drawn)
            mesh = mesh_of_faces(tile, own[id(tile.drawn)].of_instance(number - tile.first_id))
        else:
            continue
        total += len(mesh.faces)
        if total > MAX_FACES:
            raise ValueError(f"the meshes of this world have more than {MAX_FACES} triangles: too many for one reply")
        if len(mesh.faces):
            yield name, mesh


@dataclass(frozen=True)
class _Faces:
    """Faces of a drawn world in the order of their instances."""

    drawn: Drawn
    order: npt.NDArray[np.int64]
    instance: npt.NDArray[np.uint32]

    @staticmethod
    def of(drawn: Drawn) -> _Faces:
        order = np.argsort(drawn.surface.instance, kind="stable")
        return _Faces(drawn, order, drawn.surface.instance[order])

    def of_instance(self, number: int) -> npt.NDArray[np.int64]:
        first, last = np.searchsorted(self.instance, [number, number + 1])
        return self.order[first:last]


def corner_points(scene: Landscape, phase: Phase) -> tuple[ENU, ENU]:
    """Lowest and highest corner of the box around everything."""
    low, high = scene.bounds(phase)
    return ENU(*_floats(low)), ENU(*_floats(high))


def _floats(values: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])
