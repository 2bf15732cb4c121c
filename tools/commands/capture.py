"""`mage capture`: a scripted campaign over scenes, on the embedded simulator or on running ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import tyro


def capture(config: tyro.conf.Positional[Path], out: Path | None = None, scenes: int | None = None,
            simulator: tuple[str, ...] = ()) -> None:
    """Fly a campaign: before and after frames with labels at measured poses, into a Zarr store; resumable.

    Args:
        config: TOML file: `[campaign]` with the fields of CampaignConfig, and scenes as `[[scene]]` tables or drawn
            from `[space]` (`scenes`, `seed`, `strategy`); see configs/campaign.toml.
        out: Store to write, instead of the one in the file.
        scenes: Number of scenes drawn from the space, instead of the one in the file.
        simulator: Running simulators as host:port, instead of starting our own.
    """
    from sim_bridge.campaign import CampaignConfig, run_campaign
    from sim_bridge.config import from_table, load_table
    from tools.scenes import scenes_of

    table = load_table(config)
    settings = from_table(CampaignConfig, table.pop("campaign", {}), f"{config}: campaign")
    if out is not None:
        settings = replace(settings, out=out)
    if simulator:
        settings = replace(settings, simulators=simulator)
    print(f"frames: {run_campaign(settings, scenes_of(table, scenes, str(config)))}")


def main(argv: list[str]) -> None:
    """Parses the arguments and captures."""
    tyro.cli(capture, prog="mage capture", args=argv)
