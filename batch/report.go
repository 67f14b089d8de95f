package batch

import (
	"maps"
	"math"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// Report is one micro-batch as Spark's StreamingQueryProgress tells it; its JSON has the same names.
type Report struct {
	ID            string           `json:"id"` // of the pipeline; stays the same over restarts
	RunID         string           `json:"runId"`
	Name          string           `json:"name"`
	Timestamp     string           `json:"timestamp"` // when the batch began, 2026-01-31T08:00:00.000Z
	BatchID       int64            `json:"batchId"`
	BatchDuration int64            `json:"batchDuration"` // milliseconds
	NumInputRows  int64            `json:"numInputRows"`  // records read, bad ones included
	InputRate     float64          `json:"inputRowsPerSecond"`
	ProcessedRate float64          `json:"processedRowsPerSecond"`
	DurationMs    map[string]int64 `json:"durationMs"`
	EventTime     EventTimeReport  `json:"eventTime"`
	StateOps      []StateReport    `json:"stateOperators"`
	Sources       []SourceReport   `json:"sources"`
	Sink          SinkReport       `json:"sink"`            // the first
	Sinks         []SinkReport     `json:"sinks,omitempty"` // not among Spark's: all, if there are several
	DeadLetters   int64            `json:"deadLetters"`     // not among Spark's
}

// EventTimeReport has the event times of the batch's rows, and the watermark that it worked with; empty where there are none.
type EventTimeReport struct {
	Min       string `json:"min,omitempty"`
	Avg       string `json:"avg,omitempty"`
	Max       string `json:"max,omitempty"`
	Watermark string `json:"watermark,omitempty"`
}

// StateReport is what a Report says about a table of state.
type StateReport struct {
	Operator      string           `json:"operatorName"`
	RowsTotal     int64            `json:"numRowsTotal"`
	RowsUpdated   int64            `json:"numRowsUpdated"`
	UpdatesMs     int64            `json:"allUpdatesTimeMs"`
	RowsRemoved   int64            `json:"numRowsRemoved"`
	RemovalsMs    int64            `json:"allRemovalsTimeMs"`
	CommitMs      int64            `json:"commitTimeMs"`
	Memory        int64            `json:"memoryUsedBytes"` // bytes on disk: none of it stays in memory
	RowsLate      int64            `json:"numRowsDroppedByWatermark"`
	Partitions    int64            `json:"numShufflePartitions"`
	Stores        int64            `json:"numStateStoreInstances"`
	CustomMetrics map[string]int64 `json:"customMetrics"`
}

// RowsLate is how many rows came too late for the state of the query, by the watermark, and were dropped.
func (r *Report) RowsLate() (n int64) {
	for i := range r.StateOps {
		n += r.StateOps[i].RowsLate
	}
	return n
}

// SourceReport is what a Report says about a source.
type SourceReport struct {
	Description   string  `json:"description"`
	StartOffset   Offset  `json:"startOffset"`
	EndOffset     Offset  `json:"endOffset"`
	LatestOffset  Offset  `json:"latestOffset"` // behind all that was there when the batch was done; null if not known
	NumInputRows  int64   `json:"numInputRows"`
	InputRate     float64 `json:"inputRowsPerSecond"`
	ProcessedRate float64 `json:"processedRowsPerSecond"`
	// Metrics are numbers as text, as Spark has them: oldestRecordAgeMs and newestRecordAgeMs, the time from the arrival of the batch's
	// first and last record until it was done, for Kafka minOffsetsBehindLatest, maxOffsetsBehindLatest, avgOffsetsBehindLatest and
	// recordsBehindLatest, and what a Metered source told when the batch had been read.
	Metrics map[string]string `json:"metrics"`
}

// SinkReport is what a Report says about a sink. Replayed: the sink held the batch already.
type SinkReport struct {
	Description   string `json:"description"`
	NumOutputRows int64  `json:"numOutputRows"`
	NumFiles      int    `json:"numOutputFiles"`
	NumBytes      int64  `json:"numOutputBytes"`
	Replayed      bool   `json:"replayed,omitempty"`
	// Guarantee is not among Spark's.
	Guarantee Guarantee `json:"guarantee"`
}

func newRunID() string { return uuid.NewString() }

// idSpace makes a pipeline's UUID of its name.
var idSpace = uuid.MustParse("5d7b8f6e-8d0c-4a63-9d59-6a1f1f0f6a11")

// sparkTime is the form of times in a Report.
const sparkTime = "2006-01-02T15:04:05.000Z"

func sparkTimeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Truncate(time.Millisecond).Format(sparkTime)
}

