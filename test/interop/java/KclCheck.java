// A Kinesis Client Library 3 application against weir, while its stream is resharded.
//
// A producer puts records whose data is "KEY:N" with N rising by one for each key; another thread splits and merges shards.
// The application, which polls or uses enhanced fan-out, must see every record, and for each key in order. KCL promises at
// least once, so a record that comes again is counted and no fault.
//
// Usage: java -cp 'lib/*' KclCheck.java polling|fanout RECORDS SEED, with AWS_ENDPOINT_URL and DYNAMODB_URL set.

import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.model.PutRecordsRequestEntry;
import software.amazon.awssdk.services.kinesis.model.Shard;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.common.KinesisClientUtil;
import software.amazon.kinesis.coordinator.Scheduler;
import software.amazon.kinesis.lifecycle.events.InitializationInput;
import software.amazon.kinesis.lifecycle.events.LeaseLostInput;
import software.amazon.kinesis.lifecycle.events.ProcessRecordsInput;
import software.amazon.kinesis.lifecycle.events.ShardEndedInput;
import software.amazon.kinesis.lifecycle.events.ShutdownRequestedInput;
import software.amazon.kinesis.processor.ShardRecordProcessor;
import software.amazon.kinesis.processor.SingleStreamTracker;
import software.amazon.kinesis.retrieval.KinesisClientRecord;
import software.amazon.kinesis.retrieval.fanout.FanOutConfig;
import software.amazon.kinesis.retrieval.polling.PollingConfig;

public class KclCheck {
    static final int KEYS = 200;
    static final int BATCH = 100;
    static final Map<String, Integer> last = new HashMap<>(); // by key; guarded by itself
    static final AtomicInteger distinct = new AtomicInteger();
    static final AtomicInteger repeated = new AtomicInteger();
    static final AtomicInteger ended = new AtomicInteger();
    static final AtomicReference<String> fault = new AtomicReference<>();

    public static void main(String[] args) {
        guard(() -> run(args));
        System.exit(fault.get() == null ? 0 : 1); // KCL's threads would keep the process alive
    }

    static void run(String[] args) throws Exception {
        boolean fanout = args[0].equals("fanout");
        int records = Integer.parseInt(args[1]);
        Random random = new Random(Long.parseLong(args[2]));
        URI weir = URI.create(System.getenv("AWS_ENDPOINT_URL"));
        URI dynamo = URI.create(System.getenv("DYNAMODB_URL"));
        Region region = Region.US_EAST_1;
        KinesisAsyncClient kinesis =
                KinesisClientUtil.createKinesisAsyncClient(KinesisAsyncClient.builder().region(region).endpointOverride(weir));
        DynamoDbAsyncClient tables = DynamoDbAsyncClient.builder().region(region).endpointOverride(dynamo).build();
        CloudWatchAsyncClient metrics = CloudWatchAsyncClient.builder().region(region).endpointOverride(weir).build();

        String stream = "kcl-" + args[0];
        kinesis.createStream(r -> r.streamName(stream).shardCount(2)).join();
        kinesis.waiter().waitUntilStreamExists(r -> r.streamName(stream)).join();

        String application = "app-" + args[0] + "-" + UUID.randomUUID();
        ConfigsBuilder configs = new ConfigsBuilder(
                new SingleStreamTracker(stream, InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON)),
                application, kinesis, tables, metrics, UUID.randomUUID().toString(), Processor::new);
        var retrieval = configs.retrievalConfig();
        if (fanout) {
            retrieval.retrievalSpecificConfig(new FanOutConfig(kinesis).streamName(stream).applicationName(application));
        } else {
            retrieval.retrievalSpecificConfig(new PollingConfig(stream, kinesis).idleTimeBetweenReadsInMillis(200));
        }
        Scheduler scheduler = new Scheduler(
                configs.checkpointConfig(),
                configs.coordinatorConfig().parentShardPollIntervalMillis(500).shardConsumerDispatchPollIntervalMillis(100),
                configs.leaseManagementConfig().shardSyncIntervalMillis(2000).failoverTimeMillis(5000),
                configs.lifecycleConfig().taskBackoffTimeMillis(200),
                configs.metricsConfig(), configs.processorConfig(), retrieval);
        Thread runner = new Thread(scheduler);
        runner.setDaemon(true);
        runner.start();

