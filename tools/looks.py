"""`python -m tools.looks`: how far rendered frames are from real tiles before any translation, in numbers and side by
side.

Scenes are drawn from a space, seen at the tiles' ground sampling distance, off-nadir angle and sun, and measured by the
estimators of the realism scorecard (`tools.looks_score`). Real tiles are only read: none of them is written but into
the comparison picture, which stays with the person who has the tiles.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import tyro

from domain.score import random_crops
from learn.acquire import baseline_proposals
from sim_bridge.config import load_table
from sim_bridge.embedded.render import render
from sim_bridge.embedded.scene import Phase, Scene
from sim_bridge.errors import InputError
from sim_bridge.frames import ENU, intrinsics, look_at
from sim_bridge.imagery import RgbImage, find_images, find_pairs, read_rgb, resample
from sim_bridge.space import space_from_json
from sim_bridge.spec import Layout, Light, SceneSpec, View
from sim_bridge.world.package import build_package, read_package
from tools.looks_score import Sample, compare, joined, measured, nearest, table

U8 = npt.NDArray[np.uint8]
Pictures = dict[Phase, list[U8]]

FRAME_PX = 768
GAP_PX = 6
PHASES: tuple[Phase, ...] = ("before", "after")
SPACE: dict[str, Any] = {
    "layout.settlement": {"options": ["suburb", "town", "rural"], "weights": [4, 1, 5]},
    "layout.street_pattern": {"options": ["curved", "grid"]},
    "layout.density": [0.35, 0.98],
    "layout.tree_density": [0.15, 0.95],
    "layout.dryness": [0.5, 1.0],
    "layout.dark_roof_share": [0.5, 1.0],
    "hazard.kind": {"options": ["fire", "none"], "weights": [3, 1]},
    "fire.ignition_azimuth_deg": [0, 360],
    "fire.wind_from_deg": [0, 360],
    "fire.hours": [3, 8],
}
"""What is drawn from where no space is given: a dry Californian town and its fire."""


@dataclass(frozen=True)
class Looks:
    """Compare rendered frames with real tiles, untranslated."""

    real: Path
    """Folder of real tiles: pairs, or single images (compared with both phases)."""
    out: Path
    """Folder for scorecard.json and side_by_side.png; worlds are kept in its sub-folder `worlds`."""
    scenes: int = 12
    space: Path | None = None
    """Campaign file whose [space] is drawn from; else a dry suburb and its fire."""
    gsd_m: float | None = None
    """Of the tiles, where the files do not say."""
    off_nadir_deg: float = 21.0
    sun_elevation_deg: float = 44.0
    sun_azimuth_deg: float = 155.0
    haze: tuple[float, float] = (0.15, 0.25)
    """Before and after."""
    crops: int = 128
    """Crops of 256 pixels a side and a phase."""
    seed: int = 0


def run(config: Looks) -> dict[str, Any]:
    """Renders, measures and writes; returns the scorecard. Raises InputError for tiles that cannot be compared."""
    real, gsd_m = real_tiles(config)
    rendered = render_scenes(config, gsd_m)
    card: dict[str, Any] = {"real": str(config.real), "gsd_m": gsd_m, "off_nadir_deg": config.off_nadir_deg,
                            "sun_elevation_deg": config.sun_elevation_deg, "scenes": config.scenes, "phases": {}}
    rows = []
    for phase in PHASES:
        halves = real_halves(real[phase], config)
        ours = measured(random_crops(rendered[phase], config.crops, np.random.default_rng([config.seed, 2])))
        card["phases"][phase] = compare(halves, ours, config.seed)
        chosen = _spread(joined(halves), 8, config.seed)
        rows.append(side_by_side(chosen, nearest(chosen, ours)))
    config.out.mkdir(parents=True, exist_ok=True)
    (config.out / "scorecard.json").write_text(json.dumps(card, indent=1) + "\n")
    cv2.imwrite(str(config.out / "side_by_side.png"), np.vstack(rows)[..., ::-1])
    return card


def real_tiles(config: Looks) -> tuple[Pictures, float]:
    """Tiles of each phase, from west to east where they say where they lie, and the one distance (m) between their
    pixels that they are brought to."""
    try:
        pairs = find_pairs(config.real)
        read = {"before": _eastward([p.pre for p in pairs]), "after": _eastward([p.post for p in pairs])}
    except InputError:
        read = dict.fromkeys(PHASES, _eastward(find_images(config.real)))
    known = [i.gsd_m for i in read["before"] if i.gsd_m is not None]
    gsd_m = config.gsd_m or (float(np.median(known)) if known else None)
    if gsd_m is None:
        raise InputError(f"{config.real} does not say how large its pixels are: give --gsd-m")
    return {phase: [resample(i.pixels, i.gsd_m or gsd_m, gsd_m) for i in read[phase]] for phase in PHASES}, gsd_m


def _eastward(paths: Sequence[Path]) -> list[RgbImage]:
    images = [read_rgb(path) for path in paths]
    if all(image.crs is None for image in images):
        return images
    return sorted((i for i in images if i.crs is not None), key=lambda image: image.transform.c)


def render_scenes(config: Looks, gsd_m: float) -> Pictures:
    """One frame of each phase of each scene, at its world's centre."""
    found: Pictures = {"before": [], "after": []}
    for spec in scene_specs(config, gsd_m):
        scene = Scene(read_package(build_package(config.out / "worlds", spec)))
        world = scene.package.world
        target = ENU(0.0, 0.0, float(world.height_at(0.0, 0.0)))
        pose = look_at(target, spec.view.distance_m(FRAME_PX), spec.view.off_nadir_deg, spec.view.view_azimuth_deg)
        camera = intrinsics(FRAME_PX, FRAME_PX, spec.view.hfov_deg)
        for phase, light in zip(PHASES, (spec.light_before, spec.light_after), strict=True):
            found[phase].append(render(scene, phase, pose, camera, light).rgb)
    return found


