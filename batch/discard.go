package batch

import (
	"context"

	"github.com/weir-data/weir/columnar"
)

// Discard is a Sink that computes all rows and keeps none, as Spark's noop: what a query costs without its target.
type Discard struct{}

var _ Sink = Discard{}

// About implements Sink.
func (Discard) About() SinkInfo { return SinkInfo{Description: "DiscardSink", Guarantee: AtLeastOnce} }

// Open implements Sink.
func (Discard) Open(context.Context, Output) (int64, error) { return -1, nil }

// Write implements Sink: it counts.
func (Discard) Write(ctx context.Context, _ int64, rows Rows) (w Written, err error) {
	err = rows.Each(ctx, func(b *columnar.Batch) error {
		w.Rows += int64(b.Len)
		return nil
	})
	return w, err
}
