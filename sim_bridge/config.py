"""Settings from TOML into frozen dataclasses, strictly: what is not known or not of the right type is named."""

from __future__ import annotations

import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from sim_bridge.errors import InputError

T = TypeVar("T")

_EXPECTED = {int: "a whole number", str: "text", bool: "true or false"}


def load_config(kind: type[T], path: Path) -> T:
    """Dataclass `kind` from a TOML file. Relative paths in it are taken from the working directory.

    Raises InputError for a missing or malformed file, unknown keys, missing keys and wrong types.
    """
    return from_table(kind, load_table(path), str(path))


def load_table(path: Path) -> dict[str, Any]:
    """The TOML table of a file. Raises InputError if it is missing or not TOML."""
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): expected a TOML file of settings") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not TOML ({error}): correct it there") from error


def from_table(kind: type[T], table: Mapping[str, Any], where: str) -> T:
    """Dataclass `kind` from a nested table; `where` begins every message."""
    hints = typing.get_type_hints(kind)
    known = {f.name: f for f in fields(typing.cast(Any, kind))}
    for name in table:
        if name not in known:
            raise InputError(f"{where}: key {name!r} is not known, expected one of {', '.join(known)}")
    values = {name: _convert(hints[name], value, f"{where}: {name}") for name, value in table.items()}
    missing = [n for n, f in known.items() if n not in values and f.default is MISSING and f.default_factory is MISSING]
    if missing:
        raise InputError(f"{where}: key {missing[0]!r} is missing, add it")
    return kind(**values)


def to_table(config: Any) -> dict[str, Any]:
    """JSON and TOML value of a config dataclass: paths become strings, None is left out."""
    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: plain(entry) for name, entry in value.items() if entry is not None}
        if isinstance(value, list | tuple):
            return [plain(entry) for entry in value]
        return str(value) if isinstance(value, Path) else value

    table = plain(asdict(config))
    assert isinstance(table, dict)
    return table


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _convert(next(a for a in args if a is not type(None)), value, where)
    if origin is typing.Literal:
        return _checked(value, value in args, where, f"one of {', '.join(map(str, args))}")
    if origin is tuple:
        _checked(value, isinstance(value, list | tuple), where, "a list")
        return tuple(_convert(args[0], entry, where) for entry in value)
    if origin is dict or hint is dict or (origin is not None and issubclass(origin, Mapping)):
        return _checked(value, isinstance(value, Mapping), where, "a table")
    if is_dataclass(hint):
        _checked(value, isinstance(value, Mapping), where, "a table")
        return from_table(typing.cast(Any, hint), value, where)
    if hint is Path:
        return Path(_checked(value, isinstance(value, str), where, "a path in quotes")).expanduser()
    if hint is float:
        return float(_checked(value, isinstance(value, int | float) and not isinstance(value, bool), where, "a number"))
    exact = isinstance(value, hint) and not (hint is int and isinstance(value, bool))
    return _checked(value, exact, where, _EXPECTED[hint])


def _checked(value: Any, good: bool, where: str, expected: str) -> Any:
    if not good:
        raise InputError(f"{where} is {value!r}: expected {expected}")
    return value
