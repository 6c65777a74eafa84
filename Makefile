# One command sets everything up: a virtual environment from the lock, then what was asked for.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help demo test check tools ship-check statistics bench bench-memory bench-gateway growth faults chaos-commands hostile simulation lives golden reference oracle vendor setup lock clean
help:
	@echo "make demo   install, start a real Kafka, run the main job on real data   (ARGS='--json FILE --keep')"
	@echo "make test   install, check style, types and imports, run all tests       (ARGS='-k name')"
	@echo "make check  style, types and imports only"
	@echo "make ship-check  what ships it: chart, alerts, compose, readers of others (brings Helm, kaskade, ...; needs Go, Node, tmux)"
	@echo "make statistics  simulate what the judge's error rates are promised for  (ARGS='--runs-scale 0.1 --case NAME')"
	@echo "make bench   Mendstream beside Kafka Streams, Quix Streams and Faust    (40 minutes; ARGS='--only mendstream')"
	@echo "make bench-memory  track, trust, patterns and a learning cycle, with 100 000 patterns and 10 000 agents (needs Redis)"
	@echo "make bench-gateway  starts, answers and lag of the gateway while rows change                (ARGS='--scale 0.1')"
	@echo "make growth  restore a million hot rows, killed in between, and weigh them"
	@echo "make faults  kill, freeze, cut off and flood it, and count what is lost (40 minutes; ARGS='zombie' for some)"
	@echo "make chaos-commands  500 commands while executor and processor are killed (4 minutes; ARGS='COMMANDS KILLS')"
	@echo "make hostile  a stranger sends what it likes beside another tenant          (15 minutes; ARGS='TEXT' for some)"
	@echo "make simulation  the engine on a Kafka in memory under seeded faults           (ARGS='FIRST-SEED RUNS')"
	@echo "make golden  play the recorded logs and say what is decided otherwise (a minute; ARGS=record after a new VERSION)"
	@echo "make reference  write docs/reference anew: topics, records, settings, command line, metrics"
	@echo "make lives  random orders, approvals, deployers and faults against the rules of commands (15 minutes; ARGS='SEED STEPS')"
	@echo "make oracle  let Kafka's own exactly-once test judge it, and a control that must fail  (8 minutes; ARGS=SEED)"
	@echo "make vendor  hold the scripts of the pages against the packages that they come from (needs npm)"
	@echo "make lock   resolve pyproject.toml anew into requirements.lock"

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python >= 3.11 is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up $(VENV) (once)..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m streams compile
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
	@$(BIN)/python -m tests $(ARGS)

# Helm comes as Go source, so that its module's checksum is verified. Built from nothing it takes minutes, hence not in `test`.
TOOLS := .tools
HELM_VERSION := v3.21.4
$(TOOLS)/.helm-$(HELM_VERSION):
	@command -v go > /dev/null || { echo "Go is needed to build Helm $(HELM_VERSION): install it (go.dev/doc/install), or put a helm on the PATH and run pytest tests/ship"; exit 1; }
	@echo "Building Helm $(HELM_VERSION) into $(TOOLS)/bin (once, some minutes)..."
	@GOBIN=$(CURDIR)/$(TOOLS)/bin go install -trimpath -ldflags '-s -w' helm.sh/helm/v3/cmd/helm@$(HELM_VERSION)
	@touch $@

$(TOOLS)/python/.installed: tests/ship/requirements.lock
	@echo "Setting up $(TOOLS)/python, schemas of Kubernetes (once)..."
	@$(PYTHON) -m venv $(TOOLS)/python
	@$(TOOLS)/python/bin/python -m pip install --quiet --require-hashes -r tests/ship/requirements.lock
	@touch $@

$(TOOLS)/kaskade/.installed: tests/ship/kaskade.lock
	@echo "Setting up $(TOOLS)/kaskade, a foreign reader of topics (once)..."
	@rm -rf $(TOOLS)/kaskade && $(PYTHON) -m venv $(TOOLS)/kaskade
	@$(TOOLS)/kaskade/bin/python -m pip install --quiet --require-hashes -r tests/ship/kaskade.lock
	@touch $@

