"""A flown survey as one self-contained page with maps, orthomosaics, plots and tables; and the same as PNG and JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sim_bridge.flying import Track, tracking_errors
from tools import plots
from tools.fly import Leg, Survey, figures
from tools.fly_plots import flight_map, sampled, turn_map
from tools.pages import TEMPLATES
from tools.pictures import jpeg_uri

PAGE = "index.html"
_MOSAIC_PX = 900
_ROWS: Mapping[str, tuple[str, str]] = {
    "frames": ("pictures", "{:.0f}"), "lines": ("lines", "{:.0f}"), "planned_m": ("planned path", "{:.0f} m"),
    "flown_m": ("flown path, climb included", "{:.0f} m"),
    "cross_track_rms_m": ("cross-track error on the lines, RMS", "{:.2f} m"),
    "cross_track_max_m": ("cross-track error on the lines, largest", "{:.2f} m"),
    "vertical_rms_m": ("height error on the lines, RMS", "{:.2f} m"),
    "vertical_max_m": ("height error on the lines, largest", "{:.2f} m"),
    "trigger_rms_m": ("camera from its asked place, RMS", "{:.2f} m"),
    "turned_max_deg": ("camera from its asked direction, largest", "{:.3f} deg"),
    "agreement_depth": ("pixels whose depth agrees with the labels", "{:.2%}"),
    "agreement_semantic": ("pixels whose class agrees with the labels", "{:.2%}"),
    "seen_share": ("part of the square that is in the mosaic", "{:.1%}"),
    "collisions": ("objects touched", "{:.0f}"), "simulated_s": ("simulated time", "{:.1f} s"),
    "wall_s": ("wall time, pictures included", "{:.1f} s"),
}
"""Name in words and format of each figure."""


@dataclass(frozen=True)
class Card:
    """A number that a reader wants first."""

    value: str
    label: str


def write_fly_report(flown: Survey, out: Path) -> Path:
    """Writes index.html, flight.png, turn.png, ortho_<phase>.png, motion.svg and flight.json; returns the page."""
    out.mkdir(parents=True, exist_ok=True)
    numbers = figures(flown)
    maps = {"flight": flight_map(flown.plan, flown.legs, flown.world.size_m), "turn": turn_map(flown.plan, flown.legs)}
    motion = _motion(flown)
    for name, data in maps.items():
        (out / f"{name}.png").write_bytes(data)
    for leg in flown.legs:
        cv2.imwrite(str(out / f"ortho_{leg.phase}.png"), leg.mosaic.rgb[..., ::-1])
    (out / "motion.svg").write_bytes(base64.b64decode(motion.partition(",")[2]))
    record = {"scene_id": flown.spec.scene_id, "world_id": flown.spec.world_id, "figures": numbers,
              "touched": {leg.phase: list(leg.flight.collisions) for leg in flown.legs}}
    (out / "flight.json").write_text(json.dumps(record, indent=1) + "\n")
    page = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined,
                       trim_blocks=True, lstrip_blocks=True).get_template("fly.html")
    part = out / (PAGE + ".part")
    part.write_text(page.render(_context(flown, numbers, maps, motion)), encoding="utf-8")
    return part.replace(out / PAGE)


def _context(flown: Survey, numbers: Mapping[str, Mapping[str, float]], maps: Mapping[str, bytes],
             motion: str) -> dict[str, Any]:
    rows = [(name, [form.format(own[key]) for own in numbers.values()]) for key, (name, form) in _ROWS.items()]
    view = flown.spec.view
    return {
        "hazard": asdict(flown.spec.hazard)["kind"], "world_id": flown.spec.world_id, "size_m": flown.world.size_m,
        "gsd_m": view.gsd_m, "off_nadir_deg": view.off_nadir_deg, "width": flown.camera.width,
        "height": flown.camera.height, "height_m": view.distance_m(flown.camera.width),
        "lockstep": all(leg.flight.lockstep for leg in flown.legs), "cards": _cards(numbers),
        "phases": list(numbers), "rows": rows, "maps": {name: _png_as_jpeg(data) for name, data in maps.items()},
        "motion": motion, "cell_m": flown.legs[0].mosaic.cell_m,
        "mosaics": [(leg.phase, jpeg_uri(leg.mosaic.rgb, _MOSAIC_PX)) for leg in flown.legs],
        "frames": [_frame_row(flown, number) for number in _shown(len(flown.plan.poses))],
    }


def _cards(numbers: Mapping[str, Mapping[str, float]]) -> list[Card]:
    def both(key: str, pick: Any) -> float:
        return float(pick([own[key] for own in numbers.values()]))

    simulated, wall = both("simulated_s", sum), both("wall_s", sum)
    return [
        Card(f"{both('frames', sum):.0f}", f"pictures in {len(numbers)} flights"),
        Card(f"{both('flown_m', sum) / 1000:.2f} km", "flown"),
        Card(f"{both('cross_track_rms_m', max):.2f} m", "cross-track error on the lines, RMS, worse flight"),
        Card(f"{both('cross_track_max_m', max):.2f} m", "largest cross-track error on the lines"),
        Card(f"{both('agreement_depth', min):.1%}", "of pixels: depth as the labels say"),
        Card(f"{simulated:.0f} s in {wall:.0f} s", "of simulated time, in wall time"),
    ]


def _motion(flown: Survey) -> str:
    """Height, speed and tracking error over time as an SVG data URI."""
    ground_m = flown.legs[0].flight.track.position[0, 2]
    panels: dict[str, list[plots.Curve]] = {"height, m": [], "speed, m/s": [], "across line, m": [],
                                            "above line, m": []}
    for leg in flown.legs:
        track = leg.flight.track
        across, above = tracking_errors(track, flown.plan)
        speed = np.linalg.norm(track.velocity, axis=1)
        for lines, values in zip(panels.values(), (track.position[:, 2] - ground_m, speed, across, above), strict=True):
            lines.append(_curve(leg, track, values))
    return plots.stacked(panels, "simulated time since the start, s")


def _curve(leg: Leg, track: Track, values: Any) -> plots.Curve:
    return plots.Curve(leg.phase, tuple(sampled(track.time_s)), tuple(sampled(values)))


def _shown(count: int) -> Sequence[int]:
    """A few pictures of the flight, evenly."""
    return sorted({round(place * (count - 1)) for place in (0.2, 0.5, 0.8)})


def _frame_row(flown: Survey, number: int) -> dict[str, Any]:
    """One place, before and after: the pictures, and how far the camera was from where it was asked for."""
    asked = flown.plan.poses[number].position.array()
    pictures = []
    for leg in flown.legs:
        shot = leg.flight.shots[number]
        off_m = float(np.linalg.norm(shot.pose.position.array() - asked))
        pictures.append((jpeg_uri(shot.rgb), f"{leg.phase}, {off_m:.2f} m from the asked place"))
    return {"title": f"picture {number + 1}, asked at {asked[0]:.1f} m east, {asked[1]:.1f} m north, "
                     f"{asked[2]:.1f} m up", "pictures": pictures}


def _png_as_jpeg(data: bytes) -> str:
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return jpeg_uri(np.ascontiguousarray(picture[..., ::-1]).astype(np.uint8), picture.shape[1])
