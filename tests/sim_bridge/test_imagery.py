"""Reading real imagery: what is a pair, and each kind of bad file in one clear line."""

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from sim_bridge.errors import InputError
from sim_bridge.imagery import find_pairs, ground_sampling_m, read_rgb, resample


def write(path, pixels, crs="EPSG:32633", gsd=0.5):
    path.parent.mkdir(parents=True, exist_ok=True)
    bands = pixels if pixels.ndim == 3 else pixels[None]
    with rasterio.open(path, "w", driver="GTiff", width=bands.shape[2], height=bands.shape[1], count=bands.shape[0],
                       dtype=bands.dtype, crs=crs, transform=from_origin(500000, 5000000, gsd, gsd)) as out:
        out.write(bands)
    return path


def rgb(seed=0, size=32):
    return np.random.default_rng(seed).integers(0, 255, (3, size, size), dtype=np.uint8)


def test_both_layouts_of_pairs(tmp_path):
    for name in ("a_pre.tif", "a_post.tif", "b_pre.tif", "pre/c.tif", "post/c.tif"):
        write(tmp_path / name, rgb())
    assert [p.id for p in find_pairs(tmp_path)] == ["a", "c"]


def test_read_back_with_its_ground_sampling(tmp_path):
    image = read_rgb(write(tmp_path / "x.tif", rgb(1)))
    assert (image.pixels == rgb(1).transpose(1, 2, 0)).all()
    assert image.gsd_m == pytest.approx(0.5)


def test_geographic_ground_sampling():
    # 1e-5 degree at 60 north: 1.114 m of meridian, half of that of parallel
    gsd = ground_sampling_m(rasterio.crs.CRS.from_epsg(4326), from_origin(10, 60, 1e-5, 1e-5), 10, 10)
    assert gsd == pytest.approx(np.sqrt(1.114 * 0.558), rel=0.005)


def test_resample_changes_size_only_by_the_ratio():
    assert resample(np.zeros((40, 60, 3), np.uint8), 0.5, 1.0).shape == (20, 30, 3)


def test_bad_files_are_named(tmp_path):
    whole = write(tmp_path / "whole.tif", rgb(size=64))
    truncated = tmp_path / "cut.tif"
    truncated.write_bytes(whole.read_bytes()[:3000])
    cases = {
        truncated: "cannot be read",
        write(tmp_path / "one.tif", rgb()[0]): "has 1 band(s): expected 3",
        write(tmp_path / "deep.tif", rgb().astype(np.uint16)): "is uint16: expected uint8",
        tmp_path / "missing.tif": "cannot be read",
    }
    for path, message in cases.items():
        with pytest.raises(InputError) as caught:
            read_rgb(path)
        assert message in str(caught.value) and str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_bad_folders_are_named(tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        find_pairs(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no images"):
        find_pairs(tmp_path)
    write(tmp_path / "a_pre.tif", rgb())
    with pytest.raises(InputError, match="holds no pairs"):
        find_pairs(tmp_path)