# The version is docker-compose.yml's, the digest the lock's.
$(TOOLS)/apicurio/.unpacked: tests/ship/apicurio.lock | $(STAMP)
	@mkdir -p $(TOOLS) && $(BIN)/python -m tests.ship.apicurio $(TOOLS)/apicurio
	@touch $@

tools: $(TOOLS)/.helm-$(HELM_VERSION) $(TOOLS)/python/.installed $(TOOLS)/promtool $(TOOLS)/asyncapi \
  $(TOOLS)/kaskade/.installed $(TOOLS)/apicurio/.unpacked

ship-check: $(STAMP) tools
	@$(BIN)/python -m pytest tests/ship $(ARGS)

statistics: $(STAMP)
	@$(BIN)/python -m bench.statistics $(ARGS)

PEERS := .venv-peers
$(PEERS)/.installed: bench/peers/python/requirements.lock
	@echo "Setting up $(PEERS), the peers that are written in Python (once)..."
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --require-hashes -r bench/peers/python/requirements.lock
	@touch $@

# With ARGS only the peers; without, the same at a million keys, what an event costs at steady rates, what a slice costs, how
# cost grows and how soon a million rows are back as well.
bench: $(STAMP) $(PEERS)/.installed
	@bad=0; $(BIN)/python -m bench.peers $(ARGS) || bad=1; \
	if [ -z "$(ARGS)" ]; then for more in peers.keys peers.rates slices growth restore; do \
	$(BIN)/python -m bench.$$more || bad=1; done; fi; exit $$bad

bench-memory: $(STAMP)
	@$(BIN)/python -m bench.memory $(ARGS)

bench-gateway: $(STAMP)
	@$(BIN)/python -m bench.gateway $(ARGS)

growth: $(STAMP)
	@$(BIN)/python -m bench.restore $(ARGS)

faults: $(STAMP)
	@$(BIN)/python -m tests.faults $(ARGS)

chaos-commands: $(STAMP)
	@$(BIN)/python -m tests.faults.commands $(ARGS)

hostile: $(STAMP)
	@$(BIN)/python -m tests.hostile $(ARGS)

simulation: $(STAMP)
	@$(BIN)/python -m tests.simulation $(ARGS)

# Debian's package is unpacked, not installed: that would start a Prometheus.
$(TOOLS)/promtool:
	@mkdir -p $(TOOLS)/prometheus
	@cd $(TOOLS)/prometheus && { apt-get download --quiet=2 prometheus || { apt-get update --quiet=2 && apt-get download --quiet=2 prometheus; }; } && dpkg-deb -x prometheus_*.deb .
	@ln -sf prometheus/usr/bin/promtool $@

$(TOOLS)/asyncapi: $(wildcard tests/ship/asyncapi/*)
	@rm -rf $@ && mkdir -p $@ && cp tests/ship/asyncapi/* $@
	@cd $@ && npm ci --ignore-scripts --no-audit --no-fund --silent

lives: $(STAMP)
	@$(BIN)/python -m tests.lives $(ARGS)

golden: $(STAMP)
	@$(BIN)/python -m tests.golden $(ARGS)

reference: $(STAMP)
	@$(BIN)/python -m tests.reference

oracle: $(STAMP)
	@$(BIN)/python -m tests.oracle $(ARGS)

vendor: $(STAMP)
	@$(BIN)/python -m tests.support.gateway.vendor

# The lock holds names, versions and hashes, no registry's address. The image's is the same without the tools.
COMPILE := .lock-venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --no-header --no-annotate pyproject.toml
lock:
	@$(PYTHON) -m venv .lock-venv && .lock-venv/bin/pip install --quiet uv
	@$(COMPILE) --extra test --extra build -o requirements.lock
	@$(COMPILE) --constraint requirements.lock -o deploy/runtime.lock
	@rm -rf .lock-venv

clean:
	@rm -rf $(VENV) $(PEERS) $(TOOLS) .pytest_cache .mypy_cache .ruff_cache .hypothesis
