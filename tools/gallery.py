"""`mage world gallery`: contact sheets of every settlement before and after every hazard, and one page of them.

A sheet has a column before and one for each of three intensities; each view has three rows: picture, classes, and land
use (before) or damage (after). Sheets that are there are kept: the same command goes on where it was stopped.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from sim_bridge.classes import GRADES, LAND_USE, SEMANTIC
from sim_bridge.embedded.scene import Scene
from sim_bridge.errors import InputError
from sim_bridge.imagery import find_images, find_pairs, read_rgb, resample
from sim_bridge.spec import GENERATOR_VERSION, Settlement
from sim_bridge.world.build import build_world
from sim_bridge.world.model import World
from tools import showcase
from tools.pages import Part, jpeg_part, write_page
from tools.pictures import UintArray, palette
from tools.showcase import LOOKS, Frame, damage_of, frame

TITLE_PX = 20
REAL_CROP_PX = 256
"""Side of the crops that real and rendered tiles are compared in."""
_ROWS = 8
"""Pairs of real and rendered crops that are shown."""
_DAMAGE, _CLASSES, _USE = palette(GRADES), palette(SEMANTIC), palette(LAND_USE)


@dataclass(frozen=True)
class Gallery:
    """What a gallery shows."""

    settlements: tuple[Settlement, ...] = showcase.SETTLEMENTS
    hazards: tuple[str, ...] = ()
    """Empty: all of them."""
    size_m: float = 240.0
    """Side of each world."""
    px: int = 256
    """Side of each picture."""
    seed: int = 5


def draw_gallery(out: Path, gallery: Gallery, real: Path | None = None) -> Path:
    """Draws what is missing of a gallery into `out` and returns its page, index.html.

    out/sheets holds a PNG for each settlement and hazard, out/frames the pictures at 0.5 m, out/contact.png one of
    everything. Raises InputError for names that are not known, or a `real` without images.
    """
    kinds = _checked(gallery)
    _start(out, gallery)
    jobs = [(s, k) for s in gallery.settlements for k in kinds if showcase.levels(k, s)]
    world: tuple[str, World] | None = None
    for settlement, kind in tqdm(jobs, "sheets", unit="sheet"):
        if (path := out / "sheets" / f"{settlement}_{kind}.png").is_file():
            continue
        if world is None or world[0] != settlement:
            world = (settlement, build_world(showcase.place(settlement, gallery.size_m, gallery.seed)))
        write_png(path, _sheet(out / "frames", world[1], settlement, kind, gallery))
    write_png(out / "contact.png", contact_sheet(out / "frames", gallery.settlements, kinds, gallery.px))
    return _page(out, gallery, kinds, real)


def _checked(gallery: Gallery) -> tuple[str, ...]:
    known = showcase.kinds()
    for name in gallery.hazards:
        if name not in known:
            raise InputError(f"hazard {name!r} is not known: expected one of {', '.join(known)}")
    if gallery.size_m < gallery.px * max(look.gsd_m for look in LOOKS):
        raise InputError(f"size_m is {gallery.size_m:g}: expected at least {gallery.px * 0.5:g}, so that {gallery.px} "
                         "pixels of 0.5 m lie within a world")
    return tuple(k for k in known if k in gallery.hazards) or known


def _start(out: Path, gallery: Gallery) -> None:
    """Keeps what an earlier run with the same settings drew, and nothing else."""
    told = json.dumps({"generator": GENERATOR_VERSION, "size_m": gallery.size_m, "px": gallery.px,
                       "seed": gallery.seed}) + "\n"
    path = out / "gallery.json"
    if not path.is_file() or path.read_text() != told:
        for name in ("sheets", "frames"):
            shutil.rmtree(out / name, ignore_errors=True)
    for name in ("sheets", "frames"):
        (out / name).mkdir(parents=True, exist_ok=True)
    path.write_text(told)


def _sheet(frames: Path, world: World, settlement: Settlement, kind: str, gallery: Gallery) -> UintArray:
    spec = showcase.place(settlement, gallery.size_m, gallery.seed)
    levels = showcase.levels(kind, settlement)
    packages = [showcase.struck(world, spec, hazard) for _, hazard in levels]
    centre = showcase.aim(world, packages[-1].aftermath.damage, gallery.size_m / 5)
    targets = [showcase.at_edge(world, centre, look.gsd_m * gallery.px) for look in LOOKS]
    first = Scene(showcase.untouched(world))
    before = [frame(first, "before", target, look, gallery.px) for target, look in zip(targets, LOOKS, strict=True)]
    columns = [_column(f"{settlement}, before", [[f.rgb, _CLASSES[f.semantic], _USE[f.land_use]] for f in before])]
    _keep(frames / f"{settlement}_{kind}_before.png", before[0])
    for k, ((words, _), package) in enumerate(zip(levels, packages, strict=True)):
        scene = Scene(package)
        after = [frame(scene, "after", target, look, gallery.px) for target, look in zip(targets, LOOKS, strict=True)]
        damage = [_DAMAGE[damage_of(scene, f)] for f in before]
        columns.append(_column(words, [[f.rgb, _CLASSES[f.semantic], d] for f, d in zip(after, damage, strict=True)]))
        _keep(frames / f"{settlement}_{kind}_{k}.png", after[0])
    return np.asarray(np.hstack(columns), np.uint8)


def _column(title: str, views: Sequence[Sequence[UintArray]]) -> UintArray:
    return np.asarray(np.vstack([strip(title, views[0][0].shape[1]), *(p for view in views for p in view)]), np.uint8)


def strip(text: str, width: int) -> UintArray:
    """A dark bar (TITLE_PX, width, 3) with a few words."""
    bar = np.full((TITLE_PX, width, 3), 34, np.uint8)
    cv2.putText(bar, text, (4, TITLE_PX - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (235, 235, 235), 1, cv2.LINE_AA)
    return bar


def _keep(path: Path, shot: Frame) -> None:
    write_png(path, shot.rgb)


def write_png(path: Path, rgb: UintArray) -> None:
    """Writes an image (H, W, 3) in one step."""
    part = path.with_suffix(".part.png")
    cv2.imwrite(str(part), rgb[..., ::-1])
    part.replace(path)


def contact_sheet(frames: Path, settlements: Sequence[str], kinds: Sequence[str], px: int) -> UintArray:
    """Rows of settlements: the place before, then after the middle intensity of each hazard, at 0.5 m."""
    rows = [np.hstack([strip(t, px) for t in ("before", *kinds)])]
    for settlement in settlements:
        cells = [_cell(frames / f"{settlement}_{kinds[0]}_before.png", px)]
        cells += [_cell(frames / f"{settlement}_{kind}_1.png", px) for kind in kinds]
        rows += [strip(settlement, px * (len(kinds) + 1)), np.hstack(cells)]
    return np.asarray(np.vstack(rows), np.uint8)


def _cell(path: Path, px: int) -> UintArray:
    image = cv2.imread(str(path)) if path.is_file() else None
    return np.full((px, px, 3), 20, np.uint8) if image is None else np.asarray(image[..., ::-1], np.uint8)


def _page(out: Path, gallery: Gallery, kinds: Sequence[str], real: Path | None) -> Path:
    legends = [("classes", SEMANTIC), ("damage", GRADES), ("land use", LAND_USE)]
    parts = [jpeg_part("All at a glance", "Each settlement before, and after each hazard's middle intensity, 0.5 m.",
                       _read(out / "contact.png"), legends)]
    for settlement in gallery.settlements:
        for kind in kinds:
            path, title = out / "sheets" / f"{settlement}_{kind}.png", f"{settlement.replace('_', ' ')}: {kind}"
            if path.is_file():
                words = f"{'; '.join(look.name for look in LOOKS)}. Rows: picture, classes, land use (damage)."
                parts.append(jpeg_part(title, words, _read(path)))
            else:
                parts.append(Part(title, "It cannot come here: there is no sea."))
    parts.append(_real_part(out, real))
    intro = (f"{len(gallery.settlements)} settlements, {len(kinds)} hazards at three intensities; worlds of "
             f"{gallery.size_m:g} m, seed {gallery.seed}. Settings: {json.dumps(asdict(gallery))}")
    return write_page(out / "index.html", "MAGE: gallery of worlds", intro, parts)


def _read(path: Path) -> UintArray:
    image = cv2.imread(str(path))
    if image is None:
        raise InputError(f"{path}: cannot be read: delete it and draw the gallery again")
    return np.asarray(image[..., ::-1], np.uint8)


def _real_part(out: Path, real: Path | None) -> Part:
    """Real tiles over the nearest rendered ones, by the measures of the realism scorecard."""
    title = "Real tiles and the nearest rendered ones"
    if real is None:
        return Part(title, "No real tiles were given: run again with --real FOLDER.")
    from tools.looks import side_by_side
    from tools.looks_score import measured, nearest

    rendered = [_read(p) for p in sorted((out / "frames").glob("*.png"))]
    if len(rendered) < 8 or rendered[0].shape[0] < REAL_CROP_PX:
        return Part(title, f"It takes 8 rendered frames of {REAL_CROP_PX} px or more: draw more, or larger.")
    rendered = [image[:REAL_CROP_PX, :REAL_CROP_PX] for image in rendered]
    chosen = measured(real_crops(real, 4 * _ROWS))
    chosen = chosen.take(np.linspace(0, len(chosen) - 1, min(_ROWS, len(chosen))).astype(np.int64))
    sheet = side_by_side(chosen, nearest(chosen, measured(rendered)))
    write_png(out / "real.png", sheet)
    return jpeg_part(title, f"Top: {real.name}. Below each, the rendered frame of this gallery that is nearest in the "
                     "measures of the realism scorecard.", sheet)


def real_crops(real: Path, number: int) -> list[UintArray]:
    """Crops of real images at 0.5 m, spread over them. Raises InputError if there are none."""
    try:
        paths = [path for pair in find_pairs(real) for path in (pair.pre, pair.post)]
    except InputError:
        paths = list(find_images(real))
    crops = []
    for path in paths:
        image = read_rgb(path)
        pixels = image.pixels if image.gsd_m is None else resample(image.pixels, image.gsd_m, LOOKS[0].gsd_m)
        y, x = ((side - REAL_CROP_PX) // 2 for side in pixels.shape[:2])
        if min(x, y) >= 0:
            crops.append(np.asarray(pixels[y:y + REAL_CROP_PX, x:x + REAL_CROP_PX], np.uint8))
    if len(crops) < 8:
        raise InputError(f"{real} holds {len(crops)} images of {REAL_CROP_PX} pixels at 0.5 m or more: expected 8")
    return [crops[k] for k in np.linspace(0, len(crops) - 1, min(number, len(crops))).astype(int)]
