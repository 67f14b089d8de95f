# make check is what must pass before every commit; .ci/run runs it and more from a clean clone.
.PHONY: build check fmt vet lint tidy test race fuzz bench run demo

FUZZTIME ?= 10s

build:
	go build -o bin/weir ./cmd/weir

check: fmt vet lint test

fmt:
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "not gofmt-ed:"; echo "$$out"; exit 1; }

vet:
	go vet ./...

lint:
	go run honnef.co/go/tools/cmd/staticcheck@2026.1 ./...

test:
	go test ./...

race:
	go test -race ./...

# Runs every fuzz target for FUZZTIME each.
fuzz:
	./tools/fuzz.sh $(FUZZTIME)

bench: build
	bin/weir bench

run: build
	bin/weir serve

demo: build
	bin/weir demo
