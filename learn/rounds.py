"""The steps of one round: propose, capture, realism, translate, train, judge. Each returns what the ledger keeps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import zarr

from learn import acquire
from learn.ledger import Ledger, Record, read_json, write_json
from learn.target import Target
from sim_bridge.campaign import CampaignConfig, run_campaign
from sim_bridge.config import from_table
from sim_bridge.spec import SceneSpec, space_from_json
from sim_bridge.store import open_frames, read

if TYPE_CHECKING:
    from learn.loop import LoopConfig


def propose(config: LoopConfig, ledger: Ledger, target: Target, index: int) -> Record:
    """Scenes of a round: the model's wishes where a model has judged candidates, Sobol and random beside them."""
    space = space_from_json(config.space)
    counts = acquire.shares(config.scenes, config.model_share if index else 0.0, config.random_share)
    chosen = [acquire.from_record(r) for r in _judged(config, index - 1)][: counts["model"]] if index else []
    counts["sobol"] += counts["model"] - len(chosen)
    for strategy in ("sobol", "random"):
        chosen += acquire.baseline_proposals(space, strategy, counts[strategy], config.seed, index)
    write_json(config.round_dir(index) / "specs.json", [acquire.to_record(p) for p in chosen])
    return {"scenes": len(chosen), "strategies": {s: sum(p.strategy == s for p in chosen) for s in acquire.STRATEGIES}}


def capture(config: LoopConfig, ledger: Ledger, target: Target, index: int) -> Record:
    """Flies every scene of the round over AirSim RPC, before and after, into `frames.zarr`."""
    folder = config.round_dir(index)
    specs = [acquire.from_record(r).spec for r in read_json(folder / "specs.json")]
    return fly(config, folder, specs, config.frame_px)


def fly(config: LoopConfig, folder: Path, specs: Sequence[SceneSpec], size_px: int) -> Record:
    """Captures scenes into `folder/frames.zarr`; worlds are kept once for the whole run."""
    campaign = CampaignConfig(out=folder, width=size_px, height=size_px, overlap=config.overlap, workers=config.workers,
                              world_root=config.out / "worlds")
    frames = open_frames(run_campaign(campaign, specs))
    agreement = {name: float(np.nanmean(read(frames, f"agreement_{name}"))) for name in ("depth", "semantic")}
    return {"frames": int(read(frames, "captured").all(axis=1).sum()), "scenes": len(specs), "agreement": agreement}


def realism(config: LoopConfig, ledger: Ledger, target: Target, index: int) -> Record:
    """Fits the sensor profile to the target's unlabelled images and trains the diffusion proposer on them."""
    from domain.train import RealismConfig, fit_realism

    settings = {"real": [str(target.folder)], "frames": [str(config.round_dir(index) / "frames.zarr")],
                "out": str(config.out / "realism"), "seed": config.seed}
    fit_realism(from_table(RealismConfig, {**config.realism, **settings}, "realism"))
    return {"pipeline": "realism"}


def translate(config: LoopConfig, ledger: Ledger, target: Target, index: int) -> Record:
    """Moves the round's frames toward the target."""
    out = translated(config, config.round_dir(index) / "frames.zarr", config.round_dir(index) / "translations")
    return {"store": str(out.relative_to(config.out))}


def translated(config: LoopConfig, frames: Path, folder: Path) -> Path:
    """Translation store of a frame store with the run's pipeline, named by the pipeline's hash."""
    from domain.pipeline import RealismPipeline
    from domain.translate import translate_store

    pipeline = RealismPipeline.from_pretrained(config.out / "realism")
    return translate_store(frames, pipeline, folder / f"{pipeline.digest()}.zarr", seed=config.seed,
                           acquisitions=config.acquisitions)


