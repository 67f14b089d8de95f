package stream

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/stream"
)

// places is what Take would read, as far as it lies in files, for a process that reads them itself.
type places struct {
	Start  batch.Offset  `json:"start"` // without shards that are gone
	Shards []shardPlaces `json:"shards"`
}

// shardPlaces is the part of one shard.
type shardPlaces struct {
	Info    stream.ShardInfo `json:"info"` // ID and hash range
	Records int              `json:"records"`
	Bytes   int64            `json:"bytes"`
	Places  []stream.Place   `json:"places"`
}

const (
	// placesMin is how many bytes must lie in files for a reader to be sent there: less is given faster than said where it is.
	placesMin = 4 << 20
	// placesMax bounds what one call tells of, in bytes of the files.
	placesMax = 256 << 20
)

// Places tells ReadPlaces, in another process of this machine, where to read about what Take would read; nil if Take itself is better.
func (s *Source) Places(ctx context.Context, start batch.Offset, limit batch.Limit) ([]byte, error) {
	if limit.Bytes <= 0 || limit.Bytes > placesMax {
		limit.Bytes = placesMax
	}
	cursors, err := s.cursors(ctx, start)
	if err != nil {
		return nil, fmt.Errorf("find records of stream %q: %w", s.name, err)
	}
	sortByProgress(cursors)
	all := places{Start: start.Clone()}
	left := newBudget(limit)
	share := left.share(max(len(cursors), 1))
	var bytes int64
	for _, c := range cursors {
		if len(all.Shards) >= left.records {
			break
		}
		found, size, err := c.shard.Places(c.at, share.records, share.bytes)
		if err != nil {
			return nil, fmt.Errorf("find records of stream %q %s: %w", s.name, c.info.ID, err)
		}
		if len(found) > 0 {
			info := stream.ShardInfo{ID: c.info.ID, HashStart: c.info.HashStart, HashEnd: c.info.HashEnd}
			all.Shards, bytes = append(all.Shards, shardPlaces{info, share.records, share.bytes, found}), bytes+size
		}
	}
	if bytes < placesMin {
		return nil, nil
	}
	s.forget(all.Start)
	return json.Marshal(all)
}

// Look brings Metrics up to date for a batch that ends at end.
func (s *Source) Look(ctx context.Context, end batch.Offset) error { return s.measure(ctx, end) }

// ReadPlaces is Take of what Places has told of, in another process. It returns the end, and how much of the limit is used up.
func ReadPlaces(ctx context.Context, told []byte, f func([]batch.Record) error) (end batch.Offset, used batch.Limit, err error) {
	var all places
	if err := json.Unmarshal(told, &all); err != nil {
		return nil, used, fmt.Errorf("read where records lie: %w", err)
	}
	if end = all.Start; end == nil {
		end = batch.Offset{}
	}
	files := &openFiles{byName: map[string]*os.File{}}
	defer files.close()
	var mu sync.Mutex // guards end and used
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range all.Shards {
		sh := &all.Shards[i]
		g.Go(func() error {
			var c chunk
			page, err := stream.ReadPlaces(ctx, files.open, sh.Places, sh.Records, sh.Bytes, func(recs []stream.Record) error {
				return c.hand(&sh.Info, recs, f)
			})
			mu.Lock()
			defer mu.Unlock()
			if page.Records > 0 {
				end[sh.Info.ID] = page.Last.String()
			}
			used.Records, used.Bytes = used.Records+page.Records, used.Bytes+page.Bytes
			if err != nil {
				return fmt.Errorf("read %s: %w", sh.Info.ID, err)
			}
			return nil
		})
	}
	return end, used, g.Wait()
}

// openFiles are files that several readers share.
type openFiles struct {
	mu     sync.Mutex // guards byName
	byName map[string]*os.File
}

func (o *openFiles) open(name string) (io.ReaderAt, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if f := o.byName[name]; f != nil {
		return f, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	o.byName[name] = f
	return f, nil
}

func (o *openFiles) close() {
	for _, f := range o.byName {
		f.Close() // it was only read
	}
}
