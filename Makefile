# Every command of the project. `make help` lists them.
.DELETE_ON_ERROR:
.PHONY: help setup browser demo sandbox sandbox-down check unit test test-aws sweep-aws lock docs record screenshot

PYTHON ?= python3
BIN := .venv/bin
COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-emit-index-url \
	--no-emit-find-links --no-emit-trusted-host

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/installed browser  ## create the virtual environment, from hashed requirements; find or install a browser

.venv/installed: requirements-dev.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	touch $@

# The tests look at the dashboard in a browser, which PyPI does not have. Root installs Debian's, where there is one.
browser:
	@for name in chromium chromium-browser google-chrome google-chrome-stable; do \
		command -v $$name > /dev/null && exit 0; \
	done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
		echo "installing Chromium" && apt-get update -qq && \
		apt-get install -qq --no-install-recommends chromium fonts-dejavu-core > /dev/null; \
	else \
		echo "There is no Chromium or Chrome on PATH, which the tests of the dashboard need. Install one, such as with" \
			"sudo apt-get install chromium"; \
	fi

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

screenshot: demo  ## take the picture of the dashboard in the README, on the sandbox
	$(BIN)/python -m docs.screenshot $(or $(STACK),archive)

lock: setup  ## compile both requirement files from pyproject.toml
	$(COMPILE) --output-file requirements.txt pyproject.toml
	$(COMPILE) --extra dev --output-file requirements-dev.txt pyproject.toml

docs: setup  ## write the tables of docs/configuration.md from the settings
	$(BIN)/python -m docs.reference

record: setup  ## record the graphs of the tests' stacks, after an intended change
	$(BIN)/python -m tests.graph.recorded_graphs
