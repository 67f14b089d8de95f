package kafka

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weir-data/weir/batch"
)

// Source is a batch.Source over all partitions of a topic. One goroutine uses it.
type Source struct {
	client *kgo.Client
	admin  *kadm.Client
	topic  string

	// What records of the topic are like, for a batch's limit of bytes: of the newest Read.
	recordBytes int64
}

var (
	_ batch.Source  = (*Source)(nil)
	_ batch.Starter = (*Source)(nil)
	_ batch.Tipper  = (*Source)(nil)
)

const (
	// probeRecords bounds the first batch, before it is known how large records are.
	probeRecords = 100
	pollInterval = 100 * time.Millisecond
	// chunkMax is the number of records that are handed on at a time.
	chunkMax = 10_000
)

// Latest implements batch.Tipper.
func (s *Source) Latest(ctx context.Context) (batch.Offset, error) {
	ends, err := s.list(ctx, s.admin.ListCommittedOffsets)
	return offsetOf(ends, ""), err
}

// Position implements batch.Starter.
func (s *Source) Position(ctx context.Context, start batch.Start) (batch.Offset, error) {
	switch start.Kind {
	case batch.TrimHorizon:
		return batch.Offset{}, nil
	case batch.Latest:
		return s.named(ctx, s.admin.ListCommittedOffsets)
	}
	return s.named(ctx, func(ctx context.Context, topics ...string) (kadm.ListedOffsets, error) {
		return s.admin.ListOffsetsAfterMilli(ctx, start.Time.UnixMilli(), topics...)
	})
}

// named are the offsets that ask gives, and the topic's id.
func (s *Source) named(ctx context.Context, ask func(context.Context, ...string) (kadm.ListedOffsets, error)) (batch.Offset, error) {
	id, err := s.topicID(ctx)
	if err != nil {
		return nil, err
	}
	at, err := s.list(ctx, ask)
	return offsetOf(at, id), err
}

// topicID is what the topic was called by when it was made, empty if the brokers have no ids. They are asked each time: what the client has kept may be of
// another topic by now.
func (s *Source) topicID(ctx context.Context) (string, error) {
	req, topic := kmsg.NewPtrMetadataRequest(), kmsg.NewMetadataRequestTopic()
	topic.Topic = &s.topic
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, s.client)
	if err == nil && len(resp.Topics) != 1 {
		err = fmt.Errorf("%d topics in the answer", len(resp.Topics))
	}
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	}
	if err != nil {
		return "", s.failed("ask for the id", err)
	}
	if id := resp.Topics[0].TopicID; id != [16]byte{} {
		return base64.RawURLEncoding.EncodeToString(id[:]), nil
	}
	return "", nil
}

// sameTopic refuses offsets of a topic with another id, and returns the id. Offsets that were kept before ids were have none.
func (s *Source) sameTopic(ctx context.Context, at batch.Offset) (id string, err error) {
	id, err = s.topicID(ctx)
	if known := at[batch.Topic]; err == nil && known != "" && id != "" && id != known {
		err = s.failed("read", fmt.Errorf("the topic was deleted and made again: its id is %s, and the pipeline knows of %s: give the pipeline another name to "+
			"begin anew", id, known))
	}
	return id, err
}

// list asks the brokers for one offset of each partition.
func (s *Source) list(ctx context.Context, ask func(context.Context, ...string) (kadm.ListedOffsets, error)) (map[int32]int64, error) {
	listed, err := ask(ctx, s.topic)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return nil, s.failed("ask for offsets", err)
	}
	at := map[int32]int64{}
	listed.Each(func(o kadm.ListedOffset) { at[o.Partition] = o.Offset })
	return at, nil
}

func offsetOf(at map[int32]int64, topic string) batch.Offset {
	o := batch.Offset{}
	if topic != "" {
		o[batch.Topic] = topic
	}
	for partition, next := range at {
		if next > 0 {
			o[strconv.Itoa(int(partition))] = strconv.FormatInt(next, 10)
		}
	}
	return o
}

