package delta

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/weir-data/weir/batch"
	table "github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/delta/rewrite"
)

// change makes the table's rows those of the output mode by reading and writing its files: rows take the place of those with the same keys,
// or of all, or are added to a table that has rules for its rows or other names for its columns.
func (s *Sink) change(ctx context.Context, id int64, rows batch.Rows, dir string) (batch.Written, error) {
	if s.rows == nil {
		return batch.Written{}, fmt.Errorf("table %s: its rows are checked or made by rules of its own, and there is nothing that does that", s.opts.Location)
	}
	files, err := rows.Write(ctx, batch.WriteOptions{Dir: dir, Compression: s.opts.Compression})
	if err != nil {
		return batch.Written{}, err
	}
	source := rewrite.Rows{Schema: s.out.Schema}
	for _, f := range files {
		source.Files, source.Stats = append(source.Files, f.Path), append(source.Stats, statsOf(f))
	}
	opts := rewrite.WriteOptions{AppID: s.out.Pipeline, AppVersion: id, Stream: outputModes[s.out.Mode]}
	var r rewrite.Result
	switch added := s.out.Mode == batch.Append || s.out.Mode == batch.Update && s.out.Keys == nil; {
	case !added && (s.out.Mode == batch.Complete || len(s.out.Keys) == 0): // without keys all rows are one group
		r, err = s.rows.Overwrite(ctx, source, opts)
	case len(files) == 0:
	case added:
		r, err = s.rows.Append(ctx, source, opts)
	default:
		r, err = s.rows.Upsert(ctx, source, keysOf(s.out.Keys, files), opts)
	}
	switch {
	case errors.Is(err, table.ErrReplayed):
		return batch.Written{Replayed: true}, nil
	case err != nil:
		return batch.Written{}, fmt.Errorf("table %s: %w", s.opts.Location, temporaryConflict(err))
	}
	s.changes++
	return batch.Written{Rows: r.Inserted + r.Updated, Files: r.AddedFiles, Bytes: r.AddedBytes}, nil
}

// outputModes are the names that histories have.
var outputModes = map[batch.OutputMode]string{batch.Append: "Append", batch.Update: "Update", batch.Complete: "Complete"}

// keysOf says of each key whether one of the files has null there.
func keysOf(names []string, files []batch.ParquetFile) []rewrite.Key {
	var keys []rewrite.Key
	for _, name := range names {
		null := slices.ContainsFunc(files, func(f batch.ParquetFile) bool {
			c, ok := f.Columns[name]
			return !ok || c.Nulls != 0
		})
		keys = append(keys, rewrite.Key{Name: name, MayBeNull: null})
	}
	return keys
}

// compactor is what a Sink needs of a rewrite.Compactor.
type compactor interface {
	Compact(ctx context.Context, added []table.File) error
	Skip()
}

// Maintain implements batch.Maintainer: small files are written together. While more batches are waiting that is left for later, as then
// more files are written together at a time, and each row fewer times.
func (s *Sink) Maintain(ctx context.Context, behind bool) {
	if s.compactor == nil || len(s.added) == 0 && s.changes < changesPerCompaction {
		return
	}
	if s.left++; behind && s.left < leftMax {
		s.compactor.Skip()
		return
	}
	s.left = 0
	if s.changes >= changesPerCompaction {
		s.changes, s.compactor = 0, s.rows.NewCompactor(rewrite.CompactorOptions{}) // which looks at all files
	}
	added := s.added
	s.added = nil
	if err := s.compactor.Compact(ctx, added); err != nil && ctx.Err() == nil {
		s.opts.Logger.Warn("small files not written together; a later batch tries again", "table", s.opts.Location, "error", err)
	}
}

// leftMax is the number of batches after which small files are written together though more batches are waiting.
const leftMax = 16

// changesPerCompaction is the number of batches that change rows after which small files are looked for.
const changesPerCompaction = 32
