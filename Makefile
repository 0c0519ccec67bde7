# make test   every check and test, after installing what they need
# make build  the static binary, bin/stompgw
# make bench  the Go benchmarks, with allocations
#
# The steps of make test can be run alone: make race, make browser, …

.DEFAULT_GOAL := build
.NOTPARALLEL:

# Debian keeps nats-server and nginx in /usr/sbin, which is not in everyone's PATH.
export PATH := $(PATH):/usr/sbin:/usr/local/sbin

CODE := admin bus cmd configs gateway
STEPS := install fmt vet staticcheck cross race fuzz browser
FUZZTIME ?= 3s
# The real Kafka may be missing where there is no Java or Maven, but not on CI.
WITHOUT = $(if $(CI),,$(shell command -v javac >/dev/null && command -v mvn >/dev/null || echo kafka))
MODULES := testdata/browser/node_modules/.package-lock.json

.PHONY: test build bench tools jars $(STEPS)

# All steps run, whatever fails, so that one run tells everything.
test:
	@passed=0; failed=; for step in $(STEPS); do \
		if $(MAKE) --no-print-directory INSTALLED=yes $$step; then passed=$$((passed + 1)); else failed="$$failed $$step"; fi; \
	done; \
	set -- $$failed; test $$# = 0 || echo "failed:$$failed"; echo "steps: $$passed passed, $$# failed"; test $$# = 0

build:
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/stompgw ./cmd/stompgw

bench:
	go test -run '^$$' -bench . -benchmem ./...

install: tools jars $(MODULES)

# What a step needs that is not run by make test, where install is a step of its own.
NEEDED := $(if $(INSTALLED),,install)

tools:
	.ci/tools

# Apache Kafka, and what testdata/spring is made of, go to the user's cache once.
jars: | tools
	TEST_ALL=1 TEST_WITHOUT=$(WITHOUT) go test -count=1 -run '^(TestJars|TestClassPath)$$' ./bus/bustest/servers

$(MODULES): testdata/browser/package-lock.json | tools
	npm ci --prefix testdata/browser --ignore-scripts --no-audit --no-fund
	@touch $@

fmt:
	@files=$$(gofmt -l $(CODE)); test -z "$$files" || { echo "gofmt would change:" $$files >&2; exit 1; }

vet:
	go vet ./...

staticcheck:
	go tool -modfile=tools.mod staticcheck ./...

# Only Linux has the epoll loop. The others must build, their tests too.
cross:
	@failed=; for os in darwin windows; do for check in build vet; do \
		echo "GOOS=$$os go $$check ./..."; GOOS=$$os go $$check ./... || failed=yes; \
	done; done; test -z "$$failed"

# With TEST_ALL, a test that misses a program fails instead of being skipped.
race: $(NEEDED)
	TEST_ALL=1 TEST_WITHOUT=$(WITHOUT) go test -race -timeout 30m ./...

fuzz:
	.ci/fuzz $(FUZZTIME)

# The gateway under test has the race detector in it, and the tests fail on its reports.
browser: $(NEEDED)
	go build -race -o bin/stompgw-race ./cmd/stompgw
	cd testdata/browser && STOMPGW=../../bin/stompgw-race npm test
