# Everything here needs Go and make, nothing else. `make lint` and `make vuln` build their own tools.
.DEFAULT_GOAL := help
.PHONY: help demo test faults bench bench-micro bench-compare lint vuln

# The tools are a module of their own, outside of go.work: see tools/go.mod.
BIN := $(CURDIR)/bin
# RESULTS is where `make bench` writes its figures, BASELINE what `make bench-compare` compares with.
RESULTS := $(BIN)/bench
BASELINE := docs/bench/micro.txt
BENCHSTAT := $(BIN)/benchstat
GOLANGCI_LINT := $(BIN)/golangci-lint
WORKFLOWCHECK := $(BIN)/workflowcheck
GOVULNCHECK := $(BIN)/govulncheck
# MODULES are the folders of go.work, TEMPORAL is the Temporal server's module, outside of it.
MODULES := . devstack
TEMPORAL := devstack/temporal

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## write FHIR records to a simulated HealthLake and watch them arrive as events
	@echo "The first run builds the Temporal server, which takes about 7 minutes on two cores."
	go build -o $(BIN)/devstack ./devstack
	$(BIN)/devstack demo

test: ## run the tests of all modules
	@echo "The first run builds the Temporal server, which takes about 7 minutes on two cores."
	go test ./...
	cd $(TEMPORAL) && GOWORK=off go test ./...
	cd devstack && go test -timeout 25m -parallel 8 ./...

faults: ## run the short form of the fault suite: drawn faults against real workers
	cd devstack && go test ./internal/faults -drawn -v -count=1 -timeout 15m

bench: ## measure speed, cost and latency of the programs (BENCH="--short backlog" for some of it)
	@echo "The first run builds the Temporal server, which takes about 7 minutes on two cores."
	go build -o $(BIN)/devstack ./devstack
	$(BIN)/devstack bench --out $(RESULTS) $(BENCH)

bench-micro: ## run the benchmarks of single functions
	go test -run '^$$' -bench . -benchtime 300ms -benchmem -count 6 ./... | tee $(BIN)/micro.txt

bench-compare: $(BENCHSTAT) bench-micro ## compare the benchmarks of single functions with the baseline
	$(BENCHSTAT) $(BASELINE) $(BIN)/micro.txt

lint: $(GOLANGCI_LINT) $(WORKFLOWCHECK) ## check format, vet, architecture, and that workflows are deterministic
	@unformatted=$$(gofmt -l .); \
	  if [ -n "$$unformatted" ]; then echo "not formatted, run gofmt -w on:"; echo "$$unformatted"; exit 1; fi
	@set -e; for module in $(MODULES) $(TEMPORAL); do echo "checking module $$module"; \
	  if [ $$module = $(TEMPORAL) ]; then export GOWORK=off; fi; \
	  (cd $$module && go vet ./... && $(GOLANGCI_LINT) run --config $(CURDIR)/.golangci.yml ./...); done
	$(WORKFLOWCHECK) -config .workflowcheck.yaml ./workflows/...

# govulncheck ends with 3 when the code calls something with a known vulnerability.
vuln: $(GOVULNCHECK) ## look for known vulnerabilities in what the modules call
	@set -e; for module in $(MODULES) $(TEMPORAL); do echo "checking module $$module"; \
	  if [ $$module = $(TEMPORAL) ]; then export GOWORK=off; fi; \
	  (cd $$module && $(GOVULNCHECK) ./...); done

$(GOLANGCI_LINT): tools/go.mod tools/go.sum
	@echo "building golangci-lint (once, a few minutes)"
	cd tools && GOWORK=off go build -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(WORKFLOWCHECK): tools/go.mod tools/go.sum
	cd tools && GOWORK=off go build -o $@ go.temporal.io/sdk/contrib/tools/workflowcheck

$(BENCHSTAT): tools/go.mod tools/go.sum
	cd tools && GOWORK=off go build -o $@ golang.org/x/perf/cmd/benchstat

$(GOVULNCHECK): tools/go.mod tools/go.sum
	cd tools && GOWORK=off go build -o $@ golang.org/x/vuln/cmd/govulncheck
