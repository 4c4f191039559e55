# Landfall. `make run` shows it, `make test` proves it.
GO      ?= go
GOFLAGS += -p=2
export GOFLAGS
export CGO_ENABLED = 0
BUILD    = $(GO) build -trimpath -ldflags='-s -w'
MODULES  = . test test/bench test/cosign test/k8s test/oidc
LINT     = $(GO) tool -modfile=tools/go.mod golangci-lint
FUZZTIME ?= 10s
NPM     := $(shell command -v npm)

.PHONY: build run ui test e2e e2e-k8s ui-test figures check format lint fuzz bench clean

build:
	$(BUILD) -o bin/landfall ./cmd/landfall

# The Local UI, for the next build to have it inside. Without Node there is none, and
# the binary says so.
ui:
ifdef NPM
	cd ui/web && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --ignore-scripts --no-audit --no-fund && npm run build
else
	@echo "no npm here: the Local UI is neither built nor tested (it needs Node 20 or later)"
	@test "$$CI" != true
endif

# Builds, carries a bundle across, compares digests, and serves until Ctrl-C.
run: ui
	$(MAKE) build
	GOOS=linux GOARCH=amd64 $(BUILD) -o bin/landfall-linux-amd64 ./cmd/landfall
	GOOS=linux GOARCH=arm64 $(BUILD) -o bin/landfall-linux-arm64 ./cmd/landfall
	cd test && $(GO) build -o ../bin/demo ./demo
	bin/demo

# All tests: the packages, the command line, the Local UI, and end to end with real
# parts.
test: ui
	$(MAKE) build
	$(GO) build -mod=readonly ./... && $(GO) mod verify
	$(GO) test ./...
	$(MAKE) ui-test
	$(MAKE) e2e

# The Local UI's units, and the UI in a browser on the real binary.
ui-test:
ifdef NPM
	cd ui/web && npm run unit && LANDFALL_BIN=$(CURDIR)/bin/landfall npm run browser
endif

e2e: build
	cd test && LANDFALL_BIN=$(CURDIR)/bin/landfall $(GO) test -count=1 -timeout 20m ./...
	cd test/cosign && LANDFALL_BIN=$(CURDIR)/bin/landfall $(GO) test -count=1 -timeout 20m ./...
	cd test/oidc && LANDFALL_BIN=$(CURDIR)/bin/landfall $(GO) test -count=1 -timeout 20m ./...

# Real Kubernetes on hosts made of namespaces; the first time builds Kubernetes. Needs
# root, 15 GiB of disk and half an hour: see test/README.md.
e2e-k8s: build
	cd test/k8s && LANDFALL_E2E=1 LANDFALL_BIN=$(CURDIR)/bin/landfall $(GO) test -count=1 -timeout 3h -v ./...

check: format lint test fuzz

format:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }

lint:
	for m in $(MODULES); do (cd $$m && $(GO) tool -modfile=$(CURDIR)/tools/go.mod golangci-lint run ./...) || exit 1; done

# Every fuzz target for a short while.
fuzz:
	for p in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	    $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$p || exit 1; \
	  done; done

# Prints the figures of docs/benchmarks.md; needs root, skopeo, strace, 64 GiB of disk and a quiet machine.
bench: build
	cd test/bench && LANDFALL_BIN=$(CURDIR)/bin/landfall $(GO) run . all

# Prints the UI's figures of docs/benchmarks.md; needs a quiet machine and 4 GiB of disk.
figures:
	cd ui/web && LANDFALL_BIN=$(CURDIR)/bin/landfall npm run figures

clean:
	rm -rf bin run ui/web/node_modules ui/web/test/out ui/web/src/api/schema.gen.ts ui/web/embedded/dist