// report tells of a batch that is done.
func (b *microbatch) report() Report {
	took := time.Since(b.clock.since)
	b.clock.took["triggerExecution"] = took.Milliseconds()
	r := Report{
		ID: uuid.NewSHA1(idSpace, []byte(b.pipeline.Name)).String(), RunID: b.runID, Name: b.pipeline.Name,
		Timestamp: sparkTimeText(b.clock.began), BatchID: b.plan.Batch, BatchDuration: took.Milliseconds(),
		DurationMs: b.clock.took, EventTime: b.events.report(b.plan.Watermark), StateOps: []StateReport{}, DeadLetters: b.letters.count,
	}
	for i, in := range b.inputs {
		s := in.report(b.plan, b.latest[i], b.figures[i], b.opts.Now())
		s.InputRate, s.ProcessedRate = b.rates(s.NumInputRows, took)
		r.NumInputRows += s.NumInputRows
		r.Sources = append(r.Sources, s)
	}
	r.InputRate, r.ProcessedRate = b.rates(r.NumInputRows, took)
	for _, m := range b.result.Metrics() {
		m.CommitTook = b.kept // one version holds all
		r.StateOps = append(r.StateOps, m.report())
	}
	for i, s := range b.sinks {
		w := b.written[i]
		r.Sinks = append(r.Sinks, SinkReport{s.About().Description, w.Rows, w.Files, w.Bytes, w.Replayed, s.About().Guarantee})
	}
	r.Sink = r.Sinks[0]
	if len(r.Sinks) == 1 {
		r.Sinks = nil
	}
	return r
}

// rates are the rows per second that arrived and that were worked off.
func (b *microbatch) rates(rows int64, took time.Duration) (arrived, processed float64) {
	if took > 0 {
		processed = float64(rows) / took.Seconds()
	}
	if interval := b.pipeline.Trigger.Interval; interval > took {
		return float64(rows) / interval.Seconds(), processed
	}
	return processed, processed
}

// sourceNames are what Spark calls the sources.
var sourceNames = map[SourceKind]string{
	StreamSource: "KinesisV2", KinesisSource: "KinesisV2", KafkaSource: "KafkaV2", FileSource: "FileStreamSource",
}

func (in *input) report(p *Plan, latest Offset, figures map[string]string, now time.Time) SourceReport {
	r := p.Sources[in.spec.Name]
	metrics := map[string]string{}
	if in.decoder.records > 0 && !in.decoder.oldest.IsZero() {
		metrics["oldestRecordAgeMs"] = ageText(in.decoder.oldest, now)
		metrics["newestRecordAgeMs"] = ageText(in.decoder.newest, now)
	}
	if in.spec.Kind == KafkaSource && latest != nil {
		maps.Copy(metrics, offsetsBehind(r.End, latest))
	}
	maps.Copy(metrics, figures)
	return SourceReport{
		LatestOffset: latest, Metrics: metrics,
		Description: sourceNames[in.spec.Kind] + "[" + in.spec.Stream + "]", StartOffset: r.Start, EndOffset: r.End,
		NumInputRows: in.decoder.records,
	}
}

// ageText is how long ago t was, in milliseconds; 0 where clocks disagree and it is still to come.
func ageText(t, now time.Time) string {
	return strconv.FormatInt(max(0, now.Sub(t).Milliseconds()), 10)
}

// offsetsBehind are Spark's figures of a source whose offsets are numbers of the next record of a partition: how many records each
// partition is behind, the least, the most and on average; and weir's own, how many all are.
func offsetsBehind(from, to Offset) map[string]string {
	sum, least, most := int64(0), int64(math.MaxInt64), int64(0)
	for shard, end := range to {
		last, _ := strconv.ParseInt(end, 10, 64)
		first, _ := strconv.ParseInt(from[shard], 10, 64) // 0: it has not begun
		n := max(0, last-first)
		sum, least, most = sum+n, min(least, n), max(most, n)
	}
	if len(to) == 0 {
		least = 0
	}
	return map[string]string{
		"minOffsetsBehindLatest": strconv.FormatInt(least, 10),
		"maxOffsetsBehindLatest": strconv.FormatInt(most, 10),
		"avgOffsetsBehindLatest": strconv.FormatFloat(float64(sum)/float64(max(1, len(to))), 'f', -1, 64),
		"recordsBehindLatest":    strconv.FormatInt(sum, 10),
	}
}

func (e eventTimes) report(watermark time.Time) EventTimeReport {
	r := EventTimeReport{Watermark: sparkTimeText(watermark)}
	if e.rows > 0 {
		r.Min, r.Max = sparkTimeText(time.UnixMilli(e.min)), sparkTimeText(time.UnixMilli(e.max))
		r.Avg = sparkTimeText(time.UnixMilli(int64(e.sum / float64(e.rows))))
	}
	return r
}

func (m StateMetrics) report() StateReport {
	return StateReport{
		Operator: m.Operator, RowsTotal: m.RowsTotal, RowsUpdated: m.RowsUpdated, UpdatesMs: m.UpdatesTook.Milliseconds(),
		RowsRemoved: m.RowsRemoved, RemovalsMs: m.RemovalsTook.Milliseconds(), CommitMs: m.CommitTook.Milliseconds(),
		Memory: m.Bytes, RowsLate: m.RowsLate, Partitions: 1, Stores: 1,
		CustomMetrics: map[string]int64{"runs": int64(m.RunsOnDisk), "compactedRuns": int64(m.CompactedRuns)},
	}
}
