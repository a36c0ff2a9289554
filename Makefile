# Everything builds with one profile (release), because RocksDB takes long to compile per profile.
.DEFAULT_GOAL := help
.PHONY: help setup build test fmt lint

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what is missing, or say what is
	@./.setup/setup

build: setup ## Build the host
	cargo build --release --locked --workspace

fmt: ## Format the code
	cargo fmt --all

lint: setup ## Check the formatting and the lints
	cargo fmt --all --check
	cargo clippy --release --locked --workspace --all-targets -- -D warnings

test: lint build ## Set up, and pass all tests
	cargo test --release --locked --workspace
