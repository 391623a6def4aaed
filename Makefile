# What can be done with this checkout. Each target prepares what it needs: `make help`.
SHELL := /bin/sh
.DEFAULT_GOAL := help
PYTHON ?= python3
export PYTHON
ARGS ?=
RELEASE ?= bookworm trixie
SCENARIOS ?=
SECONDS ?= 20
RUN := .venv/bin/python
AS_ROOT := $(if $(filter 0,$(shell id -u)),,sudo --preserve-env)
# Most tests wait for a radio or a process: four at a time are twice as fast, on two cores too. What ARGS
# chooses runs alone, and is not asked to cover the protocol.
ABREAST := $(if $(ARGS),,-n 4)
COVERAGE := $(if $(ARGS),,--cov --cov-report=term)

.PHONY: help venv demo test test-packaged bare-test attack fuzz mutate bench floods deb stdeb lintian piuparts deb-test vm-test clean

help: ## this list
	@echo "usage: make TARGET [ARGS='...']"
	@sed -n 's/^\([a-z-]*\):.* ## /  \1\t/p' Makefile | expand -t 18

venv: ## only prepare: the commands blelock-issuer, -lock and -guest, in .venv/bin
	@build-aux/prepare run

demo: ## the whole system on a virtual air; ARGS=--keep leaves it running
	@build-aux/prepare run
	@$(RUN) -m blelockd.virtual.demo $(ARGS)

test: ## every test, types, lint, import contracts, coverage of the protocol; ARGS goes to pytest
	@build-aux/prepare test
	@BLELOCK_TOOLS=required BLELOCK_LIBRARIES=pypi $(RUN) -m pytest $(ABREAST) $(COVERAGE) $(ARGS)

test-packaged: ## the same tests on Debian's packaged libraries instead of PyPI's newest
	@build-aux/prepare packaged
	@BLELOCK_LIBRARIES=debian .venv-packaged/bin/python -m pytest $(ABREAST) $(ARGS)

bare-test: ## demo and test on bare Debian root file systems; RELEASE='bookworm trixie', root or sudo
	@build-aux/bare-test $(RELEASE)

attack: ## every attack on the protocol, and what was accepted of it; ARGS=--help
	@build-aux/prepare test
	@$(RUN) -m tests.attack $(ARGS)

fuzz: ## hostile bytes that a fuzzer makes up, for SECONDS on each target; ARGS=--help
	@build-aux/prepare fuzz
	@$(RUN) -m tests.attack.fuzz --seconds $(SECONDS) $(ARGS)

mutate: ## take out every check of the protocol, one at a time: a test must fail; ARGS: files
	@build-aux/prepare test
	@$(RUN) -m tests.attack.mutation $(ARGS)

bench: ## what an advert, a session and an idle daemon cost; ARGS goes to the bench
	@build-aux/prepare run
	@$(RUN) -m tests.bench $(ARGS)

floods: ## floods and faults against bounds, as a table; 1 if one is broken; ARGS goes to it
	@build-aux/prepare test
	@$(RUN) -m tests.floods $(ARGS)

deb: ## the Debian packages: dist/blelock-issuer.deb, -lock, -guest and -demo
	@build-aux/deb

stdeb: ## the library alone, for those who import it: dist/python3-blelockd.deb
	@build-aux/stdeb

lintian: deb ## what Debian's checker says of the packages, on RELEASE='bookworm trixie'; root or sudo
	@build-aux/lintian $(RELEASE)

piuparts: deb ## whether each package, installed and purged, leaves anything on RELEASE; root or sudo
	@build-aux/piuparts $(RELEASE)

deb-test: deb ## install, upgrade, remove and purge the packages on RELEASE; root or sudo
	@build-aux/prepare test
	@BLELOCK_RELEASES="$(RELEASE)" $(AS_ROOT) $(RUN) -m pytest -m packages tests/packaging $(ARGS)

vm-test: ## the packages on Debian machines, with systemd and BlueZ; RELEASE, SCENARIOS, CUTS; root or sudo
	@build-aux/prepare run
	@SCENARIOS="$(SCENARIOS)" build-aux/vm-test $(RELEASE)

clean: ## remove what these targets made in this checkout
	rm -rf .venv .venv-packaged build dist .coverage .coverage.* .hypothesis .import_linter_cache \
	    .mypy_cache .pytest_cache .ruff_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
