# Succeeds in a Python that VOLTTRON 11 runs on and that can make an environment with pip in it.
SUITS = -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' >/dev/null 2>&1

# The first such Python; choose another with `make PYTHON=...`.
PYTHON ?= $(firstword $(foreach p,python3.12 python3.11 python3.10 python3,$(if $(shell $(p) $(SUITS) && echo yes),$(p))))

# Test files that run at the same time. Most of them wait for platforms most of the time.
JOBS ?= 6

# What the demo shows: simple or standard failover.
MODE ?= simple

# How many fault schedules `make simulate` tries, and the seed from which it draws them.
N ?= 20000
SEED ?= 100

# How many steps of time `make explore` goes, and with how many faults.
STEPS ?= 6
FAULTS ?= 2

# Complains unless it is said where a VOLTTRON 9 is.
NEEDS_MONOLITHIC = @test -d "$(VOLTTRON_ROOT)/volttron/platform" -a -x "$(VOLTTRON_PYTHON)" || { \
    echo "give VOLTTRON_ROOT=<checkout of VOLTTRON 9> and VOLTTRON_PYTHON=<python of the environment it is installed in>" >&2; \
    exit 1; }
WITH_MONOLITHIC = VOLTTRON_ROOT=$(abspath $(VOLTTRON_ROOT)) VOLTTRON_PYTHON=$(abspath $(VOLTTRON_PYTHON))

# What is installed is of the versions in the lock.
INSTALL = .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock

PYTEST = .venv/bin/python -m pytest --numprocesses=$(JOBS) --dist=loadgroup --no-loadscope-reorder

.PHONY: test coverage test-monolithic lint demo bench bench-monolithic simulate explore dist lock clean

test: .venv/ready
	$(PYTEST) $(ARGS)

# It costs half of the time of each start of a failover agent, and more of everything else.
coverage: .venv/ready
	.venv/bin/python -m coverage erase
	$(PYTEST) --cov --cov-report=term-missing:skip-covered $(ARGS)

# Tests of the decision core and the like run in `make test` alone.
test-monolithic: .venv/ready
	$(NEEDS_MONOLITHIC)
	$(WITH_MONOLITHIC) $(PYTEST) --timeout=900 \
	    tests/test_link.py tests/test_simple.py tests/test_standard.py tests/test_standard_faults.py tests/test_versions.py \
	    tests/test_ending.py tests/test_troubles.py tests/test_monolithic.py tests/test_page.py tests/test_upgrade.py $(ARGS)

# The code must be one of each Python on which the agent runs.
lint: .venv/lint-ready
	.venv/bin/python -m ruff check
	@for minor in 8 9 10 11 12; do \
	    .venv/bin/python -m ruff check --quiet --select E9 --target-version py3$$minor failover volttron setup.py || exit 1; \
	done
	.venv/bin/python -m mypy

demo: .venv/demo-ready
	.venv/bin/python -m tests.demo $(MODE)

bench: .venv/ready
	.venv/bin/python -m tests.bench $(ARGS)

# With ORIGINAL, compared with the original Failover Agent.
bench-monolithic: .venv/ready
	$(NEEDS_MONOLITHIC)
	$(WITH_MONOLITHIC) .venv/bin/python -m tests.bench $(if $(ORIGINAL),--original $(abspath $(ORIGINAL))) $(ARGS)

# On two cores, half of them on each.
simulate: .venv/ready
	@.venv/bin/python -m tests.simulator takeover
	@for seed in $(SEED) $$(($(SEED) + 1)); do \
	    .venv/bin/python -m tests.simulator check --schedules $$((($(N) + 1) / 2)) --seed $$seed & \
	    searches="$$searches $$!"; \
	done; \
	for search in $$searches; do wait $$search || failed=1; done; \
	exit $${failed:-0}

# Everything that can happen with so many faults of all kinds. On two cores, one order of looks on each.
explore: .venv/ready
	@for first in primary secondary; do \
	    .venv/bin/python -m tests.simulator.explore --begin all --first $$first --steps $(STEPS) --faults $(FAULTS) & \
	    searches="$$searches $$!"; \
	done; \
	for search in $$searches; do wait $$search || failed=1; done; \
	exit $${failed:-0}

# A wheel and a source distribution for both VOLTTRONs.
dist: .venv/ready
	rm -rf dist
	.venv/bin/python .ci/dist.py

# All versions anew, as new as pyproject.toml allows: `make lock UPGRADE=--upgrade`. Without it, only what must change does.
lock: .venv/demo-ready
	.venv/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	.venv/bin/python -m uv pip compile --quiet --universal --python-version 3.10 --all-extras --no-annotate --system-certs \
	    --custom-compile-command "make lock" --output-file requirements.lock $(UPGRADE) pyproject.toml

.venv/made: pyproject.toml requirements.lock
	@test -n "$(PYTHON)" && $(PYTHON) $(SUITS) || { \
	    echo "$(or $(PYTHON),no Python here): needed is Python 3.10, 3.11 or 3.12 that can make environments (on Debian" \
	        "and Ubuntu install python3 and python3-venv). If it is elsewhere, say make PYTHON=/path/to/it" >&2; \
	    exit 1; }
	$(PYTHON) -m venv --clear .venv
	touch $@

# The demo does without what only the tests need.
.venv/demo-ready: .venv/made
	$(INSTALL) --editable '.[volttron,demo]'
	touch $@

.venv/ready: .venv/made
	$(INSTALL) --editable '.[volttron,demo,test]'
	touch .venv/demo-ready $@

.venv/lint-ready: .venv/ready
	$(INSTALL) --editable '.[volttron,demo,test,lint]'
	touch $@

clean:
	rm -rf .venv build dist .coverage* .pytest_cache .mypy_cache .ruff_cache
