# Everything that is done with this project, one line each. `make` lists it.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
FLOTILLA := $(TARGET_DIR)/release/flotilla
GUEST_TARGET := wasm32-unknown-unknown
STATIC_TARGET := $(shell uname -m)-unknown-linux-musl
# Every build is of the whole workspace, narrowed by target: of a single package, Cargo would build the libraries anew with other features.
# One directory for all guests: the sample needs no second build of the SDK.
export FLOTILLA_GUEST_TARGET_DIR ?= $(CURDIR)/plugins/target

.PHONY: help setup plugins build static demo test test-kubernetes check bless bench clean

help: ## list what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/make \1|\2/' | column -t -s '|'

setup: ## install what building needs and is missing
	@command -v cargo >/dev/null || { echo 'error: cargo is missing; install Rust 1.95 or newer from https://rustup.rs' >&2; exit 1; }
	@if ! rustc --print target-libdir --target $(GUEST_TARGET) 2>/dev/null | xargs -r test -d; then \
	  command -v rustup >/dev/null || { echo 'error: the Rust target $(GUEST_TARGET) is missing and there is no rustup to add it' >&2; exit 1; }; \
	  echo 'setup: adding the Rust target $(GUEST_TARGET) (for plugins)'; \
	  rustup target add $(GUEST_TARGET); \
	fi

plugins: setup ## build the built-in plugins and the sample
	@echo 'plugins: building the built-in plugins'
	@cargo build --quiet --workspace --bin flotilla-plugin-build
	@$(TARGET_DIR)/debug/flotilla-plugin-build plugins/Cargo.toml plugins/built
	@$(TARGET_DIR)/debug/flotilla-plugin-build deploy/samples/webshop-plugin/Cargo.toml deploy/samples/webshop-plugin

build: plugins ## build the release binary
	@echo 'build: building $(FLOTILLA)'
	@cargo build --release --workspace --bin flotilla

static: plugins ## build the release binary without libraries, as in the image
	@rustup target add $(STATIC_TARGET)
	@echo 'static: building $(TARGET_DIR)/$(STATIC_TARGET)/release/flotilla'
	@cargo build --release --workspace --bin flotilla --target $(STATIC_TARGET)

demo: build ## start a sandbox and walk one object through it
	@FLOTILLA=$(abspath $(FLOTILLA)) deploy/demo/run

check: plugins ## formatting, lints and generated files
	@echo 'check: formatting'
	@cargo fmt --all --check
	@cargo fmt --all --check --manifest-path plugins/Cargo.toml
	@cargo fmt --all --check --manifest-path sdk/rust/Cargo.toml
	@echo 'check: lints'
	@cargo clippy --quiet --workspace --all-targets -- --deny warnings
	@cargo clippy --quiet --workspace --manifest-path plugins/Cargo.toml --target $(GUEST_TARGET) -- --deny warnings

test: check ## check, then run every test
	@echo 'test: running all tests'
	@cargo test --workspace
	@cargo test --manifest-path sdk/rust/Cargo.toml

test-kubernetes: plugins ## run the end-to-end suites on real API servers (builds them once)
	@echo 'test-kubernetes: providing etcd, kube-apiserver and kube-controller-manager'
	@tests/kubernetes/build >/dev/null
	@echo 'test-kubernetes: running the end-to-end suites'
	@FLOTILLA_TEST_BACKEND=kubernetes cargo test --workspace --test journey --test kinds --test writes --test faults --test members --test join --test install --test parity --test traffic

bless: plugins ## accept new expectations and generated files, then show what changed
	@UPDATE_EXPECT=1 cargo test --workspace || true
	@git diff --stat

bench: build ## measure; prints figures beside their bars
	@cargo bench --quiet --workspace --bench decisions --bench hooks --bench fleet --bench isolation --bench scale

clean: ## remove what was built
	@cargo clean
	@cargo clean --manifest-path plugins/Cargo.toml
