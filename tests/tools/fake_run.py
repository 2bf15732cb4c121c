"""A small run folder as the loop leaves it, with drawn frames: every number from one seed."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import rasterio
import zarr

from sim_bridge.classes import CLASS_ID, IGNORE
from sim_bridge.store import FIELDS, UnitFrames, create_store, write_unit

UintArray = npt.NDArray[np.uint8]
HAZARDS = ("fire", "flood", "earthquake")
SCORES = {"localisation_f1": 0.5871, "no_damage_f1": 0.6642, "destroyed_f1": 0.7123, "combined": 0.6574}


def make_run(run: Path, side: int = 96, seed: int = 5) -> Path:
    """Two rounds of three frames, translations, metrics, two mapped pairs with truth, and the summary."""
    rng = np.random.default_rng(seed)
    target = run / "target"
    tiles = [_pair(run, target, f"{index:04d}", side, rng) for index in range(2)]
    for index in range(2):
        _round(run / f"round_{index:02d}", index, side, rng)
    (run / "summary.json").write_text(json.dumps(_summary(target, tiles), indent=1))
    return run


def draw(side: int, rng: np.random.Generator) -> tuple[UintArray, UintArray, UintArray]:
    """Houses on a lawn before and after, and their grades: intact ones stay, destroyed ones turn to ash."""
    before = np.clip(rng.normal((96, 112, 78), 9, (side, side, 3)), 0, 255).astype(np.uint8)
    after, grades = before.copy(), np.zeros((side, side), np.uint8)
    step = side // 4
    for row in range(4):
        for column in range(4):
            grade = int(rng.choice([1, 1, 2, 3, 4]))
            place = np.s_[row * step + 4:(row + 1) * step - 5, column * step + 3:(column + 1) * step - 4]
            before[place] = rng.integers(110, 190, 3)
            after[place] = before[place] if grade < 3 else (205, 200, 190)
            grades[place] = grade
    return before, after, grades


def _round(folder: Path, index: int, side: int, rng: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    ids = [f"{index}{number}{'ab' * 7}" for number in range(3)]
    drawn = [draw(side, rng) for _ in ids]
    create_store(folder / "frames.zarr", 4, 4, side, side, {})
    write_unit(folder / "frames.zarr", 0, _unit(drawn, ids, side))
    _translation(folder / "translations" / "0f1e.zarr", drawn)
    records = [{"scene_id": scene, "world_id": scene, "strategy": "model" if index else "sobol",
                "why": f"roofs <dark> & wide, wish {number}", "point": [0.5],
                "scores": {"uncertainty": 0.25 + number / 16, "target_match": 0.5} if index else {},
                "spec": {"hazard": {"kind": kind}}}
               for number, (scene, kind) in enumerate(zip(ids, HAZARDS, strict=True))]
    (folder / "specs.json").write_text(json.dumps(records))
    checkpoint = folder / "checkpoint"
    checkpoint.mkdir()
    lines = [{"step": step, "lr": 0.001, "seconds": 1.25, "data_share": 0.02, "loss": 1.5 / (1 + step / 40 + index),
              "target_before": 0.4 / (1 + step / 90 + index),
              "mask_ratio": min(1.0, 0.2 + step / 300 + 0.2 * index)} for step in range(10, 160, 10)]
    (checkpoint / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 1')


def _unit(drawn: list[tuple[UintArray, UintArray, UintArray]], ids: list[str], side: int) -> UnitFrames:
    sizes = {"y": side, "x": side, "band": 3, "phase": 2, "enu": 3, "quaternion": 4, "intrinsic": 4, "corner": 4}
    arrays = {name: np.full((len(ids), *(sizes[dim] for dim in field.dims)), field.fill,
                            str if field.dtype == "string" else field.dtype) for name, field in FIELDS.items()}
    semantic = np.where(np.stack([d[2] for d in drawn]) > 0, CLASS_ID["building"], CLASS_ID["grass"])
    arrays |= {"before_rgb": np.stack([d[0] for d in drawn]), "after_rgb": np.stack([d[1] for d in drawn]),
               "damage": np.stack([d[2] for d in drawn]), "before_semantic": semantic.astype(np.uint8),
               "scene_id": np.array(ids), "world_id": np.array(ids)}
    return UnitFrames(arrays)


def _translation(path: Path, drawn: list[tuple[UintArray, UintArray, UintArray]]) -> None:
    group = zarr.create_group(path)
    for name, part in (("before_rgb", 0), ("after_rgb", 1)):
        warm = np.stack([np.clip(d[part] * (1.08, 1.0, 0.85), 0, 255).astype(np.uint8) for d in drawn])
        group.create_array(name, data=warm)


def _pair(run: Path, target: Path, name: str, side: int, rng: np.random.Generator) -> dict[str, str]:
    target.mkdir(parents=True, exist_ok=True)
    before, after, grades = draw(side, rng)
    for phase, image in (("pre", before), ("post", after)):
        cv2.imwrite(str(target / f"{name}_{phase}.png"), image[..., ::-1])
    predicted = np.where(rng.random(grades.shape) < 0.02, 0, grades).astype(np.uint8)
    truth, guess = run / "truth" / f"{name}_damage.tif", run / "map" / "dev" / name / "damage.tif"
    for path, raster in ((truth, grades), (guess, predicted)):
        path.parent.mkdir(parents=True, exist_ok=True)
        with rasterio.open(path, "w", driver="GTiff", height=side, width=side, count=1, dtype="uint8", nodata=IGNORE,
                           crs="EPSG:32610", transform=rasterio.Affine(0.5, 0, 0, 0, -0.5, 0)) as sink:
            sink.write(raster, 1)
    return {"id": name, "pre": str(target / f"{name}_pre.png"), "post": str(target / f"{name}_post.png"),
            "truth": str(truth), "predicted": str(guess.relative_to(run))}


def _summary(target: Path, tiles: list[dict[str, str]]) -> dict[str, object]:
    rows = {"A1_colour": {"unit": "grey levels", "syn": 31.25, "out": 6.5, "floor": 2.25, "gap_closed": 0.853,
                          "interval": [0.8125, 0.875], "note": "still farther from real"},
            "A3_sharpness": {"unit": "px", "syn": 0.375, "out": 0.0625, "floor": 0.25, "gap_closed": None,
                             "interval": None, "note": "gap undefined"}}
    baselines = [{"name": "every pixel a building", "localisation_f1": 0.19},
                 {"name": "flat paintings", "localisation_f1": 0.42, "no_damage_f1": 0.41, "destroyed_f1": 0.65,
                  "combined": 0.48},
                 {"name": "real labels (upper anchor)", "localisation_f1": 0.805, "no_damage_f1": 0.926,
                  "destroyed_f1": 0.945, "combined": 0.896}]
    return {"target": {"kind": "real", "folder": str(target), "pairs": 2, "gsd_m": 0.5}, "real_dev": SCORES,
            "simulated_dev": None, "real_dev_tiles": tiles, "target_maps": None, "baselines": baselines,
            "scorecard": {"rows": rows}, "realism": {"pipeline": "realism"},
            "rounds": [{"train": {"steps": 150}}, {"train": {"steps": 250}}],
            "seconds": {"capture": 182.4, "realism": 96.1, "translate": 41.7, "train": 640.2, "judge": 58.8,
                        "map": 33.9, "total": 1053.1},
            "seed": 0, "command": "mage loop --out <runs/demo>", "commit": "0123456789abcdef"}
