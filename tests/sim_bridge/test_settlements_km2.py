"""One square kilometre: quick to build, and nothing in it repeats."""

from __future__ import annotations

import time
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import shapely

from sim_bridge.embedded.render import render
from sim_bridge.embedded.scene import Scene
from sim_bridge.frames import ENU, intrinsics, look_at
from sim_bridge.spec import Layout, Light, SceneSpec, View
from sim_bridge.world.build import build_world
from sim_bridge.world.model import Aftermath, World
from sim_bridge.world.package import Package

F64 = npt.NDArray[np.float64]
SPEC = SceneSpec(seed=3, layout=Layout(size_m=1000.0, density=0.95, tree_density=0.22))
MOST_S = 20.0
"""Twice the bar of the bench, so that a noisy machine does not fail the test."""


@lru_cache(maxsize=1)
def built() -> tuple[World, float]:
    start = time.process_time()
    world = build_world(SPEC)
    return world, time.process_time() - start


def picture(world: World) -> F64:
    """Brightness of the whole square from above, 1 m pixels."""
    scene = Scene(Package(world, Aftermath({"kind": "none"}, world.before, world.ground, ())))
    size = round(world.size_m)
    view = View(gsd_m=1.0, off_nadir_deg=0.0)
    pose = look_at(ENU(0.0, 0.0, float(world.height_at(0.0, 0.0))), view.distance_m(size), 0.0, 0.0)
    image = render(scene, "before", pose, intrinsics(size, size, view.hfov_deg), Light()).rgb
    return np.asarray(image.mean(axis=2), np.float64)


def second_peak(image: F64, least_shift: int) -> float:
    """Highest autocorrelation of an image, broad shades removed, at shifts of `least_shift` pixels to half its size."""
    spectrum = np.fft.fft2(image, s=tuple(2 * n for n in image.shape))
    wave = np.hypot(*np.meshgrid(np.fft.fftfreq(2 * image.shape[1]), np.fft.fftfreq(2 * image.shape[0])))
    spectrum[wave < 1 / 60] = 0
    power = np.fft.ifft2(np.abs(spectrum)**2).real
    overlap = np.fft.ifft2(np.abs(np.fft.fft2(np.ones(image.shape), s=tuple(2 * n for n in image.shape)))**2).real
    shift = [np.fft.fftfreq(2 * n) * 2 * n for n in image.shape]
    near = (np.abs(shift[0])[:, None] <= image.shape[0] / 2) & (np.abs(shift[1])[None] <= image.shape[1] / 2)
    far = np.hypot(shift[0][:, None], shift[1][None]) >= least_shift
    density = power / np.maximum(overlap, 1.0)
    return float(density[near & far].max() / density[0, 0])


def test_a_square_kilometre_is_large_and_quick() -> None:
    world, seconds = built()
    assert 1200 < len(world.buildings) < 1900 and 3500 < len(world.trees) < 7000
    assert seconds < MOST_S


def test_no_two_buildings_are_the_same() -> None:
    seen = []
    for b in built()[0].buildings:
        ring = np.asarray(b.footprint)
        if shapely.Polygon(ring).area > 60:
            sides = np.round(np.hypot(*(np.roll(ring, -1, axis=0) - ring).T), 2)
            seen.append((tuple(sides.tolist()), b.roof, b.roof_material, round(b.eaves_m, 2)))
    assert len(seen) > 900 and len(set(seen)) == len(seen)


def test_no_pattern_repeats() -> None:
    image = picture(built()[0])
    assert second_peak(image, 25) < 0.15
    quarter = image[:500, :500]
    assert second_peak(np.block([[quarter, quarter], [quarter, quarter]]), 25) > 0.8, "the measure sees repetition"