// positions is offsetOf turned round.
func positions(o batch.Offset) (map[int32]int64, error) {
	at := map[int32]int64{}
	for shard, next := range o {
		if shard == batch.Topic {
			continue
		}
		partition, err := strconv.ParseInt(shard, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%q is no partition", shard)
		}
		if at[int32(partition)], err = strconv.ParseInt(next, 10, 64); err != nil {
			return nil, fmt.Errorf("partition %s: %q is no offset", shard, next)
		}
	}
	return at, nil
}

// Plan implements batch.Source. Partitions share the limit, those that have less leave it to the others.
func (s *Source) Plan(ctx context.Context, start batch.Offset, limit batch.Limit) (batch.Offset, error) {
	at, err := positions(start)
	if err != nil {
		return nil, s.failed("plan a batch", err)
	}
	topic, err := s.sameTopic(ctx, start)
	if err != nil {
		return nil, err
	}
	begins, err := s.list(ctx, s.admin.ListStartOffsets)
	if err != nil {
		return nil, err
	}
	ends, err := s.list(ctx, s.admin.ListCommittedOffsets)
	if err != nil {
		return nil, err
	}
	if err := s.checkEnds(at, ends); err != nil {
		return nil, err
	}
	waiting := map[int32]int64{}
	for partition, end := range ends {
		from, begun := at[partition]
		if begin := begins[partition]; begun && from < begin {
			return nil, s.lost(partition, from, begin)
		} else if !begun {
			from = begin
		}
		if end > from {
			at[partition], waiting[partition] = from, end-from
		}
	}
	taken := share(waiting, s.budget(limit))
	if len(taken) == 0 {
		return start.Clone(), nil
	}
	for partition, n := range taken {
		at[partition] += n
	}
	return offsetOf(at, topic), nil
}

func (s *Source) lost(partition int32, from, begin int64) error {
	return s.failed("read", fmt.Errorf("retention has taken records %d to %d of partition %d before they were read: "+
		"give the pipeline another name to begin anew", from, begin-1, partition))
}

// checkEnds refuses a topic that has less than a pipeline knows of: it is another one of the same name.
func (s *Source) checkEnds(known, ends map[int32]int64) error {
	for partition, at := range known {
		if end := ends[partition]; end < at {
			return s.failed("read", fmt.Errorf("partition %d ends at record %d, and the pipeline knows of %d: the topic was deleted and made again, or has "+
				"lost records: give the pipeline another name to begin anew", partition, end, at))
		}
	}
	return nil
}

// budget is about how many records a batch may have.
func (s *Source) budget(limit batch.Limit) int64 {
	n := int64(1 << 40)
	if limit.Records > 0 {
		n = int64(limit.Records)
	}
	if limit.Bytes <= 0 {
		return n
	}
	if s.recordBytes == 0 {
		return min(n, probeRecords)
	}
	return max(1, min(n, limit.Bytes/s.recordBytes))
}

// share divides a budget among partitions with so many records waiting.
func share(waiting map[int32]int64, budget int64) map[int32]int64 {
	taken := map[int32]int64{}
	for budget > 0 && len(waiting) > 0 {
		each := max(budget/int64(len(waiting)), 1)
		for partition, n := range waiting {
			take := min(n, each, budget)
			taken[partition] += take
			budget -= take
			if waiting[partition] -= take; waiting[partition] == 0 {
				delete(waiting, partition)
			}
		}
	}
	return taken
}

