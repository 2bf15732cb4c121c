"""Floods: water is where it can be, as much as there is, flat where it stands; what it does has a published size."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Literal

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_bridge.classes import FLOODED
from sim_bridge.hazards import strike
from sim_bridge.hazards.common import F64
from sim_bridge.hazards.drift import Stream, trace
from sim_bridge.hazards.flood import loss_percent
from sim_bridge.hazards.grades import order
from sim_bridge.hazards.hydrology import connected, flow, ponds, runoff_mm
from sim_bridge.hazards.silt import split
from sim_bridge.spec import Flood, Layout, SceneSpec
from sim_bridge.world.build import build_world
from sim_bridge.world.materials import INDEX, TABLE
from sim_bridge.world.model import Aftermath, Grid, Mesh, World

LAYOUT = Layout(size_m=200.0, water="river", relief_m=4.0, density=0.9)
Water = Literal["none", "pond", "river", "sea"]
HAZARD = np.array([m.hazard for m in TABLE])


@cache
def world(water: Water = "river") -> World:
    return build_world(SceneSpec(seed=3, layout=replace(LAYOUT, water=water)))


@cache
def after(flood: Flood, water: Water = "river") -> Aftermath:
    return strike(world(water), SceneSpec(seed=3, layout=replace(LAYOUT, water=water), hazard=flood))


def hills(seed: int, n: int = 40) -> F64:
    rough = np.random.default_rng(seed).random((n, n))
    return np.asarray(scipy.ndimage.gaussian_filter(rough, 2.5) * 40)


def brute_ponds(height: F64, runoff: F64) -> F64:
    """The same question by hand: packets of water walk downhill, and raise the lowest cell where they are stuck."""
    level, quantum = height.copy(), 2e-3
    ny, nx = height.shape
    packets = [(y, x) for y, x in np.ndindex(ny, nx) for _ in range(round(float(runoff[y, x]) / quantum))]
    for y, x in packets:
        while 0 < y < ny - 1 and 0 < x < nx - 1:
            window = level[y - 1:y + 2, x - 1:x + 2]
            dy, dx = np.unravel_index(int(window.argmin()), (3, 3))
            if window[dy, dx] >= level[y, x]:
                level[y, x] += quantum
                break
            y, x = y + int(dy) - 1, x + int(dx) - 1
    return np.asarray(level - height)


@given(st.integers(0, 10_000), st.floats(0, 3))
@settings(max_examples=25, deadline=None)
def test_every_litre_stands_somewhere_or_has_left(seed: int, rain_m: float) -> None:
    height = hills(seed)
    found = ponds(height, np.full(height.shape, rain_m), 2.0)
    depth = np.where(np.isnan(found.level_m), 0, found.level_m - height)
    assert depth.min() >= 0
    assert depth.sum() * 4 + found.left_m3 == pytest.approx(rain_m * height.size * 4, rel=1e-6, abs=1e-6)


@given(st.integers(0, 10_000), st.floats(0.01, 2))
@settings(max_examples=25, deadline=None)
def test_ponds_are_flat_and_more_rain_is_never_less_water(seed: int, rain_m: float) -> None:
    height = hills(seed)
    found, more = (ponds(height, np.full(height.shape, r), 2.0).level_m for r in (rain_m, 1.5 * rain_m))
    # inside a pond, across edges, the level is one; where two ponds meet, a saddle as high as one of them parts them
    for axis in (0, 1):
        a, b = (np.take(found, range(k, found.shape[axis] - 1 + k), axis) for k in (0, 1))
        low = np.maximum(*(np.take(height, range(k, found.shape[axis] - 1 + k), axis) for k in (0, 1)))
        apart = np.abs(a - b) > 1e-9
        assert (low[apart] >= np.fmin(a, b)[apart] - 1e-9).all()
    both = ~np.isnan(found)
    assert (more[both] >= found[both] - 1e-9).all()


def test_ponds_against_packets_of_water() -> None:
    """An independent, plain simulation, coarse in volume: depths agree where ponds are deep."""
    height = hills(5, 24)
    rain = np.full(height.shape, 0.12)
    fast = ponds(height, rain, 1.0).level_m
    fast = np.where(np.isnan(fast), 0, fast - height)
    slow = brute_ponds(height, rain)
    assert slow.max() > 0.3
    assert fast.sum() == pytest.approx(slow.sum(), rel=0.15)
    assert np.corrcoef(fast.ravel(), slow.ravel())[0, 1] > 0.97


def test_a_basin_fills_like_a_cup() -> None:
    height = np.full((11, 11), 5.0)
    height[3:8, 3:8] = 1.0
    found = ponds(height, np.where(height < 2, 2.0, 0.0), 1.0)
    assert found.level_m[5, 5] == pytest.approx(3.0) and np.isnan(found.level_m[0, 0]) and found.left_m3 == 0
    over = ponds(height, np.where(height < 2, 7.0, 0.0), 1.0)
    assert over.level_m[5, 5] == pytest.approx(5.0) and over.left_m3 == pytest.approx(25 * 3)


@pytest.mark.parametrize(("rain_mm", "number", "expected_mm"), [(152.4, 74, 80.9), (50.8, 98, 45.1), (10.0, 60, 0.0)])
def test_runoff_is_tr55(rain_mm: float, number: float, expected_mm: float) -> None:
    """Worked by hand from equations 2-3 and 2-4; 6 inches on 74 are 3.19 inches of runoff, 2 inches on 98 are 1.77."""
    assert float(runoff_mm(rain_mm, number)) == pytest.approx(expected_mm, abs=0.1)


@pytest.mark.parametrize(("feet", "percent"), [(-2, 0), (0, 13.4), (1, 23.3), (4, 47.1), (16, 80.7)])
def test_losses_are_the_published_ones(feet: float, percent: float) -> None:
    assert float(loss_percent(feet * 0.3048)) == pytest.approx(percent)


@given(st.integers(0, 1000), st.floats(0, 15))
@settings(max_examples=30)
def test_stage_fill_against_a_plain_flood_fill(seed: int, level: float) -> None:
    height = hills(seed, 24)
    source = np.zeros(height.shape, np.bool_)
    source[0, :5] = True
    wet = connected(height - level, source)
    front = [tuple(c) for c in np.argwhere(source & (height < level))]
    seen = set(front)
    while front:
        y, x = front.pop()
        for v, u in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
            if 0 <= v < 24 and 0 <= u < 24 and height[v, u] < level and (v, u) not in seen:
                seen.add((v, u))
                front.append((v, u))
    assert {tuple(c) for c in np.argwhere(wet)} == seen


def test_channel_flows_at_mannings_speed() -> None:
    depth, head = np.full((20, 60), 1.5), np.zeros((20, 60))
    ends = np.zeros(depth.shape, np.bool_)
    ends[:, 0] = ends[:, -1] = True
    head[:, 0] = 59 * 5.0 * 1e-3
    east, north = flow(depth, ends, head, 5.0)
    assert east[10, 30] == pytest.approx(1.5 ** (2 / 3) / 0.05 * 1e-3**0.5, rel=1e-6)
    assert np.abs(north).max() < 1e-9


def test_rising_water_flows_away_from_its_source() -> None:
    depth, source = np.full((21, 21), 1.0), np.zeros((21, 21), np.bool_)
    source[10, 10] = True
    east, north = flow(depth, source, np.zeros((21, 21)), 5.0, rise_m_s=1e-4)
    assert east[10, 15] > 0 > east[10, 5] and north[15, 10] > 0 > north[5, 10]


def test_low_stages_matter_on_low_ground() -> None:
    hurt = [np.mean([row.grade > 1 for row in after(Flood(stage_m=m)).damage]) for m in (1.0, 2.0, 3.0)]
    assert hurt[0] <= hurt[1] <= hurt[2] and hurt[1] > 0.05 and hurt[2] > 0.15


@settings(max_examples=6, deadline=None)
@given(st.floats(0, 6), st.floats(0.1, 4), st.booleans())
def test_higher_is_never_kinder(stage: float, more: float, rain: bool) -> None:
    rank = {state: k for k, state in enumerate(order("flood"))}
    floods = [Flood(rain_mm=round(1 + 100 * m, 1)) if rain else Flood(stage_m=round(m, 2))
              for m in (stage, stage + more)]
    low, high = (after(f).damage for f in floods)
    assert all(rank[a.state] <= rank[b.state] for a, b in zip(low, high, strict=True))


@pytest.mark.parametrize("flood", [Flood(stage_m=2.5), Flood(rain_mm=200.0)])
def test_no_water_on_dry_hills(flood: Flood) -> None:
    result = after(flood)
    depth = result.fields["depth_m"]
    drawn = result.after.material
    water = np.isin(drawn, [INDEX[n] for n in ("flood_shallow", "flood_water", "flood_deep")])
    corners = result.after.vertices[result.after.faces[water]]
    centre = corners.mean(axis=1)
    assert len(corners) and np.ptp(corners[..., 2], axis=1).max() < 1e-4
    near = scipy.ndimage.binary_dilation(depth.values > 0, iterations=3)
    iy, ix = depth.cell(centre[:, 0], centre[:, 1])
    assert near[iy, ix].mean() > 0.98


def test_rain_in_a_place_stands_in_its_hollows() -> None:
    result = after(Flood(rain_mm=200.0), "none")
    depth = result.fields["depth_m"].values
    assert 0.005 < (depth > 0.05).mean() < 0.6


def test_recession_leaves_silt_and_stains_and_no_water() -> None:
    result = after(Flood(stage_m=3.0, recession=1.0))
    mesh, ground = result.after, result.ground.values
    assert not np.isin(mesh.material, [INDEX[n] for n in ("flood_shallow", "flood_water", "flood_deep")]).any()
    wet = result.fields["depth_m"].values > 0
    for name in ("road_silted", "lawn_silted", "mud"):
        found = ground == INDEX[name]
        assert found.any() and HAZARD[INDEX[name]] == FLOODED
        y, x = np.nonzero(found)
        grid = result.ground
        east, north = grid.west_m + (x + 0.5) * grid.cell_m, grid.south_m + (y + 0.5) * grid.cell_m
        iy, ix = result.fields["depth_m"].cell(east, north)
        assert scipy.ndimage.binary_dilation(wet, iterations=2)[iy, ix].all()
    assert (mesh.material == INDEX["wall_stained"]).any()
    peak = after(Flood(stage_m=3.0))
    assert [r.grade for r in peak.damage] == [r.grade for r in result.damage]


def area(mesh: Mesh) -> float:
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    return float(0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1).sum())


def test_cut_faces_keep_their_area() -> None:
    rng = np.random.default_rng(0)
    vertices = rng.uniform(0, 5, (90, 3)).astype(np.float32)
    mesh = Mesh(vertices, np.arange(90, dtype=np.uint32).reshape(-1, 3), np.zeros(30, np.uint16),
                np.zeros(30, np.uint32), np.zeros((30, 3), np.uint8))
    low, high = split(mesh, np.full(30, 2.5))
    assert area(low) + area(high) == pytest.approx(area(mesh), rel=1e-4)
    assert low.vertices[:, 2].max() <= 2.5 + 1e-5 and high.vertices[:, 2].min() >= 2.5 - 1e-5


def test_drifting_things_stop_before_walls() -> None:
    blocked = np.zeros((40, 40), np.bool_)
    blocked[:, 30] = True
    stream = Stream(Grid(np.full((40, 40), 2.0, np.float32), 0.0, 0.0, 1.0), np.zeros((40, 40)), np.ones((40, 40)),
                    np.zeros((40, 40)), blocked)
    rest = trace(stream, np.array([[5.0, 20.0], [5.0, 5.0]]), np.array([100.0, 7.9]), 0.5)
    assert 27 < rest[0, 0] < 30 and rest[1, 0] == pytest.approx(12.9) and rest[:, 1].tolist() == [20.0, 5.0]


def test_each_cause_names_a_value() -> None:
    for flood in (Flood(stage_m=2.5), Flood(rain_mm=150.0)):
        assert all(any(c.isdigit() for c in row.cause) for row in after(flood).damage)


def test_streets_under_water_are_blocked() -> None:
    assert after(Flood(stage_m=4.0)).blocked_streets
    assert after(Flood(stage_m=4.0, recession=1.0)).blocked_streets == ()
