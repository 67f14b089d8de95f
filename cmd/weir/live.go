package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/batch/live"
	"github.com/weir-data/weir/batch/objects"
	"github.com/weir-data/weir/batch/state"
	"github.com/weir-data/weir/internal/meta"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/objstore/file"
	"github.com/weir-data/weir/pipelines"
	"github.com/weir-data/weir/query"
	"github.com/weir-data/weir/sql"
)

// liveTables finds the pipelines that write tables, for FOR LIVE: it is query.Live. The pipelines are those whose files the data directory
// keeps, whether they run now or not. Their queries run in processes of their own, as the pipelines do.
type liveTables struct {
	meta    *meta.Store
	objects *file.Store
	state   func(pipeline string) string // the folder of a pipeline's state
	workers *liveWorkers
	now     func() time.Time

	mu     sync.Mutex // guards parsed
	parsed map[string]parsedFile
}

// parsedFile is a pipeline file as it was when it was parsed last.
type parsedFile struct {
	text     string
	pipeline *batch.Pipeline
}

// Find implements query.Live.
func (l *liveTables) Find(ctx context.Context, location string) ([]query.LivePipeline, error) {
	files, err := pipelines.Files(l.meta)
	if err != nil {
		return nil, err
	}
	var found []query.LivePipeline
	for _, name := range slices.Sorted(maps.Keys(files)) {
		p, err := l.parse(name, files[name])
		if err != nil {
			return nil, err
		}
		if !writesTo(p, location) {
			continue
		}
		progress, err := objects.New(l.objects, progressPlace(p))
		if err != nil {
			return nil, err
		}
		before, err := progress.Load(ctx)
		if err != nil {
			return nil, err
		}
		found = append(found, &livePipeline{l, p, files[name], progress, before})
	}
	return found, nil
}

func (l *liveTables) parse(name, text string) (*batch.Pipeline, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known, ok := l.parsed[name]; ok && known.text == text {
		return known.pipeline, nil
	}
	p, err := batch.ParsePipeline(name, []byte(text))
	if err != nil {
		return nil, fmt.Errorf("pipeline %s: %w", name, err)
	}
	if l.parsed == nil {
		l.parsed = map[string]parsedFile{}
	}
	l.parsed[name] = parsedFile{text, p}
	return p, nil
}

// writesTo says whether a table at location is among the sinks of p.
func writesTo(p *batch.Pipeline, location string) bool {
	same := func(s batch.SinkSpec) bool { return s.Kind == batch.DeltaSink && sameLocation(s.Location, location) }
	return slices.ContainsFunc(p.Sinks, same)
}

func sameLocation(a, b string) bool {
	bucketA, prefixA, errA := objstore.ParseURL(a)
	bucketB, prefixB, errB := objstore.ParseURL(b)
	return errA == nil && errB == nil && bucketA == bucketB && strings.Trim(prefixA, "/") == strings.Trim(prefixB, "/")
}

// livePipeline is a pipeline and its progress as it was found.
type livePipeline struct {
	*liveTables
	p        *batch.Pipeline
	file     string
	progress *objects.Progress
	before   batch.Progress
}

// Name implements query.LivePipeline.
func (l *livePipeline) Name() string { return l.p.Name }

