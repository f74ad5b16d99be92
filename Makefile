# `make run` and `make test` are all that a fresh machine needs; everything is installed into .venv.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
PORT ?= 8501

.PHONY: run test check bench clean

run: .venv/installed
	$(BIN)/streamlit run Home.py --server.port $(PORT)

# Lint, types, then the unit, app and browser tests. Browser tests skip with a reason where there is no Chromium.
test: .venv/installed-dev .venv/chromium check
	$(BIN)/python -m pytest

check: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Measurements, printed and never asserted.
bench: .venv/installed-dev
	@for script in tests/bench/*.py; do echo "$(BIN)/python $$script --help"; done

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; found: $$($(PYTHON) --version 2>&1)."; exit 1; }
	$(PYTHON) -m venv .venv || { rm -rf .venv; bash .ci/packages python3-venv && $(PYTHON) -m venv .venv; }

.venv/installed: requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# The browser of the browser tests: any Chromium or Chrome on the PATH; fetched where that needs no password.
.venv/chromium: | .venv/bin/python
	@command -v chromium chromium-browser google-chrome >/dev/null || bash .ci/packages chromium || true
	@touch $@

clean:
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis
