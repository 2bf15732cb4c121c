"""The page of a run: all parts, nothing from outside, figures from the summary, plain sentences where input is gone."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from sim_bridge.classes import GRADES
from sim_bridge.errors import InputError
from tests.tools.fake_run import SCORES, make_run
from tools.pictures import damage_overlay, semantic_overlay, shrink
from tools.report import figures, read_summary, score_rows, write_report

SECTIONS = ("scores", "maps", "frames", "translation", "scorecard", "curves", "asked", "time", "figures")
VOID = {"meta", "img", "link", "br"}


class Reader(HTMLParser):
    """Checks that tags nest, and keeps what a page loads and says."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.cells: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.loads += [value for name, value in attrs if name in ("src", "srcset", "data") and value]
        self.ids |= {value for name, value in attrs if name == "id" and value}
        assert not (tag == "link" or (tag == "script" and "src" in given))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "b"):
            self.cells.append(data.strip())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "demo")


@pytest.fixture(scope="module")
def page(run: Path) -> str:
    return write_report(run).read_text(encoding="utf-8")


def read_page(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    assert not reader.open
    return reader


def test_every_section_is_there_and_filled(page: str) -> None:
    reader = read_page(page)
    assert set(SECTIONS) <= reader.ids
    assert 'class="missing"' not in page
    assert "The target is real:" in page
    assert len(reader.loads) == 4 + 2 * 4 + 6 * 4 + 6 * 5, "plots, real pairs, frames, translations"


def test_the_page_loads_nothing_from_outside(page: str) -> None:
    assert all(address.startswith("data:image/") for address in read_page(page).loads)
    assert not re.search(r"https?://|@import|url\(", re.sub(r'src="data:[^"]*"', "", page))


def test_figures_come_from_the_summary(run: Path, page: str) -> None:
    summary = json.dumps(read_summary(run))
    known = {float(number) for number in re.findall(r"-?\d+\.?\d*", summary)}
    asked = {0.25 + n / 16 for n in range(3)} | {0.5}
    tables = page[page.index('<section id="scores"'):page.index('<section id="figures"')]
    shown = {float(cell) for cell in read_page(tables).cells if re.fullmatch(r"-?\d+\.\d+", cell)}
    assert shown and all(any(abs(number - value) <= 5.001e-4 for value in known | asked) for number in shown)
    assert all(f"{value:.3f}" in page for value in SCORES.values())
    assert dict(figures(read_summary(run)))["seconds.total"] == 1053.1


def test_text_from_files_is_escaped(page: str) -> None:
    assert "roofs &lt;dark&gt; &amp; wide" in page and "<dark>" not in page
    assert "&lt;runs/demo&gt;" in page


def test_a_simulated_target_is_said_to_be_one(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    summary = {**read_summary(run), "real_dev": None, "simulated_dev": SCORES}
    summary["target"] = {**summary["target"], "kind": "simulated"}
    (copy / "summary.json").write_text(json.dumps(summary))
    page = write_report(copy).read_text()
    assert "The target is simulated:" in page and "say nothing about real images" in page
    assert "The target is real" not in page


def test_missing_parts_are_sentences(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text("{}")
    page = write_report(tmp_path).read_text()
    read_page(page)
    assert page.count('class="missing"') == len(SECTIONS) - 1
    for sentence in ("Nothing was scored", "No captured frames", "No translated frames", "no scorecard",
                     "no metrics", "No requests", "no times", "No mapped pair"):
        assert sentence in page


@pytest.mark.parametrize("text", [None, "{", "[]"])
def test_a_run_without_a_summary_is_refused_in_one_line(tmp_path: Path, text: str | None) -> None:
    if text:
        (tmp_path / "summary.json").write_text(text)
    with pytest.raises(InputError, match=r"summary\.json") as caught:
        write_report(tmp_path)
    assert "\n" not in str(caught.value)


def test_the_same_run_gives_the_same_page(run: Path, page: str) -> None:
    assert write_report(run).read_text(encoding="utf-8") == page


def test_scores_keep_what_is_known() -> None:
    rows = score_rows({"real_dev": SCORES, "baselines": [{"name": "x", "localisation_f1": 0.19, "combined": None}]})
    assert rows[0].ours and rows[0].values == SCORES
    assert rows[1].values == {"localisation_f1": 0.19}


def test_overlays_paint_only_what_is_labelled() -> None:
    rgb = np.full((12, 12, 3), 100, np.uint8)
    labels = np.zeros((12, 12), np.uint8)
    labels[3:9, 3:9], labels[0, 0] = 4, 255
    painted = damage_overlay(rgb, labels)
    assert tuple(painted[3, 3]) == GRADES[4].rgb, "outline in full colour"
    assert (painted[5, 5] != rgb[5, 5]).any() and tuple(painted[5, 5]) != GRADES[4].rgb
    for overlay in (painted, semantic_overlay(rgb, labels)):
        assert (overlay[labels % 255 == 0] == 100).all()
    assert shrink(np.zeros((100, 200, 3), np.uint8), 50).shape == (25, 50, 3)
