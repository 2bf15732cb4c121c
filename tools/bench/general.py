"""The same triangles and views in a general renderer: Mitsuba 3, 4 samples a pixel, direct light of sun and sky."""

from __future__ import annotations

import importlib
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from sim_bridge.embedded.light import illumination
from sim_bridge.embedded.scene import Scene
from sim_bridge.frames import CameraPose, Intrinsics
from sim_bridge.spec import Light
from sim_bridge.world.materials import TABLE
from tools.bench.row import row

RUNS = 3
VARIANT = "scalar_rgb"
"""Not llvm: it needs LLVM's library, which no package brings, and ends the process on some versions of it."""


def rows(scene: Scene, poses: Mapping[str, CameraPose], camera: Intrinsics) -> list[dict[str, Any]]:
    """Frames a second on one core of each view, materials as flat colours; no rows without the extra `bench`."""
    try:
        import drjit
        mitsuba: Any = importlib.import_module("mitsuba")
    except ImportError:
        return []
    mitsuba.set_variant(VARIANT)
    drjit.set_thread_count(1)
    meshes, found = _meshes(mitsuba, scene), []
    for name, pose in poses.items():
        whole = mitsuba.load_dict({"type": "scene", "integrator": {"type": "direct"}, **meshes, **_lights(mitsuba),
                                   "sensor": _sensor(mitsuba, pose, camera)})
        mitsuba.render(whole, spp=1).numpy()
        rates = []
        for run in range(RUNS):
            start = time.perf_counter()
            mitsuba.render(whole, spp=4, seed=run).numpy()
            rates.append(1 / (time.perf_counter() - start))
        found.append(row(f"the same in Mitsuba, rgb alone, {name}", rates, "frames/s",
                         f"{VARIANT}, 4 samples, direct light, one thread"))
    return found


def _meshes(mitsuba: Any, scene: Scene) -> dict[str, Any]:
    """One mesh a material."""
    drawn = scene.drawn("before")
    vertices, faces = drawn.bvh.arrays
    found = {}
    for index in np.unique(drawn.surface.material):
        chosen, corners = np.unique(faces[drawn.surface.material == index], return_inverse=True)
        properties = mitsuba.Properties()
        properties["bsdf"] = mitsuba.load_dict({"type": "twosided", "bsdf": {
            "type": "diffuse", "reflectance": {"type": "rgb", "value": list(TABLE[int(index)].albedo)}}})
        mesh = mitsuba.Mesh(f"m{index}", len(chosen), corners.size // 3, props=properties)
        values = mitsuba.traverse(mesh)
        values["vertex_positions"] = vertices[chosen].ravel()
        values["faces"] = corners.ravel().astype(np.uint32)
        values.update()
        found[f"m{index}"] = mesh
    return found


def _lights(mitsuba: Any) -> dict[str, Any]:
    light = illumination(Light(), "rgb")
    return {"sun": {"type": "directional", "direction": [-float(v) for v in light.toward_sun],
                    "irradiance": {"type": "rgb", "value": [float(v) * np.pi for v in light.sun]}},
            "sky": {"type": "constant", "radiance": {"type": "rgb", "value": [float(v) for v in light.sky]}}}


def _sensor(mitsuba: Any, pose: CameraPose, camera: Intrinsics) -> dict[str, Any]:
    at, rotation = pose.position.array(), pose.rotation
    view = mitsuba.ScalarTransform4f().look_at(origin=list(at), target=list(at + rotation[:, 2]),
                                               up=list(-rotation[:, 1]))
    return {"type": "perspective", "fov": camera.hfov_deg, "fov_axis": "x", "to_world": view, "near_clip": 1.0,
            "far_clip": 1e5, "film": {"type": "hdrfilm", "width": camera.width, "height": camera.height,
                                      "rfilter": {"type": "box"}},
            "sampler": {"type": "stratified", "sample_count": 4}}
