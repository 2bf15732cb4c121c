"""A run as one self-contained HTML page, from the files of its folder alone.

Every figure in words, tables and bars stands in summary.json; pictures come from the stores and maps, curves from
metrics.jsonl, requests from specs.json. A part whose input is missing is one plain sentence.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sim_bridge.classes import GRADES, SEMANTIC
from sim_bridge.errors import InputError
from tools import plots, samples

Record = Mapping[str, Any]
MEASURES = {"localisation_f1": "localisation F1", "no_damage_f1": "no damage F1", "destroyed_f1": "destroyed F1",
            "combined": "combined"}
NO_CURVE = {"step", "lr", "seconds", "data_share"}
"""Numbers of metrics.jsonl that are about the machine, not about learning."""
SHARES = ("ratio", "share")
"""Endings of the names of shares; all others are losses."""
NONE = "-"
TEMPLATES = Path(__file__).parent / "templates"
PAGE = "report.html"


@dataclass(frozen=True)
class Request:
    """A scene that was asked for, as the page lists it; scores as text."""

    scene: str
    hazard: str
    strategy: str
    uncertainty: str
    match: str
    why: str


@dataclass(frozen=True)
class ScoreRow:
    """Scores 0-1 by the keys of `MEASURES` under one name; `ours` is the run's own row."""

    name: str
    values: Mapping[str, float]
    ours: bool = False


def write_report(run: Path) -> Path:
    """Writes `run/report.html` and returns its path. Raises InputError if summary.json is missing or not JSON."""
    summary = read_summary(run)
    page = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined,
                       trim_blocks=True, lstrip_blocks=True).get_template(PAGE)
    path = run / PAGE
    part = path.with_name(PAGE + ".part")
    part.write_text(page.render(context(run, summary)), encoding="utf-8")
    part.replace(path)
    return path


def read_summary(run: Path) -> Record:
    """The run's summary.json. Raises InputError if it is missing or not a JSON object."""
    path = run / "summary.json"
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} cannot be read ({reason}): expected the summary of a finished run, "
                         "run `mage loop` to its end first") from error
    if not isinstance(summary, dict):
        raise InputError(f"{path} is a {type(summary).__name__}: expected a JSON object, run `mage loop` again")
    return summary


def context(run: Path, summary: Record) -> dict[str, Any]:
    """What the template is filled with."""
    target = summary.get("target") or {}
    folder = Path(target["folder"]) if target.get("folder") else None
    rounds = sorted(run.glob("round_[0-9]*"))
    chosen = samples.choose_frames(rounds)
    scores = score_rows(summary)
    return {
        "run": run.resolve().name, "summary": summary, "target": target, "measures": MEASURES,
        "scores": scores, "score_plot": _score_plot(scores),
        "frames": samples.frame_rows(chosen),
        "translations": samples.translation_rows(chosen, folder),
        "scorecard": scorecard_rows(summary), "scorecard_plot": _scorecard_plot(scorecard_rows(summary)),
        "curves": learning_curves(rounds), "asked": requests(rounds),
        "real": samples.real_rows(summary.get("real_dev_tiles") or [], run),
        "mapped": _mapped(run, summary, folder),
        "seconds": stages(summary), "time_plot": plots.time_bars(stages(summary)) if stages(summary) else None,
        "figures": list(figures(summary)), "semantic": SEMANTIC[1:], "grades": GRADES[1:],
    }


def score_rows(summary: Record) -> list[ScoreRow]:
    """The run's scores first, then the baselines that summary.json carries; empty if nothing was scored."""
    own = summary.get("real_dev") or summary.get("simulated_dev")
    if not own:
        return []
    rows = [ScoreRow("this run", _known(own), ours=True)]
    return rows + [ScoreRow(str(row["name"]), _known(row)) for row in summary.get("baselines") or []]


def _known(values: Record) -> dict[str, float]:
    return {key: float(values[key]) for key in MEASURES if isinstance(values.get(key), int | float)}


def _score_plot(rows: Sequence[ScoreRow]) -> str | None:
    return plots.score_bars([(row.name, row.values) for row in rows], MEASURES) if rows else None


def scorecard_rows(summary: Record) -> list[Record]:
    """Rows of `domain.score.scorecard`, each with its `name` and `unit`, distances `syn`, `out`, `floor`, `gap_closed`
    (None where it is undefined), its `interval` and a `note`."""
    rows = (summary.get("scorecard") or {}).get("rows") or {}
    return [{"name": name.replace("_", " "), **row} for name, row in rows.items()]


def _scorecard_plot(rows: Sequence[Record]) -> str | None:
    if not rows:
        return None
    return plots.paired_bars([row["name"] for row in rows], [float(row["syn"]) for row in rows],
                             [float(row["out"]) for row in rows], [float(row["floor"]) for row in rows])


def learning_curves(rounds: Sequence[Path]) -> str | None:
    """Plot of what training wrote to metrics.jsonl: losses left, shares (0-1) right, rounds one after the other."""
    losses: dict[str, list[tuple[float, float]]] = {}
    shares: dict[str, list[tuple[float, float]]] = {}
    borders = [0.0]
    for folder in rounds:
        records = list(_lines(folder / "checkpoint" / "metrics.jsonl"))
        for record in records:
            for name in sorted(record.keys() - NO_CURVE):
                panel = shares if name.endswith(SHARES) else losses
                panel.setdefault(name, []).append((borders[-1] + record["step"], float(record[name])))
        borders.append(borders[-1] + max((record["step"] for record in records), default=0))
    panels = {"losses": _curves(losses), "shares of pixels": _curves(shares)}
    shown = {title: lines for title, lines in panels.items() if lines}
    return plots.curves(shown, borders[1:-1]) if shown else None


def _curves(lines: Mapping[str, Sequence[tuple[float, float]]]) -> list[plots.Curve]:
    return [plots.Curve(name.replace("_", " "), tuple(x for x, _ in points), tuple(y for _, y in points))
            for name, points in sorted(lines.items()) if len(points) > 1]


def _lines(path: Path) -> Iterator[Record]:
    """Records of a JSON lines file; a last line that a kill tore off is left out, a missing file is empty."""
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            return


def requests(rounds: Sequence[Path]) -> list[list[Request]]:
    """What was asked for in each round and why, from specs.json."""
    asked = []
    for folder in rounds:
        path = folder / "specs.json"
        records = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
        asked.append([_request(record) for record in records])
    return asked if any(asked) else []


def _request(record: Record) -> Request:
    scores = record.get("scores") or {}
    hazard = (record.get("spec") or {}).get("hazard") or {}
    return Request(str(record.get("scene_id", NONE))[:10], str(hazard.get("kind", NONE)), str(record["strategy"]),
                   _figure(scores.get("uncertainty")), _figure(scores.get("target_match")), str(record["why"]))


def _figure(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, int | float) else NONE


def stages(summary: Record) -> dict[str, float]:
    """Seconds of each stage, without the total."""
    return {name: float(value) for name, value in (summary.get("seconds") or {}).items() if name != "total"}


def _mapped(run: Path, summary: Record, folder: Path | None) -> list[samples.Row] | None:
    maps = summary.get("target_maps")
    return samples.mapped_rows(run / maps, folder) if maps and folder else None


def figures(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of summary.json as (dotted name, value), lists by index from 0."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from figures(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from figures(inner, f"{name}.{index}")
    else:
        yield name, value
