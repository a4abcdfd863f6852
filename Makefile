# Each target works on a machine that has only Python 3.11+, make and a package index.
# The environment is made on first use and renewed when a pyproject.toml or uv.lock changes.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
MEMBERS := $(patsubst %/pyproject.toml,%,$(wildcard */pyproject.toml))
SOURCE ?= commcare
ARGS ?=
# uv as uv.lock has it, for pip: this version, and no other files than those.
UV := import tomllib; \
  uv = next(each for each in tomllib.load(open("uv.lock", "rb"))["package"] if each["name"] == "uv"); \
  print("uv==" + uv["version"], *("--hash=" + file["hash"] for file in [uv["sdist"], *uv["wheels"]]))

export UV_PYTHON_DOWNLOADS := never
export UV_SYSTEM_CERTS := 1
export UV_PROJECT_ENVIRONMENT := .venv

# An environment of another Python, or of a checkout that was moved, is removed here and recreated below.
ifneq ($(filter-out help clean,$(or $(MAKECMDGOALS),help)),)
ifneq ($(shell $(PYTHON) tools/environment.py $(if $(filter file,$(origin PYTHON)),,--chosen) && echo usable),usable)
$(error There is no usable environment)
endif
endif

.PHONY: help setup demo test test-fast check lint fix docs pictures wheels bench bench-target clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: $(READY) ## make the environment in .venv

$(READY): uv.lock pyproject.toml $(wildcard */pyproject.toml)
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(BIN)/uv || $(BIN)/python -c '$(UV)' > .venv/uv.txt
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r .venv/uv.txt
	@$(BIN)/uv sync --quiet --locked --python $(BIN)/python
	@$(BIN)/python -m compileall -q -j 0 $(MEMBERS)  # which uv leaves out, for they can be edited
	@touch $@

demo: $(READY) ## sandbox -> tap -> target -> Postgres -> dbt, on this machine (ARGS="--cases 5000 --fault 429")
	@SCOUT_PROJECT_ROOT='$(CURDIR)' $(BIN)/scout demo --source $(SOURCE) $(ARGS)

test: $(READY) ## run all tests
	@$(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder $(ARGS)

test-fast: $(READY) ## run the unit tests, which need no database, network or process
	@$(BIN)/pytest --quiet --numprocesses 2 $(ARGS) tests/unit

check: lint ## make lint, and the coverage of the unit tests
	@$(BIN)/pytest --quiet --numprocesses 2 --cov --cov-report= tests/unit

lint: $(READY) ## format, lint, types, import contracts, lock
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/uv lock --check --quiet

fix: $(READY) ## format, and mend what can be mended
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: $(READY) ## generate the reference and build the site in docs/_build
	@$(BIN)/python tools/reference.py
	@$(BIN)/sphinx-build -q -W --keep-going -j auto docs docs/_build
	@echo "Open docs/_build/index.html."

pictures: $(READY) ## renew the picture of the page in the documents; all pages with ARGS=DIR
	@SCOUT_TEST_README_PICTURE=docs/images/page.png SCOUT_TEST_PICTURES='$(ARGS)' $(BIN)/pytest -q -n 0 tests/end_to_end/test_page.py

wheels: $(READY) ## build all distributions into dist (ARGS="--release" for an index)
	@$(BIN)/python tools/wheels.py $(ARGS)

bench: $(READY) ## measure beside peers (see benchmarks/README.md)
	@$(BIN)/python -m benchmarks $(ARGS)

bench-target: $(READY) ## measure the target beside its peers (ARGS="--scale 0.01" for a try)
	@$(BIN)/python -m benchmarks.target $(ARGS)

clean: ## remove the environment and everything generated; asks before data and keys (CONFIRM=1)
	@$(PYTHON) tools/clean.py $(if $(filter 1,$(CONFIRM)),--confirm)
