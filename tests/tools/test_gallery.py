"""`mage world`: packages from files of scenes, their description, the gallery and the tables, as a user runs them."""

import json
import re

import cv2
import numpy as np
import pytest

from sim_bridge.errors import InputError
from sim_bridge.hazards.grades import STATES
from sim_bridge.spec import from_json
from sim_bridge.world.materials import TABLE
from tools import cli, gallery, showcase, tables
from tools.gallery import Gallery, draw_gallery
from tools.worlds import build_worlds, read_scenes

SCENE = {"seed": 3, "layout": {"size_m": 100, "density": 0.9}, "hazard": {"kind": "earthquake", "magnitude": 7.0}}
SMALL = Gallery(("suburb",), ("earthquake",), size_m=100.0, px=64)


def run(*arguments):
    return cli.main(["world", *map(str, arguments)])


def test_build_writes_one_package_a_scene_and_keeps_it(tmp_path, capsys):
    file, out = tmp_path / "scene.json", tmp_path / "worlds"
    file.write_text(json.dumps(SCENE))
    assert run("build", file, "-o", out) == 0
    folder = out / from_json(SCENE).world_id
    stamp = (folder / "world.json").stat().st_mtime_ns
    assert run("build", file, "-o", out) == 0
    assert (folder / "world.json").stat().st_mtime_ns == stamp
    assert capsys.readouterr().out.split() == [str(folder)] * 2


def test_campaigns_and_lists_name_many_scenes(tmp_path):
    campaign = tmp_path / "c.toml"
    campaign.write_text('scenes = 3\n[campaign]\nwidth = 64\n[space]\n"layout.density" = [0.2, 0.8]\n')
    assert len(read_scenes(campaign)) == 3 and len(read_scenes(campaign, 2)) == 2
    several = tmp_path / "s.json"
    several.write_text(json.dumps([SCENE, {**SCENE, "seed": 4}]))
    assert [s.seed for s in read_scenes(several)] == [3, 4]


@pytest.mark.parametrize(("text", "words"), [
    ("{", "cannot be read"), ("[]", "holds no scene"), ('{"sed": 1}', "scene.sed is not known"),
    ('{"layout": {"size_m": 9}}', "layout.size_m is 9"), ('{"rules": [{"file": "no.rpk"}]}', "no.rpk: cannot be read"),
])
def test_bad_files_are_one_clear_line(tmp_path, capsys, text, words):
    file = tmp_path / "scene.json"
    file.write_text(text)
    assert run("build", file, "-o", tmp_path / "w") == 2
    captured = capsys.readouterr()
    assert words in captured.err and captured.err.count("\n") == 1


def test_info_counts_what_is_there(tmp_path, capsys):
    file = tmp_path / "scene.json"
    file.write_text(json.dumps(SCENE))
    folder = next(iter(build_worlds(file, tmp_path)))
    assert run("info", folder) == 0
    text = capsys.readouterr().out
    document = json.loads((folder / "world.json").read_text())
    assert f"buildings: {len(document['buildings'])} on" in text and f"trees: {len(document['trees'])}:" in text
    assert "hazard earthquake" in text and "field pga_g:" in text
    grades = re.search(r"^damage: (.*)$", text, re.M)[1]
    counted = sum(int(n) for n in re.findall(r"(\d+)(?:,|$)", grades))
    assert counted == len(document["buildings"])
    shares = re.search(r"^land use: (.*)$", text, re.M)[1]
    assert sum(float(v) for v in re.findall(r"([\d.]+)%", shares)) == pytest.approx(100, abs=1)
    assert re.search(r"memory: \d+ MB loaded in [\d.]+ s, -?\d+ MB more to draw both phases; \d+ MB on disk", text)
    assert run("info", tmp_path / "nothing") == 2


