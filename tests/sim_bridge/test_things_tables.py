"""The names of things: what can be built is what the schema allows and the page describes."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import pytest

from sim_bridge.world.buildings import ROOFS, USES
from sim_bridge.world.materials import INDEX
from sim_bridge.world.plants import SPECIES
from sim_bridge.world.vehicles import HEIGHT_M

PAGE = Path(__file__).parents[2] / "docs" / "things.md"


def schema() -> dict[str, dict[str, dict[str, dict[str, list[str]]]]]:
    text = resources.files("sim_bridge.world").joinpath("world.schema.json").read_text("utf-8")
    return dict(json.loads(text)["$defs"])


def test_schema_allows_what_can_be_built() -> None:
    building, vehicle = schema()["building"]["properties"], schema()["vehicle"]["properties"]
    assert set(building["roof"]["enum"]) == {*ROOFS, "custom"}
    assert set(USES) <= set(building["use"]["enum"])
    assert set(vehicle["kind"]["enum"]) == set(HEIGHT_M)


@pytest.mark.parametrize("names", [ROOFS, USES, tuple(SPECIES), tuple(HEIGHT_M)])
def test_page_names_them_all(names: tuple[str, ...]) -> None:
    page = PAGE.read_text("utf-8")
    assert [name for name in names if name not in page] == []


def test_every_colour_of_a_crown_is_a_material() -> None:
    worn = {name for species in SPECIES.values() for shares in species.colours.values() for name, _ in shares}
    assert worn <= set(INDEX)
    for species in SPECIES.values():
        assert species.climates and species.height_m[0] < species.height_m[1]
        for shares in species.colours.values():
            assert sum(share for _, share in shares) == pytest.approx(1.0)
