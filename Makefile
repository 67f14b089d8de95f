# make check is what must pass before every commit; .ci/run runs it and more from a clean clone.
.PHONY: build check fmt vet lint test race fuzz bench run demo crash powerloss ready soak peers interop terraform js java

FUZZTIME ?= 10s

build:
	go build -o bin/weir ./cmd/weir

check: fmt vet lint test

fmt:
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "not gofmt-ed:"; echo "$$out"; exit 1; }

vet:
	go vet ./...

lint:
	go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

test:
	go test ./...

race:
	go test -race $$(go list ./... | grep -v test/crash)

# Runs every fuzz target for FUZZTIME each.
fuzz:
	./tools/fuzz.sh $(FUZZTIME)

bench: build
	bin/weir bench

run: build
	bin/weir serve

demo: build
	bin/weir demo

# kill -9 of real processes, twenty times each at moments that SEED decides: into tables, and under readers and resharding.
SEED ?= 1
crash:
	go test ./test/crash -run TestKill -v -count=1 -timeout 20m -kills 20 -seed $(SEED)

# Pipelines with and without state that die at each fault point of a batch, five times each.
.PHONY: pipeline-crash
pipeline-crash:
	go test ./test/crash -run 'TestPipelines$$' -v -count=1 -timeout 60m -pipeline-rounds 5 -seed $(SEED)

# Eight processes with five hundred commits each into one Delta table, killed with kill -9 now and then.
.PHONY: delta-crash
delta-crash:
	go test ./test/crash -run 'TestDelta$$' -v -count=1 -timeout 30m -delta-writers 8 -delta-commits 500 -seed $(SEED)

# Thousands of seeded histories of a Delta table, every operation on its rows, against a model in memory.
.PHONY: delta-histories
delta-histories:
	go test ./delta/rewrite -run TestRandomHistories -count=1 -timeout 60m -histories 5000 -seed $(SEED)

# Power losses of a simulated disk during random work, many more than go test looks at.
.PHONY: powerloss ready
powerloss:
	go test ./stream -run TestCrash -v -count=1 -timeout 60m -crash-seeds 200 -crash-seed $(SEED)

# From kill -9 with 20 GiB retained to the next record. READY_DIR chooses the disk.
READY_DIR ?= .
READY_SHARDS ?= 4
ready:
	go test ./test/crash -run TestReady -v -count=1 -timeout 30m -retained 20480 -retained-shards $(READY_SHARDS) -data $(abspath $(READY_DIR))

# A server at full speed for DURATION, with resharding, expiry, readers that come and go; nothing may be lost or grow.
# Samples go to soak.csv. SOAK_DIR chooses the disk.
DURATION ?= 20m
SOAK_DIR ?= .
soak:
	go test ./test/soak -run TestSoak -v -count=1 -timeout 0 -duration $(DURATION) -seed $(SEED) -dir $(abspath $(SOAK_DIR)) -csv $(abspath soak.csv)

# The same load on kinesalite, kinesis-local, Apache Kafka and weir, one at a time. Needs node, npm, java and mvn.
PEERS ?= -duration 10s
peers:
	./test/peers/run.sh $(PEERS)

# Other people's clients and readers against a real server: boto3, awscli, delta-rs, DuckDB. Installs them below .venv.
interop:
	./test/interop/run.sh

# terraform init, apply, plan without difference, destroy of examples/users. Needs terraform and its AWS provider.
terraform:
	./test/interop/terraform.sh

# The JavaScript SDK, whose Kinesis client speaks HTTP/2. Needs node and npm.
js:
	./test/interop/js.sh

# The Java SDK, the Kinesis Client Library 3 and amazon_kclpy, with resharding under load. Needs a JDK and Maven.
java:
	./test/interop/java.sh

# What Spark makes of the records in columnar/testdata/spark-cases.tsv, asked again. Needs a JDK and python3.
.PHONY: spark-cases
spark-cases:
	./test/interop/spark_cases.sh

# Round trips of tables with Spark (delta-spark) and delta-rs, all of them or SCENARIOS (core: a few); and the same work timed against
# delta-rs. Need a JDK and python3.
.PHONY: delta-interop delta-bench delta-tables
delta-interop:
	./test/interop/delta.sh $(SCENARIOS)

# Tables that Spark makes with the features that the collections of other people's tables lack, read and compared with Spark;
# UPDATE=-update writes the outcome into docs/delta-tables.md.
delta-tables:
	./test/interop/delta_tables.sh $(UPDATE)

# Tables that pipelines make, read and changed by Spark 3.5 and 4.0, DuckDB and delta-rs too; make interop does it without Spark. All scenarios or
# SCENARIOS.
.PHONY: pipeline-tables
pipeline-tables:
	./test/interop/pipeline_tables.sh --spark $(SCENARIOS)

delta-bench:
	./test/interop/delta-bench.sh

# Streaming queries run by Spark Structured Streaming and by weir over the same micro-batches, compared. Needs a JDK and python3.
.PHONY: parity
parity:
	./test/interop/parity.sh --page docs/spark-parity.md

# Pipelines against Spark Structured Streaming and plain DuckDB on the same records, in one run: throughput, latency, windows, memory. All
# of it, or BENCH="--quick". Needs a JDK and python3.
BENCH ?=
.PHONY: pipeline-bench
pipeline-bench:
	./test/interop/pipeline-bench.sh $(BENCH)

# A server with a pipeline into a Delta table, alone for DURATION at RATE records a second (0: as fast as they are taken): nothing lost,
# nothing twice, large files, flat memory. Needs some 10 GiB in SOAK_DIR at full rate. Samples go to soak.csv.
RATE ?= 0
.PHONY: pipeline-soak
pipeline-soak:
	go test ./test/soak -run 'TestPipeline$$' -v -count=1 -timeout 0 -pipeline $(DURATION) -rate $(RATE) -dir $(abspath $(SOAK_DIR)) -csv $(abspath soak.csv)
