"""Vehicles as meshes: a few models a kind, each a small template that is scaled, turned and painted.

Templates are in units of a vehicle's length (x, forward), width (y) and height (z). Which model a vehicle is depends on
where it stands alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim_bridge.world.materials import INDEX
from sim_bridge.world.model import Mesh, Vehicle
from sim_bridge.world.shapes import F64, I64, hash_unit, mesh_of, turn

HEIGHT_M = {"car": 1.5, "van": 2.2, "truck": 3.6, "bus": 3.1, "boat": 1.7, "container": 2.6, "tent": 2.4}
_CLEARANCE_M = 0.15
_PAINT = "paint"
Section = tuple[float, float, float, float, float]
"""x, half width below, half width above, height below, height above."""


@dataclass(frozen=True)
class _Model:
    """vertices (V, 3), faces (F, 3), materials (F,) names, `_PAINT` where the vehicle's own colour goes, and tones
    (F,): brightness of each face."""

    vertices: F64
    faces: I64
    materials: tuple[str, ...]
    tones: F64


def vehicle_mesh(vehicle: Vehicle) -> Mesh:
    """One vehicle, see `vehicles_mesh`."""
    return vehicles_mesh([vehicle])


def vehicles_mesh(vehicles: Sequence[Vehicle], paint: str = "car_paint") -> Mesh:
    """All vehicles as one mesh, grouped by model. `paint` names the material of what is painted; if it is not the usual
    one (a burnt-out wreck), all of a vehicle has it."""
    if not vehicles:
        return Mesh.empty()
    t = np.array([[v.x, v.y, v.base_m, v.yaw_deg, v.length_m, v.width_m, HEIGHT_M[v.kind], *v.rgb]
                  for v in vehicles], np.float64)
    names = np.array([_model_of(v, luck) for v, luck in zip(vehicles, hash_unit(t[:, 0], t[:, 1], 7), strict=True)])
    return Mesh.concatenate([_placed(_MODELS[name], t[names == name], paint) for name in sorted(set(names.tolist()))])


def _model_of(vehicle: Vehicle, luck: float) -> str:
    if vehicle.kind == "truck":
        return "lorry" if vehicle.length_m > 9 else "truck"
    for limit, name in _SHARES.get(vehicle.kind, ()):
        if luck < limit:
            return name
    return vehicle.kind


_SHARES = {
    "car": ((0.34, "sedan"), (0.58, "hatchback"), (0.84, "suv"), (1.0, "pickup")),
    "boat": ((0.35, "sailing_boat"),),
    "container": ((0.35, "stacked_container"),),
}


def _placed(model: _Model, t: F64, paint: str) -> Mesh:
    """One model at each row of t: x, y, base, yaw, length, width, height, red, green, blue."""
    count = len(t)
    local = model.vertices[None] * t[:, None, 4:7]
    flat = turn(local[..., :2], t[:, 3:4]) + t[:, None, :2]
    vertices = np.concatenate([flat, (local[..., 2] + t[:, 2:3])[..., None]], -1)
    faces = (model.faces[None] + len(model.vertices) * np.arange(count)[:, None, None]).reshape(-1, 3)
    whole = paint != "car_paint"
    material = np.array([INDEX[paint if whole or name == _PAINT else name] for name in model.materials])
    own = np.array([name == _PAINT for name in model.materials])
    tint = np.where(own[None, :, None], t[:, None, 7:10], 128.0) * model.tones[None, :, None]
    return mesh_of(vertices, faces, np.tile(material, count), tint=tint.reshape(-1, 3))


def _loft(sections: Sequence[Section], material: str, top: str | None = None) -> _Model:
    """A closed hull (but for its floor) through sections from the rear to the front; `top` covers it."""
    vertices = [[x, side * half, z] for x, below, above, low, high in sections
                for side, half, z in ((-1, below, low), (-1, above, high), (1, above, high), (1, below, low))]
    quads, names = [], []
    for k in range(len(sections) - 1):
        a, b = 4 * k, 4 * k + 4
        quads += [(a, b, b + 1, a + 1), (a + 1, b + 1, b + 2, a + 2), (a + 2, b + 2, b + 3, a + 3)]
        names += [material, top or material, material]
    last = 4 * len(sections) - 4
    quads += [(0, 1, 2, 3), (last, last + 3, last + 2, last + 1)]
    names += [material, material]
    return _of_quads(np.array(vertices), np.array(quads), names)


def _of_quads(vertices: F64, quads: npt.NDArray[np.int64], names: Sequence[str], tone: float = 1.0) -> _Model:
    faces = np.stack([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]], axis=1).reshape(-1, 3)
    doubled = tuple(name for name in names for _ in range(2))
    return _Model(vertices, faces, doubled, np.full(len(faces), tone))


def _cabin(rear: float, front: float, lean: tuple[float, float], half: tuple[float, float], z: tuple[float, float],
           side: str = "car_glass", screen: str = "car_glass") -> _Model:
    """A glazed box that narrows upwards; lean: how far the rear and front windows slope, shares of the length."""
    sections = [(rear, half[0], half[0], z[0], z[0]), (rear + lean[0], half[1], half[1], z[1], z[1]),
                (front - lean[1], half[1], half[1], z[1], z[1]), (front, half[0], half[0], z[0], z[0])]
    (r, h, _, low, _), (r1, h1, _, high, _), (f1, *_), (f, *_) = sections
    vertices = np.array([[r, -h, low], [f, -h, low], [f, h, low], [r, h, low],
                         [r1, -h1, high], [f1, -h1, high], [f1, h1, high], [r1, h1, high]])
    quads = np.array([(4, 5, 6, 7), (0, 1, 5, 4), (2, 3, 7, 6), (1, 2, 6, 5), (3, 0, 4, 7)])
    return _of_quads(vertices, quads, (_PAINT, side, side, screen, screen))


def _block(x: tuple[float, float], half: float, z: tuple[float, float], material: str, top: str | None = None,
           tone: float = 1.0) -> _Model:
    """An upright box without a floor."""
    vertices = np.array([[px, py, pz] for pz in z for px, py in ((x[0], -half), (x[1], -half), (x[1], half),
                                                                 (x[0], half))])
    quads = np.array([(4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)])
    return _of_quads(vertices, quads, (top or material, *[material] * 4), tone)


def _joined(*parts: _Model) -> _Model:
    start = np.cumsum([0, *(len(p.vertices) for p in parts[:-1])])
    return _Model(np.concatenate([p.vertices for p in parts]),
                  np.concatenate([p.faces + s for p, s in zip(parts, start, strict=True)]),
                  tuple(name for p in parts for name in p.materials), np.concatenate([p.tones for p in parts]))


def _body(hood: float, boot: float, belt: float) -> _Model:
    """Lower body of a car: hood, boot and belt are heights; corners are drawn in."""
    low = _CLEARANCE_M / HEIGHT_M["car"]
    return _loft([(-0.5, 0.41, 0.38, low, boot - 0.08), (-0.45, 0.49, 0.46, low, boot), (-0.1, 0.5, 0.46, low, belt),
                  (0.16, 0.5, 0.46, low, belt), (0.43, 0.48, 0.44, low, hood), (0.5, 0.38, 0.34, low, hood - 0.12)],
                 _PAINT)


def _tent() -> _Model:
    vertices = np.array([[-0.5, -0.5, 0.0], [0.5, -0.5, 0.0], [0.5, 0.5, 0.0], [-0.5, 0.5, 0.0],
                         [-0.5, -0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, 0.5], [-0.5, 0.5, 0.5],
                         [-0.5, 0.0, 1.0], [0.5, 0.0, 1.0]])
    quads = np.array([(0, 1, 5, 4), (2, 3, 7, 6), (1, 2, 6, 5), (3, 0, 4, 7), (4, 5, 9, 8), (6, 7, 8, 9),
                      (5, 6, 9, 9), (7, 4, 8, 8)])
    model = _of_quads(vertices, quads, ["tent"] * 8)
    real = np.array([len(set(face)) == 3 for face in model.faces.tolist()])
    return _Model(vertices, model.faces[real], tuple("tent" for _ in range(int(real.sum()))), model.tones[real])


def _container(low: float, tone: float) -> _Model:
    """A box whose lid is ribbed: strips of two tones."""
    ends = np.linspace(-0.5, 0.5, 13)
    ribs = [_of_quads(np.array([[a, -0.5, low + 1], [b, -0.5, low + 1], [b, 0.5, low + 1], [a, 0.5, low + 1]]),
                      np.array([(0, 1, 2, 3)]), [_PAINT], tone * (0.9 if k % 2 else 1.06))
            for k, (a, b) in enumerate(itertools.pairwise(ends))]
    sides = _block((-0.5, 0.5), 0.5, (low, low + 1), _PAINT, tone=0.95 * tone)
    walls = _Model(sides.vertices, sides.faces[2:], sides.materials[2:], sides.tones[2:])
    return _joined(walls, *ribs)


def _hull(deck: float) -> _Model:
    return _loft([(-0.5, 0.30, 0.42, -0.1, deck), (-0.1, 0.36, 0.5, -0.1, deck), (0.22, 0.26, 0.42, -0.1, deck + 0.04),
                  (0.40, 0.12, 0.22, -0.1, deck + 0.10), (0.5, 0.0, 0.02, 0.1, deck + 0.16)], _PAINT, "deck")


_LOW = 0.12
_MODELS: dict[str, _Model] = {
    "sedan": _joined(_body(0.56, 0.60, 0.64), _cabin(-0.34, 0.20, (0.14, 0.15), (0.45, 0.37), (0.62, 0.98))),
    "hatchback": _joined(_body(0.56, 0.62, 0.64), _cabin(-0.47, 0.22, (0.08, 0.16), (0.45, 0.37), (0.62, 1.0))),
    "suv": _joined(_body(0.66, 0.70, 0.70), _cabin(-0.48, 0.18, (0.05, 0.10), (0.46, 0.40), (0.70, 1.18))),
    "pickup": _joined(_body(0.64, 0.66, 0.66), _cabin(-0.14, 0.20, (0.03, 0.11), (0.46, 0.39), (0.65, 1.16)),
                      _block((-0.47, -0.15), 0.40, (0.60, 0.675), _PAINT, "car_glass", 0.8)),
    "van": _joined(_block((-0.5, 0.42), 0.5, (0.07, 0.5), _PAINT), _block((0.42, 0.5), 0.44, (0.07, 0.45), _PAINT),
                   _cabin(-0.49, 0.44, (0.01, 0.12), (0.49, 0.44), (0.5, 1.0), _PAINT)),
    "truck": _joined(_block((0.24, 0.49), 0.47, (_LOW, 0.42), _PAINT),
                     _cabin(0.24, 0.49, (0.01, 0.05), (0.47, 0.42), (0.42, 0.72)),
                     _block((-0.5, 0.21), 0.5, (0.26, 1.0), _PAINT, tone=1.05)),
    "lorry": _joined(_block((0.36, 0.49), 0.47, (_LOW, 0.45), _PAINT),
                     _cabin(0.36, 0.49, (0.005, 0.03), (0.47, 0.44), (0.45, 0.82)),
                     _block((0.30, 0.36), 0.40, (_LOW, 0.30), "car_glass"),
                     _block((-0.5, 0.31), 0.5, (0.30, 1.08), _PAINT, tone=1.05)),
    "bus": _joined(_block((-0.5, 0.5), 0.5, (0.08, 0.48), _PAINT),
                   _block((-0.495, 0.495), 0.49, (0.48, 0.82), "car_glass"),
                   _block((-0.5, 0.5), 0.5, (0.82, 0.96), _PAINT),
                   _block((-0.30, -0.12), 0.28, (0.96, 1.03), _PAINT, tone=0.85),
                   _block((0.14, 0.30), 0.28, (0.96, 1.03), _PAINT, tone=0.85)),
    "boat": _joined(_hull(0.45), _cabin(-0.14, 0.18, (0.02, 0.10), (0.34, 0.26), (0.46, 0.92)),
                    _block((-0.42, -0.18), 0.30, (0.44, 0.47), "deck", "car_glass")),
    "sailing_boat": _joined(_hull(0.42), _cabin(-0.10, 0.24, (0.02, 0.06), (0.26, 0.2), (0.42, 0.62)),
                            _block((0.09, 0.11), 0.03, (0.5, 5.2), _PAINT), _block((-0.30, 0.09), 0.045, (0.9, 1.02),
                                                                                  "canvas")),
    "container": _container(0.0, 1.0),
    "stacked_container": _joined(_container(0.0, 1.0), _container(1.0, 0.86)),
    "tent": _tent(),
}
