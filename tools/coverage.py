"""`python -m tools.coverage`: which of AirSim's calls the embedded simulator answers, as one page of tables."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from sim_bridge.airsim.calls import CALLS
from sim_bridge.airsim.calls.images import MAX_IMAGES, MAX_PIXELS
from sim_bridge.airsim.dialects import DIALECTS, MODES, Signature, all_signatures
from sim_bridge.airsim.messages import MAX_MESSAGE_BYTES
from sim_bridge.airsim.options import CONNECTIONS, MAX_SIDE_PX
from sim_bridge.airsim.settings_vehicles import MOST_VEHICLES
from sim_bridge.airsim.structs import STRUCTS, Codec
from sim_bridge.embedded.clock import LONGEST_S as CONTINUE_S
from sim_bridge.embedded.edits import MAX_CHANGED, MAX_TEXTURED
from sim_bridge.embedded.lidar import MAX_POINTS
from sim_bridge.embedded.markers import MAX_LINES
from sim_bridge.embedded.objects import MAX_PATTERN
from sim_bridge.embedded.recording import MAX_BYTES
from sim_bridge.embedded.tasks import LONGEST_S as TASK_S
from sim_bridge.embedded.voxels import MAX_CELLS

CoverageState = Literal["done", "absent", "missing"]
STATES: Mapping[CoverageState, str] = {
    "done": "does what it does in AirSim",
    "absent": "answers as the real server does where the feature is not there",
    "missing": "is bound, with the arity and types of the real server, and answers with an error that says so",
}
TITLES: Mapping[str, str] = {"airsim": "AirSim", "colosseum": "Colosseum", "cosys": "Cosys"}
_INTRO = """# Coverage of AirSim's calls

Written by `python -m tools.coverage --out docs/airsim-coverage.md`; do not edit. Every call that AirSim 1.8.1,
Colosseum and Cosys-AirSim bind, in the groups of `sim_bridge/airsim/rpcs.txt`, which has the signatures; `mage serve
--dialect` chooses the dialect. The calls of Cosys include four (`simSet...Pose` of sensors) that its Python client
makes though no server of it binds them. What the simulator does around these calls is in [airsim.md](airsim.md)."""
_CELLS = """A dialect's cell says what differs there from the first dialect that has the call: arguments by the server's
own names, and structs that carry other fields."""
_WORD = re.compile(r"\w+")
LIMITS: Mapping[str, str] = {
    "clients at once (`--connections`)": f"{CONNECTIONS}",
    "bytes in a request (`--max-message-mib`)": f"{MAX_MESSAGE_BYTES >> 20} MiB",
    "side of an image": f"{MAX_SIDE_PX:,} pixels",
    "images in a call": f"{MAX_IMAGES}, together {MAX_PIXELS / 1e6:.1f} million pixels",
    "characters of a regular expression": f"{MAX_PATTERN}",
    "vehicles in settings.json": f"{MOST_VEHICLES}",
    "objects spawned or altered": f"{MAX_CHANGED}, of which {MAX_TEXTURED} with a texture of their own",
    "points of a lidar scan": f"{MAX_POINTS:,}",
    "cells of a voxel grid": f"{MAX_CELLS / 1e6:.1f} million",
    "plotted lines and points": f"{MAX_LINES:,}",
    "bytes of a recording": f"{MAX_BYTES >> 30} GiB",
    "simulated time of one continue call": f"{CONTINUE_S / 3600:g} h",
    "simulated time of one flight task": f"{TASK_S / 3600:g} h",
}
"""What the server bounds, and by how much."""


@dataclass(frozen=True)
class Row:
    """One call in all dialects."""

    name: str
    group: str
    bound: Mapping[str, Signature]
    """By dialect."""
    state: CoverageState
    note: str

    @property
    def modes(self) -> str:
        found = next(iter(self.bound.values())).modes
        return "all" if found == MODES else ", ".join(found)


def rows() -> tuple[Row, ...]:
    """Every call of any dialect once: groups and calls in the order of the table, a dialect's own calls after those of
    all."""
    names = dict.fromkeys(name for dialect in DIALECTS for name in all_signatures(dialect))
    found = [_row(name) for name in names]
    groups = list(dict.fromkeys(row.group for row in found))
    return tuple(sorted(found, key=lambda row: groups.index(row.group)))


def _row(name: str) -> Row:
    bound = {dialect: all_signatures(dialect)[name] for dialect in DIALECTS if name in all_signatures(dialect)}
    call = CALLS.get(name)
    first = next(iter(bound.values()))
    return Row(name, first.group, bound, call.state if call else "missing", call.note if call else "")


def difference(row: Row, dialect: str) -> str:
    """What a dialect's cell says: "-" if it has no such call, "yes" if it has the first dialect's."""
    if dialect not in row.bound:
        return "-"
    first, own = next(iter(row.bound.values())), row.bound[dialect]
    theirs, ours = dict(first.args), dict(own.args)
    said = [f"without `{name}`" for name in theirs if name not in ours]
    said += [f"with `{name}`" for name in ours if name not in theirs]
    said += [f"`{name}` as {ours[name]}" for name in ours if theirs.get(name, ours[name]) != ours[name]]
    said += [f"returns {own.returns}"] if own.returns != first.returns else []
    said += [f"own `{struct}`" for struct in _structs(own) if _fields(dialect, struct) != STRUCTS[struct]]
    return ", ".join(said) or "yes"


def _structs(signature: Signature) -> list[str]:
    """Structs that a call's arguments and result hold, those within others included."""
    waiting, found = [*(kind for _, kind in signature.args), signature.returns], dict[str, None]()
    while waiting:
        for word in _WORD.findall(waiting.pop()):
            if word in STRUCTS and word not in found:
                found[word] = None
                waiting += [kind for _, kind in STRUCTS[word]]
    return list(found)


def _fields(dialect: str, struct: str) -> tuple[tuple[str, str], ...]:
    return Codec(dialect, DIALECTS[dialect].arrays).fields(struct)


def page() -> str:
    """The whole page, Markdown."""
    found = rows()
    parts = [_INTRO, _table(("dialect", "calls", *STATES), _counts(found)),
             "\n".join(f"- **{state}**: {text}." for state, text in STATES.items()), _CELLS]
    for group in dict.fromkeys(row.group for row in found):
        lines = [_line(row) for row in found if row.group == group]
        parts += [f"## {group}", _table(("call", *TITLES.values(), "modes", "state", "note"), lines)]
    parts += ["## Limits", "What is beyond them is refused with a message, or cut where the note of the call says so.",
              _table(("what", "at most"), [list(limit) for limit in LIMITS.items()])]
    return "\n\n".join(parts) + "\n"


def _counts(found: tuple[Row, ...]) -> Iterator[list[str]]:
    for dialect, title in TITLES.items():
        states = Counter(row.state for row in found if dialect in row.bound)
        yield [title, str(states.total()), *(str(states[state]) for state in STATES)]
    states = Counter(row.state for row in found)
    yield ["any", str(states.total()), *(str(states[state]) for state in STATES)]


def _line(row: Row) -> list[str]:
    state = f"**{row.state}**" if row.state == "missing" else row.state
    return [f"`{row.name}`", *(difference(row, dialect) for dialect in TITLES), row.modes, state,
            row.note.replace("|", "\\|")]


def _table(head: tuple[str, ...], lines: Iterator[list[str]] | list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *lines))


def write(out: Path) -> None:
    """Write the page.

    Args:
        out: Markdown file to write.
    """
    out.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    tyro.cli(write, prog="python -m tools.coverage")
