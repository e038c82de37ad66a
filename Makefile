# What one does with this project, each as one word. `make` and `make help` list them.

# The linter is pinned in tools/go.mod, apart from the library's own dependencies. -modfile does not go
# together with a workspace, hence GOWORK=off.
GOLANGCI := GOWORK=off go tool -modfile=$(CURDIR)/tools/go.mod golangci-lint

# The modules of go.work.
MODULES := . examples bench dashboard/browser queue queue/examples

# Arguments for some of the targets: make test RUN=Stop PKG=. ; make bench BENCH=Restart
PKG   ?= ./... ./examples/... ./queue/... ./queue/examples/... ./bench/... ./dashboard/browser/...
RUN   ?= .
BENCH ?= .
DIR   ?= $(shell go env GOROOT)

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## download what the project depends on
	go mod download

.PHONY: run
run: ## run the example: find the duplicate files below DIR (default: the Go installation)
	go run ./examples/dupwatch -once -dir "$(DIR)"

.PHONY: test
test: ## run the tests with the race detector (RUN=pattern, PKG=packages)
	go test -race -timeout 30m -run '$(RUN)' $(PKG)

.PHONY: quick
quick: ## run the tests without the race detector
	go test $(PKG)

.PHONY: race
race: ## run the tests ten times with the race detector, in random order
	go test -race -timeout 5h -count=10 -shuffle=on -run '$(RUN)' $(PKG)

.PHONY: bench
bench: ## compare with bare Go and with other libraries, and write the table of docs/performance.md (BENCH=pattern: some works, no table)
	go run ./bench -run '$(BENCH)' $(if $(filter .,$(BENCH)),-write docs/performance.md)

.PHONY: cover
cover: ## run the tests and show which code they reach
	go test -coverpkg=./... -coverprofile=coverage.out ./...
	go tool cover -func=coverage.out | tail -n 1

.PHONY: doc
doc: ## show the package documentation
	go doc -all .

.PHONY: lint
lint: ## run the linters (the first time builds them, which takes minutes)
	for module in $(MODULES); do (cd $$module && $(GOLANGCI) run ./...) || exit 1; done

.PHONY: fmt
fmt: ## format the code
	$(GOLANGCI) fmt

.PHONY: tidy
tidy: ## tidy the go.mod files
	for module in $(MODULES) tools; do (cd $$module && GOWORK=off go mod tidy) || exit 1; done

.PHONY: check
check: ## do all that CI does
	bash .ci/run
