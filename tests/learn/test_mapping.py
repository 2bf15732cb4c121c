"""Tiles, weights, rasters and buildings of a map, with analytic models that look at one pixel at a time."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rio_cogeo.cogeo import cog_validate

from learn.mapping import map_pair, map_pairs, vectorise
from learn.mapping.blend import plan_axis, reach, strips
from learn.mapping.maps import MapOptions, map_folder, map_with
from learn.mapping.predict import LAYERS, Predictor, Probabilities, plan_tiling, predict_raster
from learn.mapping.products import COPERNICUS, LAYER, NOT_ANALYSED, write_rasters
from learn.mapping.rasters import open_pair
from learn.model import ModelCard, new_model, save_model
from sim_bridge.classes import CLASS_ID, IGNORE
from sim_bridge.errors import InputError

UTM = "EPSG:32610"
HALF_METRE = Affine(0.5, 0, 520000, 0, -0.5, 4250000)
GSD_M = 0.5


def local_model(before: np.ndarray, after: np.ndarray) -> Probabilities:
    """Red before = building; blue after = destroyed. Every pixel for itself, so tiles cannot change the outcome."""
    red = before[..., 0].astype(np.float32) / 255
    blue = after[..., 2].astype(np.float32) / 255
    return Probabilities(_landcover(red), _landcover(after[..., 0] / np.float32(255)), _damage(blue))


def _landcover(building: np.ndarray) -> np.ndarray:
    maps = np.zeros((building.shape[0], 10, *building.shape[1:]), np.float32)
    maps[:, CLASS_ID["building"]] = building
    maps[:, CLASS_ID["grass"]] = 1 - building
    return maps


def _damage(blue: np.ndarray) -> np.ndarray:
    return np.stack([1 - blue, 0 * blue, 0 * blue, blue], axis=1)


PREDICTOR = Predictor(local_model, GSD_M, None, "local-model")


def write_image(path: Path, pixels: np.ndarray, crs: str | None = UTM, transform: Affine = HALF_METRE,
                **more: object) -> Path:
    profile = {"driver": "GTiff", "height": pixels.shape[0], "width": pixels.shape[1], "count": pixels.shape[2],
               "dtype": pixels.dtype, **more}
    if crs:
        profile |= {"crs": crs, "transform": transform}
    with rasterio.open(path, "w", **profile) as sink:
        sink.write(pixels.transpose(2, 0, 1))
    return path


def town(height: int = 200, width: int = 260) -> tuple[np.ndarray, np.ndarray]:
    """Three houses: intact, destroyed, and one the model is unsure of."""
    before, after = np.zeros((2, height, width, 3), np.uint8)
    for left, red, blue in ((20, 255, 0), (100, 255, 255), (180, 255, 140)):
        before[40:70, left:left + 40, 0] = red
        after[40:70, left:left + 40, 2] = blue
    return before, after


@pytest.fixture
def pair_files(tmp_path: Path) -> tuple[Path, Path]:
    before, after = town()
    return write_image(tmp_path / "a_pre.tif", before), write_image(tmp_path / "a_post.tif", after)


@given(length=st.integers(1, 3000), tile=st.integers(8, 400), share=st.floats(0, 0.9))
def test_weights_sum_to_one_and_tiles_cover(length: int, tile: int, share: float) -> None:
    axis = plan_axis(length, tile, int(tile * share))
    total = np.zeros(max(length, axis.tile))
    for index, start in enumerate(axis.starts):
        weights = axis.weights(index)
        assert weights.min() >= 0
        total[start:start + axis.tile] += weights
    np.testing.assert_allclose(total[:length], 1, atol=1e-6)
    assert axis.tile <= 1.5 * tile + 1
    assert all(b - a <= axis.tile - axis.overlap for a, b in zip(axis.starts, axis.starts[1:], strict=False))


@given(length=st.integers(1, 3000), tile=st.integers(8, 200), share=st.floats(0, 0.9), width=st.integers(1, 2000))
def test_strips_partition_the_axis_and_know_their_tiles(length: int, tile: int, share: float, width: int) -> None:
    axis = plan_axis(length, tile, int(tile * share))
    expected = 0
    for group in strips(axis, width):
        start, stop, tiles = reach(axis, group)
        assert start == expected
        total = np.zeros(length + 2 * axis.tile)
        for index in tiles:
            total[axis.starts[index]:axis.starts[index] + axis.tile] += axis.weights(index)
        np.testing.assert_allclose(total[start:stop], 1, atol=1e-6)
        expected = stop
    assert expected == length


def test_overlap_as_large_as_the_tile_is_refused() -> None:
    with pytest.raises(ValueError, match="overlap 64"):
        plan_axis(100, 64, 64)


@pytest.mark.parametrize(("strip_px", "tile", "overlap"), [(8192, 64, 16), (64, 64, 16), (64, 96, 64), (8192, 8, 2)])
def test_tiles_merge_to_what_one_tile_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strip_px: int, tile: int,
                                           overlap: int) -> None:
    monkeypatch.setattr("learn.mapping.predict.STRIP_PX", strip_px)
    pixels = np.random.default_rng(4).integers(0, 256, (2, 170, 230, 3), dtype=np.uint8)
    pre, post = (write_image(tmp_path / f"{i}.tif", each) for i, each in enumerate(pixels))
    layers = []
    with open_pair(pre, post) as pair:
        for tiling, batch in ((plan_tiling(pair.grid, GSD_M, tile, overlap), 3),
                              (plan_tiling(pair.grid, GSD_M, 512, 64), 1)):
            path = predict_raster(pair, PREDICTOR, tiling, batch,
                                  tmp_path / "scratch.tif", progress=False)
            with rasterio.open(path) as source:
                layers.append(source.read())
    assert np.abs(layers[0].astype(int) - layers[1])[1:].max() <= 1
    assert (layers[0][0] == layers[1][0]).mean() > 0.999
    np.testing.assert_array_equal(layers[1][LAYERS.index("landcover_pre")] == 1, pixels[0][..., 0] >= 128)


def test_products_keep_the_grid_and_are_cogs(pair_files: tuple[Path, Path], tmp_path: Path) -> None:
    out = map_with(*pair_files, PREDICTOR, tmp_path / "out", MapOptions(tile=96, overlap=32), progress=False)
    for name in ("damage", "confidence", "landcover_pre", "landcover_post"):
        with rasterio.open(out / f"{name}.tif") as raster:
            assert (raster.crs, raster.transform, raster.shape) == (UTM, HALF_METRE, (200, 260))
            assert raster.dtypes == ("uint8",) and raster.nodata == IGNORE
            if name == "damage":
                assert raster.colormap(1)[4] == (200, 30, 40, 255)
                damage = raster.read(1)
        assert cog_validate(out / f"{name}.tif")[0]
    assert sorted(np.unique(damage)) == [0, 1, 4]
    assert damage[50, 30] == 1 and damage[50, 120] == 4 and damage[10, 10] == 0
    assert not list(out.glob(".map-*"))


@pytest.mark.parametrize("width", [512, 1023, 1024])
def test_tall_rasters_whose_levels_are_as_wide_as_a_tile(tmp_path: Path, width: int) -> None:
    scratch = write_image(tmp_path / "scratch.tif", np.zeros((2100, width, len(LAYERS)), np.uint8))
    for path in write_rasters(scratch, tmp_path, {}):
        for level in range(2):
            with rasterio.open(path, OVERVIEW_LEVEL=level) as source:
                assert source.block_shapes == [(512, 512)]


def test_buildings_vote_and_carry_their_attributes(pair_files: tuple[Path, Path], tmp_path: Path) -> None:
    out = map_with(*pair_files, PREDICTOR, tmp_path / "out", MapOptions(confidence_bar=0.6), progress=False)
    frame = geopandas.read_file(out / "buildings.gpkg", layer=LAYER)
    fields = {"damage_gra", "mage_grade", "p1", "p2", "p3", "p4", "confidence", "coverage", "area_m2", "det_method",
              "table_ver", "model_id", "src_pre", "src_post"}
    assert fields <= set(frame.columns)
    assert frame.crs == "EPSG:4326"
    frame = frame.assign(x=frame.to_crs(UTM).centroid.x).sort_values("x")
    assert list(frame["damage_gra"]) == [COPERNICUS[1], COPERNICUS[4], NOT_ANALYSED]
    assert list(frame["mage_grade"]) == [1, 4, 4]
    np.testing.assert_allclose(frame["area_m2"], 30 * 40 * 0.25, rtol=0.01)
    np.testing.assert_allclose(frame[["p1", "p2", "p3", "p4"]].sum(axis=1), 1, atol=0.001)
    assert set(frame["det_method"]) == {"Automatic extraction"}


def test_a_raster_without_buildings_gives_an_empty_layer(tmp_path: Path) -> None:
    blank = np.zeros((64, 64, 3), np.uint8)
    pre, post = (write_image(tmp_path / name, blank) for name in ("pre.tif", "post.tif"))
    out = map_with(pre, post, PREDICTOR, tmp_path / "out", MapOptions(), progress=False)
    frame = geopandas.read_file(out / "buildings.gpkg", layer=LAYER)
    assert len(frame) == 0 and "damage_gra" in frame.columns


def test_without_crs_the_map_is_in_pixels_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    before, after = town()
    pre, post = (write_image(tmp_path / f"{n}.png", image, crs=None, driver="PNG")
                 for n, image in (("pre", before), ("post", after)))
    with caplog.at_level(logging.WARNING):
        out = map_with(pre, post, PREDICTOR, tmp_path / "out", MapOptions(gsd_m=0.5), progress=False)
    assert "has no CRS" in caplog.text
    frame = geopandas.read_file(out / "buildings.gpkg", layer=LAYER)
    assert frame.total_bounds.tolist() == pytest.approx([20, -70, 220, -40], abs=1)
    np.testing.assert_allclose(frame["area_m2"], 300, rtol=0.02)


def test_other_resolutions_reach_the_model_at_its_own(tmp_path: Path) -> None:
    before, after = (np.repeat(np.repeat(image, 2, 0), 2, 1) for image in town())
    fine = Affine(0.25, 0, 520000, 0, -0.25, 4250000)
    pre, post = (write_image(tmp_path / f"{n}.tif", image, transform=fine)
                 for n, image in (("pre", before), ("post", after)))
    seen: list[tuple[int, ...]] = []

    def spy(first: np.ndarray, second: np.ndarray) -> Probabilities:
        seen.append(first.shape)
        return local_model(first, second)

    out = map_with(pre, post, Predictor(spy, GSD_M, None, "spy"), tmp_path / "out", MapOptions(), progress=False)
    assert seen == [(1, 224, 288, 3)]
    with rasterio.open(out / "damage.tif") as raster:
        assert raster.shape == (400, 520) and raster.transform == fine
        assert raster.read(1)[100, 60] == 1 and raster.read(1)[100, 240] == 4


def test_an_after_raster_on_another_grid_is_brought_over(tmp_path: Path) -> None:
    before, after = town()
    pre = write_image(tmp_path / "pre.tif", before)
    half = after[::2, ::2][:80]
    post = write_image(tmp_path / "post.tif", half, transform=Affine(1, 0, 520000, 0, -1, 4250000))
    out = map_with(pre, post, PREDICTOR, tmp_path / "out", MapOptions(), progress=False)
    with rasterio.open(out / "damage.tif") as raster:
        damage = raster.read(1)
    assert damage[50, 30] == 1 and damage[50, 120] == 4
    assert (damage[165:] == IGNORE).all(), "the after raster ends at row 160"


def test_large_buildings_and_window_borders_lose_and_double_nothing(tmp_path: Path,
                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectorise, "CORE_PX", 64)
    monkeypatch.setattr(vectorise, "MARGIN_PX", 32)
    before = np.zeros((200, 260, 3), np.uint8)
    before[10:30, 50:80, 0] = before[100:190, 20:240, 0] = before[60:68, 120:136, 0] = 255
    pre, post = (write_image(tmp_path / n, image) for n, image in (("p.tif", before), ("q.tif", 0 * before)))
    out = map_with(pre, post, PREDICTOR, tmp_path / "out", MapOptions(simplify_m=0), progress=False)
    frame = geopandas.read_file(out / "buildings.gpkg", layer=LAYER).to_crs(UTM)
    expected = (before[..., 0] > 0).sum() * 0.25
    assert frame.union_all().area == pytest.approx(expected, rel=1e-3)
    assert frame.area.sum() == pytest.approx(expected, rel=1e-3)


def test_touching_houses_are_parted() -> None:
    mask = np.zeros((40, 60), bool)
    mask[10:30, 5:25] = mask[10:30, 28:50] = mask[19:21, 25:28] = True
    labels = vectorise.split(mask, 2)
    assert labels[20, 10] != labels[20, 40]
    assert ((labels > 0) == mask).all()


@pytest.mark.parametrize(("fault", "message"), [("missing", "cannot be read"), ("bands", "1 band"),
                                                ("depth", "uint16"), ("truncated", "pre.tif"), ("grid", "has no CRS")])
def test_bad_rasters_are_refused_in_one_line(tmp_path: Path, fault: str, message: str) -> None:
    before, after = town()
    pre, post = tmp_path / "pre.tif", write_image(tmp_path / "post.tif", after)
    if fault == "bands":
        write_image(pre, before[..., :1])
    elif fault == "depth":
        write_image(pre, before.astype(np.uint16))
    elif fault == "truncated":
        write_image(pre, before)
        pre.write_bytes(pre.read_bytes()[:5000])
    elif fault == "grid":
        write_image(pre, before[:90], crs=None)
    with pytest.raises(InputError, match=message) as caught:
        map_with(pre, post, PREDICTOR, tmp_path / "out", MapOptions(), progress=False)
    assert "\n" not in str(caught.value)


def test_a_folder_of_pairs_gets_a_folder_each(pair_files: tuple[Path, Path], tmp_path: Path) -> None:
    summary = map_folder(tmp_path, PREDICTOR, tmp_path / "maps", MapOptions())
    assert (tmp_path / "maps" / "a" / "damage.tif").is_file()
    assert '"pairs": 1' in summary.read_text()


def test_a_trained_model_folder_maps_through_the_public_calls(pair_files: tuple[Path, Path], tmp_path: Path) -> None:
    torch.set_num_threads(1)
    card = ModelCard()
    save_model(tmp_path / "model", new_model(card, pretrained=False, seed=3), card)
    out = map_pair(*pair_files, tmp_path / "model", tmp_path / "one", tile=128, overlap=32, batch=2)
    map_pairs(tmp_path, tmp_path / "model", tmp_path / "all", tile=128, overlap=32)
    with rasterio.open(out / "damage.tif") as one, rasterio.open(tmp_path / "all" / "a" / "damage.tif") as each:
        np.testing.assert_array_equal(one.read(), each.read())
        assert one.tags()["model_id"] == hashlib.sha256((tmp_path / "model/model.safetensors").read_bytes()
                                                        ).hexdigest()[:12]
