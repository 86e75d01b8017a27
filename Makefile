# make demo   what skmm is for, on real molecules (a minute or two)
# make test   lint, format, doctests and all tests but the slow ones
#
# Each needs only Python 3.11+ and make: it creates .venv and installs what it needs
# once; a change of pyproject.toml or constraints.txt installs again.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
WORKERS ?= 2
# one thread per worker; with SCIPY_ARRAY_API scikit-learn runs its array checks too
TEST := OMP_NUM_THREADS=1 SCIPY_ARRAY_API=1 $(BIN)/python -m pytest -n $(WORKERS)

.PHONY: demo test lint format slow clean

demo: .venv/demo.stamp
	mkdir -p build
	$(BIN)/python docs/examples/quickstart.py build/quickstart.png

test: lint
	$(TEST) -m "not slow"

slow: .venv/dev.stamp
	$(TEST) -m slow

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: .venv/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/demo.stamp: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) -e ".[chem,plot]"
	touch $@

.venv/dev.stamp: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) -e ".[chem,plot,tune,dev]"
	touch $@
