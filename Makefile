# `make demo` and `make test` install what they need and is missing, and then never ask again.

.DEFAULT_GOAL := help
COMMA := ,
.PHONY: demo test bench lint help

# What npm writes when it has installed everything.
NODE_MODULES := $(if $(wildcard web/tests/package.json),web/tests/node_modules/.package-lock.json)

# With FEATURES=dynamic-backends (Linux) llama.cpp is built as libraries with its CPU code in a variant for each generation
# of processors, of which the best is loaded: what is built runs on an older machine and is as fast as it can be on a newer
# one. It takes minutes longer, so only what is installed is built so without a word. Links that an earlier such build left
# would stop the next one.
FEATURES ?=
RELEASE = --release $(if $(FEATURES),--features $(FEATURES))
UNLINK = @rm -f $(foreach folder,. deps examples,"$${CARGO_TARGET_DIR:-target}/release/$(folder)"/lib{llama,ggml}*.so*)
SHELL := /bin/bash

demo: ## build and start a group chat on 127.0.0.1; options: make demo ARGS="--port 9000"
	@scripts/setup.sh demo
	$(if $(FEATURES),$(UNLINK))
	cargo build $(RELEASE) -p bot --bin groupchat
	@exec "$${CARGO_TARGET_DIR:-target}/release/groupchat" demo $(ARGS)

.PHONY: install
PREFIX ?= /usr/local
install: FEATURES := $(or $(FEATURES),$(if $(filter Linux,$(shell uname -s)),dynamic-backends))
install: ## build for all processors and copy to PREFIX (/usr/local); FEATURES=cuda, vulkan or metal for a GPU
	@scripts/setup.sh demo
	$(if $(FEATURES),$(UNLINK))
	cargo build $(RELEASE) -p bot --bin groupchat
	scripts/install.sh "$${CARGO_TARGET_DIR:-target}/release/groupchat" "$(PREFIX)"

test: ## run all tests, those in a browser too
	@scripts/setup.sh test
	cargo test --workspace
	@if [ -f web/tests/package.json ]; then $(MAKE) --no-print-directory test-web; fi

.PHONY: test-web
test-web: $(NODE_MODULES)
	npm test --prefix web/tests

# The Python that has torch, transformers and PEFT. One that is named is used as it is.
PARITY_VENV := $(CURDIR)/target/parity-venv
PARITY_PYTHON ?= $(PARITY_VENV)/bin/python
PARITY_INSTALLED = $(if $(filter $(PARITY_VENV)/%,$(PARITY_PYTHON)),$(PARITY_VENV)/installed)

.PHONY: test-parity
test-parity: $(PARITY_INSTALLED) ## hold training to transformers and PEFT, which are installed unless PARITY_PYTHON=FILE has them
	@scripts/setup.sh demo
	PARITY_PYTHON="$(abspath $(PARITY_PYTHON))" cargo test -p trainer --test parity -- --nocapture

.PHONY: bench-train
bench-train: $(PARITY_INSTALLED) ## measure training, against transformers and PEFT; options: ARGS="q4_k_m --rows 32 --rounds 5"
	@scripts/setup.sh demo
	PARITY_PYTHON="$(abspath $(PARITY_PYTHON))" cargo bench -p trainer --features testing --bench train -- $(ARGS)

$(PARITY_VENV)/installed: trainer/peft/requirements.txt
	python3 -m venv "$(PARITY_VENV)"
	"$(PARITY_VENV)/bin/pip" install -r trainer/peft/requirements.txt
	@touch $@

bench: ## measure the store and the importers
	@scripts/setup.sh demo
	cargo bench -p store -p corpus --bench '*'

.PHONY: bench-discord
bench-discord: ## measure the bot under the load of 200 Discord servers, for five minutes; options: ARGS=small
	@scripts/setup.sh demo
	cargo bench -p bot --bench discord -- $(ARGS)

.PHONY: pocket
pocket: ## make a toy model of a few million weights from nothing, in an hour or two: FILE=pocket.gguf; options: ARGS=STEPS
	@scripts/setup.sh demo
	cargo run --release -p trainer --bin pocket -- $(or $(FILE),pocket.gguf) $(ARGS)

.PHONY: bench-learning
bench-learning: ## train the pocket model on a history and measure what it learned: LOGS="FILE.."; options: ARGS="--busiest 8"
	@scripts/setup.sh demo
	cargo build --release -p bot --bin groupchat
	scripts/learning.sh $(or $(LOGS),sample/result.json) -- $(ARGS)

.PHONY: bench-runner
bench-runner: ## measure the model runner, against a llama-server too: LLAMA_SERVER=FILE; options: ARGS="quick latency"
	@scripts/setup.sh demo
	$(if $(FEATURES),$(UNLINK))
	cargo bench -p model-runner --features testing$(if $(FEATURES),$(COMMA)$(FEATURES)) --bench runner -- $(ARGS)

lint: $(NODE_MODULES) ## check the style and types of all code
	@scripts/setup.sh test
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	@if [ -f web/tests/package.json ]; then npm run check --prefix web/tests; fi
	@if command -v shellcheck >/dev/null; then shellcheck scripts/*.sh .ci/run; else echo "shellcheck is not installed: skipped"; fi

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

web/tests/node_modules/.package-lock.json: web/tests/package-lock.json
	@scripts/setup.sh test
	npm ci --prefix web/tests
	@touch $@
