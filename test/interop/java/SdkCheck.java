// The Java SDK v2 against weir: its Kinesis clients speak CBOR, the asynchronous one over HTTP/2 without TLS.
//
// Usage: java -cp 'lib/*' SdkCheck.java, with AWS_ENDPOINT_URL set.

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import software.amazon.awssdk.services.kinesis.model.*;
import software.amazon.awssdk.services.kinesis.model.Record;

public class SdkCheck {
    static final String STREAM = "java-sdk";

    public static void main(String[] args) {
        try (KinesisClient k = KinesisClient.create(); KinesisAsyncClient async = KinesisAsyncClient.create()) {
            k.createStream(r -> r.streamName(STREAM).shardCount(2).tags(java.util.Map.of("team", "lake")));
            k.waiter().waitUntilStreamExists(r -> r.streamName(STREAM));
            String arn = k.describeStreamSummary(r -> r.streamName(STREAM)).streamDescriptionSummary().streamARN();
            putAndGet(k);
            timestamps(k);
            lineage(k);
            control(k, arn);
            errors(k);
            push(async, k, arn);
            everything(k, async);
            k.deleteStream(r -> r.streamName(STREAM).enforceConsumerDeletion(true));
        } catch (Throwable e) {
            e.printStackTrace();
            System.exit(1);
        }
        System.out.println("java sdk: all calls passed");
        System.exit(0);
    }

    static void check(boolean ok, Object what) {
        if (!ok) {
            throw new AssertionError(what);
        }
    }

    static List<Record> readAll(KinesisClient k, String shard, ShardIteratorType type, Instant at) {
        String it = k.getShardIterator(r -> r.streamName(STREAM).shardId(shard).shardIteratorType(type).timestamp(at)).shardIterator();
        List<Record> all = new ArrayList<>();
        while (it != null) {
            String from = it;
            GetRecordsResponse page = k.getRecords(r -> r.shardIterator(from));
            all.addAll(page.records());
            check(page.nextShardIterator() == null || !page.nextShardIterator().equals(it), "an iterator came again");
            check((page.nextShardIterator() == null) == page.hasChildShards(), page);
            if (page.records().isEmpty() && page.millisBehindLatest() == 0) {
                break;
            }
            it = page.nextShardIterator();
        }
        return all;
    }

    static void putAndGet(KinesisClient k) {
        byte[] raw = new byte[256];
        for (int i = 0; i < raw.length; i++) {
            raw[i] = (byte) i;
        }
        PutRecordResponse one = k.putRecord(r -> r.streamName(STREAM).partitionKey("ключ").data(SdkBytes.fromByteArray(raw)));
        check(one.sequenceNumber().length() == 56, one);
        List<PutRecordsRequestEntry> entries = new ArrayList<>();
        for (int i = 0; i < 500; i++) {
            int n = i;
            entries.add(PutRecordsRequestEntry.builder().partitionKey("k" + n).data(SdkBytes.fromUtf8String("v" + n)).build());
        }
        PutRecordsResponse many = k.putRecords(r -> r.streamName(STREAM).records(entries));
        check(many.failedRecordCount() == 0 && many.records().size() == 500, many);
        List<Record> all = new ArrayList<>();
        for (Shard s : k.listShards(r -> r.streamName(STREAM)).shards()) {
            all.addAll(readAll(k, s.shardId(), ShardIteratorType.TRIM_HORIZON, null));
        }
        check(all.size() == 501, all.size());
        Record first = all.stream().filter(r -> r.partitionKey().equals("ключ")).findFirst().get();
        check(java.util.Arrays.equals(first.data().asByteArray(), raw), first);
        Duration age = Duration.between(first.approximateArrivalTimestamp(), Instant.now()).abs();
        check(age.compareTo(Duration.ofMinutes(1)) < 0, "arrived " + first.approximateArrivalTimestamp());
    }

    static void timestamps(KinesisClient k) throws Exception {
        Thread.sleep(20);
        Instant between = Instant.now();
        Thread.sleep(20);
        PutRecordResponse late = k.putRecord(r -> r.streamName(STREAM).partitionKey("late").data(SdkBytes.fromUtf8String("late")));
        List<Record> since = readAll(k, late.shardId(), ShardIteratorType.AT_TIMESTAMP, between);
        check(since.size() == 1 && since.get(0).data().asUtf8String().equals("late"), since);
    }

    static void lineage(KinesisClient k) {
        Shard parent = k.listShards(r -> r.streamName(STREAM)).shards().get(0);
        var middle = new java.math.BigInteger(parent.hashKeyRange().endingHashKey()).shiftRight(1);
        k.splitShard(r -> r.streamName(STREAM).shardToSplit(parent.shardId()).newStartingHashKey(middle.toString()));
        k.waiter().waitUntilStreamExists(r -> r.streamName(STREAM));
        check(!readAll(k, parent.shardId(), ShardIteratorType.TRIM_HORIZON, null).isEmpty(), "a closed shard is readable");
        String end = k.getShardIterator(r -> r.streamName(STREAM).shardId(parent.shardId()).shardIteratorType("LATEST")).shardIterator();
        GetRecordsResponse last = k.getRecords(r -> r.shardIterator(end));
        check(last.nextShardIterator() == null && last.childShards().size() == 2, last);
        check(last.childShards().get(0).parentShards().equals(List.of(parent.shardId())), last);
        var open = k.listShards(r -> r.streamName(STREAM).shardFilter(f -> f.type(ShardFilterType.AT_LATEST))).shards();
        check(open.size() == 3, open);
        UpdateShardCountResponse scaled = k.updateShardCount(r -> r.streamName(STREAM).targetShardCount(2).scalingType("UNIFORM_SCALING"));
        check(scaled.currentShardCount() == 3 && scaled.targetShardCount() == 2 && scaled.streamARN() != null, scaled);
    }

