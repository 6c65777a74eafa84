# One command sets everything up: a virtual environment from the lock, then what was asked for.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help demo test check statistics bench bench-memory growth faults simulation oracle setup lock clean
help:
	@echo "make demo   install, start a real Kafka, run the main job on real data   (ARGS='--json FILE --keep')"
	@echo "make test   install, check style, types and imports, run all tests       (ARGS='-k name')"
	@echo "make check  style, types and imports only"
	@echo "make statistics  simulate what the judge's error rates are promised for  (ARGS='--runs-scale 0.1 --case NAME')"
	@echo "make bench   Mendstream beside Kafka Streams, Quix Streams and Faust    (25 minutes; ARGS='--only mendstream')"
	@echo "make bench-memory  track, trust, patterns and a learning cycle, with 100 000 patterns and 10 000 agents (needs Redis)"
	@echo "make growth  restore a million hot rows, killed in between, and weigh them"
	@echo "make faults  kill, freeze, cut off and flood it, and count what is lost (40 minutes; ARGS='zombie' for some)"
	@echo "make simulation  the engine on a Kafka in memory under seeded faults           (ARGS='FIRST-SEED RUNS')"
	@echo "make oracle  let Kafka's own exactly-once test judge it, and a control that must fail  (8 minutes; ARGS=SEED)"
	@echo "make lock   resolve pyproject.toml anew into requirements.lock"

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python >= 3.11 is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up $(VENV) (once)..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(STAMP)

demo: $(STAMP)
	@$(BIN)/python -m streams demo $(ARGS)

check: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@PYTHONPATH=. $(BIN)/lint-imports

test: check
	@$(BIN)/python -m pytest $(ARGS)

statistics: $(STAMP)
	@$(BIN)/python -m bench.statistics $(ARGS)

PEERS := .venv-peers
$(PEERS)/.installed: bench/peers/python/requirements.lock
	@echo "Setting up $(PEERS), the peers that are written in Python (once)..."
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --require-hashes -r bench/peers/python/requirements.lock
	@touch $@

# With ARGS only the peers; without, how cost grows and how soon a million rows are back as well.
bench: $(STAMP) $(PEERS)/.installed
	@bad=0; $(BIN)/python -m bench.peers $(ARGS) || bad=1; \
	if [ -z "$(ARGS)" ]; then $(BIN)/python -m bench.growth || bad=1; $(BIN)/python -m bench.restore || bad=1; fi; exit $$bad

bench-memory: $(STAMP)
	@$(BIN)/python -m bench.memory $(ARGS)

growth: $(STAMP)
	@$(BIN)/python -m bench.restore $(ARGS)

faults: $(STAMP)
	@$(BIN)/python -m tests.faults $(ARGS)

simulation: $(STAMP)
	@$(BIN)/python -m tests.simulation $(ARGS)

oracle: $(STAMP)
	@$(BIN)/python -m tests.oracle $(ARGS)

# The lock holds names, versions and hashes, no registry's address.
lock:
	@$(PYTHON) -m venv .lock-venv && .lock-venv/bin/pip install --quiet uv
	@.lock-venv/bin/uv pip compile --quiet --universal --python-version 3.11 --extra test --extra build --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header --no-annotate -o requirements.lock pyproject.toml
	@rm -rf .lock-venv

clean:
	@rm -rf $(VENV) $(PEERS) .pytest_cache .mypy_cache .ruff_cache .hypothesis
