"""Scenes of a campaign file: a list of them, or a sample of a space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from learn.acquire import baseline_proposals, scene_space
from sim_bridge.errors import InputError
from sim_bridge.spec import SceneSpec, from_json
from sim_bridge.world.places.sources import with_sources

_KEYS = ("scene", "base", "space", "scenes", "seed", "strategy")


def scenes_of(table: Mapping[str, Any], count: int | None, where: str) -> list[SceneSpec]:
    """Scenes of the table of a campaign file, with the digests of the files that they name (`with_sources`).

    `[base]` holds what the scenes of `[space]` share: a place, rule packages, a view. Raises InputError for unknown
    keys, for files that cannot be read, or if it names no scene.
    """
    for name in table:
        if name not in _KEYS:
            raise InputError(f"{where}: key {name!r} is not known, expected one of campaign, {', '.join(_KEYS)}")
    listed = [with_sources(from_json(scene)) for scene in table.get("scene", ())]
    if "space" not in table:
        if not listed:
            raise InputError(f"{where}: names no scene, add a [[scene]] table or a [space] to draw from")
        return listed
    strategy = table.get("strategy", "sobol")
    if strategy not in ("sobol", "random"):
        raise InputError(f"{where}: strategy is {strategy!r}, expected sobol or random")
    number = count if count is not None else int(table.get("scenes", 4))
    space = scene_space(table["space"], table.get("base", {}))
    return listed + [p.spec for p in baseline_proposals(space, strategy, number, int(table.get("seed", 0)), 0)]
