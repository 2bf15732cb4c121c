"""Maps of a flight: paths, trigger points and footprints over an orthomosaic, as PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, Stroke

from sim_bridge.flying import Plan
from sim_bridge.frames import F64
from tools.fly import Leg
from tools.plots import COLOURS

PLANNED, FLOWN, TRIGGER, FOOTPRINT = "#ffffff", "#ff8c1a", "#12e0e6", "#f7f14b"
_INK, _PAPER = "#22272e", "#ffffff"
_DARK = "#101418"
_STYLE: Any = {"font.family": "sans-serif", "font.size": 11, "text.color": _INK, "axes.labelcolor": _INK}


def flight_map(plan: Plan, legs: Sequence[Leg], size_m: float) -> bytes:
    """PNG of a map for each phase, side by side, over the mosaic of its own frames."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.2 * len(legs), 8.55), dpi=100, layout="constrained", facecolor=_PAPER)
        FigureCanvasAgg(figure)
        places = figure.subplots(1, len(legs), squeeze=False)[0]
        for place, leg in zip(places, legs, strict=True):
            _draw_map(place, plan, leg, size_m)
        handles, labels = places[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=11, handlelength=2.6,
                      facecolor="#8a929c", edgecolor="none", labelcolor=_PAPER)
        return png(figure)


def turn_map(plan: Plan, legs: Sequence[Leg], row: int = 0) -> bytes:
    """PNG of the turn after a line, enlarged: what the controller makes of sharp corners in each phase."""
    ends = np.vstack([plan.line(row)[-2:], plan.line(min(row + 1, len(plan.rows) - 1))[:2]])[:, :2]
    centre, half = (ends.min(axis=0) + ends.max(axis=0)) / 2, 0.62 * float(np.ptp(ends, axis=0).max())
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 6.4), dpi=110, layout="constrained", facecolor=_PAPER)
        FigureCanvasAgg(figure)
        place = figure.subplots()
        place.plot(*plan.path[:, :2].T, color="#9aa1ab", linewidth=2.4, linestyle=(0, (5, 3)), label="planned path")
        for leg, colour in zip(legs, COLOURS, strict=False):
            shots = np.array([shot.pose.position.array() for shot in leg.flight.shots])
            place.plot(*leg.flight.track.position[:, :2].T, color=colour, linewidth=1.8, label=_title(leg))
            place.plot(*shots[:, :2].T, "o", color=colour, markersize=6, markeredgecolor=_INK, markeredgewidth=0.8)
        place.set(xlim=(centre[0] - half, centre[0] + half), ylim=(centre[1] - half, centre[1] + half))
        place.grid(visible=True, color="#e3e5e8", linewidth=0.8)
        place.legend(frameon=False, loc="center left")
        _finish(place, "")
        return png(figure)


def _draw_map(place: Axes, plan: Plan, leg: Leg, size_m: float) -> None:
    half = size_m / 2
    place.set_facecolor(_DARK)
    place.imshow(leg.mosaic.rgb, extent=(-half, half, -half, half), interpolation="antialiased")
    place.add_collection(PolyCollection(list(leg.footprints), facecolors="none", edgecolors=FOOTPRINT, linewidths=0.6,
                                        alpha=0.4, label="footprints"))
    one = leg.footprints[len(leg.footprints) // 2]
    place.add_collection(PolyCollection([one], facecolors="#f7f14b24", edgecolors=FOOTPRINT, linewidths=2.0,
                                        label="one of them"))
    _draw_paths(place, plan, leg)
    reach = half + plan.lead_m + 8
    place.set(xlim=(-reach, reach), ylim=(-half - 8, half + 8))
    _finish(place, _title(leg))


def _draw_paths(place: Axes, plan: Plan, leg: Leg) -> None:
    halo: list[Any] = [Stroke(linewidth=4.2, foreground=_DARK, alpha=0.55), Normal()]
    path, flown = plan.path, leg.flight.track.position
    shots = np.array([shot.pose.position.array() for shot in leg.flight.shots])
    place.plot(path[:, 0], path[:, 1], color=PLANNED, linewidth=2.6, linestyle=(0, (5, 3)), path_effects=halo,
               label="planned path")
    place.plot(flown[:, 0], flown[:, 1], color=FLOWN, linewidth=1.5, label="flown path")
    place.plot(shots[:, 0], shots[:, 1], "o", color=TRIGGER, markersize=5.5, markeredgecolor=_DARK,
               markeredgewidth=0.8, label="pictures taken")
    place.plot(*flown[0, :2], "^", color=FLOWN, markersize=11, markeredgecolor=_PAPER, markeredgewidth=1.4,
               label="take-off")


def _title(leg: Leg) -> str:
    speed = float(np.hypot(*leg.wind_ms))
    blows = f"wind {speed:.1f} m/s from {_from_deg(leg.wind_ms):.0f} degrees" if speed else "no wind"
    return f"{leg.phase.capitalize()}: {blows}"


def _from_deg(wind_ms: tuple[float, float]) -> float:
    """Compass direction from which a wind towards (east, north) comes."""
    return float(np.degrees(np.arctan2(-wind_ms[0], -wind_ms[1])) % 360)


def _finish(place: Axes, title: str) -> None:
    place.set_aspect("equal")
    place.set_title(title, loc="left")
    place.set_xlabel("east, m")
    place.set_ylabel("north, m")
    place.tick_params(length=3, colors=_INK)
    place.spines[:].set_visible(False)


def png(figure: Figure) -> bytes:
    """PNG of a figure."""
    data = io.BytesIO()
    figure.savefig(data, format="png", metadata={"Software": None})
    return data.getvalue()


def sampled(values: F64, most: int = 1500) -> F64:
    """At most so many of the values, evenly."""
    return values[::max(1, -(-len(values) // most))]
