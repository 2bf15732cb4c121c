"""One row of the table: a figure with its spread, what it stands beside, and its bar."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np


def row(name: str, values: Sequence[float], unit: str, against: str, least: float | None = None,
        most: float | None = None) -> dict[str, Any]:
    """Median of several runs, lowest to highest as spread. With neither `least` nor `most` there is no bar to meet."""
    value = float(np.median(values))
    bar = None if least is None and most is None else f">= {least:g}" if least is not None else f"<= {most:g}"
    met = None if bar is None else (least is None or value >= least) and (most is None or value <= most)
    return {"name": name, "value": value, "unit": unit, "spread": f"{min(values):.3g} to {max(values):.3g}",
            "against": against, "bar": bar, "met": met}


def peak_mb() -> float:
    """Largest memory (MB) that this process has held since its program was loaded.

    Not `ru_maxrss`: that begins with what the process held from which this one was started.
    """
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024
