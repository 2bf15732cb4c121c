"""Rounds, target, simulated sensor, scoring and summary, on hand-made files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import rasterio

from learn import acquire, rounds
from learn.ledger import Ledger, read_json, write_json
from learn.loop import LoopConfig, check, summary
from learn.scoring import score_maps
from learn.simulated import other_sensor
from learn.target import Target, TargetFact, find_target
from sim_bridge.config import from_table
from sim_bridge.errors import InputError
from sim_bridge.space import space_from_json

SPACE = {"layout.size_m": [150, 250], "layout.density": [0.3, 0.9], "hazard.kind": {"options": ["fire", "flood"]}}
NOWHERE = Target(TargetFact("real", "nowhere", 0, None), Path("nowhere"), None, False)


@pytest.fixture
def config(tmp_path: Path) -> LoopConfig:
    return LoopConfig(out=tmp_path / "run", scenes=8, candidates=16, space=SPACE)


def judged(config: LoopConfig, count: int) -> list[dict[str, Any]]:
    """What the judge of round 0 leaves: `count` candidates, best first."""
    space = space_from_json(config.space)
    points = acquire.random_points(config.candidates, len(space.names), 3)
    doubt, match = np.linspace(0, 1, config.candidates), np.linspace(1, 0, config.candidates)
    chosen = acquire.model_proposals(space, points, doubt, match, count, config.seed, 1)
    records = [acquire.to_record(proposal) for proposal in chosen]
    write_json(config.round_dir(0) / "judgement.json", records)
    return records


def asked(config: LoopConfig, index: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    result = rounds.propose(config, Ledger(config.out), NOWHERE, index)
    return result, read_json(config.round_dir(index) / "specs.json")


def test_the_first_round_asks_without_a_model(config: LoopConfig) -> None:
    result, records = asked(config, 0)
    assert result == {"scenes": 8, "strategies": {"model": 0, "sobol": 7, "random": 1}}
    assert len({record["scene_id"] for record in records}) == 8
    assert asked(config, 0)[1] == records


def test_later_rounds_ask_for_the_best_judged_first(config: LoopConfig) -> None:
    wanted = judged(config, 8)
    result, records = asked(config, 1)
    assert result["strategies"] == {"model": 4, "sobol": 3, "random": 1}
    assert records[:4] == wanted[:4]
    assert all("uncertainty" in record["scores"] for record in records[:4])
    assert {record["strategy"] for record in records[4:]} == {"sobol", "random"}


def test_sobol_takes_the_place_of_wishes_that_are_missing(config: LoopConfig) -> None:
    judged(config, 2)
    result, _ = asked(config, 1)
    assert result["strategies"] == {"model": 2, "sobol": 5, "random": 1}


def test_training_reads_the_translation_on_record(config: LoopConfig) -> None:
    ledger = Ledger(config.out)
    with pytest.raises(InputError, match="no translation of round 0"):
        rounds.translation(config, ledger, 0)
    ledger.step("translate", 0, lambda: {"store": "round_00/translations/ab.zarr"})
    assert rounds.translation(config, ledger, 0) == config.out / "round_00/translations/ab.zarr"


def images(folder: Path, side: int = 48, count: int = 2) -> Path:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    for number in range(count):
        for phase in ("pre", "post"):
            cv2.imwrite(str(folder / f"{number:02d}_{phase}.png"), rng.integers(0, 255, (side, side, 3), np.uint8))
    return folder


@pytest.mark.parametrize("given", ["named", "default"])
def test_a_real_target_is_found(config: LoopConfig, tmp_path: Path, given: str) -> None:
    folder, dev = images(tmp_path / "real"), images(tmp_path / "dev")
    wanted = {"target": folder} if given == "named" else {"default_target": folder}
    target = find_target(replace(config, dev=dev, **wanted), Ledger(config.out))
    assert target.fact == TargetFact("real", str(folder), 2, None)
    assert (target.folder, target.dev, target.map_it) == (folder, dev, given == "named")
    assert "2 real unlabelled pairs" in target.sentence


def test_a_named_target_comes_before_the_default_and_dev_may_be_absent(config: LoopConfig, tmp_path: Path) -> None:
    both = replace(config, target=images(tmp_path / "a"), default_target=images(tmp_path / "b"), dev=tmp_path / "none")
    target = find_target(both, Ledger(config.out))
    assert target.folder == both.target and target.dev is None


def test_without_a_real_target_the_simulated_one_says_so(config: LoopConfig, tmp_path: Path) -> None:
    made = images(config.out / "simulated_target" / "unlabelled")
    images(config.out / "simulated_target" / "dev_labelled")
    ledger = Ledger(config.out)
    ledger.step("target", None, lambda: {"kind": "simulated"})                       # it was made before
    target = find_target(replace(config, default_target=tmp_path / "gone"), ledger)
    assert target.fact.kind == "simulated" and target.folder == made and not target.map_it
    assert target.dev == config.out / "simulated_target" / "dev_labelled" and "SIMULATED" in target.sentence


def test_crops_of_small_targets_are_mirrored(config: LoopConfig, tmp_path: Path) -> None:
    folder = images(tmp_path / "small", side=40, count=3)
    target = replace(NOWHERE, folder=folder)
    before, after = rounds.target_crops(target, replace(config, probe_px=64), most=6)
    assert before.shape == after.shape == (6, 64, 64, 3)
    np.testing.assert_array_equal(before[:, :, 40:], before[:, :, 39:15:-1])


def test_the_second_sensor_is_repeatable_and_another() -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    once = other_sensor(rgb, seed=4)
    np.testing.assert_array_equal(once, other_sensor(rgb, seed=4))
    assert once.shape == rgb.shape and once.dtype == np.uint8
    assert (once != other_sensor(rgb, seed=5)).any() and once.std() < rgb.std()


def raster(path: Path, values: list[list[int]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    grades = np.array(values, np.uint8)
    with rasterio.open(path, "w", driver="GTiff", height=grades.shape[0], width=grades.shape[1], count=1, dtype="uint8",
                       crs="EPSG:32610", transform=rasterio.Affine(0.5, 0, 0, 0, -0.5, 0)) as sink:
        sink.write(grades, 1)


def test_scores_are_pooled_over_pairs(tmp_path: Path) -> None:
    dev, maps = images(tmp_path / "dev", side=4), tmp_path / "maps"
    with pytest.raises(InputError, match=r"damage\.tif is missing"):
        score_maps(dev, maps)
    raster(maps / "00" / "damage.tif", [[1, 1, 0, 0], [4, 4, 0, 1]])
    raster(dev / "00_damage.tif", [[1, 1, 0, 0], [4, 4, 4, 0]])
    raster(maps / "01" / "damage.tif", [[0, 0, 0, 0], [3, 2, 1, 1]])
    raster(dev / "01_damage.tif", [[0, 0, 1, 1], [4, 1, 255, 2]])
    result = score_maps(dev, maps)
    scores = result["scores"]
    assert scores["localisation_f1"] == pytest.approx(2 * 6 / (2 * 6 + 1 + 3))     # of 9 true, 3 missed, 1 made up
    assert scores["no_damage_f1"] == pytest.approx(2 * 3 / (2 * 3 + 0 + 2))
    assert scores["destroyed_f1"] == pytest.approx(2 * 3 / (2 * 3 + 0 + 1))
    assert [tile["id"] for tile in result["tiles"]] == ["00", "01"]
    assert result["tiles"][0]["truth"] == str(dev / "00_damage.tif")


def finished(config: LoopConfig, kind: str) -> Ledger:
    """Ledger and files of a run of one round that has ended."""
    ledger = Ledger(config.out)
    rounds.propose(config, ledger, NOWHERE, 0)
    for name in ("propose", "capture", "realism", "translate", "train", "judge"):
        ledger.step(name, 0, lambda name=name: {"of": name})
    ledger.step("scorecard", None, lambda: {"rows": {"A1": {"syn": 2.0}}})
    ledger.step("map", None, lambda: {"kind": kind, "scores": {"localisation_f1": 0.5}, "tiles": [{"id": "00"}]})
    metrics = config.round_dir(0) / "checkpoint" / "metrics.jsonl"
    metrics.parent.mkdir()
    metrics.write_text('{"step": 10, "loss": 1.5}\n{"step": 2')
    return ledger


@pytest.mark.parametrize("kind", ["real", "simulated"])
def test_the_summary_holds_what_the_ledger_holds(config: LoopConfig, kind: str) -> None:
    config = replace(config, rounds=1, baselines=({"name": "flat", "localisation_f1": 0.42},))
    target = replace(NOWHERE, fact=TargetFact(kind, "x", 3, 0.5))
    facts = json.loads(json.dumps(summary(config, finished(config, kind), target)))
    scores, other = {"localisation_f1": 0.5}, "simulated" if kind == "real" else "real"
    assert facts[f"{kind}_dev"] == scores and facts[f"{other}_dev"] is None
    assert bool(facts["baselines"]) == (kind == "real")                              # they were measured on real pairs
    assert facts["target"] == {"kind": kind, "folder": "x", "pairs": 3, "gsd_m": 0.5}
    assert facts["scorecard"]["rows"]["A1"]["syn"] == 2.0 and facts["realism"] == {"of": "realism"}
    (only,) = facts["rounds"]
    assert all(only[name] == {"of": name} for name in ("propose", "capture", "translate", "train", "judge"))
    assert only["curve"] == [{"step": 10, "loss": 1.5}] and len(only["requests"]) == 8
    assert all(request["hazard"]["kind"] in ("fire", "flood") and request["why"] for request in only["requests"])
    assert {"total", "propose", "capture", "train", "map"} <= facts["seconds"].keys()


@pytest.mark.parametrize(("table", "says"), [
    ({"rounds": 0}, "rounds is 0: expected 1 or more"),
    ({"steps": []}, r"steps is \[\]: expected the training steps"),
    ({"space": {}}, "expected at least one axis"),
    ({"probe_px": 100}, "probe_px is 100: expected a multiple of 32"),
    ({"model_share": 1.5}, "model_share is 1.5: expected 0 to 1"),
    ({"seed": -1}, "seed is -1: expected 0 or more"),
    ({"space": {"layout.desnity": [0, 1]}}, "desnity is not known"),
    ({"target": "nowhere"}, "nowhere is not a folder"),
    ({"train": {"steps": 9}}, r"train\.steps is 9: .*the loop sets it itself"),
    ({"train": {"lrr": 9}}, "train: key 'lrr' is not known"),
    ({"train": {"crop_px": 50}}, "crop_px is 50: expected a multiple of 32"),
    ({"realism": {"max_steps": 9}}, "realism: key 'max_steps' is not known"),
])
def test_what_cannot_be_run_is_named_before_the_first_step(table: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        check(from_table(LoopConfig, {"space": SPACE, **table}, "run.toml"))
