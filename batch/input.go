package batch

import (
	"context"
	"errors"
	"fmt"

	"github.com/weir-data/weir/columnar"
)

// input is a source of a pipeline at work.
type input struct {
	spec    *SourceSpec
	limit   Limit // of a batch
	source  Source
	decoder *decoder         // of the batch at hand
	spare   *decoder         // of the one that is read meanwhile; nil: to be made
	found   []columnar.Field // what records had beyond the schema of the pipeline file, and spec.Schema has

	at     Offset     // end of the newest batch that is done
	target Offset     // where a run of what is available ends; nil: when the source has no more
	events eventTimes // of the batch at hand
}

func newInput(spec *SourceSpec, opts Options) (*input, error) {
	in := &input{spec: spec, source: opts.Sources[spec.Name], limit: spec.Limit}
	if opts.Pipeline.Trigger.Once && !opts.Once {
		in.limit = Limit{Records: maxLimitRecords, Bytes: maxLimitBytes}
	}
	in.limit = in.limit.within(decodedMax, spec.Schema)
	if in.source == nil {
		return nil, fmt.Errorf("nothing reads source %s", spec.Name)
	}
	if opts.Letters == nil && spec.Mode != Fail {
		return nil, fmt.Errorf("no place for dead letters: set dead_letters, or mode: fail of source %s", spec.Name)
	}
	var err error
	if in.decoder, err = in.newDecoder(opts.Workers); err != nil {
		return nil, fmt.Errorf("source %s: %w", spec.Name, err)
	}
	return in, nil
}

func (in *input) newDecoder(workers int) (*decoder, error) {
	return newDecoder(in.spec.Stream, in.spec.Schema, in.spec.Format, in.spec.Mode, workers)
}

// read decodes the records of r and gives letters the dead ones. Done again, it gives the same.
func (in *input) read(ctx context.Context, r Range, letters *letterWriter) error {
	in.decoder.reset()
	if r.End.Equal(r.Start) {
		in.events = eventTimes{}
		return nil
	}
	err := in.source.Read(ctx, r.Start.Clone(), r.End.Clone(), func(chunk []Record) error {
		return in.decoder.add(ctx, chunk, letters)
	})
	if err != nil {
		return fmt.Errorf("source %s: %w", in.spec.Name, err)
	}
	in.events = in.eventTimes(in.decoder)
	return nil
}

// eventTimes are those of the rows of d, none where there is no event time, or where it is the query of the source that gives it.
func (in *input) eventTimes(d *decoder) eventTimes {
	if in.spec.Watermark == nil || in.spec.Query != "" {
		return eventTimes{}
	}
	return eventTimesOf(d.batches(), in.spec.Schema.Index(in.spec.Watermark.Column))
}

// decodedMax is about what the values of a fixed size in a decoded batch may take, in bytes. Texts take what the records have, which
// Limit.Bytes bounds.
const decodedMax = 512 << 20

// within lowers l so that as many rows of schema take at most size bytes.
func (l Limit) within(size int64, schema *columnar.Schema) Limit {
	row := int64(0)
	for _, f := range schema.Fields {
		row += fixedBytes(f.Type)
	}
	if most := int(max(1, size/max(1, row))); l.Records == 0 || l.Records > most {
		l.Records = most
	}
	return l
}

// fixedBytes is what a value takes whatever is in it.
func fixedBytes(t columnar.Type) int64 {
	if t.Kind != columnar.Struct {
		return max(4, int64(t.Kind.Width())) // an offset, of those that have no width
	}
	n := int64(1)
	for _, f := range t.Fields {
		n += fixedBytes(f.Type)
	}
	return n
}

// full says whether the batch at hand ended where its limit is, so that more is waiting.
func (in *input) full() bool { return in.fills(in.decoder) }

// fills says whether d has about as much as a batch may.
func (in *input) fills(d *decoder) bool {
	return nearly(d.records, int64(in.limit.Records)) || nearly(d.bytes, in.limit.Bytes)
}

// less is what is left of l, of which not all is used up. What is unlimited stays so.
func (l Limit) less(records, bytes int64) Limit {
	if l.Records > 0 {
		l.Records -= int(records)
	}
	if l.Bytes > 0 {
		l.Bytes -= bytes
	}
	return l
}

// nearly says whether n is at a limit that sources keep about.
func nearly(n, limit int64) bool { return limit > 0 && n >= limit-limit/10 }

// probe asks the source for anything, to see that it is there.
func (in *input) probe(ctx context.Context) (err error) {
	switch src := in.source.(type) {
	case Tipper:
		_, err = src.Latest(ctx)
	case Starter:
		_, err = src.Position(ctx, Start{Kind: Latest})
	}
	return err
}

// position asks the source where s is.
func (in *input) position(ctx context.Context, s Start) (Offset, error) {
	if src, ok := in.source.(Starter); ok {
		return src.Position(ctx, s)
	}
	if src, ok := in.source.(Tipper); ok && s.Kind == Latest {
		return src.Latest(ctx)
	}
	return nil, errors.New("this source cannot begin there; use trim-horizon")
}

// waitAny returns when one of the inputs may have something, or ctx is done.
func waitAny(ctx context.Context, inputs []*input) error {
	if len(inputs) == 1 {
		return inputs[0].source.Wait(ctx, inputs[0].at.Clone())
	}
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, len(inputs))
	for _, in := range inputs {
		go func() { done <- in.source.Wait(waiting, in.at.Clone()) }()
	}
	err := <-done
	cancel()
	for range len(inputs) - 1 {
		<-done // they end because the first did
	}
	return err
}