// Wait implements batch.Source.
func (s *Source) Wait(ctx context.Context, start batch.Offset) error {
	at, err := positions(start)
	if err != nil {
		return s.failed("wait", err)
	}
	for {
		ends, err := s.list(ctx, s.admin.ListCommittedOffsets)
		if err != nil {
			return err
		}
		if s.checkEnds(at, ends) != nil {
			return nil // Plan says what is wrong
		}
		for partition, end := range ends {
			if end > at[partition] {
				return nil
			}
		}
		select {
		case <-time.After(pollInterval):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Read implements batch.Source.
func (s *Source) Read(ctx context.Context, start, end batch.Offset, f func([]batch.Record) error) error {
	from, err := positions(start)
	if err != nil {
		return s.failed("read", err)
	}
	to, err := positions(end)
	if err != nil {
		return s.failed("read", err)
	}
	if _, err := s.sameTopic(ctx, end); err != nil {
		return err
	}
	begins, err := s.list(ctx, s.admin.ListStartOffsets)
	if err != nil {
		return err
	}
	ends, err := s.list(ctx, s.admin.ListCommittedOffsets)
	if err == nil {
		err = s.checkEnds(to, ends)
	}
	if err != nil {
		return err
	}
	r := &reading{source: s, to: map[int32]int64{}, f: f}
	consume := map[int32]kgo.Offset{}
	for partition, end := range to {
		at, begun := from[partition]
		if begin := begins[partition]; begun && at < begin || !begun && end <= begin {
			return s.lost(partition, at, begin)
		} else if !begun {
			at = begin
		}
		if at < end {
			r.to[partition] = end
			consume[partition] = kgo.NewOffset().At(at)
		}
	}
	if len(consume) == 0 {
		return nil
	}
	s.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{s.topic: consume})
	defer s.client.PurgeTopicsFromConsuming(s.topic)
	if err := r.run(ctx); err != nil {
		return err
	}
	if _, err := s.sameTopic(ctx, end); err != nil { // while it was read
		return err
	}
	if r.records > 0 {
		s.recordBytes = max(1, r.bytes/r.records)
	}
	return nil
}

// reading is one Read under way: to has the partitions that have not come to their end.
type reading struct {
	source         *Source
	to             map[int32]int64
	f              func([]batch.Record) error
	chunk          []batch.Record
	records, bytes int64
}

func (r *reading) run(ctx context.Context) error {
	s := r.source
	for len(r.to) > 0 {
		fetches := s.client.PollRecords(ctx, chunkMax)
		if err := fetches.Err(); err != nil {
			return s.failed("read", err)
		}
		var err error
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			if err == nil {
				err = r.take(p)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// take hands on the records of a partition up to its end.
func (r *reading) take(p kgo.FetchTopicPartition) error {
	end, open := r.to[p.Partition]
	if !open {
		return nil
	}
	shard := strconv.Itoa(int(p.Partition))
	r.chunk = r.chunk[:0]
	for _, rec := range p.Records {
		if rec.Offset >= end-1 {
			delete(r.to, p.Partition)
			r.source.client.RemoveConsumePartitions(map[string][]int32{r.source.topic: {p.Partition}})
		}
		if rec.Offset >= end {
			break
		}
		if rec.Attrs.IsControl() {
			continue
		}
		r.chunk = append(r.chunk, batch.Record{
			Shard: shard, SeqNum: strconv.FormatInt(rec.Offset, 10), Key: rec.Key, Data: rec.Value, Arrival: rec.Timestamp,
		})
		r.records++
		r.bytes += int64(len(rec.Key) + len(rec.Value))
	}
	if len(r.chunk) == 0 {
		return nil
	}
	return r.f(r.chunk)
}

// failed says which topic err is about, and whether it may pass.
func (s *Source) failed(what string, err error) error {
	err = fmt.Errorf("%s of topic %s: %w", what, s.topic, err)
	var refused *kerr.Error
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return &batch.MissingError{Kind: "topic", Name: s.topic, Err: err}
	case errors.Is(err, kerr.OffsetOutOfRange):
		return err
	case errors.As(err, &refused) && refused.Retriable:
		return batch.Temporary(err)
	}
	return err
}
