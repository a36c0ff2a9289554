# Everything builds with one profile (release), because RocksDB takes long to compile per profile.
.DEFAULT_GOAL := help
.PHONY: help setup build modules demo test bench fmt lint serve
.NOTPARALLEL:

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
export PATH := $(PATH):$(HOME)/.cargo/bin

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what is missing, or say what is
	@./.setup/setup

build: setup ## Build the host and the tools
	cargo build --release --locked --workspace

modules: setup ## Build the example projectors and upcasters, and the guests of the tests, as WebAssembly
	@./.setup/modules

demo: build modules ## See it at work: a year of flights, two versions of a projection, a switch and a way back
	@$(TARGET_DIR)/release/demo $(DEMO)

serve: build ## Run a host on 127.0.0.1:7070 that keeps its data in .kinora/
	$(TARGET_DIR)/release/kinora serve --data .kinora --listen 127.0.0.1:7070

modules: setup ## Build every WebAssembly module into ${CARGO_TARGET_DIR:-target}/modules
	@./.setup/modules departures ontime-v1 ontime-v2 hostile

fmt: ## Format the code
	cargo fmt --all

lint: setup ## Check the formatting and the lints
	cargo fmt --all --check
	cargo clippy --release --locked --workspace --all-targets -- -D warnings

test: lint modules build ## Set up, and pass all tests
	cargo test --release --locked --workspace

bench: build modules ## Measure, each against its native limit or a peer
	cargo bench --profile release --locked --package kinora-tests --benches
