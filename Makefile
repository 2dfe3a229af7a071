# make demo: set up, search on built-in data, print the table, write the report.   make test: set up, run the tests.   make help: the rest.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 1
export RAY_USAGE_STATS_ENABLED ?= 0

.PHONY: help setup demo test test-slow test-gpu check format bench clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.installed  ## virtual environment with the tested versions

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"Python 3.11 or newer is needed, {sys.executable} is {v[0]}.{v[1]}; use make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[test]' --constraint constraints.txt
	touch $@

demo: setup  ## a small search campaign on the built-in data (a few minutes on two cores)
	$(BIN)/python -m ctt_ray.tune --space demo --storage demo --name demo

test: setup  ## all tests but the slow and the GPU ones
	$(BIN)/python -m pytest -m 'not slow and not gpu'

test-slow: setup  ## the slow tests
	$(BIN)/python -m pytest -m slow

test-gpu: setup  ## the tests that need a CUDA device
	$(BIN)/python -m pytest -m gpu

check: setup  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/mypy

format: setup  ## ruff format
	$(BIN)/ruff format .

bench: setup  ## benchmarks: ratios, asserted; prints what it measured (twenty minutes)
	$(BIN)/python -m benchmarks.maths_cost
	$(BIN)/python -m benchmarks.step_cost
	$(BIN)/python -m benchmarks.tune_cost
	$(BIN)/python -m benchmarks.exchange
	$(BIN)/python -m benchmarks.stream
	$(BIN)/python -m benchmarks.prepare --images 20000 --few 4000

clean:  ## remove the virtual environment and what the demo made
	rm -rf $(VENV) demo build *.egg-info
