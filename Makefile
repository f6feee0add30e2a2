# `make demo` draws a logo, `make test` runs the tests; both set up the environment on first use.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PROMPT ?= a red fox head, geometric
SIZES  ?= 256,512
ASPECT ?=
STYLE  ?=
COLORS ?=
BACKGROUND ?=
TEXT   ?=
LAYOUT ?=

# Not in any recipe, where a # would begin a comment of the shell's: the demo reads them from its environment.
export PROMPT SIZES ASPECT STYLE COLORS BACKGROUND TEXT LAYOUT
.DEFAULT_GOAL := help
.PHONY: help demo serve worker test test-unit test-storm test-clients test-gpu test-slow lighthouse chaos full neighbours day growth tour fuzz audit check format bench bench-front bench-peers bench-gpu card-report lock clean

help:            ## show these targets
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# A set-up that was cut off or whose Python is gone is mended by the next make.
GONE := $(shell test ! -e $(VENV)/.ready || $(BIN)/python -c '' 2>/dev/null || echo gone)
.PHONY: FORCE
# One set-up at a time: that of a make whose terminal was closed goes on beside the next make's.
LOCK := $(VENV).lock
FLOCK := $(shell command -v flock 2>/dev/null)
$(VENV)/.ready: pyproject.toml constraints.txt $(if $(GONE),FORCE)
	@$(if $(FLOCK),$(FLOCK) -n $(LOCK) true || echo "another make sets up $(VENV): this one waits for it ...")
	@$(if $(FLOCK),$(FLOCK) $(LOCK)) $(MAKE) --no-print-directory set-up

.PHONY: set-up
set-up:
	@echo "setting up $(VENV) (first use: a few minutes, torch is the large part) ..."
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python 3.11 or later is needed; name one with PYTHON=..."; exit 1; }
	@# venv leaves an environment without pip where Python's ensurepip is missing (Debian: python3-venv).
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt pip
	@# torch is installed first and alone, so that pip uses a local wheel of this version if there is one.
	@echo "  torch ..." && $(BIN)/python -m pip install -qq "$$(grep '^torch==' constraints.txt)" -c constraints.txt
	@echo "  everything else ..." && $(BIN)/python -m pip install -qq --group dev -c constraints.txt
	@touch $(VENV)/.ready

demo: $(VENV)/.ready   ## start everything, draw PROMPT in SIZES or ASPECT (STYLE=emblem COLORS=#0A7B83 BACKGROUND TEXT LAYOUT), save PNGs, SVG, icons and a picture of all under out/, stop
	@$(BIN)/python -m shared.stack.demo

serve: $(VENV)/.ready  ## run the whole stack in the foreground (PORT, HOST, DATA_DIR, REDIS_URL)
	@exec $(BIN)/python -m shared.serve

worker: $(VENV)/.ready  ## on another machine: generate workers only, for the stack whose Redis is at REDIS_URL
	@exec $(BIN)/python -m shared.serve worker

# Chromium, promtool and nginx are not Python packages: on a machine without them, `make test` says so and skips their tests.
# .ci/run installs the first two.
BROWSER := $(firstword $(foreach name,chromium chromium-browser google-chrome,$(shell command -v $(name) 2>/dev/null)))
PROMTOOL := $(shell command -v promtool 2>/dev/null)
NGINX := $(shell PATH=$$PATH:/usr/sbin command -v nginx 2>/dev/null)
test-unit: $(VENV)/.ready  ## unit tests alone: no server and no worker is started, under a minute
	@$(if $(PROMTOOL),,echo "no promtool on this machine: the tests of the alerts are left out (Debian: apt-get install prometheus)")
	$(BIN)/python -m pytest tests/unit $(if $(PROMTOOL),,-m "not promtool")

# One process of pytest more than there are cores, because many tests wait; one that has run its tests takes half of what
# another has left.
AT_ONCE := -n $(shell expr $$(nproc) + 1) --maxprocesses 4 --dist worksteal
test: $(VENV)/.ready   ## unit, integration and acceptance tests, on real processes
	@$(if $(BROWSER),,echo "no Chromium on this machine: the browser tests are left out (Debian: apt-get install chromium)")
	@$(if $(PROMTOOL),,echo "no promtool on this machine: the tests of the alerts are left out (Debian: apt-get install prometheus)")
	@$(if $(NGINX),,echo "no nginx on this machine: the tests behind it are left out (Debian: apt-get install nginx-light)")
	$(BIN)/python -m pytest $(AT_ONCE) --ignore tests/acceptance/chaos --ignore tests/acceptance/fuzz -m "not gpu and not benchmark and not slow and not clients $(if $(BROWSER),,and not browser) $(if $(PROMTOOL),,and not promtool) $(if $(NGINX),,and not nginx)"

test-storm: $(VENV)/.ready  ## the nemesis for some seconds and a few hundred generated requests; `make chaos` and `make fuzz` are the long forms
	$(BIN)/python -m pytest -m "not chaos and not slow" tests/acceptance/chaos tests/acceptance/fuzz

POLLING ?= 20
test-clients: $(VENV)/.ready  ## clients of others, in environments of their own, and docs/clients.md from the run (POLLING=600: polls for ten minutes)
	$(BIN)/python tests/clients/environments.py
	POLL_SECONDS=$(POLLING) $(BIN)/python -m pytest -m clients tests/clients
	$(BIN)/python tests/clients/table.py

test-gpu: $(VENV)/.ready  ## tests that need a CUDA device
	$(BIN)/python -m pytest -m gpu

