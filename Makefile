# Two commands: `make play` runs the main job, `make test` runs every check. Both set up what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Tests of the server that only compute: they need no machine for themselves, as those do that hear a server play.
COMPUTING := $(patsubst %,tests/server/test_%.py,clip_engine fuzz inversion limiter mixer motion osc presets render voice_file voice_info)

.PHONY: play serve test check clean

play: $(VENV)/.server  ## 20 s of birds and rain, driven by real OSC, to the sound card or petrichor-demo.wav
	$(BIN)/petrichor play

serve: $(VENV)/.server  ## the server, for your own patches
	$(BIN)/petrichor serve

test: $(VENV)/.dev check  ## style, types and all tests, with the real Pd and the real scsynth
	tests/install-programs
	$(BIN)/python -m pytest -m alone tests/server
	$(BIN)/python -m pytest -m "not alone" -n 2 --dist loadfile tests/server tests/patches $(addprefix --ignore=,$(COMPUTING))
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder tests/training $(COMPUTING)  # the longest first

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "no virtual environment: apt-get install python3-venv"; exit 1; }

$(VENV)/.server: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[console]"
	touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[training,dev]"
	touch $@ $(VENV)/.server

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
