# make demo   set everything up, classify a synthetic scene, say how much is right
# make test   set everything up, run the tests; lint and check types beside them
# make test-slow   the other tests: Dagster's daemon, a cluster, a server, a browser, further cases
# make test-all    both in one run, as CI does: what waits for other programs leaves its core to the others
# make test-rig    the tests of the rig itself; make test runs them where it has changed
# make rig    the programs that play the Planetary Computer for the tests (node and PostgreSQL must be there)
# make test-train   the tests of the training recipe, which need PyTorch (the others skip them)
# make drill  the worst day, rehearsed: each fault, a backfill while a tenth of the requests fails, the sensor (8 minutes)
# make ui     Dagster's UI on the same instance and store
# make cluster-demo  PostgreSQL, Redis, two workers, daemon and UI on loopback: 20 scenes (Debian's postgresql, redis-server)
# make pictures   the pictures of README and docs, made anew (needs chromium; 3 minutes)
# make bench  the whole chain against the reference and the machine's limits; several scenes (an hour, 30 GB of disk)
# make lock   refresh constraints.txt

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := deploy/python_packages.sh $(VENV) --constraint constraints.txt
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile
unexport PYTHONDONTWRITEBYTECODE

# Named to the patch: where a CPU build of it is at hand, pip takes that one.
TORCH ?= torch==2.13.0

PYTEST := $(BIN)/python -m pytest -n 2
# Passed, on the files that are here: CI runs it again when they have changed.
VERIFIED := $(BIN)/python -m lc_assets_tests.rig.verified record

.PHONY: demo test test-slow test-all test-rig rig test-train drill bench lint cluster-demo ui lock pictures clean

demo: $(VENV)/.installed
	$(BIN)/lc-assets demo

# Lint and types run beside the tests; what they say comes at the end.
test: $(VENV)/.installed-dev rig
	@$(MAKE) --no-print-directory lint >$(VENV)/lint.log 2>&1 & lint=$$!; \
	$(PYTEST) -m "not slow" $(PYTEST_ARGS); tests=$$?; \
	wait $$lint; lint=$$?; cat $(VENV)/lint.log; exit $$((tests | lint))

test-slow: $(VENV)/.installed-slow .rig/wheel/.installed rig
	@# These tests wait for other programs for a third of their time.
	$(PYTEST) -n 3 -m slow $(PYTEST_ARGS)

test-all: $(VENV)/.installed-slow .rig/wheel/.installed rig
	$(PYTEST) -n 3 -m "" $(PYTEST_ARGS)

test-rig: $(VENV)/.installed-dev rig
	$(PYTEST) -m rig --may-skip=/dev/null $(PYTEST_ARGS)
	$(VERIFIED) rig

test-train: $(VENV)/.installed-train
	$(PYTEST) lc_assets_tests/training $(PYTEST_ARGS)
	$(VERIFIED) training

drill: $(VENV)/.installed-dev rig
	$(BIN)/python -m lc_assets_tests.rig.drill
	$(VERIFIED) drill

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

rig: .rig/.installed

# Without node or PostgreSQL it says so, succeeds and leaves no file: the next time it looks again.
.rig/.installed: lc_assets_tests/rig/install.sh lc_assets_tests/rig/requirements.txt | $(VENV)/.installed-dev
	@PYTHON=$(PYTHON) lc_assets_tests/rig/install.sh

cluster-demo: $(VENV)/.installed-dev
	@deploy/packages.sh postgresql redis-server
	$(BIN)/python -W ignore -m deploy.demo

ui: $(VENV)/.installed
	$(BIN)/lc-assets ui

bench: $(VENV)/.installed
	$(BIN)/python -m benchmarks

pictures: $(VENV)/.installed-browser
	$(BIN)/python -m lc_assets_tests.rig.pictures docs

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	-$(PIP) uv==0.13.9
	@# `dagster asset materialize` is the one command that does not read workspace.yaml.
	@echo 'export DAGSTER_CLI_ASSET_MATERIALIZE_MODULE_NAME=lc_assets.definitions' >> $(BIN)/activate

$(VENV)/.installed: setup.cfg pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) --editable .
	@touch $@

$(VENV)/.installed-dev: setup.cfg pyproject.toml constraints.txt | $(VENV)/bin/python
	$(INSTALL) --editable '.[cluster,dev]'
	@touch $(VENV)/.installed $@

$(VENV)/.installed-slow: $(VENV)/.installed-dev
	$(INSTALL) --editable '.[dg,slow,xarray]'
	@touch $@

# An environment with only what a user of `dg` has, for the tests that install the wheel into it.
.rig/wheel/.installed: setup.cfg constraints.txt | $(VENV)/.installed-dev
	$(PYTHON) -m venv --without-pip .rig/wheel
	deploy/python_packages.sh .rig/wheel --constraint constraints.txt '.[dg]'
	@touch $@

$(VENV)/.installed-browser: $(VENV)/.installed-dev
	$(INSTALL) playwright
	@touch $@

$(VENV)/.installed-train: $(VENV)/.installed-dev
	$(PIP) --constraint constraints.txt '$(TORCH)'
	@touch $@

# One file for every supported Python: markers say what differs.
lock: $(VENV)/bin/python
	$(BIN)/uv pip compile --universal --python-version 3.10 --extra cluster --extra dev --extra browser --extra slow --extra dg --extra xarray --no-header --no-annotate --no-emit-index-url \
		--quiet --output-file constraints.txt setup.cfg

clean:
	rm -rf $(VENV) .rig .dagster store demo_scene demo_season build *.egg-info .env
