# Everything here sets itself up with Python 3.11+, make and git; see tools/bootstrap.py.
PYTHON ?= python3
BIN := .venv/bin
SETUP := @$(PYTHON) tools/bootstrap.py
# Processes that run tests side by side; each has servers of its own.
WORKERS ?= 2
# Seeds of each fault in `make chaos`; `make test` takes two.
SEEDS ?= 20
# What Python compiled is kept here, also where the environment asks for no bytecode: hundreds of processes start in a
# run of the tests, and without it each compiles all that it imports, which takes longer than the start.
export PYTHONPYCACHEPREFIX ?= $(CURDIR)/.make/pycache
unexport PYTHONDONTWRITEBYTECODE
# Further arguments for the command behind a target: make test ARGS="-k campaign"
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo up test test-real check bench chaos fmt generate lock clean

help:
	@printf '%s\n' \
	  'make demo    a campaign of 10,000 mails through the whole system, here and now' \
	  'make up      the whole system: PostgreSQL, Redis, API, dashboard, coordinator, workers, sandbox inbox' \
	  'make test    all tests, with real servers' \
	  'make test-real  the tests beside real mail programs: Postfix, swaks, msmtp, curl, SpamAssassin (Debian, as root)' \
  'make check   lint, types, import contract, generated files' \
	  'make chaos   twenty seeds of every fault instead of two (long)' \
	  'make bench   the benchmarks, beside their rivals (long)' \
	  'make fmt     format everything' \
	  'make generate openapi.json, the dashboard'"'"'s client, the schema and reference pages, anew' \
	  'make lock    requirements*.txt anew from pyproject.toml (ARGS=--upgrade for newer versions)' \
	  'make clean   remove what the targets above made, but not .taskflow (your data)'

demo:
	$(SETUP) runtime dashboard
	@$(BIN)/taskflow demo $(ARGS)

up:
	$(SETUP) runtime dashboard
	@exec $(BIN)/taskflow up $(ARGS)

test:
	$(SETUP) dev dashboard
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

test-real: export PATH := $(PATH):/usr/sbin:/sbin
test-real:
	$(SETUP) dev real
	@$(BIN)/python -m pytest tests/real -m real $(ARGS)

check:
	$(SETUP) dev node
	@$(BIN)/python tools/check.py $(ARGS)

chaos:
	$(SETUP) dev
	@TASKFLOW_CHAOS_SEEDS=$(SEEDS) $(BIN)/python -m pytest -m chaos -n $(WORKERS) $(ARGS)

bench:
	$(SETUP) runtime bench
	@$(BIN)/python -m benchmarks $(ARGS)

fmt:
	$(SETUP) dev
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .
	$(SETUP) npm run --silent format

generate:
	$(SETUP) dev
	@$(BIN)/python -m taskflow.api.openapi
	$(SETUP) npm run --silent generate
	@$(BIN)/python tools/client_code.py
	@$(BIN)/python tools/schema_doc.py
	@$(BIN)/python tools/reference_doc.py

lock:
	$(SETUP) dev
	@$(BIN)/python tools/lock.py $(ARGS)

clean:
	rm -rf .venv .make benchmarks/.venv benchmarks/.work dashboard/node_modules src/taskflow/api/dashboard
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
