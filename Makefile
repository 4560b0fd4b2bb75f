# Every target does its own set-up in .venv; nothing outside this folder is touched.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo demo-airflow demo-snowflake test static every-test check bench airflow docs lock clean
help:
	@echo "make demo   set up, and run the churn example on 100,000 customers"
	@echo "make demo-airflow  set up, and run all examples on an Airflow of its own; its page is there until Ctrl-C"
	@echo "make demo-snowflake  set up, and plan, apply and run churn and mortgage on a Snowflake that is emulated here"
	@echo "make test   set up, and run every test (half an hour on two cores)"
	@echo "make check  the quick part: lint, types, import contracts, unit tests"
	@echo "make bench  measure against the floor and the peers (about an hour); writes benchmarks/RESULTS.md"
	@echo "make airflow  install an Airflow of its own, for the tests on it"
	@echo "make docs   draw the pictures of the README again"
	@echo "make lock   resolve the pinned requirements again"

.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "Firnflow needs Python 3.11 to 3.13; $(PYTHON) is $$($(PYTHON) -V). Mend: make PYTHON=python3.12 …"; exit 2; }
	$(PYTHON) -m venv .venv
	@touch $@

# pip checks every file against the hashes in requirements/, which are complete: it resolves nothing (and could not, as
# it looks at newer versions than the pinned ones). The package itself is linked, not copied.
.venv/.demo: requirements/demo.txt .venv/.made
	$(BIN)/pip install --quiet --require-hashes --no-deps -r requirements/demo.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.venv/.snowflake: requirements/snowflake.txt .venv/.made
	$(BIN)/pip install --quiet --require-hashes --no-deps -r requirements/snowflake.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: requirements/dev.txt .venv/.made
	$(BIN)/pip install --quiet --require-hashes --no-deps -r requirements/dev.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

# Airflow's dependencies and ours never meet: it gets an environment of its own.
.venv/.airflow: requirements/airflow.txt .venv/.made
	$(PYTHON) -m venv .venv/airflow
	.venv/airflow/bin/pip install --quiet --require-hashes --no-deps -r requirements/airflow.txt
	@touch $@

airflow: .venv/.airflow

demo-airflow: .venv/.demo .venv/.airflow
	@$(BIN)/python demo/airflow_demo.py

demo-snowflake: .venv/.snowflake
	@$(BIN)/python demo/snowflake_demo.py

demo: .venv/.demo
	cd examples/churn && ../../$(BIN)/firnflow run churn
	@cd examples/churn && ../../$(BIN)/firnflow show churn --format svg --output .firnflow/churn.svg
	@echo "The graph: examples/churn/.firnflow/churn.svg"
	@echo "Next: cd examples/churn, and again: ../../$(BIN)/firnflow run churn (everything comes from the cache)"

static: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

check: static
	$(BIN)/pytest -q -n 2 -m "not slow and not server" tests examples/*/tests

every-test: .venv/.dev .venv/.airflow
	$(BIN)/pytest -q -n 3 tests examples/*/tests

# What is looked at without running it takes one core for two minutes: beside the tests, and before they have ended.
test: .venv/.dev .venv/.airflow
	@$(MAKE) --no-print-directory -j 2 static every-test

bench: .venv/.dev
	$(BIN)/python benchmarks/run.py

docs: .venv/.demo
	cd examples/churn && ../../$(BIN)/firnflow show churn --format svg --output ../../docs/images/churn.svg

lock: .venv/.made
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" --all-extras --group dev --group build -o requirements/dev.txt pyproject.toml
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" --extra train --extra plots --extra tables --extra track --extra tune --group build -c requirements/dev.txt \
	  -o requirements/demo.txt pyproject.toml
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" --extra train --extra plots --extra tables --extra track --extra tune \
	  --extra snowflake --extra emulator --group build -c requirements/dev.txt -o requirements/snowflake.txt pyproject.toml
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --custom-compile-command "make lock" --group airflow -o requirements/airflow.txt

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .benchmarks
