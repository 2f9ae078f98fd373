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
# A folder of pictures that were never coded lossily, the efforts of ncz, and what stands beside it:
# rows of peers in a file, or IMAGE_PEERS to measure here.
IMAGES ?= $(firstword $(subst :, ,$(NCZ_CORPORA)))/images/kodak
IMAGE_EFFORTS ?= 1,7
IMAGE_TUNES ?= psnr,ms-ssim
IMAGE_PEERS ?= all
IMAGE_ROWS ?=
# Folders of pictures that are coded without loss, and rows of peers for these, if not measured here.
LOSSLESS_IMAGES ?= $(IMAGES) $(firstword $(subst :, ,$(NCZ_CORPORA)))/images/cid22-train
LOSSLESS_ROWS ?=
# Where campaigns leave their counts, which add up, and how long or how much each goes on for.
# A folder with mnist/ and lossless/, as NCZ_CORPORA names one.
RECORDS_CORPORA ?= $(NCZ_CORPORA)
RELIABILITY ?= bench-out/reliability
SOAK_TIME ?= 3600
KILLS ?= 1000
# The tests that coverage is counted in.
COVERAGE_TESTS ?= tests

# What `make mutations` decodes, and how many seconds `make fuzz` gives each target.
MUTATIONS ?= 1000000
FUZZ_TIME ?= 60
FUZZ_TARGETS ?=

# Pythons with other versions of what ncz computes with, for `make exactness`: those named here are
# set up by `make environments`. Each is NAME=PYTHON,PACKAGE,... ; TORCH adds torch to them, such as
# torch==2.11.0 with PIP_INDEX_URL or PIP_EXTRA_INDEX_URL at builds for the CPU.
ENVIRONMENTS ?= oldest=python3.10,numba==0.60.0,numpy==1.26.4 older=python3.10 newest=python3.13
TORCH ?=
OTHERS := build/environments
EXACTNESS_OPTIONS ?=

.PHONY: help setup demo test check lint bench results results-text results-records results-images \
	results-lossless-images scale \
	mutations fuzz exactness environments faults kills soak coverage reliability man clean

help:
	@echo 'make demo     see what ncz does, on files of this machine (two or three minutes)'
	@echo 'make test     lint and run all tests'
	@echo 'make check    lint and run the fast tests'
	@echo 'make bench    ncz beside its peers on files of this machine, into bench-out/builtin'
	@echo 'make results  the full benchmark, and with it docs/results.md and the README table'
	@echo 'make results-text  the same for texts with language models (an hour)'
	@echo 'make results-records  what circuits reach on records, into docs/results-records.md (minutes)'
	@echo 'make results-images  rate against distortion on IMAGES=folder, into docs/results-images.md (hours)'
	@echo 'make results-lossless-images  LOSSLESS_IMAGES=folders, into docs/results-lossless-images.md (hours)'
	@echo 'make scale    how the work scales, into docs/scale.md (hours; SCALE_PARTS=... for parts)'
	@echo 'make faults   damage of every kind to small files (minutes; the counts of each run add up)'
	@echo 'make kills    kill the command $(KILLS) times and look for losses (minutes; KILLS=N)'
	@echo 'make soak     use ncz in every way without a pause (an hour; SOAK_TIME=seconds)'
	@echo 'make coverage what the fast tests run of ncz/codec and ncz/formats (minutes)'
	@echo 'make reliability  what these and other campaigns counted, into docs/reliability.md'
	@echo 'make exactness the same files under many settings, byte for byte (an hour)'
	@echo 'make environments  other Pythons for it, those of ENVIRONMENTS'
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
	$(BIN)/python -m pytest -n $(JOBS)

check: lint
	$(BIN)/python -m pytest -n $(JOBS) -m 'not slow'

bench: $(READY)
	$(BIN)/ncz bench builtin --jobs $(JOBS) --out bench-out/builtin --resume

