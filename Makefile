# Everything runs inside .venv, which `make setup` makes. Paths are relative, so the clone may lie under a name with spaces.
SHELL := /bin/sh
export PATH := $(CURDIR)/.venv/bin:$(PATH)
PYTHON ?= python3
export PYTHON
WORKERS ?= 2
# A file's tests stay together, and so what they share is made once.
PYTEST = python -m pytest -q -n $(WORKERS) --dist loadfile --timeout 600

# Reachable from this machine only, with Jupyter's usual token; nothing is fetched from outside. In a container one is often root.
LAB_OPTIONS = --ServerApp.ip=127.0.0.1 --LabApp.news_url=None \
	--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate $(if $(filter 0,$(shell id -u)),--allow-root)

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all static lab bench

help:  ## this list
	@echo "Deep learning, by hand: what make can do"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | while IFS='|' read -r name text; do printf '%-18s %s\n' "$$name" "$$text"; done

setup:  ## make or repair .venv, and look for bubblewrap and chromium
	@.ci/setup bwrap chromium
	@echo "setup: ready. Next: make demo, or make lab"

demo:  ## play a whole class: release, hand in, grade, report
	@.ci/setup bwrap
	@course demo

test:  ## everything that runs before a change goes in
	@.ci/setup bwrap chromium
	@$(MAKE) --no-print-directory static
	@$(PYTEST) -m "not slow" </dev/null

test-all:  ## the same with the long experiments at full size
	@.ci/setup bwrap chromium
	@$(MAKE) --no-print-directory static
	@$(PYTEST) --timeout 3600 </dev/null

static:  ## style, types, and whether the notebooks are up to date
	@ruff check --quiet .
	@ruff format --quiet --check .
	@mypy --no-error-summary
	@echo "static: ruff and mypy found nothing"
	@course build --check

lab:  ## JupyterLab on the notebooks, for this machine only
	@.ci/setup
	@jupyter lab $(LAB_OPTIONS) assignments/start_here.ipynb

bench:  ## measure what the documentation claims
	@.ci/setup bwrap
	@for script in benchmarks/*.py; do echo "== $$script"; python "$$script" || exit 1; done