def test_a_gallery_shows_pictures_and_labels_and_goes_on_where_it_was(tmp_path):
    page = draw_gallery(tmp_path, SMALL)
    sheet = cv2.imread(str(tmp_path / "sheets" / "suburb_earthquake.png"))
    assert sheet.shape == (gallery.TITLE_PX + 9 * 64, 4 * 64, 3)
    title = gallery.TITLE_PX
    rgb, classes, use = (sheet[title + k * 64:title + (k + 1) * 64, :64, ::-1] for k in range(3))
    assert len(np.unique(rgb.reshape(-1, 3), axis=0)) > 300
    for labels, palette in ((classes, gallery._CLASSES), (use, gallery._USE)):
        found = {tuple(c) for c in np.unique(labels.reshape(-1, 3), axis=0)}
        assert len(found) > 1 and found <= {tuple(c) for c in palette}
    text = page.read_text()
    assert "data:image/jpeg;base64," in text and not re.search(r"(src|href)=\"(?!data:|#)", text)
    assert "No real tiles were given" in text
    marked = tmp_path / "sheets" / "suburb_earthquake.png"
    stamp = marked.stat().st_mtime_ns
    draw_gallery(tmp_path, SMALL)
    assert marked.stat().st_mtime_ns == stamp
    draw_gallery(tmp_path, Gallery(("suburb",), ("earthquake",), size_m=100.0, px=64, seed=6))
    assert marked.stat().st_mtime_ns != stamp


def test_a_gallery_that_is_stopped_leaves_whole_sheets_only(tmp_path, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(gallery, "damage_of", stop)
    assert run("gallery", "-o", tmp_path, "--settlements", "suburb", "--hazards", "earthquake", "--size", "100",
               "--px", "64") == 130
    assert not list((tmp_path / "sheets").iterdir()) and not (tmp_path / "index.html").exists()


@pytest.mark.parametrize(("plan", "words"), [
    (Gallery(hazards=("plague",)), "hazard 'plague' is not known: expected one of flood"),
    (Gallery(size_m=100.0), "size_m is 100: expected at least 128"),
])
def test_galleries_that_cannot_be_are_refused(tmp_path, plan, words):
    with pytest.raises(InputError, match=words):
        draw_gallery(tmp_path, plan)


def test_real_tiles_stand_over_the_nearest_rendered_ones(tmp_path, real):
    for k in range(9):
        rng = np.random.default_rng(k)
        (tmp_path / "frames").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "frames" / f"f{k}.png"), rng.integers(0, 255, (256, 256, 3)).astype(np.uint8))
    part = gallery._real_part(tmp_path, real / "xbd_santa_rosa" / "unlabelled")
    assert part.uri.startswith("data:image/jpeg") and (tmp_path / "real.png").is_file()
    with pytest.raises(InputError, match="expected 8"):
        gallery.real_crops(tmp_path, 8)


def test_every_settlement_and_hazard_has_three_intensities():
    for kind in showcase.kinds():
        counts = {s: len(showcase.levels(kind, s)) for s in showcase.SETTLEMENTS}
        assert set(counts.values()) <= {0, 3} and counts["coastal"] == 3
        assert all(counts.values()) or kind == "tsunami"


def test_tables_list_every_state_and_material_with_what_was_found(tmp_path, monkeypatch):
    monkeypatch.setattr(showcase, "SETTLEMENTS", ("suburb",))
    monkeypatch.setattr(showcase, "kinds", lambda: ("earthquake",))
    text = tables.draw_tables(tmp_path, 100.0, 5).read_text()
    found = json.loads((tmp_path / "found.json").read_text())
    for state in STATES["earthquake"]:
        assert f"{state.replace('_', ' ')}</td>" in text
    for material in TABLE[1:]:
        assert f"<td>{material.name}</td>" in text
    assert "did not occur" in text
    drawn = {p.stem for p in tmp_path.glob("*.png")}
    assert drawn == set(found["scores"]) and any(k.startswith("phase-earthquake-") for k in drawn)
    shares = [float(v) for v in re.findall(r"<td>([\d.e+-]+)%</td>", text)]
    groups = {(k.partition("/")[0], int(k.partition("/")[2]) // 10_000) for k in found["pixels"]}
    assert sum(shares) == pytest.approx(100 * len(groups), abs=2 * len(groups))
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.glob("*.png")}
    tables.draw_tables(tmp_path, 100.0, 5)
    assert stamps == {p: p.stat().st_mtime_ns for p in tmp_path.glob("*.png")}
