"""The import rule of the design: tools -> learn -> domain -> sim_bridge, and no torch below domain."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = ("sim_bridge", "domain", "learn", "tools")


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("package", ORDER)
def test_imports_go_one_way(package):
    above = set(ORDER[ORDER.index(package) + 1:])
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    wrong = [(str(f.relative_to(ROOT)), name) for f in files for name in imported(f) if name in above]
    assert wrong == []


def test_the_bridge_knows_no_torch():
    banned = {"torch", "diffusers", "timm", "accelerate", "airsim", "cosysairsim"}
    wrong = [(f.name, name) for f in (ROOT / "sim_bridge").rglob("*.py") for name in imported(f) if name in banned]
    assert wrong == []


def test_the_command_line_is_light():
    code = "import sys, tools.cli; print([m for m in ('torch', 'diffusers', 'timm', 'zarr') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("package", ORDER)
def test_files_stay_readable(package):
    long = {str(f.relative_to(ROOT)): len(f.read_text().splitlines()) for f in (ROOT / package).rglob("*.py")}
    assert {name: n for name, n in long.items() if n > 400} == {}
