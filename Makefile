# Each target is one command of the project; what a stage does is written where it is done (tests/harness/run.py, xtask).
.DEFAULT_GOAL := help
.PHONY: help demo test lint bench soak gen build setup clean

# Python before there is a test environment: only the standard library is used with it.
PYTHON ?= python3
VENV := .venv-test

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## play the whole story against an emulator in a temporary folder
	@cargo run -q -p partnersam-cli -- demo

test: ## install what the tests need, build, run every test, end in one verdict
	@$(PYTHON) tests/harness/run.py test

lint: ## formatting, clippy, ruff, mypy, generated files
	@$(PYTHON) tests/harness/run.py lint

bench: setup ## measure beside MSAL and a bare client (BENCH=--full for the long form)
	@$(PYTHON) tests/bench/run.py $(BENCH)

soak: ## the process, destruction and fuzz tests of `make test`, many times as long (ROUNDS=5000)
	@$(PYTHON) tests/harness/run.py soak --rounds $(or $(ROUNDS),5000)

gen: ## write the generated files anew (include/partnersam.h and the tables made from the core)
	@cargo run -q -p xtask -- gen

build: ## the command, the C library and the wheel, optimized, in target/release and dist/
	@cargo build --release -p partnersam-cli -p partnersam-c
	@$(MAKE) --no-print-directory setup
	@$(VENV)/bin/maturin build --release -m python/Cargo.toml -o dist

setup: ## install what the tests need (nothing happens when it is there)
	@$(PYTHON) tests/setup/install.py

clean: ## remove everything that was built or installed in this folder
	cargo clean
	rm -rf $(VENV) .venv-bench dist tests/peers/oidc-provider/node_modules
