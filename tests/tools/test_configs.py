"""Every file in configs/ is one that its command takes, down to the settings and scenes nested in it."""

from pathlib import Path

import pytest

from domain.train import RealismConfig
from learn.acquire import scene_space
from learn.loop import LoopConfig
from learn.settings import TrainConfig, check
from sim_bridge.campaign import CampaignConfig, plan_campaign
from sim_bridge.config import from_table, load_config, load_table
from tools.experiments import VARIANTS, ExperimentConfig
from tools.scenes import scenes_of

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
KINDS = {"realism": RealismConfig, "train": TrainConfig, "experiments": ExperimentConfig}
CAMPAIGNS = ("campaign", "place_osm", "place_ems")
PLACES_OF_TRAINING = {"frames": ["frames.zarr"], "out": "out"}
PLACES_OF_REALISM = {**PLACES_OF_TRAINING, "real": ["real"]}


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_file_is_one_that_its_command_takes(path, request, monkeypatch):
    monkeypatch.chdir(CONFIGS.parent)                  # where the paths of the files start
    if path.stem in CAMPAIGNS:
        if path.stem.startswith("place_"):
            request.getfixturevalue("real")
        table = load_table(path)
        campaign = from_table(CampaignConfig, table.pop("campaign"), "campaign")
        specs = scenes_of(table, None, str(path))
        assert len(specs) == table.get("scenes", len(table.get("scene", ())))
        assert plan_campaign(campaign, specs).frames >= len(specs)
    elif path.stem in KINDS:
        load_config(KINDS[path.stem], path)
    else:
        loop = load_config(LoopConfig, path)
        space = scene_space(loop.space, loop.base)
        corners = [[u] * len(space.names) for u in (0.0, 0.5, 1.0)]
        specs = [space.decode(point, seed=1) for point in corners]
        assert plan_campaign(CampaignConfig(loop.out, loop.frame_px, loop.frame_px, loop.overlap), specs).frames >= 3
        check(from_table(TrainConfig, {**PLACES_OF_TRAINING, **loop.train}, "train"), processes=1)
        from_table(RealismConfig, {**PLACES_OF_REALISM, **loop.realism}, "realism")


def test_training_can_run_and_experiments_name_variants():
    check(load_config(TrainConfig, CONFIGS / "train.toml"), processes=2)
    experiments = load_config(ExperimentConfig, CONFIGS / "experiments.toml")
    assert set(experiments.variants) <= set(VARIANTS)
    check(from_table(TrainConfig, {**PLACES_OF_TRAINING, **experiments.train}, "train"), processes=1)


def test_files_that_follow_the_demo_read_what_it_writes():
    demo = load_config(LoopConfig, CONFIGS / "demo.toml")
    rounds = {demo.round_dir(i) / "frames.zarr" for i in range(demo.rounds)}
    assert set(load_config(RealismConfig, CONFIGS / "realism.toml").frames) <= rounds
    assert set(load_config(TrainConfig, CONFIGS / "train.toml").frames) <= rounds
    assert load_config(TrainConfig, CONFIGS / "train.toml").target == demo.default_target
    assert load_config(ExperimentConfig, CONFIGS / "experiments.toml").run == demo.out
