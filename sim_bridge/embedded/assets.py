"""What simSpawnObject can make: basic shapes that AirSim's own scripts name, and houses, trees and vehicles of MAGE.

An asset's frame is that of a body: x forward, y right, z down, metres; without rotation its forward is north. Shapes
have their origin in the middle, as the engine's basic shapes have; what stands on the ground has it there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
import numpy.typing as npt
from scipy.spatial import ConvexHull

from sim_bridge.world.buildings import building_mesh
from sim_bridge.world.materials import INDEX, TABLE
from sim_bridge.world.model import Building, Mesh, Tree, Vehicle
from sim_bridge.world.plants import tree_mesh
from sim_bridge.world.shapes import box, mesh_of
from sim_bridge.world.vehicles import vehicle_mesh

F64 = npt.NDArray[np.float64]
PAINT = "car_paint"
"""Material of everything that has a colour of its own: plain, and as light in near-infrared as in the visible."""
_GREY, _ORANGE = (0.35, 0.35, 0.35), (0.80, 0.25, 0.03)
_SEGMENTS = 48
_RINGS = 20
_CHAMFER_M = 0.03


@dataclass(frozen=True)
class Asset:
    """Mesh in the asset's frame, without vertices that two faces of different smoothness share."""

    mesh: Mesh
    curved: npt.NDArray[np.bool_]
    """(F,) faces that stand for a curved surface, and are lit as one."""
    is_light: bool = False


def asset(name: str) -> Asset | None:
    """The asset of a name of `NAMES`; None if there is none."""
    return _made(name) if name in _MAKERS else None


def painted(albedo: tuple[float, float, float]) -> tuple[int, int, int]:
    """Tint of `PAINT` that gives a linear albedo, each channel to 1/255 of twice the paint's."""
    red, green, blue = (round(128 * value / own) for value, own in zip(albedo, TABLE[INDEX[PAINT]].albedo, strict=True))
    return min(red, 255), min(green, 255), min(blue, 255)


@cache
def _made(name: str) -> Asset:
    made = _MAKERS[name]()
    return made if isinstance(made, Asset) else Asset(_of_world(made), np.zeros(len(made.faces), np.bool_))


def _of_world(mesh: Mesh) -> Mesh:
    """A mesh with x forward, y left, z up in the frame of assets."""
    return replace(mesh, vertices=mesh.vertices * np.array([1, -1, -1], np.float32),
                   instance=np.zeros(len(mesh.faces), np.uint32))


def _cube() -> Mesh:
    return box((0.0, 0.0), (1.0, 1.0), 0.0, -0.5, 0.5, PAINT, painted(_GREY))


def _chamfered() -> Mesh:
    """A cube of 1 m whose edges are cut: the hull of its twenty-four corners."""
    inner = 0.5 - _CHAMFER_M
    corners = np.array([np.roll((a * 0.5, b * inner, c * inner), k)
                        for k in range(3) for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)])
    return _hull(corners)


def _hull(points: F64) -> Mesh:
    """Convex hull, faces counter-clockwise from outside, each with its own vertices."""
    hull = ConvexHull(points)
    corners = points[hull.simplices]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    inward = np.einsum("ij,ij->i", normal, hull.equations[:, :3]) < 0
    corners[inward] = corners[inward][:, ::-1]
    return mesh_of(corners.reshape(-1, 3), np.arange(3 * len(corners)), PAINT, 0, painted(_GREY))


def _turned(profile: F64, albedo: tuple[float, float, float] = _GREY) -> Asset:
    """Solid of revolution about z of a profile (N, 2) of radius and height, from below to above; caps are flat."""
    angle = np.arange(_SEGMENTS) * 2 * np.pi / _SEGMENTS
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    rings = np.concatenate([np.broadcast_to(profile[:, None, 1:], (len(profile), _SEGMENTS, 1)),
                            profile[:, None, :1] * circle[None]], axis=-1)[..., [1, 2, 0]]
    here = np.arange(_SEGMENTS)
    beside = np.roll(here, -1)
    band = np.concatenate([np.stack([here, beside, _SEGMENTS + beside], -1),
                           np.stack([here, _SEGMENTS + beside, _SEGMENTS + here], -1)])
    side = np.concatenate([low + band for low in range(0, (len(profile) - 1) * _SEGMENTS, _SEGMENTS)])
    parts = [_solid(mesh_of(rings.reshape(-1, 3), side, PAINT, 0, painted(albedo)))]
    for ring, order in ((rings[0], slice(None, None, -1)), (rings[-1], slice(None))):
        if np.hypot(*ring[0, :2]) > 1e-9:
            fan = np.stack([np.zeros(_SEGMENTS - 2), here[1:-1], here[2:]], axis=-1)[:, order]
            parts.append(mesh_of(ring, fan, PAINT, 0, painted(albedo)))
    mesh = Mesh.concatenate(parts)
    return Asset(_of_world(mesh), np.arange(len(mesh.faces)) < len(parts[0].faces))