JOBS    ?= 100000
SECONDS ?= 300
SEED    ?= 1
FAULTS  ?= 1
STORE   ?= redis
WATCH   ?= 0
chaos: $(VENV)/.ready  ## kill, pause and fill the stack under load for SECONDS or JOBS (SEED; STORE=s3|file: images there; FAULTS=0: load only; WATCH=1: an operator at /watch), print findings
	CHAOS_WATCH=$(WATCH) CHAOS_STORE=$(STORE) CHAOS_FAULTS=$(FAULTS) CHAOS_JOBS=$(JOBS) CHAOS_SECONDS=$(SECONDS) CHAOS_SEED=$(SEED) $(BIN)/python -m pytest -m chaos -s tests/acceptance/chaos

full: $(VENV)/.ready   ## Redis at its limit for SECONDS under load, with figures
	FULL_SECONDS=$(SECONDS) $(BIN)/python -m pytest -s tests/acceptance/test_full_redis.py -m slow

neighbours: $(VENV)/.ready  ## three keys on one stack, one does the worst it can for SECONDS (LOADS); prints what the others notice
	NEIGHBOURS_SECONDS=$(SECONDS) NEIGHBOURS_LOADS=$(LOADS) $(BIN)/python -m pytest -m slow -s tests/acceptance/neighbours

PLOT ?=
day: $(VENV)/.ready    ## a simulated day of twenty keys: how long jobs wait, oldest first and by fair shares (PLOT=file.png)
	$(BIN)/python tests/simulation/day.py $(if $(PLOT),--plot $(PLOT))

MEASURE ?=
growth: $(VENV)/.ready ## where 1 to 1,000 cards and 1,000,000 phones meet their first limit, by measured costs (MEASURE=1: measured anew; PLOT=file.png)
	PYTHONPATH=.:tests/benchmarks/front $(BIN)/python tests/simulation/growth.py $(if $(MEASURE),--measure) $(if $(PLOT),--plot $(PLOT))

tour: $(VENV)/.ready   ## three keys on one stack, one greedy: their waits and usage, a quota, what is forgotten
	$(BIN)/python -m pytest -m slow -s tests/acceptance/test_tour.py

CASES ?= 5000
fuzz: $(VENV)/.ready   ## at least CASES generated requests over the whole API, with figures
	FUZZ_CASES=$(CASES) $(BIN)/python -m pytest -m slow -s tests/acceptance/fuzz

test-slow: $(VENV)/.ready  ## what takes minutes: Redis away for 30 s at each stage, 200 drawings over a bad network, the fuzzing
	$(BIN)/python -m pytest -m slow

lighthouse: $(VENV)/.ready  ## what Lighthouse says of the studio and /watch, on a phone and a desk; needs npm's registry once
	$(BIN)/python -m pytest -s -m slow tests/acceptance/studio/test_lighthouse.py

audit: $(VENV)/.ready  ## known vulnerabilities of the pinned versions; needs PyPI's JSON interface
	$(BIN)/uv tool run pip-audit@2.10.1 --strict --disable-pip --no-deps --requirement constraints.txt

check: $(VENV)/.ready  ## ruff, mypy, import-linter, and that the lock matches pyproject.toml
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@cp constraints.txt $(VENV)/constraints.txt && $(MAKE) -s lock CONSTRAINTS=$(VENV)/constraints.txt
	@diff constraints.txt $(VENV)/constraints.txt || { echo "constraints.txt is behind pyproject.toml: make lock"; exit 1; }

format: $(VENV)/.ready ## let ruff rewrite what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.ready  ## measure, as ratios against a baseline in the same run; then bench-front
	$(BIN)/python -m pytest -m benchmark -s
	@$(MAKE) --no-print-directory bench-front

bench-front: $(VENV)/.ready  ## where the API's CPU time goes for a submit, a poll and a wait (BEFORE=folder of another version: that too)
	PYTHONPATH=. $(BIN)/python tests/benchmarks/front/cpu_by_part.py $(if $(BEFORE),--before $(BEFORE))
	PYTHONPATH=. $(BIN)/python tests/benchmarks/front/scaling.py $(if $(BEFORE),--before $(BEFORE))

bench-peers: $(VENV)/.ready  ## the front against the usual tutorial, the first version's way, LitServe and BentoML, in turns (PEERS=a,b)
	PYTHONPATH=. $(BIN)/python tests/benchmarks/peers/compare.py $(if $(PEERS),--peers $(PEERS))

OUT ?= out/bench-gpu
bench-gpu: $(VENV)/.ready  ## on a GPU machine: speed, memory, fidelity against the first version (PARTS=a,b, OUT=folder)
	PYTHONPATH=. $(BIN)/python tests/benchmarks/gpu/run.py --out $(OUT) $(if $(PARTS),--parts $(PARTS))

card-report: $(VENV)/.ready  ## on a GPU machine: measure its card at full size, print a page of tables and JSON to paste
	PYTHONPATH=. $(BIN)/python tests/benchmarks/gpu/card_report.py

CONSTRAINTS ?= constraints.txt
lock: $(VENV)/.ready   ## resolve pyproject.toml into constraints.txt (metadata only, nothing is downloaded)
	@$(BIN)/uv pip compile --quiet --universal --no-annotate --no-header --group pyproject.toml:dev --group pyproject.toml:flash3 -o $(CONSTRAINTS)

clean:           ## remove the environment, caches, data and output
	rm -rf $(VENV) out data .mypy_cache .ruff_cache .pytest_cache .hypothesis .schemathesis
