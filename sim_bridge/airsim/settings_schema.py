"""Which keys settings.json has, as one table (`settings_keys.txt`), and what is wrong with one that was read.

`python -m sim_bridge.airsim.settings_schema` prints the table as the page docs/airsim-settings.md.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from sim_bridge.errors import InputError

_SHOWN = 60
_WARNINGS = 40
_NAMES = {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "a text"}


@dataclass(frozen=True)
class Key:
    """One key of a section."""

    name: str
    kind: str
    """bool, int, float, str, any, or a section's name."""
    form: str
    """"one", "list", or "named": one under each name."""
    low: float
    high: float
    choices: tuple[str, ...]
    """Empty: any text. The empty text is always among them."""
    done: bool
    note: str

    @property
    def bounded(self) -> bool:
        return self.low > -math.inf


@dataclass(frozen=True)
class Findings:
    """What a settings.json holds beside what is honoured, by full dotted names."""

    unknown: tuple[str, ...]
    """Each with the name that may be meant, if there is one."""
    ignored: tuple[str, ...]

    def lines(self) -> list[str]:
        """What to tell the user."""
        told = [f"settings.json: {text}" for text in self.unknown[:_WARNINGS]]
        if len(self.unknown) > _WARNINGS:
            told.append(f"settings.json: {len(self.unknown) - _WARNINGS} more keys are not AirSim's")
        if self.ignored:
            told.append(f"settings.json: known, not honoured here: {', '.join(self.ignored[:_WARNINGS])}"
                        + (f" and {len(self.ignored) - _WARNINGS} more" if len(self.ignored) > _WARNINGS else ""))
        return told


@lru_cache
def sections() -> Mapping[str, Mapping[str, Key]]:
    """The table: keys by name, by section; the outermost is `settings`."""
    table: dict[str, dict[str, Key]] = {}
    current: dict[str, Key] = {}
    for line in resources.files("sim_bridge.airsim").joinpath("settings_keys.txt").read_text().splitlines():
        if line.startswith("["):
            current = table.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key = _key(*(part.strip() for part in line.split("|")))
            current[key.name] = key
    return table


def _key(name: str, kind: str, state: str, note: str) -> Key:
    plain, _, bound = kind.partition(" ")
    form = "list" if plain.startswith("[") else "named" if plain.startswith("{") else "one"
    low, _, high = bound.partition("..")
    choices = tuple(bound.strip("/").split("/")) if bound.startswith("/") else ()
    ranged = bool(high)
    return Key(name, plain.strip("[]{}"), form, float(low) if ranged else -math.inf,
               float(high) if ranged else math.inf, choices, state == "done", note)


def check(data: object) -> Findings:
    """What is unknown or not honoured in settings. Raises InputError naming the first value of a wrong type or out of
    range."""
    unknown: list[str] = []
    ignored: dict[str, None] = {}
    for path, key, value in _walk("settings", data, ""):
        if key is None:
            unknown.append(_unknown(path))
        elif not key.done and not _is_nothing(value):
            ignored.setdefault(path, None)
    return Findings(tuple(unknown), tuple(ignored))


def _walk(section: str, data: object, path: str) -> Iterator[tuple[str, Key | None, object]]:
    """Every key found, checked, with its full name; what lies below a key that is not honoured is checked only."""
    if not isinstance(data, dict):
        raise InputError(f"settings.json: {path or 'the file'} is {_shown(data)}, expected {{...}}")
    for name, value in data.items():
        key, shown = sections()[section].get(name), _printable(name)
        full = f"{path}.{shown}" if path else shown
        yield full, key, value
        if key is not None:
            below = _below(key, full, value)
            yield from (found for found in below if key.done or found[1] is None)


def _below(key: Key, path: str, value: object) -> Iterator[tuple[str, Key | None, object]]:
    if key.kind not in sections():
        _check_value(key, path, value)
    elif key.form == "one":
        yield from _walk(key.kind, value, path)
    elif key.form == "named":
        if not isinstance(value, dict):
            raise InputError(f"settings.json: {path} is {_shown(value)}, expected {{\"name\": {{...}}}}")
        for name, entry in value.items():
            yield from _walk(key.kind, entry, f"{path}.{_printable(name)}")
    else:
        if not isinstance(value, list):
            raise InputError(f"settings.json: {path} is {_shown(value)}, expected [{{...}}]")
        for place, entry in enumerate(value):
            yield from _walk(key.kind, entry, f"{path}[{place}]")