results: $(READY)
	$(BIN)/ncz bench '$(RESULTS_OF)' --levels $(RESULTS_LEVELS) --peers $(RESULTS_PEERS) --jobs $(JOBS) --out bench-out/results --resume
	$(BIN)/python -m ncz.corpora.publish bench-out/results

results-text: $(READY)
	$(BIN)/ncz bench $(TEXTS:%='$(RESULTS_OF)/%') --levels 6,7 --peers xz,ppmd --out bench-out/texts --resume
	$(BIN)/ncz bench $(SHORT_TEXTS:%='$(RESULTS_OF)/%') --levels 8,9 --peers none --out bench-out/short-texts --resume
	$(BIN)/python -m ncz.corpora.publish --texts bench-out/texts bench-out/short-texts

results-records: $(READY)
	$(BIN)/python -m ncz.corpora.recorded measure $(RECORDS_CORPORA) --out bench-out/records
	$(BIN)/python -m ncz.corpora.publish --records bench-out/records

results-images: $(READY)
	$(BIN)/python -m ncz.corpora.distortion '$(IMAGES)' --out bench-out/images --efforts '$(IMAGE_EFFORTS)' \
	  --tunes '$(IMAGE_TUNES)' \
	  $(if $(IMAGE_ROWS),--peers '$(IMAGE_ROWS)',--measure '$(IMAGE_PEERS)')
	$(BIN)/python -m ncz.corpora.publish --images bench-out/images

results-lossless-images: $(READY)
	$(BIN)/python -m ncz.corpora.pixels $(LOSSLESS_IMAGES:%=--data '%') --jobs $(JOBS) \
	  $(if $(LOSSLESS_ROWS),--peers '$(LOSSLESS_ROWS)') --out bench-out/lossless-images.json
	$(BIN)/python -m ncz.corpora.publish --lossless-images bench-out/lossless-images.json

scale: $(READY)
	$(BIN)/python -m ncz.corpora.scaling measure $(SCALE_TEXT) --out bench-out/scale $(SCALE_PARTS:%=--part %)
	$(BIN)/python -m ncz.corpora.publish --scale bench-out/scale

faults: $(READY)
	$(BIN)/python -m ncz.corpora.faults --out $(RELIABILITY)

kills: $(READY)
	$(BIN)/python -m ncz.corpora.kills --count $(KILLS) --out $(RELIABILITY)

soak: $(READY)
	$(BIN)/python -m ncz.corpora.soak --time $(SOAK_TIME) --processes $(JOBS) --out $(RELIABILITY)

coverage: $(READY)
	$(BIN)/python -m pytest -m 'not slow' $(COVERAGE_TESTS) --cov --cov-report=json:$(RELIABILITY)/report.json
	$(BIN)/python -m ncz.corpora.covered $(RELIABILITY)/report.json --out $(RELIABILITY)

reliability: $(READY)
	$(BIN)/python -m ncz.corpora.publish --reliability $(RELIABILITY)

# What runs need of ncz's own dependencies; torch is in TORCH, as its builds are large.
NEEDS := numba numpy zstandard xxhash safetensors gguf filelock click tqdm

environments:
	@for each in $(ENVIRONMENTS); do \
	  name=$${each%%=*}; rest=$${each#*=}; python=$${rest%%,*}; pins=$$(echo "$${rest#$$python}" | tr ',' ' '); \
	  $$python -c '' 2>/dev/null || { echo "no $$python here: $$name is left out"; continue; }; \
	  echo "$(OTHERS)/$$name: $$python $$pins $(TORCH)"; \
	  $$python -m venv --clear $(OTHERS)/$$name && \
	  $(OTHERS)/$$name/bin/python -m pip install --quiet --disable-pip-version-check $(NEEDS) $$pins $(TORCH) || exit 1; \
	done

exactness: $(READY)
	$(BIN)/python -m ncz.corpora.exactness --out bench-out/reliability $(patsubst %,--python %,$(abspath $(wildcard $(OTHERS)/*/bin/python))) $(EXACTNESS_OPTIONS)

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
