"""MAGE's console commands: `mage.load`, `mage.phase`, `mage.band`, `mage.light`.

Commands answer nothing; what came of one is read back from the marker objects `mage_state_...` and `mage_error_...`.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Sequence

from sim_bridge.embedded.simulator import Simulator
from sim_bridge.errors import MageError
from sim_bridge.spec import Light

_log = logging.getLogger(__name__)

WORLD_ID = re.compile("[0-9a-f]{16}")
"""A world id names a folder of the world root and can say nothing else: no separators, no dots."""


class CommandError(MageError):
    """A command that could not be done; `kind` is the code of its marker."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def run_command(simulator: Simulator, text: str) -> None:
    """Run one console command. Never raises.

    Commands that are not MAGE's are ignored, as an engine ignores what it does not know. A failure becomes a marker,
    which stays until the same command succeeds or a world is loaded."""
    verb, *words = text.split() or [""]
    if not verb.startswith("mage."):
        return
    try:
        if verb not in _COMMANDS:
            raise CommandError("unknown_command", f"{verb}: expected one of {', '.join(_COMMANDS)}")
        count, command = _COMMANDS[verb]
        if len(words) != count:
            raise CommandError("bad_argument", f"{verb}: expected {count} arguments, got {len(words)}")
        command(simulator, words)
    except CommandError as error:
        _log.warning("%s: %s", error.kind, error)
        simulator.note(verb, error.kind)
    else:
        simulator.note(verb, None)


def _load(simulator: Simulator, words: Sequence[str]) -> None:
    world_id = words[0]
    if not WORLD_ID.fullmatch(world_id):
        raise CommandError("bad_world_id", f"{world_id[:40]!r}: expected 16 hex digits")
    if not (simulator.config.world_root / world_id).is_dir():
        raise CommandError("unknown_world", f"{world_id}: no such package in {simulator.config.world_root}")
    try:
        simulator.load(world_id)
    except (MageError, OSError, ValueError, KeyError) as error:
        raise CommandError("bad_package", f"{world_id}: {error}") from error


def _phase(simulator: Simulator, words: Sequence[str]) -> None:
    simulator.update(phase=_one_of(words[0], ("before", "after")))


def _band(simulator: Simulator, words: Sequence[str]) -> None:
    simulator.update(band=_one_of(words[0], ("rgb", "nir")))


def _light(simulator: Simulator, words: Sequence[str]) -> None:
    try:
        elevation_deg, azimuth_deg, haze = (float(word) for word in words)
    except ValueError as error:
        raise CommandError("bad_argument", f"mage.light: {error}") from error
    if not (0 < elevation_deg <= 90 and math.isfinite(azimuth_deg) and 0 <= haze <= 1):
        raise CommandError("bad_argument", f"mage.light {words}: expected elevation in (0, 90], haze in [0, 1]")
    simulator.update(light=Light(elevation_deg, azimuth_deg % 360, haze), sun_clock=None)


def _one_of(word: str, words: Sequence[str]) -> str:
    if word not in words:
        raise CommandError("bad_argument", f"{word[:40]!r}: expected {' or '.join(words)}")
    return word


_COMMANDS: dict[str, tuple[int, Callable[[Simulator, Sequence[str]], None]]] = {
    "mage.load": (1, _load),
    "mage.phase": (1, _phase),
    "mage.band": (1, _band),
    "mage.light": (3, _light),
}
