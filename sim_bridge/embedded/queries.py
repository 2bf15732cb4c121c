"""What callers ask of the geometry: lines of sight, extents, meshes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sim_bridge.embedded.edits import Edits, Thing, destroyed
from sim_bridge.embedded.objects import building_id
from sim_bridge.embedded.overlay import edited, edits_of, mesh_of_faces, mesh_of_thing
from sim_bridge.embedded.scene import Drawn, Landscape, Phase
from sim_bridge.frames import ENU, NED, NedPose, enu_from_ned
from sim_bridge.world.model import Mesh

MAX_FACES = 1_000_000
"""Of all meshes that are asked for at a time."""
_POINTS, _FINEST = 3000, 16
"""About how many points of an object are looked at when it is pushed, and lattice steps of a face's side at most."""
_SHRUNK = 0.02
"""Share by which these points are drawn to their middle."""
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


def swept(scene: Landscape, phase: Phase, name: str, pose: NedPose) -> NedPose:
    """Where an object gets that is turned and then pushed to a pose in a straight line: as far as points spread over
    its faces go before one of them meets something else. Raises KeyError if there is no object of that name."""
    home = scene.objects().poses[name]
    edits, base = edits_of(scene), edited(scene, Edits())
    thing = replace(edits.things.get(name, Thing(home)), pose=NedPose(home.position, pose.orientation))
    points = _spread(mesh_of_thing(base, name, thing, phase)[0])
    way = enu_from_ned(pose.position).array() - enu_from_ned(home.position).array()
    length = float(np.linalg.norm(way))
    if not len(points) or length < _TOUCH_M:
        return pose
    # what lies on the ground does not scrape along it
    points += (points.mean(axis=0) - points) * _SHRUNK
    rest = edited(scene, destroyed(edits, name))
    free = float(rest.cast(points, np.broadcast_to(way / length, points.shape), phase).t.min())
    share = min(1.0, max(0.0, free - _TOUCH_M) / length)
    at = (a + share * (b - a) for a, b in zip(home.position.array(), pose.position.array(), strict=True))
    return NedPose(NED(*(float(v) for v in at)), pose.orientation) if share < 1 else pose


def _spread(mesh: Mesh) -> npt.NDArray[np.float64]:
    """(N, 3) points over all faces of a mesh: a lattice on each, the finer the fewer faces there are."""
    corners = mesh.vertices[mesh.faces].astype(np.float64)[::1 + len(mesh.faces) // _POINTS]
    steps = int(np.clip(math.sqrt(2 * _POINTS / max(len(corners), 1)), 1, _FINEST))
    lattice = [(i, j, steps - i - j) for i in range(steps + 1) for j in range(steps + 1 - i)]
    return np.asarray(np.einsum("lk,fkx->flx", np.array(lattice) / steps, corners).reshape(-1, 3))


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