        Thread producer = new Thread(() -> guard(() -> produce(kinesis, stream, records)));
        producer.start();
        int reshards = 0;
        while (producer.isAlive()) {
            Thread.sleep(1500);
            reshard(kinesis, stream, random);
            reshards++;
        }
        producer.join();

        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(240);
        long closed = shards(kinesis, stream).stream().filter(s -> !isOpen(s)).count();
        while ((distinct.get() < records || ended.get() < closed) && fault.get() == null && System.nanoTime() < deadline) {
            Thread.sleep(200);
        }
        System.out.printf("kcl %s: %d of %d records, %d came again, %d changes of shards, %d of %d closed shards read to their end%n",
                args[0], distinct.get(), records, repeated.get(), reshards, ended.get(), closed);
        if (fault.get() == null && distinct.get() != records) {
            fault.set("records are missing");
        }
        if (fault.get() == null && ended.get() < closed) {
            fault.set("closed shards were not read to their end");
        }
        if (fault.get() != null) {
            System.out.println("kcl " + args[0] + ": " + fault.get());
            return;
        }
        scheduler.startGracefulShutdown().get(60, TimeUnit.SECONDS);
    }

    interface Task {
        void run() throws Exception;
    }

    static void guard(Task t) {
        try {
            t.run();
        } catch (Exception e) {
            e.printStackTrace();
            fault.compareAndSet(null, e.toString());
        }
    }

    static void produce(KinesisAsyncClient kinesis, String stream, int records) throws Exception {
        int[] next = new int[KEYS];
        for (int at = 0; at < records; ) {
            List<PutRecordsRequestEntry> entries = new ArrayList<>();
            for (; entries.size() < BATCH && at < records; at++) {
                String key = "key-" + at % KEYS;
                String data = key + ":" + ++next[at % KEYS];
                entries.add(PutRecordsRequestEntry.builder().partitionKey(key)
                        .data(SdkBytes.fromString(data, StandardCharsets.UTF_8)).build());
            }
            var answer = kinesis.putRecords(r -> r.streamName(stream).records(entries)).get();
            if (answer.failedRecordCount() != 0) {
                throw new IllegalStateException(answer.failedRecordCount() + " records were refused");
            }
            Thread.sleep(60);
        }
    }

    // reshard splits a shard, merges two neighbours, or changes the number of shards.
    static void reshard(KinesisAsyncClient kinesis, String stream, Random random) {
        List<Shard> open = new ArrayList<>();
        for (Shard s : shards(kinesis, stream)) {
            if (isOpen(s)) {
                open.add(s);
            }
        }
        open.sort((a, b) -> start(a).compareTo(start(b)));
        int what = random.nextInt(3);
        if (open.size() > 6) {
            what = 1;
        }
        if (what == 0 || open.size() < 2) {
            Shard s = open.get(random.nextInt(open.size()));
            var middle = start(s).add(new java.math.BigInteger(s.hashKeyRange().endingHashKey())).shiftRight(1);
            kinesis.splitShard(r -> r.streamName(stream).shardToSplit(s.shardId()).newStartingHashKey(middle.toString())).join();
        } else if (what == 1) {
            int i = random.nextInt(open.size() - 1);
            kinesis.mergeShards(r -> r.streamName(stream).shardToMerge(open.get(i).shardId())
                    .adjacentShardToMerge(open.get(i + 1).shardId())).join();
        } else {
            int target = Math.max(1, Math.min(2 * open.size(), open.size() + 1 - random.nextInt(3)));
            kinesis.updateShardCount(r -> r.streamName(stream).targetShardCount(Math.max(target, (open.size() + 1) / 2))
                    .scalingType("UNIFORM_SCALING")).join();
        }
    }

    static List<Shard> shards(KinesisAsyncClient kinesis, String stream) {
        return kinesis.listShards(r -> r.streamName(stream)).join().shards();
    }

    static boolean isOpen(Shard s) {
        return s.sequenceNumberRange().endingSequenceNumber() == null;
    }

    static java.math.BigInteger start(Shard s) {
        return new java.math.BigInteger(s.hashKeyRange().startingHashKey());
    }

    static class Processor implements ShardRecordProcessor {
        public void initialize(InitializationInput in) {}

        public void processRecords(ProcessRecordsInput in) {
            for (KinesisClientRecord r : in.records()) {
                take(StandardCharsets.UTF_8.decode(r.data()).toString());
            }
            guard(() -> in.checkpointer().checkpoint());
        }

        static void take(String data) {
            int colon = data.lastIndexOf(':');
            String key = data.substring(0, colon);
            int n = Integer.parseInt(data.substring(colon + 1));
            synchronized (last) {
                int before = last.getOrDefault(key, 0);
                if (n <= before) {
                    repeated.incrementAndGet();
                } else if (n == before + 1) {
                    last.put(key, n);
                    distinct.incrementAndGet();
                } else {
                    fault.compareAndSet(null, "record " + n + " of " + key + " came after record " + before);
                }
            }
        }

        public void leaseLost(LeaseLostInput in) {}

        public void shardEnded(ShardEndedInput in) {
            ended.incrementAndGet();
            guard(() -> in.checkpointer().checkpoint());
        }

        public void shutdownRequested(ShutdownRequestedInput in) {
            guard(() -> in.checkpointer().checkpoint());
        }
    }
}
