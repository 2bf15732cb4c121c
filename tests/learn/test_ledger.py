"""The ledger: a step runs once, an interrupted one again, and a torn last line loses nothing else."""

import pytest

from learn.ledger import Ledger, pin_settings, read_json, write_json
from sim_bridge.errors import InputError


def test_a_step_runs_once(tmp_path):
    calls = []
    ledger = Ledger(tmp_path)
    for _ in range(3):
        assert ledger.step("train", 0, lambda: calls.append(1) or {"loss": 0.5}) == {"loss": 0.5}
    assert calls == [1]
    assert Ledger(tmp_path).done("train", 1) is None


def test_an_interrupted_step_runs_again_and_its_time_counts(tmp_path):
    ledger = Ledger(tmp_path)

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ledger.step("capture", 0, stop)
    assert ledger.done("capture", 0) is None
    assert ledger.step("capture", 0, lambda: {"frames": 4}) == {"frames": 4}
    assert [r["done"] for r in ledger.records()] == [False, True]
    assert set(ledger.seconds()) == {"capture", "total"}


def test_a_torn_line_is_passed_over(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.step("propose", 0, lambda: {"n": 1})
    with ledger.path.open("a") as file:
        file.write('{"step": "train", "rou')
    assert ledger.done("propose", 0) == {"n": 1}
    ledger.step("train", 0, lambda: {"n": 2})
    assert ledger.done("train", 0) == {"n": 2}


def test_settings_are_pinned(tmp_path):
    pin_settings(tmp_path / "config.json", {"seed": 1, "rounds": 2})
    pin_settings(tmp_path / "config.json", {"seed": 1, "rounds": 2})
    with pytest.raises(InputError, match="begun with seed = 1, now it is 2"):
        pin_settings(tmp_path / "config.json", {"seed": 2, "rounds": 2})


def test_json_files(tmp_path):
    write_json(tmp_path / "a" / "b.json", {"x": [1, None]})
    assert read_json(tmp_path / "a" / "b.json") == {"x": [1, None]}
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        read_json(tmp_path / "bad.json")
