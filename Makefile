# make test   every check and test, after installing what they need
# make quick  the first answer after a change: builds, vet, and the tests that need no server
# make build  the static binary, bin/stompgw
# make bench  the Go benchmarks, with allocations
# make soak   history and presence under faults, on each of the buses for SOAK minutes (10), with 1,000 clients and 3,000
#
# The steps of make test can be run alone: make race, make browser, …

.DEFAULT_GOAL := build
.NOTPARALLEL:

# Debian keeps nats-server and nginx in /usr/sbin, which is not in everyone's PATH.
export PATH := $(PATH):/usr/sbin:/usr/local/sbin

CODE := admin bus cmd configs gateway
STEPS := fmt vet staticcheck cross install race browser fuzz
FUZZTIME ?= 3s
# The real Kafka may be missing where there is no Java or Maven, but not on CI.
WITHOUT = $(if $(CI),,$(shell command -v javac >/dev/null && command -v mvn >/dev/null || echo kafka))
MODULES := testdata/browser/node_modules/.package-lock.json

.PHONY: test quick build bench soak tools jars $(STEPS)

# All steps run, whatever fails, so that one run tells everything. Two run beside others and are shown at their turn: install,
# which mostly waits, beside those that need nothing installed, and fuzz, which waits for nobody, beside race, much of which waits. A
# shell's background jobs ignore Ctrl-C, so the trap ends them.
test:
	@mkdir -p bin; passed=0; failed=; pid=; trap 'test -z "$$pid" || kill $$pid; exit 130' INT TERM; \
	beside() { $(MAKE) --no-print-directory $$1 >bin/$$1.log 2>&1 & pid=$$!; }; \
	beside install; for step in $(STEPS); do \
		case $$step in \
		install | fuzz) wait $$pid; ok=$$?; pid=; cat bin/$$step.log ;; \
		race) beside fuzz; $(MAKE) --no-print-directory INSTALLED=yes race; ok=$$? ;; \
		*) $(MAKE) --no-print-directory INSTALLED=yes $$step; ok=$$? ;; \
		esac; \
		if [ $$ok = 0 ]; then passed=$$((passed + 1)); else failed="$$failed $$step"; fi; \
	done; \
	set -- $$failed; test $$# = 0 || echo "failed:$$failed"; echo "steps: $$passed passed, $$# failed"; test $$# = 0

# Packages whose tests start no server of bus/bustest/servers; imports point downwards in that of gateway.
quick:
	go build ./...
	go vet ./...
	go test $$(go list -f '{{.ImportPath}} {{.TestImports}} {{.XTestImports}}' ./... | awk '!/bustest\/servers/ {print $$1}')

build:
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/stompgw ./cmd/stompgw

bench:
	go test -run '^$$' -bench . -benchmem ./...

# What it finds is in PERFORMANCE.md, History under faults and Presence.
SOAK ?= 10
soak:
	TEST_ALL=1 SOAK_MINUTES=$(SOAK) go test -count=1 -v -timeout 0 -run 'Test(History|Presence)Soak' ./cmd/stompgw

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

# Only Linux has the epoll loop. The others must compile, their tests too, which vet looks at with the rest. Nobody runs
# that code, so nothing of it is optimised: that takes a third of the time.
cross:
	@failed=; for os in darwin windows; do \
		echo "GOOS=$$os go vet ./..."; GOOS=$$os go vet -gcflags='all=-N -l' ./... || failed=yes; \
	done; test -z "$$failed"

# With TEST_ALL, a test that misses a program fails instead of being skipped. One package more at a time than there
# are processors, and as many parallel tests of each, since many wait for a server or an outage. Those named first,
# which take longest, begin first.
race: $(NEEDED)
	beside=$$(($$(getconf _NPROCESSORS_ONLN) + 1)); \
	TEST_ALL=1 TEST_WITHOUT=$(WITHOUT) go test -race -timeout 30m -p $$beside -parallel $$beside \
		./cmd/stompgw ./bus/kafkabus ./...

fuzz:
	.ci/fuzz $(FUZZTIME)

# The gateway under test has the race detector in it, and the tests fail on its reports.
browser: $(NEEDED)
	go build -race -o bin/stompgw-race ./cmd/stompgw
	cd testdata/browser && STOMPGW=../../bin/stompgw-race npm test
