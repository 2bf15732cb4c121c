"""The table of calls: every call that any dialect binds, and the committed page as the command writes it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sim_bridge.airsim.calls import CALLS
from sim_bridge.airsim.dialects import DIALECTS, all_signatures
from tools.coverage import difference, page, rows, write

PAGE = Path(__file__).parents[2] / "docs" / "airsim-coverage.md"


def test_committed_page_is_what_the_command_writes(tmp_path: Path) -> None:
    write(tmp_path / "page.md")
    assert PAGE.read_text(encoding="utf-8") == (tmp_path / "page.md").read_text(encoding="utf-8"), \
        "run: python -m tools.coverage --out docs/airsim-coverage.md"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_bound_name_is_a_row(dialect: str) -> None:
    listed = {row.name for row in rows() if dialect in row.bound}
    assert listed == set(all_signatures(dialect))
    shown = re.findall(r"^\| `(\w+)` \|", page(), re.MULTILINE)
    assert len(shown) == len(set(shown))
    assert listed <= set(shown)


def test_every_function_answers_a_call_of_some_dialect() -> None:
    assert set(CALLS) <= {row.name for row in rows()}


def test_state_is_missing_exactly_without_a_function() -> None:
    assert {row.name for row in rows() if row.state == "missing"} == {row.name for row in rows()} - set(CALLS)


def test_differences_between_dialects_are_named() -> None:
    found = {row.name: row for row in rows()}
    cells = {name: [difference(found[name], dialect) for dialect in DIALECTS]
             for name in ("ping", "simGetImage", "simGetObjectPose", "simSetLightIntensity", "simSetExtForce",
                          "getLidarData", "getMultirotorState")}
    assert cells == {
        "ping": ["yes", "yes", "yes"],
        "simGetImage": ["yes", "yes", "without `external`, with `annotation_name`"],
        "simGetObjectPose": ["yes", "yes", "with `ned`"],
        "simSetLightIntensity": ["yes", "yes", "-"],
        "simSetExtForce": ["-", "yes", "yes"],
        "getLidarData": ["yes", "yes", "own `LidarData`"],
        "getMultirotorState": ["yes", "own `MultirotorState`", "yes"],
    }


def test_counts_are_those_of_the_protocol() -> None:
    """126, 129 and 155 calls; and the four more that the client of Cosys calls (protocol sources in rpcs.txt)."""
    totals = dict(re.findall(r"^\| (AirSim|Colosseum|Cosys) \| (\d+) \|", page(), re.MULTILINE))
    assert totals == {"AirSim": "126", "Colosseum": "129", "Cosys": "159"}
