# Everything builds with one profile (release), because RocksDB takes long to compile per profile.
.DEFAULT_GOAL := help
.PHONY: help package bare-debian bench-access bench-command browser screenshots setup program build modules languages clients demo demo-parts serve fmt lint audit \
  test test-full-disk bench bench-log bench-query bench-replay bench-rollout bench-history bench-hostile bench-languages attack schemathesis \
  crash simulate fuzz
.NOTPARALLEL:

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
DEMO_MODULES := departures ontime-v1 ontime-v2
MODULES := $(DEMO_MODULES) accounts conforming contrary counters figures ledger hostile members partitioned renaming seats shapes tally
# The program that the benches start: as it has just been built.
export KINORA_PROGRAM = $(abspath $(TARGET_DIR))/release/kinora
export PATH := $(PATH):$(HOME)/.cargo/bin

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what is missing, or say what is
	@./.setup/setup

program: setup ## Build the program alone: target/release/kinora
	@./.setup/announce
	cargo build --release --locked -p kinora

build: setup ## Build everything
	@./.setup/announce
	cargo build --release --locked --workspace

modules: setup ## Build every example into ${CARGO_TARGET_DIR:-target}/modules/NAME.wasm
	@./.setup/modules $(MODULES)

languages: ## Build the example guests in JavaScript and Python, and test their SDKs, where node and python3 are there
	@./.setup/languages

clients: program modules languages ## Test the clients in Python and TypeScript over a host, where python3 and node are there
	@./.setup/clients

# What the demo needs, and nothing that only tests need: its own packages have the features that they have in the whole workspace, so
# nothing is built twice.
demo-parts: setup
	@./.setup/announce
	cargo build --release --locked -p kinora -p demo
	@./.setup/modules $(DEMO_MODULES)

demo: demo-parts ## See it at work: a year of flights, two versions of a projection, a switch and a way back
	@$(TARGET_DIR)/release/demo
	@echo "   The same projector in TypeScript and in Python: make languages, then kinora deploy ontime --module $(TARGET_DIR)/modules/ontime-js.wasm"

package: program ## Build a Debian package: ${CARGO_TARGET_DIR:-target}/debian/kinora_VERSION_ARCH.deb
	@./.setup/package

bare-debian: package modules ## Install the package into a bare Debian, and do there what somebody new would do
	@./.setup/bare-debian

serve: program ## Run a host on 127.0.0.1:7070 that keeps its data in .kinora/
	$(TARGET_DIR)/release/kinora serve --data .kinora --listen 127.0.0.1:7070

fmt: ## Format the code
	cargo fmt --all

lint: setup ## Check the formatting, the structure and the lints
	cargo fmt --all --check
	cargo test --release --locked --workspace --test structure
	cargo clippy --release --locked --workspace --all-targets -- -D warnings

audit: ## Check licences, advisories, duplicates and sources of all dependencies
	@command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	cargo deny check

test: lint modules languages browser ## Set up, and pass all tests
	@./.setup/announce
	cargo test --release --locked --workspace
	@./.setup/clients
	@./.setup/full-disk

browser: setup ## Install what walks through the console: Chromium, Node.js, Playwright, axe
	@./.setup/browser

screenshots: demo-parts browser ## Take the pictures of the README anew, of the console with the demo's data
	@./.setup/screenshots

test-full-disk: setup modules ## Pass the tests that fill a disk, where a small one can be mounted
	@./.setup/full-disk

bench: program modules ## Measure, each against its limit, and print medians and spread
	cargo bench --profile release --locked --workspace --bench speed

bench-command: program modules ## Measure commands next to plain appends of the same bytes (LARGE=10000000: also so many aggregates)
	./.setup/peers
	cargo bench --profile release --locked --workspace --bench command

bench-access: program modules ## Measure what an API key on each request costs
	cargo bench --profile release --locked --workspace --bench access

bench-console: program modules ## Measure each page of the console on a host with PROJECTIONS, EVENTS and ROWS next to a page that asks nothing
	cargo bench --profile release --locked --workspace --bench console

bench-query: program modules ## Measure queries against the HTTP server alone, and against SQLite behind that server
	cargo bench --profile release --locked --workspace --bench query

bench-log: program ## Measure the log against the disk, the HTTP server, UmaDB and PostgreSQL (LARGE=10000000: also a log of so many events)
	./.setup/peers
	cargo bench --profile release --locked --workspace --bench log

bench-rollout: program modules ## Measure differences and switches (ROWS and ROUNDS choose)
	cargo bench --profile release --locked --workspace --bench rollout

bench-history: setup ## Measure tables with a history next to RocksDB's user-defined timestamps
	cargo bench --profile release --locked --workspace --bench history

crash: setup modules ## Kill a host under load, CRASHES times (10000), and look for what is missing
	CRASHES=$${CRASHES:-10000} cargo test --release --locked --workspace --test process ends::crash -- --nocapture
	CRASHES=$${CRASHES:-10000} cargo test --release --locked --workspace --test process ends::everything -- --nocapture

simulate: setup ## Simulate a log over a disk that fails, from SEEDS seeds (5000); SEED=n runs one, and prints what happens
	SEEDS=$${SEEDS:-5000} cargo test --release --locked --workspace --test simulation -- --nocapture

fuzz: setup ## Fuzz the decoder FUZZ names, guided by coverage, for FUZZ_SECONDS (60)
	./.setup/fuzz

bench-replay: program modules ## Measure replays next to native folds and SQLite (PARTS and ROUNDS choose)
	cargo bench --profile release --locked --workspace --bench replay

bench-hostile: program modules ## Measure what others notice while a guest means harm
	cargo bench --profile release --locked --workspace --bench hostile

bench-languages: build modules languages ## Measure replays in Rust, JavaScript and Python next to native Node and CPython (ROUNDS chooses)
	@./.setup/bench-languages

attack: program modules ## Attack a host in every way, one after the other and all at once (ATTACKS, ROUNDS and SECONDS choose)
	cargo bench --profile release --locked --workspace --bench attack

schemathesis: program modules ## Compare a host's answers with its description, by schemathesis (EXAMPLES for each operation)
	./.setup/schemathesis
