# `make demo` and `make test` set themselves up: they need Python >= 3.11, make and the package registry.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
CORE   := $(VENV)/.core
DEV    := $(VENV)/.dev
BENCH  := $(VENV)/.bench

.PHONY: demo test test-browser test-versions check format torture bench bench-growth clean

demo: $(CORE)
	$(BIN)/etl demo

test: $(DEV)
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not browser"

# Needs Chromium: tests/support/install_browser.sh installs Debian's.
test-browser: $(DEV)
	$(BIN)/python -m pytest -m "browser and not slow"

check: $(DEV)
	$(BIN)/uv pip check --quiet --python $(BIN)/python
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(DEV)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The long suite: kill -9, faults, races, real schedulers. Hours are not needed, minutes are.
torture: $(DEV)
	$(BIN)/python -m pytest -m slow

# The oldest and the newest Python and dependencies that pyproject.toml allows, in environments made anew.
test-versions: $(DEV)
	$(BIN)/python -m tests.support.versions

bench: $(BENCH)
	$(BIN)/python -m benchmarks

# Up to 50 million events and ids: an hour or so, and 30 GB of disk under benchmarks/data.
bench-growth: $(BENCH)
	$(BIN)/python -m benchmarks.growth

clean:
	rm -rf $(VENV) .venv-ci .venv-airflow .venv-versions build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/uv:
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(CORE): pyproject.toml | $(VENV)/bin/uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --editable .
	touch $(CORE)

$(DEV): pyproject.toml | $(VENV)/bin/uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --editable '.[dev]'
	touch $(CORE) $(DEV)

$(BENCH): $(DEV)
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --editable '.[dev,bench]'
	touch $(BENCH)
