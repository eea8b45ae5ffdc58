# Mooring. `make help` lists what there is; only Go, make, git and, for the
# tests, Debian's packages are needed (tools/test-packages.sh).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

GO        ?= go
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS   := -s -w -X main.version=$(VERSION) -X main.buildTime=$(shell git log -1 --format=%cI 2>/dev/null)
# The agent must fit small flash. It speaks HTTP/1.1 alone, which spares it half
# a megabyte; calls are inlined in the cryptography only (0.6 MB), where the
# processor time of a handshake goes: in its arithmetic, not in the code of RSA
# and ECDSA around it (40 KB). That arithmetic calls math/bits where the compiler
# has no instruction for it: on ARMv7 a handshake takes half the time. On amd64,
# where 32 is usual, functions are aligned to 1 byte (0.1 MB).
export AGENT_FLAGS := -tags=nethttpomithttp2 -gcflags=all=-l -gcflags=runtime= -gcflags=math/bits= -gcflags=crypto/internal/fips140/...= -gcflags=vendor/golang.org/x/crypto/...= -gcflags=crypto/internal/fips140/rsa=-l -gcflags=crypto/internal/fips140/ecdsa=-l
export AGENT_LDFLAGS_amd64 := -funcalign=1
BUILD     := CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false
TESTFLAGS ?=
FUZZTIME  ?= 10s
BENCHFLAGS ?=
# Where Go benchmarks stand beside the code they measure.
BENCHPACKAGES ?= ./internal/... ./server/... ./agent/spool
# KEEP=1 leaves the demo's server and device running.
KEEP      ?=

export KEEP

.PHONY: help demo demo-down build test test-cuts test-arm check fuzz bench bench-arm dist clean go-version

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build ## one device's whole life against a real server, under a minute (KEEP=1 leaves it running)
	@$(GO) run -C tools ./demo -bin '$(CURDIR)/bin' -dir '$(CURDIR)/.demo'

demo-down: go-version ## stop what `make demo KEEP=1` left running
	@$(GO) run -C tools ./demo -bin '$(CURDIR)/bin' -dir '$(CURDIR)/.demo' -down

build: go-version ## bin/mooring-server, bin/mooring-agent and, with a C compiler, bin/mooring-pkcs11
	@mkdir -p bin
	$(BUILD) -ldflags '$(LDFLAGS)' -o bin/mooring-server ./server/cmd/mooring-server
	$(BUILD) $(AGENT_FLAGS) -ldflags '$(LDFLAGS) $(AGENT_LDFLAGS_$(shell $(GO) env GOARCH))' -o bin/mooring-agent ./agent/cmd/mooring-agent
	@if command -v "$${CC:-gcc}" >/dev/null; then \
		set -x; CGO_ENABLED=1 $(GO) build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION)' -o bin/mooring-pkcs11 ./hsm/cmd/mooring-pkcs11; \
	else echo 'no C compiler: bin/mooring-pkcs11, which uses PKCS#11 tokens, is not built'; fi

test: go-version ## every test, real parts included; installs missing Debian packages when it may
	@tools/test-packages.sh
	REQUIRE_HSM=1 $(GO) test -timeout 20m $(TESTFLAGS) ./...

test-cuts: go-version ## every power cut and crash that can be enumerated, with its count; five minutes (make test tries some)
	@tools/test-packages.sh
	ALL_CUTS=1 REQUIRE_HSM=1 $(GO) test -timeout 60m -count=1 -v $(TESTFLAGS) -run 'PowerCut|CrashMatrix|Killed|AtEvery' \
		./internal/durable ./hsm/... ./agent/... ./interop | grep -Ev '^=== |^ *--- PASS'

check: go-version ## format, vet, staticcheck, architecture, modules and generated files; no network
	@tools/check.sh

fuzz: go-version ## every fuzz target for FUZZTIME (10s) each
	@tools/fuzz.sh '$(FUZZTIME)'

bench: build ## what it costs, about seven minutes: Go benchmarks, then the figures of BENCHMARKS.md (BENCHFLAGS)
	$(GO) test -run '^$$' -bench . -benchtime 300ms $(BENCHPACKAGES)
	$(GO) run ./bench -server bin/mooring-server -agent bin/mooring-agent $(BENCHFLAGS)

bench-arm: build ## the agent's memory and CPU time on an emulated ARMv7 machine (installs QEMU and a kernel when it may)
	@cross/armv7-kernel.sh
	GOOS=linux GOARCH=arm GOARM=7 $(BUILD) $(AGENT_FLAGS) -ldflags '$(LDFLAGS)' -o bin/mooring-agent-armv7 ./agent/cmd/mooring-agent
	$(GO) run ./bench -only arm -server bin/mooring-server -agent-armv7 bin/mooring-agent-armv7

test-arm: go-version ## the agent on an emulated ARMv7 machine, against a real server; not part of make test
	@cross/armv7-kernel.sh
	$(GO) test $(TESTFLAGS) -tags armv7 -count=1 -run TestARMv7 ./interop

dist: go-version ## static programs for every target in cross/targets, with checksums, in dist/
	@VERSION='$(VERSION)' LDFLAGS='$(LDFLAGS)' tools/dist.sh dist

clean: ## remove bin/ and dist/
	rm -rf bin dist

go-version:
	@tools/go-version.sh
