"""Plots of a report as SVG data URIs: drawn off screen, transparent, in greys that read on light and on dark pages."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK = "#858c96"
COLOURS = ("#3b82c4", "#d9822b", "#3f9d63", "#a8569c", "#c24f4f", "#8a7a4d", "#5aa7b0", "#7c6fc9")
RAW, MOVED, FLOOR = "#b0b6bf", COLOURS[0], COLOURS[1]


@dataclass(frozen=True)
class Curve:
    """One line: x in training steps over all rounds, or in the unit that the plot says."""

    name: str
    steps: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Compared:
    """What is published, as lines, and what was simulated, as points of the same names: x and y (N,) each."""

    x_label: str
    y_label: str
    lines: Mapping[str, tuple[Any, Any]]
    points: Mapping[str, tuple[Any, Any]]


def compared(plot: Compared) -> str:
    """Lines and points over each other, one colour for each name."""
    with _figure(7.2, 3.4) as figure:
        place = figure.subplots()
        for (name, line), colour in zip(plot.lines.items(), _cycle(len(plot.lines)), strict=True):
            place.plot(*line, color=colour, linewidth=1.4, label=name.replace("_", " "))
            place.plot(*plot.points[name], "o", color=colour, markersize=4.5)
        place.set_xlabel(plot.x_label)
        place.set_ylabel(plot.y_label)
        place.set_ylim(-0.02, 1.02)
        _legend_above(place, 6)
        _plain(place)
        return _svg(figure)


def curves(panels: Mapping[str, Sequence[Curve]], borders: Sequence[float]) -> str:
    """One panel for each entry, side by side; dashed lines where a round ends (`borders`, in steps)."""
    with _figure(9.6, 3.1) as figure:
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for place, (title, lines) in zip(axes, panels.items(), strict=True):
            for line, colour in zip(lines, _cycle(len(lines)), strict=True):
                place.plot(line.steps, line.values, color=colour, linewidth=1.6, label=line.name)
            for border in borders:
                place.axvline(border, color=INK, linewidth=0.8, linestyle=(0, (4, 3)))
            place.set_title(title, loc="left", fontsize=10)
            place.set_xlabel("training step")
            place.legend(frameon=False, fontsize=8, labelcolor=INK)
            _plain(place)
        return _svg(figure)


def stacked(panels: Mapping[str, Sequence[Curve]], x_label: str) -> str:
    """One panel below the other over the same x, titles as labels of y; lines of the same name have one colour."""
    names = list(dict.fromkeys(line.name for lines in panels.values() for line in lines))
    colour = dict(zip(names, _cycle(len(names)), strict=True))
    with _figure(9.6, 1.55 * len(panels) + 0.5) as figure:
        axes = figure.subplots(len(panels), 1, squeeze=False, sharex=True)[:, 0]
        for place, (title, lines) in zip(axes, panels.items(), strict=True):
            for line in lines:
                place.plot(line.steps, line.values, color=colour[line.name], linewidth=1.2, label=line.name)
            place.set_ylabel(title)
            _plain(place)
        _legend_above(axes[0], len(names))
        axes[-1].set_xlabel(x_label)
        return _svg(figure)


def paired_bars(names: Sequence[str], raw: Sequence[float], moved: Sequence[float], floor: Sequence[float]) -> str:
    """Two bars for each name, `raw` grey above `moved` blue, scaled to the largest of the name; a tick is its floor."""
    with _figure(7.2, 0.55 * len(names) + 0.7) as figure:
        place = figure.subplots()
        scale = [max(values) or 1.0 for values in zip(raw, moved, floor, strict=True)]
        rows = range(len(names))
        place.barh([row - 0.19 for row in rows], _over(raw, scale), 0.34, color=RAW, label="raw frames")
        place.barh([row + 0.19 for row in rows], _over(moved, scale), 0.34, color=MOVED, label="translated")
        place.vlines(_over(floor, scale), [row - 0.4 for row in rows], [row + 0.4 for row in rows], color=FLOOR,
                     linewidth=1.8, label="floor: real to real")
        place.set_yticks(rows, names)
        place.invert_yaxis()
        place.set_xlim(0, 1.05)
        place.set_xlabel("distance to the target, largest of the row = 1")
        _legend_above(place, 3)
        _plain(place)
        return _svg(figure)


def _over(values: Sequence[float], scale: Sequence[float]) -> list[float]:
    return [value / whole for value, whole in zip(values, scale, strict=True)]


def time_bars(seconds: Mapping[str, float]) -> str:
    """One bar for each stage, longest first, with its seconds at the end."""
    stages = sorted(seconds.items(), key=lambda item: -item[1])
    with _figure(7.2, 0.32 * len(stages) + 0.6) as figure:
        place = figure.subplots()
        bars = place.barh([name for name, _ in stages], [value for _, value in stages], 0.62, color=MOVED)
        place.bar_label(bars, [f"{value:,.0f} s" for _, value in stages], padding=4, fontsize=8.5, color=INK)
        place.margins(x=0.12)
        place.invert_yaxis()
        place.set_xlabel("seconds")
        _plain(place)
        return _svg(figure)


def score_bars(rows: Sequence[tuple[str, Mapping[str, float]]], measures: Mapping[str, str]) -> str:
    """Grouped bars of scores 0-1: one group for each measure (key to label), one colour for each row."""
    with _figure(9.0, 2.9) as figure:
        place = figure.subplots()
        width = 0.8 / max(len(rows), 1)
        for index, ((name, values), colour) in enumerate(zip(rows, [MOVED, *_rest(len(rows) - 1)], strict=True)):
            known = [(group + (index - (len(rows) - 1) / 2) * width, values[key])
                     for group, key in enumerate(measures) if key in values]
            bars = place.bar([x for x, _ in known], [y for _, y in known], width * 0.92, color=colour, label=name)
            place.bar_label(bars, [f"{y:.2f}" for _, y in known], padding=2, fontsize=7.5, color=INK)
        place.set_xticks(range(len(measures)), list(measures.values()))
        place.set_ylim(0, 1.08)
        _legend_above(place, 4)
        _plain(place)
        return _svg(figure)


def _cycle(count: int) -> list[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(count)]


def _rest(count: int) -> list[str]:
    greys = ("#c3c8cf", "#9aa1ab", "#6f7782", "#dfe2e6")
    return [greys[i % len(greys)] for i in range(max(count, 0))]


@contextmanager
def _figure(width: float, height: float) -> Iterator[Figure]:
    style: Any = {"font.family": "sans-serif", "font.size": 9, "svg.hashsalt": "mage", "text.color": INK,
             "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK}
    with mpl.rc_context(style):
        figure = Figure(figsize=(width, height), layout="constrained")
        figure.patch.set_alpha(0)
        FigureCanvasSVG(figure)
        yield figure


def _legend_above(place: Axes, columns: int) -> None:
    place.legend(frameon=False, fontsize=8, labelcolor=INK, ncols=columns, loc="lower center", bbox_to_anchor=(0.5, 1))


def _plain(place: Axes) -> None:
    place.patch.set_alpha(0)
    place.spines[["top", "right"]].set_visible(False)
    place.tick_params(length=3)
    place.grid(visible=True, color=INK, alpha=0.18, linewidth=0.6)
    place.set_axisbelow(True)


def _svg(figure: Figure) -> str:
    data = io.BytesIO()
    figure.savefig(data, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(data.getvalue()).decode()
