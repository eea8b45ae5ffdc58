# Mooring. `make help` lists what there is; only Go, make, git and, for the
# tests, Debian's packages are needed (tools/test-packages.sh).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

GO        ?= go
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS   := -s -w -X main.version=$(VERSION) -X main.buildTime=$(shell git log -1 --format=%cI 2>/dev/null)
# The agent speaks HTTP/1.1 alone, which spares it half a megabyte.
export AGENT_TAGS := nethttpomithttp2
BUILD     := CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)'
TESTFLAGS ?=
FUZZTIME  ?= 10s
BENCHFLAGS ?=
# Where Go benchmarks stand beside the code they measure.
BENCHPACKAGES ?= ./internal/... ./server/...
# KEEP=1 leaves the demo's server and device running.
KEEP      ?=

export KEEP

.PHONY: help demo demo-down build test check fuzz bench dist clean go-version

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build ## one device's whole life against a real server, under a minute (KEEP=1 leaves it running)
	@$(GO) run -C tools ./demo -bin '$(CURDIR)/bin' -dir '$(CURDIR)/.demo'

demo-down: go-version ## stop what `make demo KEEP=1` left running
	@$(GO) run -C tools ./demo -bin '$(CURDIR)/bin' -dir '$(CURDIR)/.demo' -down

build: go-version ## bin/mooring-server and bin/mooring-agent
	@mkdir -p bin
	$(BUILD) -o bin/mooring-server ./server/cmd/mooring-server
	$(BUILD) -tags $(AGENT_TAGS) -o bin/mooring-agent ./agent/cmd/mooring-agent

test: go-version ## every test, real parts included; installs missing Debian packages when it may
	@tools/test-packages.sh
	REQUIRE_HSM=1 $(GO) test -timeout 10m $(TESTFLAGS) ./...

check: go-version ## format, vet, staticcheck, architecture, modules and generated files; no network
	@tools/check.sh

fuzz: go-version ## every fuzz target for FUZZTIME (10s) each
	@tools/fuzz.sh '$(FUZZTIME)'

bench: build ## what it costs, about five minutes: Go benchmarks, then the figures of BENCHMARKS.md (BENCHFLAGS)
	$(GO) test -run '^$$' -bench . -benchtime 300ms $(BENCHPACKAGES)
	$(GO) run ./bench -server bin/mooring-server -agent bin/mooring-agent $(BENCHFLAGS)

dist: go-version ## static programs for every target in cross/targets, with checksums, in dist/
	@VERSION='$(VERSION)' LDFLAGS='$(LDFLAGS)' tools/dist.sh dist

clean: ## remove bin/ and dist/
	rm -rf bin dist

go-version:
	@tools/go-version.sh
