# Every command of the project. `make help` lists them.
.DELETE_ON_ERROR:
.PHONY: help setup demo sandbox sandbox-down check unit test test-aws sweep-aws lock docs record

PYTHON ?= python3
BIN := .venv/bin
COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-emit-index-url \
	--no-emit-find-links --no-emit-trusted-host

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/installed  ## create the virtual environment, from hashed requirements

.venv/installed: requirements-dev.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	touch $@

demo: setup  ## deploy the stack files on the sandbox: does every event arrive?
	$(BIN)/python -m sandbox demo

sandbox: setup  ## start the sandbox's cloud in the background
	$(BIN)/python -m sandbox up

sandbox-down: setup  ## stop the sandbox, and remove everything in it
	$(BIN)/python -m sandbox down

check: setup  ## lint, format, types, import rules, YAML, and the files that GitHub reads
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/yamllint --strict .
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-actions .github/actions/*/action.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/zizmor --offline --quiet --persona pedantic .github

unit: setup  ## run the unit tests: no engine, no cloud, seconds
	$(BIN)/pytest tests/unit

test: check  ## run all checks and tests, as CI does
	$(BIN)/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

test-aws: setup  ## run the tests on AWS, in the accounts that variables name (docs/aws-tests.md)
	$(BIN)/pytest tests/aws/end_to_end.py --capture no --tb short $(ARGS)

sweep-aws: setup  ## list what aborted tests on AWS left; ARGS=--remove removes it
	$(BIN)/python -m tests.aws.sweep $(ARGS)

lock: setup  ## compile both requirement files from pyproject.toml
	$(COMPILE) --output-file requirements.txt pyproject.toml
	$(COMPILE) --extra dev --output-file requirements-dev.txt pyproject.toml

docs: setup  ## write the tables of docs/configuration.md from the settings
	$(BIN)/python -m docs.reference

record: setup  ## record the graphs of the tests' stacks, after an intended change
	$(BIN)/python -m tests.graph.recorded_graphs