    static void control(KinesisClient k, String arn) {
        check(k.describeStream(r -> r.streamARN(arn)).streamDescription().streamCreationTimestamp().isAfter(Instant.now().minusSeconds(3600)), "created");
        k.increaseStreamRetentionPeriod(r -> r.streamName(STREAM).retentionPeriodHours(48));
        k.startStreamEncryption(r -> r.streamName(STREAM).encryptionType("KMS").keyId("alias/aws/kinesis"));
        k.waiter().waitUntilStreamExists(r -> r.streamName(STREAM));
        PutRecordResponse put = k.putRecord(r -> r.streamName(STREAM).partitionKey("secret").data(SdkBytes.fromUtf8String("secret")));
        check(put.encryptionType() == EncryptionType.KMS, put);
        List<Record> read = readAll(k, put.shardId(), ShardIteratorType.TRIM_HORIZON, null);
        check(read.get(read.size() - 1).encryptionType() == EncryptionType.KMS, read);
        k.stopStreamEncryption(r -> r.streamName(STREAM).encryptionType("KMS").keyId("alias/aws/kinesis"));
        check(k.getResourcePolicy(r -> r.resourceARN(arn)).policy().equals("{}"), "policy");
        check(k.listTagsForResource(r -> r.resourceARN(arn)).tags().size() == 1, "tags");
        k.enableEnhancedMonitoring(r -> r.streamName(STREAM).shardLevelMetrics(MetricsName.ALL));
        k.describeLimits();
    }

    static void errors(KinesisClient k) {
        try {
            k.describeStream(r -> r.streamName("no-such-stream"));
            check(false, "a stream that does not exist was described");
        } catch (ResourceNotFoundException e) {
            check(e.statusCode() == 400 && e.awsErrorDetails().errorMessage().contains("no-such-stream"), e);
        }
        try {
            k.getRecords(r -> r.shardIterator("made up"));
            check(false, "a made up iterator was taken");
        } catch (InvalidArgumentException e) {
            check(e.requestId() != null, e);
        }
    }

    // push subscribes to a shard, puts a record and waits for it.
    static void push(KinesisAsyncClient async, KinesisClient k, String arn) throws Exception {
        String consumer = k.registerStreamConsumer(r -> r.streamARN(arn).consumerName("pushed")).consumer().consumerARN();
        Shard shard = k.listShards(r -> r.streamName(STREAM).shardFilter(f -> f.type(ShardFilterType.AT_LATEST))).shards().get(0);
        CompletableFuture<Record> got = new CompletableFuture<>();
        CompletableFuture<Void> begun = new CompletableFuture<>();
        SubscribeToShardResponseHandler handler = SubscribeToShardResponseHandler.builder()
                .onResponse(r -> begun.complete(null))
                .onError(got::completeExceptionally)
                .subscriber(SubscribeToShardResponseHandler.Visitor.builder().onSubscribeToShardEvent(e -> {
                    check(e.continuationSequenceNumber() != null && e.millisBehindLatest() >= 0, e);
                    e.records().forEach(got::complete);
                }).build())
                .build();
        var session = async.subscribeToShard(r -> r.consumerARN(consumer).shardId(shard.shardId())
                .startingPosition(p -> p.type(ShardIteratorType.LATEST)), handler);
        begun.get(10, TimeUnit.SECONDS);
        k.putRecord(r -> r.streamName(STREAM).partitionKey("x").explicitHashKey(shard.hashKeyRange().startingHashKey())
                .data(SdkBytes.fromUtf8String("pushed")));
        Record r = got.get(10, TimeUnit.SECONDS);
        check(r.data().asString(StandardCharsets.UTF_8).equals("pushed"), r);
        check(Duration.between(r.approximateArrivalTimestamp(), Instant.now()).abs().toMinutes() < 1, r);
        session.cancel(true);
    }

    // everything is the rest over HTTP/2, several calls at once on one connection.
    static void everything(KinesisClient k, KinesisAsyncClient async) {
        List<CompletableFuture<?>> calls = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            int n = i;
            calls.add(async.putRecord(r -> r.streamName(STREAM).partitionKey("h2-" + n).data(SdkBytes.fromUtf8String("v" + n))));
        }
        CompletableFuture.allOf(calls.toArray(new CompletableFuture[0])).join();
        check(async.listStreams().join().streamNames().contains(STREAM), "listed");
    }
}
