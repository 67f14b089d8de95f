package delta

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
)

// wholeBytesMax is the size up to which a checkpoint is read in one piece.
const wholeBytesMax = 32 << 20

// checkpointBytesMax bounds one that a store without ranged reads holds whole.
const checkpointBytesMax = 1 << 30

// readCheckpoint loads a checkpoint of any kind into r.
func readCheckpoint(ctx context.Context, objects Objects, c *checkpointFiles, r *replay) error {
	var sidecars []*Sidecar
	note := func(a Action) error {
		if a.Sidecar == nil {
			r.note(a)
			return nil
		}
		if sidecars = append(sidecars, a.Sidecar); len(sidecars) > sidecarsMax {
			return fmt.Errorf("%w: more than %d sidecars", ErrUnsupported, sidecarsMax)
		}
		return nil
	}
	for _, f := range c.files {
		if err := loadCheckpointFile(ctx, objects, f, r, note); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
	}
	for _, s := range sidecars {
		key, err := sidecarKey(s)
		if err != nil {
			return err
		}
		nothing := func(Action) error { return nil }
		if err := loadCheckpointFile(ctx, objects, logFile{key: key, size: s.SizeInBytes}, r, nothing); err != nil {
			return fmt.Errorf("sidecar: %w", err)
		}
	}
	return nil
}

// loadCheckpointFile loads the data files that a file of a checkpoint names into r, and calls note for all its other rows.
func loadCheckpointFile(ctx context.Context, objects Objects, f logFile, r *replay, note func(Action) error) error {
	if strings.HasSuffix(f.key, ".json") {
		return readLogParts(ctx, objects, []logFile{f}, r.place, func(p *logPart) error {
			for _, a := range p.actions {
				if err := note(a); err != nil {
					return err
				}
			}
			return r.takeFiles(p)
		})
	}
	at, size, err := openAt(ctx, objects, f.key, f.size)
	if err != nil {
		return err
	}
	err = readParquetParts(ctx, at, size, r.place, func(p *logPart) error {
		for _, a := range p.actions {
			if err := note(a); err != nil {
				return err
			}
		}
		return r.takeFiles(p)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", f.key, err)
	}
	return nil
}

// sidecarsMax bounds the sidecars of a checkpoint.
const sidecarsMax = 1 << 16

// sidecarKey is where a sidecar lies.
func sidecarKey(s *Sidecar) (string, error) {
	if strings.ContainsAny(s.Path, "/\\%") {
		return "", fmt.Errorf("%w: sidecar at %q, outside %s", ErrUnsupported, s.Path, sidecarFolder)
	}
	return sidecarFolder + s.Path, nil
}

// readSidecarNames calls do for each sidecar that a checkpoint's file names, without reading its other rows.
func readSidecarNames(ctx context.Context, objects Objects, f logFile, do func(*Sidecar) error) (err error) {
	if strings.HasSuffix(f.key, ".json") {
		return readLogFile(ctx, objects, f.key, func(a Action) error {
			if a.Sidecar == nil {
				return nil
			}
			return do(a.Sidecar)
		})
	}
	defer recoverParquet(&err)
	at, size, err := openAt(ctx, objects, f.key, f.size)
	if err != nil {
		return err
	}
	file, err := openRows(at, size)
	if err != nil {
		return err
	}
	rows := file.read(0, file.groups())
	defer rows.closePages()
	path := rows.column("sidecar.path")
	if path == nil {
		return nil
	}
	for {
		more, err := rows.next()
		if err != nil || !more {
			return err
		}
		if !set(path) {
			continue
		}
		if err := do(&Sidecar{Path: path.text()}); err != nil {
			return err
		}
	}
}

// recoverParquet turns a panic of the parquet library, which damaged pages may cause, into an error.
func recoverParquet(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: damaged parquet file: %v", ErrCorrupt, p)
	}
}

// openAt gives random access to an object: small ones and those of a store that cannot read parts are held whole.
func openAt(ctx context.Context, objects Objects, key string, size int64) (io.ReaderAt, int64, error) {
	if ranges, ok := objects.(rangeGetter); ok && size > wholeBytesMax {
		return newBlockReader(ctx, ranges, key, size), size, nil
	}
	body, err := readAll(ctx, objects, key, checkpointBytesMax)
	if err != nil {
		return nil, 0, err
	}
	return bytes.NewReader(body), int64(len(body)), nil
}

// groupsAhead bounds the row groups of a checkpoint that are decoded, or encoded, side by side.
const groupsAhead = 4

// readParquetParts calls do with the rows of a checkpoint's or sidecar's parquet file, a row group at a time and in their order.
func readParquetParts(ctx context.Context, r io.ReaderAt, size int64, place string, do func(*logPart) error) (err error) {
	defer recoverParquet(&err)
	file, err := openRows(r, size)
	if err != nil {
		return err
	}
	type pending struct {
		part *logPart
		err  error
	}
	var queue []chan pending
	var work sync.WaitGroup
	defer work.Wait()
	for next := 0; next < file.groups() || len(queue) > 0; {
		for ; next < file.groups() && len(queue) < min(runtime.GOMAXPROCS(0), groupsAhead); next++ {
			done, group := make(chan pending, 1), next
			queue = append(queue, done)
			work.Go(func() {
				part, err := file.part(group, place)
				done <- pending{part, err}
			})
		}
		p := <-queue[0]
		if queue = queue[1:]; p.err == nil {
			p.err = ctx.Err()
		}
		if p.err == nil {
			p.err = do(p.part)
		}
		if p.err != nil {
			return p.err
		}
	}
	return nil
}

// part decodes a row group.
func (f *rowsFile) part(group int, place string) (part *logPart, err error) {
	defer recoverParquet(&err)
	rows := f.read(group, group+1)
	defer rows.closePages()
	columns := newActionColumns(rows)
	part = &logPart{}
	for {
		more, err := rows.next()
		if err != nil {
			return nil, err
		}
		if !more {
			part.pack()
			return part, nil
		}
		if err := columns.take(part, place); err != nil {
			return nil, err
		}
	}
}
