# Noli. `make` alone prints what there is; CI (.ci/run) calls the same targets and nothing else.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
#: Made once per change of the lock or of the project file.
STAMP := $(VENV)/.noli-setup
#: The rooms of `make test`, cheapest first. A long chaos run is `make chaos`.
ROOMS := $(wildcard tests/unit tests/contract tests/integration tests/packaging tests/chaos)
DATA ?= .noli
APPS ?= examples/apps

.PHONY: help
help: ## Print this
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  \033[1m%-14s\033[0m %s\n", $$1, $$2}' Makefile

## ---- Set up -------------------------------------------------------------------------------------

.PHONY: setup
setup: $(STAMP) ## Make .venv from the hashed lock (once; again when the lock changes)

# The lock is installed first, whole and by hash; then the project itself, which may fetch nothing.
$(STAMP): requirements/dev.txt pyproject.toml
	@python=$$(.ci/python) && { test -x $(BIN)/python || "$$python" -m venv $(VENV); }
	@echo "installing the locked dependencies into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: lock
lock: $(STAMP) ## Lock the dependencies again, by hash and without addresses (UPGRADE=1: to the newest)
	@lock() { UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --universal \
	  --python-version 3.11 --generate-hashes --no-emit-index-url $(if $(UPGRADE),--upgrade) "$$@"; }; \
	lock pyproject.toml --extra local --extra parquet --extra ses --extra watch --group dev -o requirements/dev.txt; \
	lock pyproject.toml --extra watch -c requirements/dev.txt -o requirements/run.txt # the image runs what was tested
	@for peer in tests/bench/engines/requirements-*.in; do UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv \
	  pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  $$peer -o $${peer%.in}.txt; done
	@for peer in tests/support/requirements/*.in; do UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv \
	  pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url \
	  $$peer -o $${peer%.in}.txt; done # not universal: Mailman cannot be had for every Python
	@! grep -nE 'https?://|--(extra-)?index-url' requirements/*.txt tests/bench/engines/requirements-*.txt tests/support/requirements/*.txt

## ---- Run ----------------------------------------------------------------------------------------

.PHONY: demo up down
demo: $(STAMP) ## The main job on real input: 10,000 contacts, 300 opt-outs, two applications
	@$(BIN)/noli demo
up: $(STAMP) ## Start the whole stack here (APPS=dir DATA=dir); Ctrl-C stops it
	@$(BIN)/noli up --apps $(APPS) --data $(DATA)
down: $(STAMP) ## Stop a stack that was started detached (DATA=dir)
	@$(BIN)/noli down --data $(DATA)

## ---- Check --------------------------------------------------------------------------------------

.PHONY: lint type check
lint: $(STAMP) ## Style, import contracts, declared dependencies, deployment files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/deptry .
	@for file in $(wildcard docker-compose.yml); do \
	  $(BIN)/check-jsonschema --builtin-schema vendor.compose-spec $$file; done
	@for file in $(wildcard deploy/Dockerfile); do $(BIN)/hadolint $$file; done
type: $(STAMP) ## mypy --strict on code and tests
	@$(BIN)/mypy
check: lint type ## lint and type

.PHONY: peers
peers: $(STAMP) ## Fetch the servers that tests talk to and pip installs (they do it by themselves, later)
	@$(BIN)/python -m tests.support.environments

.PHONY: test unit contract integration packaging chaos
test: $(STAMP) ## Every room in one run: unit, contract, integration, packaging, short chaos
	@$(PYTEST) $(ROOMS)
unit: $(STAMP) ## Nothing real; seconds
	@$(PYTEST) tests/unit
contract: $(STAMP) ## Bytes: released schemas, golden records, generated pages
	@$(PYTEST) tests/contract
integration: $(STAMP) ## A real broker, registry and PostgreSQL, real processes
	@$(PYTEST) tests/integration
packaging: $(STAMP) ## The built wheel in a clean environment
	@$(PYTEST) tests/packaging
chaos: $(STAMP) ## The same, broken; LONG=1: for longer, on three brokers (NOLI_CHAOS_SEED, NOLI_CHAOS_RUNS)
	@NOLI_CHAOS=$(if $(LONG),long) $(PYTEST) $(if $(LONG),-s) tests/chaos

.PHONY: bench bench-engines
bench: $(STAMP) ## Measure latency, replica and the rest; writes docs/reference/benchmarks
	@$(PYTEST) -s $(sort $(wildcard tests/bench/bench_*.py))
bench-engines: $(STAMP) ## The engine table: ours, Quix, Faust, Kafka Streams (ROUNDS=1)
	@$(BIN)/python -m tests.bench.engines --rounds $(or $(ROUNDS),1)

## ---- Write --------------------------------------------------------------------------------------

.PHONY: docs rules dashboards format schemas-release release
docs: $(STAMP) ## Generate docs/reference and docs/explanation/law.md from the code
	@$(BIN)/noli reference docs
rules: $(STAMP) ## Write the Prometheus rules (deploy/observability/alerts) from deploy/observability/rules
	@$(BIN)/python -m deploy.observability.rules
dashboards: $(STAMP) ## Write the Grafana dashboard (deploy/observability/dashboards/noli.json) from the code beside it
	@$(BIN)/python -m deploy.observability.dashboards
format: $(STAMP) ## Format and apply ruff's safe fixes
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .
schemas-release: $(STAMP) ## Lock new .avsc files by hash and write their golden bytes
	@$(BIN)/python -m tests.contract.released
release: check test ## Build wheel and sdist into dist/; refuses a version the changelog does not tell
	@version=$$($(BIN)/python -c 'import tomllib; print(tomllib.load(open("pyproject.toml", "rb"))["project"]["version"])'); \
	grep -q "^## \[$$version\]" CHANGELOG.md || { echo "CHANGELOG.md has no section [$$version]: write it first" >&2; exit 1; }; \
	rm -rf dist && $(BIN)/python -m hatchling build
