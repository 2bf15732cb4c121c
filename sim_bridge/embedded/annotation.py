"""Cosys-AirSim's annotation layers: a colour, an index or a grey value for each object, seen in a picture of its own.

Source: Cosys-AirSim docs/annotation.md and SimModeBase.cpp. No object of our worlds has a tag: with `default` a layer
shows all of them in black until a call says otherwise, without it none, and calls cannot add any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sim_bridge.embedded.config import AnnotationLayer
from sim_bridge.embedded.instance_colours import BLACK, COLOURS, Colour, colour_of, named, registered
from sim_bridge.embedded.state import State

RGB, GREYSCALE, TEXTURE = 0, 1, 2
Value = int | float | Colour
"""Of an object: a place in the list of colours, a grey value in 0..1, or a colour, by the kind of its layer."""
_KEY = "annotation"
_UNSET = COLOURS - 1
"""Index that untagged objects report."""


def objects(state: State, layer: AnnotationLayer) -> list[str]:
    """Names of a layer's objects, in the order of their registration."""
    return list(registered(state).ids) if layer.default else []


def value(state: State, layer: AnnotationLayer, name: str) -> Value | None:
    """What an object has in a layer; None if there is none of that name."""
    if name not in objects(state, layer):
        return None
    return _set(state, layer).get(name, _unset(layer))


def with_value(state: State, layer: AnnotationLayer, name: str, new: Value, is_pattern: bool) -> tuple[State, bool]:
    """The state with another value of one object, or of all that the whole pattern matches in any case; and whether
    there is any. Raises PatternError."""
    found = named(dict.fromkeys(objects(state, layer)), name, is_pattern)
    layers = {**state.extra.get(_KEY, {}), layer.name: {**_set(state, layer), **dict.fromkeys(found, new)}}
    return replace(state, extra={**state.extra, _KEY: layers}), bool(found)


def colours(state: State, layer: AnnotationLayer) -> dict[str, Colour]:
    """Colour of every object that does not show black."""
    present = registered(state).ids
    return {name: _colour(layer, new) for name, new in _set(state, layer).items() if name in present}


def shown(colour: Colour) -> str:
    """A colour as Cosys-AirSim writes it."""
    return ",".join(str(level) for level in colour)


def _set(state: State, layer: AnnotationLayer) -> Mapping[str, Value]:
    layers: Mapping[str, Mapping[str, Value]] = state.extra.get(_KEY, {})
    return layers.get(layer.name, {})


def _unset(layer: AnnotationLayer) -> Value:
    if layer.kind == GREYSCALE:
        return 0.0
    return BLACK if layer.set_direct else _UNSET


def _colour(layer: AnnotationLayer, new: Value) -> Colour:
    if isinstance(new, tuple):
        return new
    if layer.kind == GREYSCALE:
        level = round(255 * new)
        return level, level, level
    return colour_of(int(new))
