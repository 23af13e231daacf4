# Every target first brings the set-up up to date; where nothing has changed, that is nothing.
.DEFAULT_GOAL := help
.PHONY: help setup setup-dev check test demo mutants faults soak bench scaling dist lock clean

# The first of these that is Python 3.11 or newer makes the environment.
PYTHONS := $(PYTHON) python3 python3.13 python3.12 python3.11 python3.14
RUN := .venv/bin
SEEDS ?= 200
DROPS ?= 1000
# What the first stream leaves to the background: many starts, or times that are written down.
ARCHIVE := $(RUN)/python -m flo.class_archive
COMPILE = $(RUN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
  --generate-hashes --no-header --no-emit-index-url --no-emit-find-links

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make .venv/ and .jars/ with what runs (once)
setup-dev: ## the same, with what checks, tests and opens the notebook (once)
setup setup-dev:
	@for python in $(PYTHONS); do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	    exec $$python -m sandbox.bootstrap $(if $(filter setup-dev,$@),--dev); \
	  fi; \
	done; \
	echo "setup: Python 3.11 or newer is needed and was not found:" \
	  "install one, or name it with 'make setup PYTHON=/path/to/python3'." >&2; exit 2

check: setup-dev ## formatting, lint, types, layers, and the tests that need no Spark
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/mypy
	$(RUN)/lint-imports
	$(RUN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder \
	  -m "not spark and not integration"

test: setup-dev ## all tests, on sandboxes of their own, two files at a time
	@$(ARCHIVE)
	$(RUN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -p tests.durations

demo: setup ## the whole path, from a CSV in HDFS to an answer
	@$(RUN)/python -m flo.demo

mutants: setup-dev ## break guards one at a time: do the tests notice?
	@$(ARCHIVE)
	$(RUN)/python -m tests.mutants $(ONLY)

faults: setup-dev ## kill it SEEDS times and compare (make faults SEEDS=200)
	@$(ARCHIVE)
	$(RUN)/python -m tests.faults --seeds $(SEEDS)

soak: setup-dev ## run one stream for long, killing on the way (make soak DROPS=1000)
	@$(ARCHIVE)
	$(RUN)/python -m tests.faults.soak --drops $(DROPS)

bench: setup ## measure, beside other recipes (make bench SIZE=1000000; hours without)
	@$(ARCHIVE)
	$(RUN)/python -m bench $(if $(SIZE),--size $(SIZE))

scaling: setup ## measure how a batch's time grows with its sizes
	@$(ARCHIVE)
	$(RUN)/python -m bench.scaling

dist: setup ## build what is shipped to a cluster
	$(RUN)/python -m flo.dist

lock: setup ## pin the newest packages that requirements*.in allow, uv, and the jars' checksums
	$(COMPILE) requirements.in -o requirements.lock
	$(COMPILE) -c requirements.lock requirements-dev.in -o requirements-dev.lock
	echo uv | $(COMPILE) --no-annotate - -o requirements-uv.lock
	$(RUN)/python -m sandbox.bootstrap --lock-jars

clean: ## remove what was built (not var/: that is `flo sandbox wipe`)
	rm -rf .venv .jars .setup.lock build dist *.egg-info .mypy_cache .ruff_cache \
	  .import_linter_cache .hypothesis .pytest_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
