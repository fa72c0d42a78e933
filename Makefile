# The short names of what CONTRIBUTING.md tells. "make" lists them.
.DEFAULT_GOAL := help
SHELL := bash
export TOOLS ?= bin

.PHONY: help test race house lint allocs fuzz bench check tidy fmt demo release

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-9s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: ## run the tests of all modules
	go test -count=1 work

race: ## run the tests of the core under the race detector, shuffled
	bash .ci/run race

house: ## run the tests about the repository itself: imports, modules, docs
	cd test && go test -count=1 ./house

lint: ## gofmt, go vet (also 32 bits and arm64), golangci-lint (with staticcheck in it)
	bash .ci/run gofmt vet crossvet golangci

allocs: ## run the tests that count allocations
	bash .ci/run allocs

fuzz: ## fuzz every target; FUZZTIME=1m for longer than 1s each
	bash .ci/run fuzz

bench: ## measure the hot paths of the core
	go test -run '^$$' -bench . -benchmem ./...

check: ## everything that CI checks
	bash .ci/run

tidy: ## go mod tidy in every module
	@for dir in $$(find . -name go.mod -not -path '*/testdata/*' -exec dirname {} \;); do \
		(cd "$$dir" && GOWORK=off go mod tidy) || exit 1; \
	done

fmt: ## gofmt everything
	gofmt -l -w .

demo: ## a flash crowd against a server without and with seawall
	go run ./examples/flashcrowd

release: ## try a release: make release VERSION=v0.1.0 (changes nothing)
	bash scripts/release.sh $(VERSION)
