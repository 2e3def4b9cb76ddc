# `make run` starts nled on its embedded default, `make test` checks everything.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STATE  ?= ./var
# What `make test` runs, and the program that is the store in it: STORE=/usr/bin/redis-server, else the bundled one.
TESTS  ?= tests
STORE  ?=

.PHONY: run test venv bench faults lint clean
.DEFAULT_GOAL := run

run: $(VENV)/.run
	NLED_STATE_DIR=$(STATE) $(BIN)/twistd -n --pidfile= nled

test: $(VENV)/.test lint
	NLED_TEST_STORE=$(STORE) $(BIN)/python -m twisted.trial $(TESTS)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.run
	$(BIN)/python -m bench

# About a minute; `make faults FAULTS=--long` is half an hour.
faults: $(VENV)/.test
	$(BIN)/python -m faults $(FAULTS)

venv: $(VENV)/.run

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "nled needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	  || { echo "nled needs Python's venv module; on Debian: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The stamps make a second run fast: pip is asked only when setup.py is newer.
$(VENV)/.run: setup.py nled/_version.py | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[embedded,plot]'
	@touch $@

$(VENV)/.test: setup.py nled/_version.py | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[embedded,plot,test]'
	@touch $@ $(VENV)/.run

clean:
	rm -rf $(VENV) _trial_temp build *.egg-info
