# The front door: CI calls nothing else.
#
#   make test      the whole test suite, parity cells included
#   make report    the parity cells alone, and the page: reports/parity.html
#   make deep      the same with nine times as many cases, and torch.compile
#   make seeds     the default profile under ten seeds: how many false alarms in how many cases
#   make planted   faults planted in reimpl: how many the suite catches, and by what
#   make lint      format, lint, types
#   make bench     speed beside torch.nn, and of the suite itself
#   make power     the smallest error that each check catches, for every operator and dtype
#   make gallery   what the image operators do, to look at: reports/gallery.html
#
# Variables: SUBJECT=pkg.module[:attribute]  DEVICE=cpu|cuda|all  OPS=conv2d,BatchNorm2d
#            CHECKS=forward,gradients  SEED=0  PROFILE=quick|default|deep  WORKERS=auto
#            FAULTS="name …"  SEEDS=0,1,2  SAMPLE=20  CHANGED=commit  OTHERS=1 for planted
#            NOVENV=1 uses the current interpreter and installs nothing.

WORKERS ?= auto
SEEDS ?= 0,1,2
PYTHON ?= python3

ifdef NOVENV
RUN := $(PYTHON)
READY :=
else
RUN := .venv/bin/python
READY := .venv/ready
endif

option = $(if $(2),--parity-$(1)=$(2))
OPTIONS := $(call option,subject,$(SUBJECT)) $(call option,device,$(DEVICE)) \
  $(call option,op,$(OPS)) $(call option,check,$(CHECKS)) $(call option,seed,$(SEED)) \
  $(call option,profile,$(PROFILE))

export OMP_NUM_THREADS = 1

.PHONY: test report deep seeds planted lint bench power gallery clean
.DEFAULT_GOAL := test

test: $(READY)
	$(RUN) -m pytest -n $(WORKERS) --dist $(if $(DEVICE),loadgroup,worksteal) $(OPTIONS)

report: $(READY)
	@$(RUN) -m parity_tests run -n $(WORKERS) -- $(OPTIONS)

deep: $(READY)
	@$(RUN) -m parity_tests run -n $(WORKERS) -- $(OPTIONS) --parity-profile=deep

seeds: $(READY)
	@$(RUN) -m parity_tests seeds -n $(WORKERS) -- $(OPTIONS)

planted: $(READY)
	@$(RUN) -m parity_tests planted $(FAULTS) -n $(WORKERS) --seeds $(SEEDS) \
	  $(if $(PROFILE),--profile $(PROFILE)) $(if $(SAMPLE),--sample $(SAMPLE)) \
	  $(if $(CHANGED),--changed $(CHANGED)) $(if $(OTHERS),--others)

lint: $(READY)
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy

bench: $(READY)
	$(RUN) -m parity_tests.bench $(if $(DEVICE),--device $(DEVICE))

power: $(READY)
	$(RUN) -m parity_tests.bench.power $(if $(OPS),--ops $(OPS))

gallery: $(READY)
	$(RUN) -m parity_tests.gallery

# Installed once, and again whenever what to install has changed.
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

clean:
	rm -rf .venv reports/rows reports/cases $(addprefix reports/,report.json junit.xml summary.md cells.npz *.html)
