"""`mage errors`: kinds of error of a map on labelled tiles, and the page."""

import numpy as np
import pytest
import rasterio

from sim_bridge.errors import InputError
from tools.cli import main
from tools.errors import judge, write_errors


def squares():
    """Truth with an intact, a destroyed, a small missed and an unclassified building; a map that errs on each."""
    truth, found = np.zeros((80, 80), np.uint8), np.zeros((80, 80), np.uint8)
    truth[5:30, 5:30], found[5:30, 5:32] = 1, 4                 # intact, called destroyed, spilling over
    truth[40:65, 5:30], found[40:65, 5:30] = 4, 1               # destroyed, called intact
    truth[10:20, 50:60] = 1                                     # small, missed
    truth[60:70, 60:70], found[60:70, 60:70] = 255, 3           # not told
    found[30:36, 60:70] = 2                                     # invented
    return truth, found


def test_every_error_is_counted_once_under_its_kind():
    pixels, objects, picture = judge(*squares())
    assert pixels == {"missed": 100, "invented": 25 * 2 + 60, "called destroyed": 625, "called intact": 625}
    assert objects["small intact buildings missed"] == objects["small intact buildings"] == 1
    assert objects["large intact buildings"] == objects["large destroyed buildings"] == 1
    assert objects["large intact buildings missed"] == 0
    assert objects["objects where nothing stands"] == 1
    assert objects["pixels beyond a building's outline"] == 50
    assert (picture.any(axis=2).sum()) == sum(pixels.values())


def test_a_right_map_has_no_errors():
    truth, _ = squares()
    pixels, objects, picture = judge(truth, np.where(truth == 255, 0, truth).astype(np.uint8))
    assert sum(pixels.values()) == 0 and not picture.any()
    assert objects["objects where nothing stands"] == 0


def write(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    bands = values if values.ndim == 3 else values[None]
    with rasterio.open(path, "w", driver="GTiff", width=bands.shape[2], height=bands.shape[1], count=len(bands),
                       dtype="uint8") as target:
        target.write(bands)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_the_page_shows_every_tile_and_prints_the_table(tmp_path, capsys):
    truth, found = squares()
    grey = np.full((3, 80, 80), 90, np.uint8)
    for name in ("a", "b"):
        write(tmp_path / f"truth/{name}_pre.tif", grey)
        write(tmp_path / f"truth/{name}_post.tif", grey)
        write(tmp_path / f"truth/{name}_damage.tif", truth)
        write(tmp_path / f"maps/{name}/damage.tif", found)
    write_errors(tmp_path / "maps", tmp_path / "truth", tmp_path / "out/errors.html")
    text = (tmp_path / "out/errors.html").read_text()
    assert text.count("data:image/jpeg;base64,") == 2 and "<h2>b</h2>" in text
    assert "called destroyed" in capsys.readouterr().out


def test_maps_without_a_labelled_tile_are_one_line(tmp_path, capsys):
    grey = np.full((3, 20, 20), 90, np.uint8)
    write(tmp_path / "truth/a_pre.tif", grey)
    write(tmp_path / "truth/a_post.tif", grey)
    with pytest.raises(InputError, match=r"holds no <id>/damage\.tif"):
        write_errors(tmp_path / "maps", tmp_path / "truth", tmp_path / "e.html")
    arguments = ["errors", "--maps", str(tmp_path / "maps"), "--truth", str(tmp_path / "truth"), "--out", "e.html"]
    assert main(arguments) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
