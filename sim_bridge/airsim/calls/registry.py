"""How a module of this package says which RPC a function answers, and what it gets to answer it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sim_bridge.airsim.dialects import Dialect
from sim_bridge.embedded.simulator import Simulator

State = Literal["done", "absent"]


@dataclass(frozen=True)
class Context:
    """What every RPC may use."""

    simulator: Simulator
    dialect: Dialect
    settings: str
    """Text of getSettingsString."""


@dataclass(frozen=True)
class Call:
    """One RPC: run(context, **arguments by the server's own names) gives the result, or a Future of it for a task that
    takes its time."""

    run: Callable[..., Any]
    state: State
    """`done`: it does what it does in AirSim. `absent`: it answers as a server does where the feature is missing."""
    note: str
    """What a reader of the coverage table should know, in a few words."""


_calls: dict[str, Call] = {}


def rpc(name: str, state: State = "done", note: str = "") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Marks the function that answers an RPC. Arguments that only some dialects send need defaults.

    It raises ValueError or MageError with the text that the caller shall be told.
    """
    def register(run: Callable[..., Any]) -> Callable[..., Any]:
        if name in _calls:
            raise ValueError(f"{name} is answered twice")
        _calls[name] = Call(run, state, note)
        return run
    return register


def registered() -> Mapping[str, Call]:
    """All that was marked so far."""
    return dict(_calls)
