"""Curves of simulated damage beside the published ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tools import hazard_curves
from tools.hazard_curves import Curves, draw_curves, earthquake_curves, wind_curves


@pytest.mark.parametrize("simulate", [earthquake_curves, wind_curves])
def test_simulated_shares_lie_near_the_published_curves(simulate: object, monkeypatch: pytest.MonkeyPatch) -> None:
    assert callable(simulate)
    monkeypatch.setattr(hazard_curves, "KINDS", (("wood_light", 1),))
    monkeypatch.setattr(hazard_curves, "SETTLEMENTS", ("suburb",))
    plots = simulate(12, 120.0)
    assert plots and all(plot.deviation < 0.2 for plot in plots)
    assert all((np.diff(line[1]) >= -1e-9).all() for plot in plots for line in plot.lines.values())


def test_page_holds_a_plot_a_curve_and_names_the_worst(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                       capsys: pytest.CaptureFixture[str]) -> None:
    x, y = np.array([0.1, 0.2]), np.array([0.2, 0.5])
    plot = Curves("earthquake", "W1", "PGA", {"slight": (x, y)}, {"slight": (x, y + 0.04)}, 10, 0.04)
    for name in ("earthquake_curves", "wind_curves", "flood_curves", "fire_curves"):
        monkeypatch.setattr(hazard_curves, name, lambda *_: [plot])
    page = draw_curves(tmp_path / "out", 1).read_text()
    assert page.count("data:image/svg+xml") == 4 and "0.040" in page
    assert "earthquake: largest deviation 0.040 (W1, 10 buildings)" in capsys.readouterr().out