def scene_specs(config: Looks, gsd_m: float) -> list[SceneSpec]:
    """Scenes of the space, worlds just wide enough for a frame, with the tiles' view and sun."""
    table = SPACE if config.space is None else load_table(config.space).get("space", {})
    size_m = np.ceil(FRAME_PX * gsd_m / np.cos(np.radians(config.off_nadir_deg)) * 1.06)
    base = SceneSpec(layout=Layout(size_m=float(size_m)))
    drawn = baseline_proposals(space_from_json(table), "sobol", config.scenes, config.seed, 0)
    view = View(gsd_m=round(gsd_m, 3), off_nadir_deg=config.off_nadir_deg, hfov_deg=4.0)
    before, after = (Light(config.sun_elevation_deg, config.sun_azimuth_deg, haze) for haze in config.haze)
    return [replace(p.spec, layout=replace(p.spec.layout, size_m=base.layout.size_m), view=view, light_before=before,
                    light_after=after) for p in drawn]


def real_halves(pictures: Sequence[U8], config: Looks) -> tuple[Sample, Sample]:
    """Crops of the western and of the eastern tiles (in the order of `real_tiles`), half of the number from each."""
    middle = len(pictures) // 2
    west, east = (measured(random_crops(part, config.crops // 2, np.random.default_rng([config.seed, at])))
                  for at, part in enumerate((pictures[:middle], pictures[middle:])))
    return west, east


def _spread(sample: Sample, number: int, seed: int) -> Sample:
    """A few crops of many, by chance."""
    order = np.random.default_rng([seed, 5]).permutation(len(sample.crops))[:number]
    return sample.take(order)


def side_by_side(real: Sample, rendered: Sample) -> U8:
    """Rows of real crops, each over its rendered neighbour."""
    gap = np.full((real.crops[0].shape[0], GAP_PX, 3), 255, np.uint8)
    lines = []
    for sample in (real, rendered):
        line = np.hstack([part for crop in sample.crops for part in (crop, gap)])
        lines += [line, np.full((GAP_PX, line.shape[1], 3), 255, np.uint8)]
    return np.asarray(np.vstack(lines), np.uint8)


def main() -> None:
    """Parses the command line, runs and prints the scorecard."""
    config = tyro.cli(Looks, prog="python -m tools.looks")
    print(table(run(config)))


if __name__ == "__main__":
    main()
