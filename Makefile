# `make` alone names the targets. Nothing else has to be installed or run
# before: each target brings its environment (see `setup`) up to date first.

VENV := .venv
RUN := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
# The first of these that is new enough makes the environment; `make setup PYTHON=...` chooses.
PYTHON ?= python3.13 python3.12 python3.11 python3

MINUTES ?= 10
HISTORIES ?= 100000
TIMES ?= 10
ROWS ?= 1000000
# Test processes side by side, each with servers of its own: half of the tests wait.
PROCESSES ?= 2
RACES := tests/domain/test_contention.py tests/domain/test_author_races.py \
	tests/domain/test_author_completion.py tests/domain/test_overdue_workers.py

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test check format contracts bench soak letters hangs model races drivers matrix migration upgrade sbom audit clean

help: ## name the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

setup: $(INSTALLED) ## make .venv and install the pinned packages into it

demo: $(INSTALLED) ## Postgres, Kafka, the worker: commands in, events out, a summary (KEEP=1: they stay)
	@$(VENV)/bin/outbox-worker demo$(if $(KEEP), --keep)

test: $(INSTALLED) ## every test, on a real Postgres and a real Kafka broker
	@$(RUN) -m pytest -m "not alone" --numprocesses=$(PROCESSES) --dist=loadfile --durations=15
	@$(RUN) -m pytest -m alone

check: $(INSTALLED) ## linter, types, import contracts, rules of the house, every SQL statement
	@$(RUN) -m ruff check
	@$(RUN) -m ruff format --check
	@$(RUN) -m mypy
	@$(VENV)/bin/lint-imports
	@$(RUN) -m pytest -m "not slow" tests/project tests/sql

format: $(INSTALLED) ## bring the code into the form that `make check` wants
	@$(RUN) -m ruff check --fix
	@$(RUN) -m ruff format

contracts: $(INSTALLED) ## write the schemas of the events, which only widen, to contracts/
	@$(VENV)/bin/outbox-worker contracts contracts

bench: $(INSTALLED) ## measure everything (QUICK=1: smaller; AGAINST="<commit> ...": in turn with those; PEERS=1: other queues)
	@$(RUN) -m bench $(if $(QUICK),--quick) $(if $(PEERS),--only peers) $(AGAINST:%=--against %) $(if $(ROUNDS),--rounds $(ROUNDS))

soak: $(INSTALLED) ## exactly-once under random faults for MINUTES=10 (SEED=n repeats one)
	@$(RUN) -m tests.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

letters: $(INSTALLED) ## workers die and freeze over dead letters, in ROUNDS=200 (SEED=n repeats one)
	@$(RUN) -m tests.soak.dead_letters $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SEED),--seed $(SEED))

hangs: $(INSTALLED) ## twenty calls to Kafka that do not return, in six minutes
	@$(RUN) -m tests.soak.hung_calls

model: $(INSTALLED) ## the model of the positions on HISTORIES=100000 random histories
	@OUTBOX_MODEL_HISTORIES=$(HISTORIES) $(RUN) -m pytest --timeout=0 tests/model

races: $(INSTALLED) ## what competes for slots and decisions, TIMES=10 as often as in a test run
	@OUTBOX_TEST_TIMES=$(TIMES) $(RUN) -m pytest --timeout=0 $(RACES)

drivers: $(INSTALLED) ## writers in JavaScript, Go, Java and Rust (ONLY="node go" for some), on a real Postgres
	@$(RUN) -m tests.drivers $(ONLY)

matrix: $(INSTALLED) ## a short story on each Postgres, Kafka and PgBouncer that can be had; writes docs/compatibility.md
	@$(RUN) -m tests.matrix --write

migration: $(INSTALLED) ## the migrations with ROWS=1000000 events, commands and keys waiting: no writer waits for 2 s
	@OUTBOX_TEST_UPGRADE_ROWS=$(ROWS) OUTBOX_TEST_PATIENCE=1 $(RUN) -m pytest --timeout=0 --log-cli-level=INFO tests/sql/test_upgrade.py

upgrade: ## move constraints.txt and the files with hashes to the newest packages (then run the tests)
	@$(find_python) && .ci/upgrade "$$python"

sbom: ## write the bill of materials of what the image installs (CycloneDX) to dist/
	@$(find_python) && .ci/sbom "$$python"

audit: ## look up known vulnerabilities of what the image installs (needs the Internet)
	@$(find_python) && .ci/audit "$$python"

clean: ## remove the environment and everything that was made by tools
	rm -rf $(VENV) dist bench/results .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Sets `python`, or says what to install. Debian keeps venv apart from Python.
find_python = \
	python=; \
	for name in $(PYTHON); do \
	  if "$$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
	  then python=$$name; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo 'error: no Python 3.11 or newer (with its module venv) among: $(PYTHON)' >&2; \
	  echo '  hint: Debian, Ubuntu: apt-get install python3 python3-venv' >&2; \
	  echo '           Fedora: dnf install python3      macOS: brew install python' >&2; \
	  exit 2; \
	fi

# Written last, so that an installation that was cut off is begun again. An
# environment without a working pip (cut off, or its Python is gone) is made anew.
$(INSTALLED): pyproject.toml constraints.txt
	@if ! $(RUN) -m pip --version >/dev/null 2>&1; then \
	  $(find_python); \
	  echo "Making $(VENV) with $$("$$python" --version)"; \
	  "$$python" -m venv --clear $(VENV); \
	fi
	@echo 'Installing the packages of constraints.txt'
	@$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt hatchling editables
	@$(RUN) -m pip install --quiet --disable-pip-version-check --no-build-isolation -c constraints.txt -e '.[dev]'
	@touch $@
