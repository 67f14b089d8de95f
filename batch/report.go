package batch

import (
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
	StateOps      []struct{}       `json:"stateOperators"` // none: queries have no state
	Sources       []SourceReport   `json:"sources"`
	Sink          SinkReport       `json:"sink"`
	DeadLetters   int64            `json:"deadLetters"` // not among Spark's
}

// SourceReport is what a Report says about the source.
type SourceReport struct {
	Description   string  `json:"description"`
	StartOffset   Offset  `json:"startOffset"`
	EndOffset     Offset  `json:"endOffset"`
	NumInputRows  int64   `json:"numInputRows"`
	InputRate     float64 `json:"inputRowsPerSecond"`
	ProcessedRate float64 `json:"processedRowsPerSecond"`
}

// SinkReport is what a Report says about the sink. Replayed: the sink held the batch already.
type SinkReport struct {
	Description   string `json:"description"`
	NumOutputRows int64  `json:"numOutputRows"`
	NumFiles      int    `json:"numOutputFiles"`
	NumBytes      int64  `json:"numOutputBytes"`
	Replayed      bool   `json:"replayed,omitempty"`
}

func newRunID() string { return uuid.NewString() }

// idSpace makes a pipeline's UUID of its name.
var idSpace = uuid.MustParse("5d7b8f6e-8d0c-4a63-9d59-6a1f1f0f6a11")

// sparkTime is the form of times in a Report.
const sparkTime = "2006-01-02T15:04:05.000Z"

func (e *Engine) report(p *Plan, c *clock, w Written, letters int64) Report {
	took := e.opts.Now().Sub(c.began)
	c.took["triggerExecution"] = took.Milliseconds()
	rows := e.decoder.records
	rate := 0.0
	if took > 0 {
		rate = float64(rows) / took.Seconds()
	}
	arrived := rate
	if interval := e.pipeline.Trigger.Interval; interval > took {
		arrived = float64(rows) / interval.Seconds()
	}
	sink := SinkReport{Description: "console", NumOutputRows: w.Rows, NumFiles: w.Files, NumBytes: w.Bytes, Replayed: w.Replayed}
	if e.pipeline.Sink != nil && e.opts.Sink != nil {
		sink.Description = "DeltaSink[" + e.pipeline.Sink.Delta + "]"
	}
	return Report{
		ID: uuid.NewSHA1(idSpace, []byte(e.pipeline.Name)).String(), RunID: e.runID, Name: e.pipeline.Name,
		Timestamp: c.began.UTC().Truncate(time.Millisecond).Format(sparkTime),
		BatchID:   p.Batch, BatchDuration: took.Milliseconds(), NumInputRows: rows,
		InputRate: arrived, ProcessedRate: rate, DurationMs: c.took, StateOps: []struct{}{},
		Sources: []SourceReport{{
			Description: "KinesisV2[" + p.Source + "]", StartOffset: p.Start, EndOffset: p.End,
			NumInputRows: rows, InputRate: arrived, ProcessedRate: rate,
		}},
		Sink: sink, DeadLetters: letters,
	}
}