def _solid(mesh: Mesh) -> Mesh:
    """The mesh without faces that have no area: those at the tip of a cone or the pole of a ball."""
    a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(np.float64) for k in range(3))
    keep = np.linalg.norm(np.cross(b - a, c - a), axis=1) > 1e-9
    return Mesh(mesh.vertices, mesh.faces[keep], mesh.material[keep], mesh.instance[keep], mesh.tint[keep])


def _ball(albedo: tuple[float, float, float] = _GREY) -> Asset:
    angle = np.linspace(-np.pi / 2, np.pi / 2, _RINGS + 1)
    return _turned(0.5 * np.stack([np.abs(np.cos(angle)).round(12), np.sin(angle)], axis=-1), albedo)


def _cylinder() -> Asset:
    return _turned(np.array([[0.5, -0.5], [0.5, 0.5]]))


def _cone(albedo: tuple[float, float, float] = _GREY) -> Asset:
    return _turned(np.array([[0.5, -0.5], [0.0, 0.5]]), albedo)


def _plane() -> Mesh:
    return mesh_of([(-0.5, -0.5, 0), (0.5, -0.5, 0), (0.5, 0.5, 0), (-0.5, 0.5, 0)], [(0, 1, 2), (0, 2, 3)], PAINT, 0,
                   painted(_GREY))


def _light() -> Asset:
    return Asset(Mesh.empty(), np.zeros(0, np.bool_), is_light=True)


def _house() -> Mesh:
    ring = ((-6.0, -4.5), (6.0, -4.5), (6.0, 4.5), (-6.0, 4.5))
    return building_mesh(Building(1, ring, 0.0, 3.0, 5.6, "gable", "wood_light", "house", "roof_tile_red",
                                  "wall_plaster", 0.0))


def _tree(species: str, crown: str, height_m: float, radius_m: float) -> Mesh:
    return tree_mesh(Tree(0.0, 0.0, 0.0, height_m, radius_m, species), crown)


def _vehicle(kind: str, length_m: float, width_m: float) -> Mesh:
    return vehicle_mesh(Vehicle(0.0, 0.0, 0.0, 0.0, length_m, width_m, kind, (120, 40, 40)))


_MAKERS: Mapping[str, Callable[[], Mesh | Asset]] = {
    "1M_Cube": _cube,
    "1M_Cube_Chamfer": _chamfered,
    "Cube": _cube,
    "Sphere": _ball,
    "Cylinder": _cylinder,
    "Cone": _cone,
    "Plane": _plane,
    "OrangeBall": partial(_ball, _ORANGE),
    "PulsingCone": partial(_cone, (0.7, 0.7, 0.1)),
    "PointLightBP": _light,
    "mage_house": _house,
    "mage_tree": partial(_tree, "broadleaf", "crown_broadleaf", 10.0, 3.6),
    "mage_conifer": partial(_tree, "spruce", "crown_conifer", 14.0, 2.6),
    "mage_car": partial(_vehicle, "car", 4.5, 1.8),
    "mage_van": partial(_vehicle, "van", 5.6, 2.0),
    "mage_truck": partial(_vehicle, "truck", 8.0, 2.5),
    "mage_bus": partial(_vehicle, "bus", 11.0, 2.5),
    "mage_boat": partial(_vehicle, "boat", 6.0, 2.2),
    "mage_container": partial(_vehicle, "container", 6.1, 2.44),
    "mage_tent": partial(_vehicle, "tent", 4.0, 3.0),
}
NAMES: tuple[str, ...] = tuple(_MAKERS)
"""Bare asset names, as simListAssets gives them."""
