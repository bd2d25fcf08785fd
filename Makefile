# The doors of the house. `make` lists them.

SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DOCS_STAMP := $(VENV)/.installed-docs
PYTHONS ?= python3.11 python3.12 python3.13 python3.14 python3 python
# Without --max-worker-restart, pytest waits for ever once a process of its own has died.
PYTEST_ARGS ?= -q -n 2 --dist loadfile --max-worker-restart 0
# What `make simulate` runs.
SEEDS ?= 2000
FIRST ?= 0
# What differs between Python versions: driving, cancelling and dropping workflows, and annotations.
SMOKE ?= $(wildcard tests/core tests/authoring tests/codec tests/scenarios)
SMOKE_VERSIONS ?= 3.12 3.13

.DEFAULT_GOAL := help
.PHONY: help setup format lint types test check demo reference docs simulate mutants formal bench smoke-versions nightly clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv with the package (editable) and its tools; again only when pyproject.toml changed

$(BIN)/python:
	@for python in $(PYTHONS); do \
	    if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "making $(VENV) with $$python"; exec "$$python" -m venv $(VENV); \
	    fi; \
	done; \
	echo "no Python 3.11 or later found (looked for: $(PYTHONS))" >&2; exit 1

$(STAMP): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[cli,dev]'
	@touch $@

format: $(STAMP) ## format the code and mend what can be mended by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: $(STAMP) ## formatting, ruff, and the contracts between layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(STAMP) ## mypy, strict
	$(BIN)/mypy

test: $(STAMP) ## the tests, from nothing (PYTEST_ARGS="-x -k name" to choose)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: lint types test ## the whole house: lint, types, tests

record: $(STAMP) ## record histories for the corpus and show what differs (RECORD_ARGS="hello --accept" to keep it)
	$(BIN)/python tests/recorded/record.py $(RECORD_ARGS)

reference: $(STAMP) ## write the reference of Python names from the docstrings
	$(BIN)/python docs/reference/generate_python.py

$(DOCS_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[cli,dev,docs]'
	@touch $@

docs: $(DOCS_STAMP) ## the documentation as a site, in build/site (a warning fails)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "Open build/site/index.html, or with search: $(BIN)/python -m http.server -d build/site"

demo: $(STAMP) ## a workflow that is killed and goes on
	PATH="$(abspath $(BIN)):$$PATH" samples/archive_tree/demo.sh

smoke-versions: ## a subset of the tests on Python 3.12 and 3.13, where they are found
	@set -e; for version in $(SMOKE_VERSIONS); do \
	    found=; \
	    for python in python$$version $$HOME/.pyenv/versions/$$version.*/bin/python; do \
	        if "$$python" -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != "'$$version'")' 2>/dev/null; then \
	            found=$$python; break; \
	        fi; \
	    done; \
	    if [ -z "$$found" ]; then echo "Python $$version: not found, skipped"; continue; fi; \
	    echo "Python $$version:"; \
	    $(MAKE) --no-print-directory test VENV=.venv-$$version PYTHONS="$$found" \
	        PYTEST_ARGS='$(PYTEST_ARGS) -p no:cacheprovider $(SMOKE)'; \
	done

simulate: $(STAMP) ## random programs under random faults, held to the laws (SEEDS=50000, FIRST=0)
	$(BIN)/python -m nexus_sdk.testing.simulation --seeds $(SEEDS) --first $(FIRST) --coverage

mutants: $(STAMP) ## how many seeds it takes the simulation to notice each planted bug
	$(BIN)/python -m tests.simulation.catching

formal: $(STAMP) ## the formal model: check its laws, and that its mutants are rejected (FORMAL_ARGS=--nightly)
	$(BIN)/python -m tests.formal.checks $(FORMAL_ARGS)

bench: $(STAMP) ## how fast it is here, beside the raw limits of the disk (BENCH_ARGS="--only W1 --reps 5")
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

nightly: ## the whole suite with what takes long (pairs of crashes, 50,000 seeds), then on every Python that is found
	NEXUS_NIGHTLY=1 $(MAKE) --no-print-directory test PYTEST_ARGS="$(PYTEST_ARGS) -o faulthandler_timeout=4000"
	$(MAKE) --no-print-directory smoke-versions SMOKE="tests samples"

clean: ## remove what was built, and the virtual environments
	rm -rf $(VENV) .venv-3.* build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find nexus_sdk providers samples tests -name __pycache__ -type d -prune -exec rm -rf {} +