def _check_value(key: Key, path: str, value: object) -> None:
    """Raises InputError for a wrong type or a value out of range. NaN is AirSim's word for "not set"."""
    if key.kind == "any" or (key.kind == "float" and isinstance(value, float) and math.isnan(value)):
        return
    wanted: dict[str, type | tuple[type, ...]] = {"bool": bool, "int": int, "float": (int, float), "str": str}
    if not isinstance(value, wanted[key.kind]) or (isinstance(value, bool) and key.kind != "bool"):
        raise InputError(f"settings.json: {path} is {_shown(value)}, expected {_NAMES[key.kind]}")
    if isinstance(value, (int, float)) and not (key.low <= value <= key.high and value not in (-math.inf, math.inf)):
        bounds = f"{key.low:.10g} to {key.high:.10g}" if key.bounded else "a finite number"
        raise InputError(f"settings.json: {path} is {_shown(value)}, expected {bounds}")
    if key.choices and isinstance(value, str) and value.lower() not in ("", *(c.lower() for c in key.choices)):
        raise InputError(f"settings.json: {path} is {_shown(value)}, expected one of {', '.join(key.choices)}")


def _unknown(path: str) -> str:
    """The key with the nearest known one, in whatever section that is: keys in the wrong place are common."""
    name = path.rpartition(".")[2]
    known = {key for section in sections().values() for key in section}
    close = [name] if name in known else difflib.get_close_matches(name[:_SHOWN], sorted(known), 1, 0.75)
    if not close:
        return f"{path[:200]} is not a key of AirSim's"
    places = ", ".join(section for section, keys in sections().items() if close[0] in keys)
    hint = f"that belongs to {places}" if close[0] == name else f"did you mean {close[0]} ({places})?"
    return f"{path[:200]} is not a key of AirSim's: {hint}"


def _is_nothing(value: object) -> bool:
    return value in ("", [], {}) or (isinstance(value, float) and math.isnan(value))


def _printable(name: object) -> str:
    text = str(name)[:_SHOWN]
    return text if text.isprintable() else ascii(text)


def _shown(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def markdown() -> str:
    """The page docs/airsim-settings.md."""
    lines = [_INTRODUCTION]
    for section, keys in sections().items():
        lines += [f"\n## {section}\n", "| key | type | honoured | note |", "|---|---|---|---|"]
        lines += [f"| `{key.name}` | {_kind(key)} | {'yes' if key.done else '-'} | {key.note} |"
                  for key in keys.values()]
    return "\n".join(lines) + "\n"


def _kind(key: Key) -> str:
    kind = {"one": key.kind, "list": f"list of {key.kind}", "named": f"{key.kind} under each name"}[key.form]
    if key.choices:
        return f"{kind}: {', '.join(key.choices)}"
    return f"{kind}, {key.low:.10g} to {key.high:.10g}" if key.bounded else kind


_INTRODUCTION = """# settings.json

Generated from `sim_bridge/airsim/settings_keys.txt` by `python -m sim_bridge.airsim.settings_schema`.

`mage serve` looks for AirSim's settings.json in AirSim's own order: `--settings` with a path, or with the JSON itself;
`settings.json` in the folder it was launched from; `~/Documents/AirSim/settings.json`. (AirSim also looks beside its
executable: `mage` is a Python program, whose folder is the environment's.) The first that exists is read. Options of
the command line win over it: sizes over those of `CameraDefaults`, not over those of a camera that is named.

JSON with comments, trailing commas and NaN is read, up to 128 KiB; without those, up to 4 MiB. NaN means "not set". A
value of a wrong type or out of range is one line on stderr and exit code 2; a key that is not in these tables is warned
of with its full name and the nearest known one; keys that are known and not honoured are listed in one line.
`getSettingsString` answers the text as it was read, or one that describes the simulator if there was none.

Image sizes without `CaptureSettings` are AirSim's 256x144 where there is a settings.json, else MAGE's 512x512."""


if __name__ == "__main__":
    print(markdown(), end="")
