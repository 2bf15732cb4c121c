# Everything runs from a fresh checkout: `make demo` and `make test` set up what they need in .venv.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TESTED := $(VENV)/.ready-tests
TARGET ?=
RUN ?= runs/demo

.PHONY: demo test test-slow lint bench experiments clean

demo: $(READY)
	$(BIN)/mage loop configs/demo.toml --out $(RUN) $(if $(TARGET),--target "$(TARGET)")

test: $(TESTED) lint
	$(BIN)/python -m pytest -q -m "not slow"

test-slow: $(TESTED)
	$(BIN)/python -m pytest -q -m slow

lint: $(TESTED)
	$(BIN)/ruff check sim_bridge domain learn tools tests
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python -m tools.bench --out runs/bench.json

experiments: $(READY)
	$(BIN)/python -m tools.experiments configs/experiments.toml

$(READY): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) is not here: install Python 3.11 (Debian: apt install python3.11 python3.11-venv) or give PYTHON=<path>"; exit 2; }
	@$(PYTHON) -c "import ensurepip, venv" 2>/dev/null || { echo "make: $(PYTHON) cannot make virtual environments: apt install python3.11-venv"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch torchvision
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $(READY)

# Only tests install the extras `cityengine` (Esri's runtime is free for personal, educational and non-commercial use) and
# `cosys`, the client object that `adopt` takes over.
$(TESTED): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,cityengine,cosys]"
	@touch $(TESTED)

clean:
	rm -rf $(VENV) .venv-airsim .venv-cosys build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
