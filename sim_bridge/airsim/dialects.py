"""The three dialects of AirSim's protocol, and which RPCs each binds in which mode (protocol reference, section 2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Literal

from sim_bridge.errors import InputError

SimMode = Literal["ComputerVision", "Multirotor", "Car"]
MODES: tuple[SimMode, ...] = ("ComputerVision", "Multirotor", "Car")


@dataclass(frozen=True)
class Dialect:
    """What differs between the three servers beyond their lists of RPCs."""

    name: str
    server_version: int
    min_client_version: int
    arrays: bool
    """Structs travel as arrays of their values in order, not as maps."""
    bgr: bool
    """Order of raw pixels; else RGB."""


AIRSIM = Dialect("airsim", 1, 1, arrays=False, bgr=True)
COLOSSEUM = Dialect("colosseum", 1, 1, arrays=True, bgr=True)
COSYS = Dialect("cosys", 4, 4, arrays=False, bgr=False)
DIALECTS: Mapping[str, Dialect] = {d.name: d for d in (AIRSIM, COLOSSEUM, COSYS)}


@dataclass(frozen=True)
class Signature:
    """One RPC as a server binds it. Types are those of `structs`: `bool`, `f32`, `[T]`, `(T, T)` or a struct's name."""

    name: str
    group: str
    modes: tuple[SimMode, ...]
    args: tuple[tuple[str, str], ...]
    """(name, type) in order."""
    returns: str


_SECTION = re.compile(r"\[(?P<group>[^|]+) \| (?P<modes>[^|]+) \| (?P<dialects>[^|]+)\]")
_METHOD = re.compile(r"(?P<name>\w+)\((?P<args>.*)\) -> (?P<returns>.+)")


def dialect_named(name: str) -> Dialect:
    """Raises InputError for a name that is no dialect."""
    if name not in DIALECTS:
        raise InputError(f"dialect {name!r}: expected one of {', '.join(DIALECTS)}")
    return DIALECTS[name]


@lru_cache
def all_signatures(dialect: str) -> Mapping[str, Signature]:
    """Every RPC of a dialect by name, whatever the mode, in the order of the table `rpcs.txt`."""
    found: dict[str, Signature] = {}
    group, modes, wanted = "", MODES, False
    for line in resources.files("sim_bridge.airsim").joinpath("rpcs.txt").read_text().splitlines():
        if section := _SECTION.fullmatch(line):
            group, wanted = section["group"], section["dialects"] in ("*", dialect)
            modes = MODES if section["modes"] == "*" else tuple(m for m in MODES if m in section["modes"].split())
        elif wanted and group == "gone":
            found.pop(line, None)
        elif wanted and (method := _METHOD.fullmatch(line)):
            found[method["name"]] = Signature(method["name"], group, modes, _arguments(method["args"]),
                                              method["returns"])
    return found


@lru_cache
def signatures(dialect: str, mode: SimMode) -> Mapping[str, Signature]:
    """The RPCs that a dialect binds in a mode, by name."""
    return {name: found for name, found in all_signatures(dialect).items() if mode in found.modes}


def _arguments(text: str) -> tuple[tuple[str, str], ...]:
    pairs = (part.split(": ") for part in text.split(", ")) if text else ()
    return tuple((name, kind) for name, kind in pairs)
