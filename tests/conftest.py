"""Shared by all tests: where real imagery is, quiet thread use, and the refusal of skips that nobody allowed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("OMP_NUM_THREADS", "2")
settings.register_profile("mage", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mage")
# a shell starts background jobs with SIGINT ignored, and children inherit that: Ctrl-C would strike deaf processes
signal.signal(signal.SIGINT, signal.default_int_handler)

HERE = Path(__file__).parent
REAL = HERE.parents[1] / "shared" / "real"
ALLOWED = [line for line in (HERE / "allowed_skips.txt").read_text().splitlines() if line and not line.startswith("#")]
_unexpected: list[str] = []


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder of real imagery beside the checkout."""
    if not REAL.is_dir():
        pytest.skip("needs ../shared/real")
    return REAL


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(allowed in reason for allowed in ALLOWED):
            _unexpected.append(f"{report.nodeid}: {reason}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _unexpected and session.exitstatus == 0:
        print("\nskips that tests/allowed_skips.txt does not allow:\n" + "\n".join(_unexpected))
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
