"""The whole loop in a process of its own: interrupted at several steps, killed, resumed, and whole at the end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

ROOT = Path(__file__).resolve().parents[1]
QUIET = {**os.environ, "OMP_NUM_THREADS": "1"}
"""Threads that wait for each other by spinning make tiny work a hundred times slower on busy cores."""
SERVER = "sim_bridge.airsim.server"
TINY = """
rounds = 2
scenes = 2
candidates = 2
frame_px = 256
overlap = 0.0
probe_size_m = 120.0
probe_px = 128
steps = [3, 3]
[space]
"layout.size_m" = [200, 200]
"view.gsd_m" = [0.7, 0.8]
"hazard.kind" = { options = ["fire", "flood"] }
[realism]
max_train_steps = 3
train_batch_size = 2
resolution = 32
channels = [16, 32, 32]
[train]
batch = 2
target_batch = 2
crop_px = 128
log_every = 1
"""
BLOWS = (("] target", signal.SIGINT), ("1 of 2: capture", signal.SIGKILL), ("1 of 2: realism", signal.SIGINT),
         ("1 of 2: translate", signal.SIGINT), ("2 of 2: train", signal.SIGINT), ("2 of 2: judge", signal.SIGKILL),
         ("] map", signal.SIGINT))
"""Step that is at work, and what hits the run there: Ctrl-C as a terminal sends it, to the whole group, or a kill."""


@dataclass
class Process:
    """A running `mage loop`: what it has said so far, line by line."""

    popen: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def follow(self) -> None:
        assert self.popen.stdout is not None
        self.lines.extend(iter(self.popen.stdout.readline, ""))

    def wait_for(self, text: str, timeout_s: float = 600.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not any(text in line for line in self.lines):
            assert self.popen.poll() is None and time.monotonic() < deadline, f"{text!r} not in {self.lines}"
            time.sleep(0.02)


@dataclass(frozen=True)
class Ended:
    """How one start of the run ended; `ledger` is what stood there then, `left` the processes that outlived it."""

    code: int
    lines: list[str]
    errors: str
    ledger: list[dict[str, Any]]
    left: list[psutil.Process]


def records(run: Path) -> list[dict[str, Any]]:
    path = run / "ledger.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def run_loop(config: Path, run: Path, step: str = "", blow: signal.Signals | None = None) -> Ended:
    """Starts the command, strikes it just after a step began, and waits for its end."""
    errors = config.with_suffix(".err")
    with errors.open("w") as sink:
        popen = subprocess.Popen([sys.executable, "-m", "tools.cli", "loop", str(config)], cwd=ROOT, text=True,
                                 stdout=subprocess.PIPE, stderr=sink, start_new_session=True, env=QUIET)
        process = Process(popen)
        reader = threading.Thread(target=process.follow)
        reader.start()
        family: list[psutil.Process] = []
        if blow is not None:
            process.wait_for(step)
            time.sleep(0.3)
            family = psutil.Process(popen.pid).children(recursive=True)
            if blow == signal.SIGINT:
                os.killpg(popen.pid, blow)
            else:
                popen.send_signal(blow)
        code = popen.wait(60 if blow else 900)
        left = psutil.wait_procs(family, timeout=20)[1]
        reader.join(20)
    return Ended(code, process.lines, errors.read_text(), records(run), left)


@dataclass(frozen=True)
class Story:
    run: Path
    struck: list[tuple[str, signal.Signals, Ended]]
    last: Ended


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """One run that is struck again and again, each time resumed by the same command, until it ends by itself."""
    folder = tmp_path_factory.mktemp("loop")
    config, run = folder / "tiny.toml", folder / "run"
    config.write_text(f'out = "{run}"\n' + TINY)
    struck = [(step, blow, run_loop(config, run, step, blow)) for step, blow in BLOWS]
    yield Story(run, struck, run_loop(config, run))


def test_ctrl_c_is_one_line_and_nothing_stays_behind(story: Story) -> None:
    for step, blow, ended in story.struck:
        assert not ended.left, step
        assert "Traceback" not in ended.errors, (step, ended.errors[-3000:])
        if blow == signal.SIGKILL:
            assert ended.code == -signal.SIGKILL, step
            continue
        said = [line for line in re.split(r"[\r\n]+", ended.errors)
                if line.strip() and not re.match(r"[\w .]+: +\d+%\|", line)]                     # progress bars
        assert ended.code == 130, (step, ended.errors[-3000:])
        assert said == ["mage loop: stopped; the same command goes on from here"], step
    servers = [p.info["cmdline"] for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"]
               and SERVER in p.info["cmdline"] and str(story.run / "worlds") in p.info["cmdline"]]
    assert not servers


def test_what_was_done_is_not_done_again(story: Story) -> None:
    assert story.last.code == 0, story.last.errors[-3000:]
    done = [(record["step"], record["round"]) for record in story.last.ledger if record["done"]]
    first = [(name, 0) for name in ("propose", "capture", "realism", "translate", "train", "judge")]
    second = [(name, 1) for name, _ in first if name != "realism"]
    assert done == [("target", None), *first, *second, ("scorecard", None), ("map", None)]
    for step, _, ended in story.struck:
        assert story.last.ledger[:len(ended.ledger)] == ended.ledger, step
    assert any(not record["done"] for record in story.last.ledger)


def test_the_user_is_told_that_the_target_is_simulated(story: Story) -> None:
    assert any("SIMULATED" in line for line in story.last.lines)
    assert "simulated" in (story.run / "report.html").read_text()
    facts = json.loads((story.run / "summary.json").read_text())
    assert facts["target"]["kind"] == "simulated" and facts["real_dev"] is None and facts["baselines"] == []
    assert {"localisation_f1", "no_damage_f1", "destroyed_f1", "combined"} <= facts["simulated_dev"].keys()


def test_the_summary_holds_every_figure(story: Story) -> None:
    facts = json.loads((story.run / "summary.json").read_text())
    stages = {"target", "propose", "capture", "realism", "translate", "train", "judge", "scorecard", "map"}
    assert facts["seconds"].keys() == stages | {"total"}
    assert facts["seconds"]["total"] == pytest.approx(sum(facts["seconds"][name] for name in stages), abs=1)
    assert [len(part["curve"]) for part in facts["rounds"]] == [3, 3]
    assert {r["strategy"] for r in facts["rounds"][1]["requests"]} == {"model", "random"}
    assert all(r["why"] and r["hazard"]["kind"] in ("fire", "flood") for r in facts["rounds"][1]["requests"])
    assert facts["scorecard"]["rows"]


def test_report_and_maps_are_there(story: Story) -> None:
    page = (story.run / "report.html").read_text()
    assert not re.search(r"""(src|href)\s*=\s*["']?\s*(https?:)?//""", page)
    assert not re.search(r"url\(\s*[\"']?(?!data:|#)", page)
    maps = sorted((story.run / "map" / "dev").iterdir())
    folders = [folder for folder in maps if folder.is_dir()]
    assert len(folders) == len(json.loads((story.run / "summary.json").read_text())["real_dev_tiles"]) > 0
    for folder in folders:
        names = {"damage.tif", "confidence.tif", "landcover_pre.tif", "landcover_post.tif", "buildings.gpkg"}
        assert names <= {file.name for file in folder.iterdir()}