// Tail implements query.LivePipeline.
func (l *livePipeline) Tail(ctx context.Context, req query.TailRequest) (*query.Tail, error) {
	choice, err := l.choice(req.Cut)
	if err != nil {
		return nil, err
	}
	from, err := live.Since(ctx, l.progress, l.before, req.Held, req.Below)
	if errors.Is(err, live.ErrElsewhere) {
		return nil, l.refused("%s", err)
	}
	if err != nil {
		return nil, err
	}
	task := &liveTask{
		Name: l.p.Name, File: l.file, From: from, Held: req.Held, Choice: choice, PartitionBy: req.PartitionBy, Dir: req.Dir,
		State: filepath.Join(req.Dir, "state"), Time: l.now(),
	}
	if from.Mark.Batch >= 0 {
		if err := l.fork(ctx, task.State, from.Mark.Batch); err != nil {
			task.NoState = err.Error() // which matters only if the query has state
		}
	}
	answer, err := l.workers.run(ctx, task)
	switch {
	case err != nil:
		return nil, fmt.Errorf("FOR LIVE, pipeline %s: %w", l.p.Name, err)
	case answer.Passed != nil:
		return nil, l.passed(ctx, from, answer.Passed)
	case answer.Moved && from.Mark.Batch < l.before.Mark.Batch:
		return nil, l.refused("the state after batch %d, behind which the cut lies, is not kept any more", from.Mark.Batch)
	case answer.Moved:
		return nil, fmt.Errorf("FOR LIVE: %w: pipeline %s, batch %d: %s", query.ErrMoved, l.p.Name, from.Mark.Batch, answer.Error)
	case answer.TooMuch:
		return nil, &sql.Error{Code: "EXCEEDED_LIMIT", Msg: "FOR LIVE: " + answer.Error}
	case answer.Error != "":
		return nil, l.refused("%s", answer.Error)
	}
	return queryTail(answer.Tail), nil
}

// choice is a cut in the terms of package live.
func (l *livePipeline) choice(cut *query.LiveCut) (*live.Choice, error) {
	if cut == nil {
		return nil, nil
	}
	c := &live.Choice{Time: cut.Time, At: map[string][]live.Part{}}
	for _, at := range cut.Positions {
		name := at.Source
		if name == "" {
			if len(l.p.Sources) > 1 {
				return nil, l.refused("it has %d sources: write SOURCE/%s:%s", len(l.p.Sources), at.Shard, at.Position)
			}
			name = l.p.Sources[0].Name
		}
		c.At[name] = append(c.At[name], live.Part{Shard: at.Shard, To: at.Position})
	}
	return c, nil
}

// passed says with which batch an older version of the table would have to end, for a cut that the table has passed.
func (l *livePipeline) passed(ctx context.Context, from batch.Progress, e *live.PassedError) error {
	last := from.Mark.Batch
	if from.Plan != nil {
		last = from.Plan.Batch
	}
	at, err := live.Before(ctx, l.progress, last, e.Cut)
	if err != nil {
		return err
	}
	return &query.PassedError{Batch: at, Why: "pipeline " + l.p.Name + ": " + e.Error()}
}

func (l *livePipeline) refused(format string, args ...any) error {
	return &sql.Error{Code: "NOT_SUPPORTED", Msg: "FOR LIVE: pipeline " + l.p.Name + ": " + fmt.Sprintf(format, args...)}
}

// fork copies the state after a batch, if there is any: that of the server's own process, or its backup.
func (l *livePipeline) fork(ctx context.Context, to string, number int64) error {
	place, err := statePlace(l.objects, l.p, l.state(l.p.Name), progressPlace(l.p)+"/state")
	if err != nil {
		return err
	}
	return state.Fork(ctx, place, to, number)
}

// queryTail is t in the terms of package query.
func queryTail(t *live.Tail) *query.Tail {
	out := &query.Tail{
		Whole: t.Mode == batch.Complete && t.Batches > 0, Batch: t.Batch, Records: t.Records, Letters: t.Letters, Rows: t.Rows, Watermark: t.Watermark,
	}
	if t.Mode == batch.Update {
		out.Keys = t.Keys
	}
	for _, f := range t.Files {
		out.Files = append(out.Files, query.TailFile{Path: f.Path, Size: f.Size, Partition: f.Partition, Batch: f.Batch})
	}
	for _, c := range t.Cuts {
		parts := c.Parts()
		if len(parts) == 0 {
			parts = []live.Part{{}}
		}
		for _, part := range parts {
			out.Cuts = append(out.Cuts, query.TailCut{Source: c.Source, Stream: c.Stream, Shard: part.Shard, After: part.After, To: part.To})
		}
	}
	return out
}
