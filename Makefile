# Every target first brings the set-up up to date; where nothing has changed, that is nothing.
.DEFAULT_GOAL := help
.PHONY: help setup check test demo mutants faults soak bench scaling dist lock clean

# The first of these that is Python 3.11 or newer makes the environment.
PYTHONS := $(PYTHON) python3 python3.13 python3.12 python3.11 python3.14
RUN := .venv/bin
SEEDS ?= 200
DROPS ?= 1000

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make .venv/ and .jars/ (once)
	@for python in $(PYTHONS); do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	    exec $$python -m sandbox.bootstrap; \
	  fi; \
	done; \
	echo "setup: Python 3.11 or newer is needed and was not found:" \
	  "install one, or name it with 'make setup PYTHON=/path/to/python3'." >&2; exit 2

check: setup ## formatting, lint, types, layers, and the tests that need no Spark
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/mypy
	$(RUN)/lint-imports
	$(RUN)/python -m pytest -n 2 --dist loadgroup -m "not spark and not integration"

test: setup ## all tests, on sandboxes of their own, two files at a time
	$(RUN)/python -m pytest -n 2 --dist loadgroup -p tests.durations

demo: setup ## the whole path, from a CSV in HDFS to an answer
	@$(RUN)/python -m flo.demo

mutants: setup ## break guards one at a time: do the tests notice?
	$(RUN)/python -m tests.mutants $(ONLY)

faults: setup ## kill it SEEDS times and compare (make faults SEEDS=200)
	$(RUN)/python -m tests.faults --seeds $(SEEDS)

soak: setup ## run one stream for long, killing on the way (make soak DROPS=1000)
	$(RUN)/python -m tests.faults.soak --drops $(DROPS)

bench: setup ## measure, beside other recipes (make bench SIZE=1000000; hours without)
	$(RUN)/python -m bench $(if $(SIZE),--size $(SIZE))

scaling: setup ## measure how a batch's time grows with its sizes
	$(RUN)/python -m bench.scaling

dist: setup ## build what is shipped to a cluster
	$(RUN)/python -m flo.dist

lock: setup ## pin the newest packages that requirements.in allows, and the jars' checksums
	@rm -rf .lock && $(RUN)/python -m venv .lock && .lock/bin/python -m pip install -q uv
	.lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-emit-index-url --no-emit-find-links \
	  requirements.in -o requirements.lock
	@rm -rf .lock
	$(RUN)/python -m sandbox.bootstrap --lock-jars

clean: ## remove what was built (not var/: that is `flo sandbox wipe`)
	rm -rf .venv .jars .lock .setup.lock build dist *.egg-info .mypy_cache .ruff_cache \
	  .import_linter_cache .hypothesis .pytest_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
