"""Surfaces and light as they are drawn: near-infrared, stains, borders, shadows of crowns, smoke, water."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from small_world import CELL_M, SIZE_M, box, small_package

from sim_bridge.embedded import light as lights
from sim_bridge.embedded import textures
from sim_bridge.embedded.canopy import NOTHING_M, crown_heights
from sim_bridge.embedded.flow import NO_FIELD, silt_streaks
from sim_bridge.embedded.render import Rendered, render
from sim_bridge.embedded.scene import Scene
from sim_bridge.embedded.stains import STAINS
from sim_bridge.frames import ENU, intrinsics, look_at
from sim_bridge.spec import Light
from sim_bridge.world.materials import INDEX, TABLE
from sim_bridge.world.model import Grid, Mesh
from sim_bridge.world.package import Package

CAMERA = intrinsics(96, 96, 6.0)
CLEAR = Light(45.0, 150.0, 0.0)
NDVI = {
    # (Near-infrared - red) / (near-infrared + red), Rouse et al. 1974, as handbooks of remote sensing give it: dense
    # green plants 0.4 to 0.9, dry grass and litter less, bare soil 0.05 to 0.25, water below 0, what man built about 0
    "plants": (0.4, 0.9, ("lawn", "meadow", "field_green", "crop", "crown_broadleaf", "crown_conifer", "hedge")),
    "dry plants": (0.1, 0.45, ("lawn_dry", "grass_gold", "forest_floor", "crown_scorched")),
    "soil": (0.05, 0.25, ("soil", "field_dry", "field_red", "plough", "sand", "dirt_road")),
    "built": (-0.05, 0.15, ("asphalt", "asphalt_worn", "concrete", "roof_shingle_grey", "roof_membrane", "roof_metal")),
    "burnt": (-0.1, 0.15, ("burnt_ground", "burnt_lawn", "ash", "ash_dark", "charred_debris")),
    "water": (-1.0, 0.0, ("water", "pool_water", "flood_water", "flood_shallow", "flood_deep")),
}


def picture(package: Package, *, at: tuple[float, float] = (0.0, 0.0), gsd_m: float = 0.2, off_nadir_deg: float = 0.0,
            azimuth_deg: float = 0.0, light: Light = CLEAR, band: lights.Band = "rgb", after: bool = False) -> Rendered:
    distance = gsd_m * CAMERA.width / (2 * math.tan(math.radians(3.0)))
    pose = look_at(ENU(*at, 0.0), distance, off_nadir_deg, azimuth_deg)
    return render(Scene(package), "after" if after else "before", pose, CAMERA, light, band)


def linear(rendered: Rendered) -> npt.NDArray[np.float64]:
    """Mean radiance of each band, up to the one factor of the tone curve."""
    return np.asarray(((rendered.rgb / 255.0) ** lights.GAMMA).mean(axis=(0, 1)))


@pytest.mark.parametrize("kind", list(NDVI))
def test_vegetation_index_of_a_picture_is_that_of_its_surface(kind: str) -> None:
    low, high, names = NDVI[kind]
    for name in names:
        package = small_package(ground=name)
        red, infrared = linear(picture(package))[0], linear(picture(package, band="nir"))[0]
        # sky that water mirrors is in both bands; the index of the water itself is what the table says
        mirrored = 0.02 if kind == "water" else 0.0
        assert low - mirrored <= (infrared - red) / (infrared + red) <= high + mirrored, name


def test_every_material_of_the_table_has_a_plausible_index() -> None:
    for material in TABLE[1:]:
        index = (material.nir - material.albedo[0]) / (material.nir + material.albedo[0])
        assert -0.8 < index < 0.9, material.name
        assert 0 <= min(*material.albedo, material.nir) <= max(*material.albedo, material.nir) <= 1, material.name


def test_stains_are_of_the_table_and_stay_in_the_family() -> None:
    for name, (other, share) in STAINS.items():
        assert name in INDEX, name
        assert other in INDEX, other
        assert other != name
        assert 0 < share < 1
    look = lights.look(textures.atlas(), "rgb", 0.5)
    place = INDEX["lawn"]
    np.testing.assert_allclose(look.stain[place], TABLE[INDEX[STAINS["lawn"][0]]].albedo, rtol=1e-6)
    assert look.stained[INDEX["car_glass"]] == 0


def test_a_stain_changes_hue_and_not_only_brightness() -> None:
    rgb = picture(small_package(ground="lawn"), gsd_m=0.5).rgb.astype(float)
    hue = rgb[..., 0] / rgb[..., 1]
    assert hue.std() > 0.01


def halves(west: str, east: str) -> Package:
    package = small_package(ground=west)
    values = package.world.ground.values.copy()
    values[:, values.shape[1] // 2:] = INDEX[east]
    ground = Grid(values, -SIZE_M / 2, -SIZE_M / 2, CELL_M)
    return Package(replace(package.world, ground=ground), package.aftermath)


def test_borders_of_the_ground_are_frayed_in_colour_and_sharp_in_labels() -> None:
    out = picture(halves("concrete", "roof_bitumen"), gsd_m=0.02)
    middle = CAMERA.width // 2
    assert (out.material[:, :middle] == INDEX["concrete"]).all()
    assert (out.material[:, middle:] == INDEX["roof_bitumen"]).all()
    level = out.rgb.mean(axis=2)
    pale, dark = level[:, :20].mean(), level[:, -20:].mean()
    between = (level < pale - 0.25 * (pale - dark)) & (level > dark + 0.25 * (pale - dark))
    assert between[:, middle - 13:middle + 13].any(axis=1).all()
    assert not between[:, :middle - 14].all(axis=0).any()
    crossing = np.argmax(level < (pale + dark) / 2, axis=1)
    assert np.median(np.abs(crossing - middle)) < 8
    assert len(np.unique(crossing)) > 5


def canopy(material: str) -> Mesh:
    """A slab of 12 x 12 m, 5 m above the ground, out of faces of a metre."""
    return Mesh.concatenate([box((x, y, 5), (x + 1, y + 1, 6.5), material, material)
                             for x in range(-6, 6) for y in range(-6, 6)])


def test_sun_seeps_through_crowns_and_not_through_roofs() -> None:
    shade = {}
    for name in ("crown_broadleaf", "roof_bitumen"):
        out = picture(small_package([canopy(name)]), at=(-4.6, 8.0), gsd_m=0.15, light=Light(35.0, 150.0, 0.0))
        ground = out.rgb.mean(axis=2)[out.material == INDEX["concrete"]]
        shade[name] = ground[ground < 110]                    # of concrete in the sun: 140
    assert shade["crown_broadleaf"].mean() > 1.03 * shade["roof_bitumen"].mean()
    assert shade["crown_broadleaf"].std() > 1.3 * shade["roof_bitumen"].std()
    assert len(shade["crown_broadleaf"]) > 0.6 * len(shade["roof_bitumen"])


def test_crown_heights_follow_the_leaves() -> None:
    frame = Grid(np.zeros((int(SIZE_M), int(SIZE_M)), np.float32), -SIZE_M / 2, -SIZE_M / 2, 1.0)
    tree = box((2, 2, 1), (4, 4, 7), "crown_conifer", "crown_conifer")
    house = box((-9, -9, 0), (-4, -4, 5), "roof_slate", "wall_brick")
    heights = Grid(crown_heights(small_package([tree, house]).world.before, frame), -SIZE_M / 2, -SIZE_M / 2, 1.0)
    assert heights.at(3.0, 3.0) == 7.0
    assert heights.at(-6.0, -6.0) == NOTHING_M
    assert (crown_heights(small_package([house]).world.before, frame) == NOTHING_M).all()


def smoky(depth: float) -> Package:
    package = small_package([box((-5, -4, 0), (5, 4, 6), "roof_gravel", "wall_plaster", 7)])
    field = Grid(np.full((12, 12), depth, np.float32), -SIZE_M / 2, -SIZE_M / 2, SIZE_M / 12)
    after = replace(package.aftermath, after=package.world.before, fields={"smoke": field})
    return Package(package.world, after)


def test_smoke_hides_colour_and_nothing_else() -> None:
    clear, thin, thick = (picture(smoky(depth), after=True) for depth in (0.0, 0.5, 3.0))
    for smoke in (thin, thick):
        for name in ("depth", "material", "instance"):
            np.testing.assert_array_equal(getattr(smoke, name), getattr(clear, name))
    assert clear.rgb.std() > thin.rgb.std() > thick.rgb.std()
    np.testing.assert_array_equal(picture(smoky(3.0)).rgb, picture(smoky(0.0)).rgb)


def test_smoke_is_thinner_in_near_infrared() -> None:
    kept = {}
    for band in ("rgb", "nir"):
        clear, thick = ((picture(smoky(depth), after=True, band=band).rgb / 255.0).ravel() ** lights.GAMMA
                        for depth in (0.0, 1.5))
        kept[band] = np.polyfit(clear, thick, 1)[0]
    assert kept["nir"] > 1.3 * kept["rgb"]


def test_water_mirrors_the_sun_towards_the_eye_and_nowhere_else() -> None:
    package = small_package(ground="water")
    toward = picture(package, off_nadir_deg=45.0, azimuth_deg=330.0)
    away, down = picture(package, off_nadir_deg=45.0, azimuth_deg=150.0), picture(package)
    assert linear(toward).min() > 4 * linear(away).max()
    assert linear(away).mean() == pytest.approx(linear(down).mean(), rel=0.5)


def test_streaks_lie_along_the_flow() -> None:
    still, east = np.zeros((80, 80), np.float32), np.full((80, 80), 1.0, np.float32)
    frame = (-40.0, -40.0, 1.0)
    streaks = silt_streaks({"flow_east_ms": Grid(east, *frame), "flow_north_ms": Grid(still, *frame)}).values
    assert np.abs(np.diff(streaks, axis=1)).mean() < 0.4 * np.abs(np.diff(streaks, axis=0)).mean()
    assert streaks.std() == pytest.approx(1.0, abs=0.1)
    assert silt_streaks({}) is NO_FIELD
    assert silt_streaks({"flow_east_ms": Grid(still, *frame), "flow_north_ms": Grid(still, *frame)}) is NO_FIELD


def test_a_flow_shows_in_turbid_water() -> None:
    package = small_package(ground_after="flood_water")
    frame = (-SIZE_M / 2, -SIZE_M / 2, 2.0)
    n = int(SIZE_M / 2)
    fields = {"flow_east_ms": Grid(np.full((n, n), 2.0, np.float32), *frame),
              "flow_north_ms": Grid(np.zeros((n, n), np.float32), *frame)}
    flowing = Package(package.world, replace(package.aftermath, fields=fields))
    still, moved = (picture(p, gsd_m=0.6, after=True).rgb.mean(axis=2) for p in (package, flowing))
    assert moved.mean(axis=1).std() > 1.5 * still.mean(axis=1).std()


@pytest.mark.parametrize("name", ["asphalt", "soil", "grass", "leaf", "ash", "sheet", "slabs", "water"])
def test_spectra_fall_as_those_of_nature_do(name: str) -> None:
    """Power of an octave over the next finer one: 1/f^beta with beta from 0.5 to 4 (Field 1987: about 2)."""
    power = np.abs(np.fft.fft2(textures.pattern(name))) ** 2
    axis = np.fft.fftfreq(textures.SIZE, 1 / textures.SIZE)
    radius = np.hypot(axis[:, None], axis[None])
    level = [power[(radius >= f) & (radius < 2 * f)].mean() for f in (8, 64)]
    assert 0.5 < math.log2(level[0] / level[1]) / 3 < 4


@pytest.mark.parametrize("name", ["shingle", "ribs"])
def test_roofs_are_streaked_down_their_slope(name: str) -> None:
    pattern = textures.pattern(name)
    assert np.abs(np.diff(pattern, axis=0)).mean() < 0.85 * np.abs(np.diff(pattern, axis=1)).mean()
