# Everything a checkout needs: `make help` lists it. Two environments are built inside the checkout, each from its own
# file of exact versions, because Airflow's and Soda's requirements exclude each other:
#   .venv        Airflow, the package, the tools      constraints/airflow-3.3.txt
#   .venv-spark  Spark, Iceberg, Soda (and a JRE)     airflow_lake_provider/engines/constraints/
# Where node is on the PATH, a test installs the YAML language server in .node and drives it.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
PORT ?= 8080
MINUTES ?= 30

VENV := .venv
SPARK_VENV := .venv-spark
BIN := $(VENV)/bin
PIP := -m pip --disable-pip-version-check --no-input
AIRFLOW_CONSTRAINTS := constraints/airflow-3.3.txt
SPARK_CONSTRAINTS := $(wildcard airflow_lake_provider/engines/constraints/*.txt) airflow_lake_provider/engines/data_plane.py airflow_lake_provider/engines/class_archive.py

export LAKE_SPARK_PYTHON := $(CURDIR)/$(SPARK_VENV)/bin/python

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: spark ## Run three days of real flights through Airflow and show the tables that were published
	@$(BIN)/python demo/run.py

.PHONY: airflow
airflow: spark ## Open the demo's project in Airflow (PORT=8080), no login
	@$(BIN)/python demo/run.py --serve --port $(PORT)

.PHONY: test
test: spark ## Run the suite: first what needs no Java, then Spark and Airflow
	@$(BIN)/python tests/suite.py

.PHONY: test-fast
test-fast: install ## Run the tests that need neither Java nor Airflow's database
	@$(BIN)/python tests/suite.py fast

.PHONY: test-spark
test-spark: spark ## Run the tests that start Spark or Airflow
	@$(BIN)/python tests/suite.py jobs stack airflow

.PHONY: test-versions
test-versions: spark ## Run the wheel on the Airflow versions of Amazon MWAA
	@$(BIN)/python tests/suite.py versions

.PHONY: test-work
test-work: spark ## Run Airflow 3.3 and 2.11 at work: the table of effects, changing specs, assets (half an hour)
	@$(BIN)/python tests/suite.py work work-2.11

.PHONY: pictures
pictures: spark ## Take the pictures in docs/images anew, of the demo in a browser
	@mkdir -p docs/images
	@LAKE_PICTURES=$(CURDIR)/docs/images $(BIN)/python -m pytest -q tests/browser
	@! command -v pngquant > /dev/null || pngquant --force --strip --skip-if-larger --ext .png docs/images/*.png

.PHONY: fuzz
fuzz: install ## Feed damaged specs to the language for MINUTES=30 and print the figures
	@$(BIN)/python tests/fuzz/fuzz_specs.py --minutes $(MINUTES)

.PHONY: test-slow
test-slow: spark ## Draw random good specs for MINUTES=30, then merge by all options
	@LAKE_EXAMPLES=$$(( $(MINUTES) * 100 )) $(BIN)/python -m pytest -q tests/spec/test_round_trip.py
	@$(BIN)/python tests/suite.py long

.PHONY: test-long
test-long: spark ## Kill services, tasks and jobs at random for MINUTES=30 (SEED=n repeats a choice)
	@$(BIN)/python tests/chaos/kill_at_random.py --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

.PHONY: check
check: install ## Lint, formatting, types, import directions
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary
	@out=$$($(BIN)/lint-imports 2>&1) || { echo "$$out"; exit 1; }
	@echo "check: ruff, ruff format, mypy --strict and lint-imports found nothing"

.PHONY: format
format: install ## Format the code and mend what ruff can mend
	@$(BIN)/ruff check --quiet --fix . || true
	@$(BIN)/ruff format --quiet .

.PHONY: golden
golden: install ## Write the golden files anew; review the diff
	@LAKE_GOLDEN=write $(BIN)/python tests/suite.py fast
	@git --no-pager diff --stat

.PHONY: install
install: $(VENV)/.installed ## Build .venv: Airflow, this package, the tools

.PHONY: spark
spark: $(SPARK_VENV)/.installed ## Build .venv-spark: Spark, Iceberg, Soda, a JRE where there is none

.PHONY: clean
clean: ## Remove what the demo, the tests and the tools leave behind
	@rm -rf .demo .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache dist build
	@find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +

.PHONY: distclean
distclean: clean ## The same, both environments, and the language server that the tests use
	@rm -rf $(VENV) $(SPARK_VENV) .node

$(VENV)/.installed: pyproject.toml $(AIRFLOW_CONSTRAINTS)
	@command -v $(PYTHON) > /dev/null || { echo "$(PYTHON) is not on PATH. Install Python 3.11 or newer, or: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { echo "$(PYTHON) is $$($(PYTHON) --version 2>&1); Python 3.11, 3.12 or 3.13 is needed: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo "==> Airflow's environment in $(VENV) (a few minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) -m venv failed; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(BIN)/python $(PIP) install --quiet --constraint $(AIRFLOW_CONSTRAINTS) setuptools hatchling editables
	@$(BIN)/python $(PIP) install --quiet --no-build-isolation --constraint $(AIRFLOW_CONSTRAINTS) --editable '.[amazon,dev]'
	@touch $@

$(SPARK_VENV)/.installed: $(VENV)/.installed $(SPARK_CONSTRAINTS) constraints/spark-dev.txt
	@echo "==> Spark's environment in $(SPARK_VENV) (a few minutes the first time)"
	@$(BIN)/lake spark install --path $(SPARK_VENV) > /dev/null
	@$(SPARK_VENV)/bin/python $(PIP) install --quiet --constraint constraints/spark-dev.txt pytest pytest-timeout
	@touch $@