def train(config: LoopConfig, ledger: Ledger, target: Target, index: int) -> Record:
    """Trains on all rounds so far, on from the last round's checkpoint."""
    from learn.settings import TrainConfig
    from learn.train import train as run_training

    rounds = [config.round_dir(i) for i in range(index + 1)]
    settings = {
        "frames": [str(folder / "frames.zarr") for folder in rounds],
        "translations": [str(next((folder / "translations").glob("*.zarr"))) for folder in rounds],
        "target": str(target.folder), "out": str(config.round_dir(index) / "checkpoint"),
        "steps": config.steps_of(index), "seed": config.seed + index,
    }
    if index:
        settings["init"] = str(model_dir(config, index - 1))
    out = run_training(from_table(TrainConfig, {**config.train, **settings}, "train"))
    return {"steps": settings["steps"], "model": str((out / "model").relative_to(config.out))}


def model_dir(config: LoopConfig, index: int) -> Path:
    """Model folder that a round leaves behind."""
    return config.round_dir(index) / "checkpoint" / "model"


def judge(config: LoopConfig, ledger: Ledger, target: Target, index: int) -> Record:
    """Probes candidates for the next round, and keeps the ones that the model wants, best first."""
    from learn.model import load_model
    from learn.uncertainty import embed, uncertainty

    space = space_from_json(config.space)
    points = acquire.sobol_points(config.candidates, len(space.names), acquire.scene_seed(config.seed, index, 7, 0))
    folder = config.round_dir(index) / "probes"
    before, after = _probe_frames(config, folder, [space.decode(p, acquire.scene_seed(config.seed, index, 7, i + 1))
                                                   for i, p in enumerate(points)])
    net, _ = load_model(model_dir(config, index))
    doubt = uncertainty(net, before, after).astype(np.float64)                           # (N,)
    probed, wanted_look = (embed(net, *pictures).astype(np.float64)                      # (N, D), (M, D)
                           for pictures in ((before, after), _target_crops(target, config)))
    match = acquire.target_match(probed, wanted_look)
    wanted = acquire.model_proposals(space, points, doubt, match, config.scenes, config.seed, index + 1)
    write_json(config.round_dir(index) / "judgement.json", [acquire.to_record(p) for p in wanted])
    return {"candidates": len(points), "uncertainty_mean": float(doubt.mean()), "uncertainty_max": float(doubt.max()),
            "target_match_mean": float(match.mean())}


def _judged(config: LoopConfig, index: int) -> list[Record]:
    return list(read_json(config.round_dir(index) / "judgement.json"))


def _probe_frames(config: LoopConfig, folder: Path, specs: Sequence[SceneSpec]) -> tuple[np.ndarray, np.ndarray]:
    """(N, h, w, 3) uint8 before and after: each candidate's middle frame, translated as training frames are."""
    probes = [acquire.probe_of(spec, config.probe_size_m) for spec in specs]
    fly(config, folder, probes, config.probe_px)
    frames = open_frames(folder / "frames.zarr")
    store = zarr.open_group(translated(config, folder / "frames.zarr", folder / "translations"), mode="r")
    ids = read(frames, "scene_id")
    middle = [int(np.median(np.flatnonzero(ids == probe.scene_id))) for probe in probes]
    before, after = (read(store, f"{phase}_rgb")[middle] for phase in ("before", "after"))
    return before, after


def _target_crops(target: Target, config: LoopConfig, most: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """(M, h, w, 3) uint8 before and after: crops of the target's pairs, evenly spread, as large as a probe."""
    from sim_bridge.imagery import find_pairs, read_rgb

    pairs, size = find_pairs(target.folder), config.probe_px
    before, after = [], []
    for number, pair in enumerate(pairs):
        pre, post = read_rgb(pair.pre).pixels, read_rgb(pair.post).pixels
        rng = np.random.default_rng((config.seed, number))
        for _ in range(max(1, most // len(pairs))):
            y, x = (int(rng.integers(0, max(1, n - size + 1))) for n in pre.shape[:2])
            crops = [image[y:y + size, x:x + size] for image in (pre, post)]
            if all(crop.shape[:2] == (size, size) for crop in crops):
                before.append(crops[0])
                after.append(crops[1])
    return np.stack(before), np.stack(after)
