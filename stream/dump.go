package stream

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/weir-data/weir/internal/vfs"
)

// Dump prints the header and the frames of a segment file, or the runs of an index file, one a line. It stops with
// ErrCorrupt where no whole frame begins, which in the active segment is the end of the log.
func Dump(w io.Writer, fs vfs.FS, path string) error {
	if strings.HasSuffix(path, indexSuffix) {
		return dumpIndex(w, fs, path)
	}
	file, err := fs.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	block := make([]byte, headerUsed)
	if _, err := file.ReadAt(block, 0); err != nil {
		return fmt.Errorf("dump %s: %w", path, err)
	}
	h, err := decodeSegmentHeader(block)
	if err != nil {
		return fmt.Errorf("dump %s: %w", path, err)
	}
	fmt.Fprintf(w, "segment %d state=%s created=%s prev=%d prev-end=%d size=%d\n", h.number, h.state,
		stamp(h.created), h.prev, h.prevEnd, info.Size())
	if h.state != stateInUse {
		return nil
	}
	fr := newFrameReader(file, h.number, 1<<20)
	defer fr.close()
	fr.seek(segmentHeaderBytes, info.Size())
	for {
		f, payload, pos, err := fr.next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = f.checkPayload(payload)
		}
		if err != nil {
			return fmt.Errorf("dump %s at %d: %w", path, pos, err)
		}
		fmt.Fprintf(w, "%d: stream=%d shard=%d created=%d records=%d..%d arrival=%s payload=%d", pos, f.stream, f.index,
			f.created, f.first, f.last(), stamp(f.arrival), f.payloadBytes)
		if f.key != 0 {
			fmt.Fprintf(w, " encrypted=%d", f.key)
		}
		fmt.Fprintln(w)
	}
}

func (s segmentState) String() string {
	switch s {
	case statePrepared:
		return "prepared"
	case stateInUse:
		return "in-use"
	}
	return "being-made"
}

func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z") }

// dumpIndex prints an index file: what the segment holds of each shard, and how far the others had come.
func dumpIndex(w io.Writer, fs vfs.FS, path string) error {
	g, seg, err := openIndex(fs, path)
	if err != nil {
		return fmt.Errorf("dump %s: %w", path, err)
	}
	h := &seg.head
	fmt.Fprintf(w, "index of segment %d end=%d size=%d shards=%d streams=%d\n", h.number, h.end, h.size, h.shards, h.streams)
	spans, err := g.streamsOf(seg)
	for _, s := range spans {
		fmt.Fprintf(w, "stream=%d greatest-arrival=%s\n", s.stream, stamp(s.maxArrival))
	}
	if err == nil {
		err = g.directory(seg, func(e *dirEntry) { fmt.Fprint(w, e.describe(g, seg)) })
	}
	if err != nil {
		return fmt.Errorf("dump %s: %w", path, err)
	}
	return nil
}

// openIndex reads the head of an index file outside of any Store.
func openIndex(fs vfs.FS, path string) (*segments, *segment, error) {
	number, ok := parseName(fs.PathBase(path), indexSuffix)
	if !ok {
		return nil, nil, fmt.Errorf("%w: the name of an index is its number and %s", ErrCorrupt, indexSuffix)
	}
	g := &segments{fs: fs, dir: fs.PathDir(path), blocks: newBlockCache(1 << 20)}
	f, err := g.readHead(number)
	if err == nil && !f.indexed {
		err = fmt.Errorf("%w: an old or damaged index; it is made again from the segment at the next start", ErrCorrupt)
	}
	return g, &segment{number: number, head: f.head}, err
}

func (e *dirEntry) describe(g *segments, seg *segment) string {
	text := fmt.Sprintf("stream=%d shard=%d created=%d last=%d last-arrival=%s", e.stream, e.index, e.created, e.last, stamp(e.lastArrival))
	if e.first == 0 {
		return text + "\n"
	}
	text += fmt.Sprintf(" first=%d records=%d", e.first, e.records)
	r, err := g.loadRun(seg, e)
	if err != nil {
		return fmt.Sprintf("%s extents: %v\n", text, err)
	}
	n := 0
	c := r.extents.cursor(seg.head.end)
	for _, ok, err := c.next(); ok; _, ok, err = c.next() {
		if err != nil {
			return fmt.Sprintf("%s extents: %v\n", text, err)
		}
		n++
	}
	return fmt.Sprintf("%s extents=%d\n", text, n)
}
