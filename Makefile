# Everything builds with one profile (release), because RocksDB takes long to compile per profile.
.DEFAULT_GOAL := help
.PHONY: help setup build modules demo serve fmt lint audit test bench bench-log bench-query bench-replay bench-rollout bench-history bench-hostile crash fuzz
.NOTPARALLEL:

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
MODULES := departures ledger ontime-v1 ontime-v2 hostile members partitioned renaming tally
export PATH := $(PATH):$(HOME)/.cargo/bin

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what is missing, or say what is
	@./.setup/setup

build: setup ## Build the host and the tools
	cargo build --release --locked --workspace

modules: setup ## Build every example into ${CARGO_TARGET_DIR:-target}/modules/NAME.wasm
	@./.setup/modules $(MODULES)

demo: build modules ## See it at work: a year of flights, two versions of a projection, a switch and a way back
	@$(TARGET_DIR)/release/demo

serve: build ## Run a host on 127.0.0.1:7070 that keeps its data in .kinora/
	$(TARGET_DIR)/release/kinora serve --data .kinora --listen 127.0.0.1:7070

fmt: ## Format the code
	cargo fmt --all

lint: setup ## Check the formatting and the lints
	cargo fmt --all --check
	cargo clippy --release --locked --workspace --all-targets -- -D warnings

audit: ## Check licences, advisories, duplicates and sources of all dependencies
	@command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	cargo deny check

test: lint modules build ## Set up, and pass all tests
	cargo test --release --locked --workspace

bench: build modules ## Measure, each against its limit, and print medians and spread
	cargo bench --profile release --locked --workspace --bench speed

bench-query: build modules ## Measure queries against the HTTP server alone, and against SQLite behind that server
	cargo bench --profile release --locked --workspace --bench query

bench-log: build ## Measure the log against the disk, the HTTP server, UmaDB and PostgreSQL (LARGE=10000000: also a log of so many events)
	./.setup/peers
	cargo bench --profile release --locked --workspace --bench log

bench-rollout: build modules ## Measure differences and switches (ROWS and ROUNDS choose)
	cargo bench --profile release --locked --workspace --bench rollout

bench-history: build ## Measure tables with a history next to RocksDB's user-defined timestamps
	cargo bench --profile release --locked --workspace --bench history

crash: build ## Kill a host under load, CRASHES times (1000), and look for what is missing
	CRASHES=$${CRASHES:-1000} cargo test --release --locked --workspace --test crash -- --nocapture

fuzz: setup ## Fuzz the decoder FUZZ names, guided by coverage, for FUZZ_SECONDS (60)
	./.setup/fuzz

bench-replay: build modules ## Measure replays next to native folds and SQLite (PARTS and ROUNDS choose)
	cargo bench --profile release --locked --workspace --bench replay

bench-hostile: build modules ## Measure what others notice while a guest means harm
	cargo bench --profile release --locked --workspace --bench hostile
