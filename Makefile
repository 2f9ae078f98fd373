# make demo and make test need python3 (3.10 or newer) and make, and set the rest up themselves.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
READY  := $(VENV)/.ready

# What `make results` measures: the folder `lossless` of NCZ_CORPORA, or what every machine has.
RESULTS_OF ?= $(if $(NCZ_CORPORA),$(firstword $(subst :, ,$(NCZ_CORPORA)))/lossless,builtin)
RESULTS_LEVELS ?= 1,3,6
# The levels with language models take an hour on these, so they have a table of their own.
TEXTS ?= alice29.txt rustblog2026.a.md dickens.1MB
SHORT_TEXTS ?= alice29.txt
# One text, and what to measure with it: processes, overhead, streams and, for hours, memory.
SCALE_TEXT ?= $(RESULTS_OF)/$(firstword $(TEXTS))
SCALE_PARTS ?= processes overhead streams memory
RESULTS_PEERS ?= zlib,bz2,zstd,brotli,ppmd,xz,zpaq
JOBS ?= 2

# What `make mutations` decodes, and how many seconds `make fuzz` gives each target.
MUTATIONS ?= 1000000
FUZZ_TIME ?= 60
FUZZ_TARGETS ?=

.PHONY: help setup demo test check lint bench results results-text scale mutations fuzz man clean

help:
	@echo 'make demo     see what ncz does, on files of this machine (two or three minutes)'
	@echo 'make test     lint and run all tests'
	@echo 'make check    lint and run the fast tests'
	@echo 'make bench    ncz beside its peers on files of this machine, into bench-out/builtin'
	@echo 'make results  the full benchmark, and with it docs/results.md and the README table'
	@echo 'make results-text  the same for texts with language models (an hour)'
	@echo 'make scale    how the work scales, into docs/scale.md (hours; SCALE_PARTS=... for parts)'
	@echo 'make mutations  decode MUTATIONS=1000000 damaged containers, and judge each (half an hour)'
	@echo 'make fuzz     search for inputs that break ncz, FUZZ_TIME=60 seconds for each target'
	@echo 'make man      the manual pages, into build/man/man1 (man -M build/man ncz)'
	@echo 'make clean    remove what these made, the virtual environment included'

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("ncz needs Python 3.10 or newer; say which by: make PYTHON=python3.12" if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(PIP) setuptools
	$(PIP) --no-build-isolation -e '.[dev]'
	@touch $@

demo: $(READY)
	@$(BIN)/python -m ncz.corpora.demo

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest

check: lint
	$(BIN)/python -m pytest -m 'not slow'

bench: $(READY)
	$(BIN)/ncz bench builtin --jobs $(JOBS) --out bench-out/builtin --resume

results: $(READY)
	$(BIN)/ncz bench '$(RESULTS_OF)' --levels $(RESULTS_LEVELS) --peers $(RESULTS_PEERS) --jobs $(JOBS) --out bench-out/results --resume
	$(BIN)/python -m ncz.corpora.publish bench-out/results

results-text: $(READY)
	$(BIN)/ncz bench $(TEXTS:%='$(RESULTS_OF)/%') --levels 6,7 --peers xz,ppmd --out bench-out/texts --resume
	$(BIN)/ncz bench $(SHORT_TEXTS:%='$(RESULTS_OF)/%') --levels 8,9 --peers none --out bench-out/short-texts --resume
	$(BIN)/python -m ncz.corpora.publish --texts bench-out/texts bench-out/short-texts

scale: $(READY)
	$(BIN)/python -m ncz.corpora.scaling measure $(SCALE_TEXT) --out bench-out/scale $(SCALE_PARTS:%=--part %)
	$(BIN)/python -m ncz.corpora.publish --scale bench-out/scale

mutations: $(READY)
	$(BIN)/python -m fuzz.mutations --count $(MUTATIONS)

fuzz: $(VENV)/.fuzz
	$(BIN)/python -m fuzz.run --seconds $(FUZZ_TIME) $(FUZZ_TARGETS)

$(VENV)/.fuzz: $(READY)
	$(PIP) --no-build-isolation -e '.[fuzz]'
	@touch $@

man: $(READY)
	$(BIN)/ncz man build/man/man1

clean:
	rm -rf $(VENV) bench-out build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
