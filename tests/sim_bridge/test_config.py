"""Settings files: strict, typed, and each mistake named in one line."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from sim_bridge.config import from_table, load_config, to_table
from sim_bridge.errors import InputError


@dataclass(frozen=True)
class Inner:
    rate: float = 0.5


@dataclass(frozen=True)
class Outer:
    out: Path
    steps: int = 3
    mode: Literal["a", "b"] = "a"
    target: Path | None = None
    paths: tuple[Path, ...] = ()
    space: dict[str, object] = field(default_factory=dict)
    inner: Inner = field(default_factory=Inner)


def test_round_trip(tmp_path):
    config = Outer(Path("runs/x"), 5, "b", None, (Path("a"), Path("b")), {"k": [1, 2]}, Inner(2.0))
    assert from_table(Outer, to_table(config), "here") == config


def test_from_a_file(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text('out = "runs/demo"\nsteps = 7\n[inner]\nrate = 1\n')
    assert load_config(Outer, path) == Outer(Path("runs/demo"), 7, inner=Inner(1.0))


@pytest.mark.parametrize(("text", "message"), [
    ('out = "x"\nstesp = 3', "key 'stesp' is not known, expected one of out, steps"),
    ('out = "x"\nsteps = "many"', "steps is 'many': expected a whole number"),
    ('out = "x"\nsteps = true', "steps is True: expected a whole number"),
    ('out = "x"\nmode = "c"', "mode is 'c': expected one of a, b"),
    ('out = "x"\n[inner]\nrat = 1', "inner: key 'rat' is not known"),
    ("steps = 3", "key 'out' is missing"),
    ("out = ", "is not TOML"),
])
def test_mistakes_are_named(tmp_path, text, message):
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_config(Outer, path)
    assert message in str(caught.value) and str(path) in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load_config(Outer, tmp_path / "none.toml")
