"""The steps of one round: propose, capture, realism, translate, train, judge. Each returns what the ledger keeps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import zarr

from learn import acquire
from learn.ledger import Ledger, Record, read_json, write_json
from learn.target import Target
from sim_bridge.campaign import CampaignConfig, run_campaign
from sim_bridge.config import from_table
from sim_bridge.errors import InputError
from sim_bridge.imagery import find_pairs, read_rgb
from sim_bridge.spec import SceneSpec
from sim_bridge.store import open_frames, read

if TYPE_CHECKING:
    from learn.loop import LoopConfig

U8 = npt.NDArray[np.uint8]

def propose(config: LoopConfig, ledger: Ledger, target: Target, index: int) -> Record:
    """Scenes of a round: the model's wishes where a model has judged candidates, Sobol and random beside them."""
    space = acquire.scene_space(config.space, config.base)
    counts = acquire.shares(config.scenes, config.model_share if index else 0.0, config.random_share)
    chosen = [acquire.from_record(r) for r in _judged(config, index - 1)][: counts["model"]] if index else []
    counts["sobol"] += counts["model"] - len(chosen)
    for strategy in ("sobol", "random"):
        chosen += acquire.baseline_proposals(space, strategy, counts[strategy], config.seed, index)
    write_json(config.round_dir(index) / "specs.json", [acquire.to_record(p) for p in chosen])
    return {"scenes": len(chosen), "strategies": {s: sum(p.strategy == s for p in chosen) for s in acquire.STRATEGIES}}


def check_parts(config: LoopConfig) -> None:
    """Raises InputError for settings of realism or training that are unknown or cannot be run."""
    from domain.train import RealismConfig
    from learn.settings import TrainConfig, check

    from_table(RealismConfig, {**config.realism, "real": [], "frames": [], "out": "."}, "realism")
    for steps in config.steps:
        check(from_table(TrainConfig, {**config.train, "frames": [], "out": ".", "steps": steps}, "train"), 1)


def capture(config: LoopConfig, ledger: Ledger, target: Target, index: int) -> Record:
    """Flies every scene of the round over AirSim RPC, before and after, into `frames.zarr`."""
    folder = config.round_dir(index)
    specs = [acquire.from_record(r).spec for r in read_json(folder / "specs.json")]
    return fly(config, folder, specs, config.frame_px)


def fly(config: LoopConfig, folder: Path, specs: Sequence[SceneSpec], size_px: int, most_frames: int = 0) -> Record:
    """Captures scenes into `folder/frames.zarr`; worlds are kept once for the whole run."""
    campaign = CampaignConfig(out=folder, width=size_px, height=size_px, overlap=config.overlap, workers=config.workers,
                              most_frames=most_frames, world_root=config.out / "worlds")
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


def translation(config: LoopConfig, ledger: Ledger, index: int) -> Path:
    """Translation store that a round's `translate` left on record."""
    record = ledger.done("translate", index)
    if record is None:
        raise InputError(f"{ledger.path} has no translation of round {index}: run the same command again")
    return config.out / str(record["store"])


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
        "translations": [str(translation(config, ledger, i)) for i in range(index + 1)],
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

    space = acquire.scene_space(config.space, config.base)
    points = acquire.sobol_points(config.candidates, len(space.names), acquire.scene_seed(config.seed, index, 7, 0))
    folder = config.round_dir(index) / "probes"
    before, after = _probe_frames(config, folder, [space.decode(p, acquire.scene_seed(config.seed, index, 7, i + 1))
                                                   for i, p in enumerate(points)])
    net, _ = load_model(model_dir(config, index))
    doubt = uncertainty(net, before, after).astype(np.float64)                           # (N,)
    probed, wanted_look = (embed(net, *pictures).astype(np.float64)                      # (N, D), (M, D)
                           for pictures in ((before, after), target_crops(target, config)))
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
    fly(config, folder, probes, config.probe_px, most_frames=1)
    store = zarr.open_group(translated(config, folder / "frames.zarr", folder / "translations"), mode="r")
    return read(store, "before_rgb"), read(store, "after_rgb")


def target_crops(target: Target, config: LoopConfig, most: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """(M, h, w, 3) uint8 before and after: crops of the target's pairs, evenly spread, as large as a probe."""
    pairs, size = find_pairs(target.folder), config.probe_px
    before, after = [], []
    for number, pair in enumerate(pairs):
        pre, post = (_at_least(read_rgb(path).pixels, size) for path in (pair.pre, pair.post))
        rng = np.random.default_rng((config.seed, number))
        for _ in range(max(1, most // len(pairs))):
            y, x = (int(rng.integers(0, min(sides) - size + 1))
                    for sides in zip(pre.shape[:2], post.shape[:2], strict=True))
            before.append(pre[y:y + size, x:x + size])
            after.append(post[y:y + size, x:x + size])
    return np.stack(before), np.stack(after)


def _at_least(image: U8, size: int) -> U8:
    """Image (H, W, 3), mirrored at its lower and right edges where a side is shorter than `size`."""
    missing = [(0, max(0, size - side)) for side in image.shape[:2]]
    return np.pad(image, (*missing, (0, 0)), mode="symmetric")
