# Forebay: one command for everything. `make` alone tells what there is.
#
# A bare machine needs Python 3.11 or newer and make. Nothing here needs root; as root, the Debian packages
# that the real counterparts of some tests come in are installed when they are missing.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

VENV := .venv
BIN := $(VENV)/bin
CONFIG := config/examples/demo.yaml
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --no-input
# Test processes; each has a database server of its own. One more than there are cores, because tests also wait.
JOBS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
# Those of the proofs, which measure and so must not wait for one another; the proofs of one file follow each other.
PROOFS ?= 2
# How often a test that failed is tried again. A test that needed it is named at the end, and is to be mended.
RERUNS ?= 0
PYTEST := $(BIN)/pytest -rsR --reruns $(RERUNS)

.PHONY: help setup run check test prove bench docs lock clean

help: ## Tell what there is
	@grep -hE '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 14

setup: $(VENV)/run.stamp ## Make the virtual environment with what running needs

run: setup ## Run the demonstration on this machine: three ways in, no credentials
	@exec $(BIN)/forebay run --config $(CONFIG)

check: $(VENV)/dev.stamp ## Lint, types, floors, and the shipped configuration
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/forebay check -c $(CONFIG)

test: $(VENV)/dev.stamp ## Check, then every test but the long proofs
	scripts/packages.sh dovecot-imapd strace
	$(MAKE) --no-print-directory check
	$(PYTEST) -n $(JOBS) --dist worksteal -m "not prove"

prove: $(VENV)/dev.stamp ## The long proofs: crashes, browser, load
	scripts/packages.sh dovecot-imapd strace chromium fonts-noto-cjk request-tracker5 rt5-db-sqlite rt5-standalone
	$(PYTEST) -n $(PROOFS) --dist loadfile -m prove

bench: $(VENV)/dev.stamp ## Measure, side by side with a bare echo, mail and letters beside the bare libraries
	scripts/packages.sh dovecot-imapd
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/mail_in.py
	$(BIN)/python benchmarks/mail_out.py
	$(BIN)/python benchmarks/letters.py --letters 12 --pages 3
	$(BIN)/python benchmarks/letters_queued.py
	$(BIN)/python benchmarks/imports.py
	$(BIN)/python benchmarks/figures.py
	$(BIN)/python benchmarks/figures.py --postgresql

# Not --quiet: that would hide the warnings from --strict too.
docs: $(VENV)/dev.stamp ## Write the reference from the code, and build the pages into site/
	@set -e; for page in docs/generate_*.py; do echo "$$page"; $(BIN)/python "$$page"; done
	$(BIN)/python docs/write_openapi.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# The smaller lock takes the versions of the larger one: what is tested is what runs.
lock: ## Write the lock files anew, after pyproject.toml changed; what is pinned stays unless it must move
	$(BIN)/python -m venv .venv/lock && .venv/lock/bin/pip --quiet install uv
	@set -e; for name in dev run; do \
		.venv/lock/bin/uv pip compile pyproject.toml --quiet --extra all --group $$name --universal --python-version 3.11 \
			--generate-hashes --no-header \
			$$([ $$name = run ] && echo --constraint requirements/dev.lock) --output-file requirements/$$name.lock; done

clean: ## Remove what was made here, the demonstration's data (var/) excepted
	rm -rf $(VENV) site dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# The environment is made once, and again when a lock file or the project's own description changes. Every file
# that is downloaded must have the hash that the lock names.

$(BIN)/python:
	scripts/venv.sh $(VENV)

$(VENV)/run.stamp: requirements/run.lock pyproject.toml | $(BIN)/python
	$(PIP) install --require-hashes -r requirements/run.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# The larger environment holds the smaller one.
$(VENV)/dev.stamp: requirements/dev.lock requirements/run.lock pyproject.toml | $(BIN)/python
	$(PIP) install --require-hashes -r requirements/dev.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $(VENV)/run.stamp $@
