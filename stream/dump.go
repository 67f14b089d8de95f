package stream

import (
	"errors"
	"fmt"
	"io"
	"slices"
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
	fr := newFrameReader(file, h.number, segmentHeaderBytes, info.Size(), 1<<20)
	defer fr.close()
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

func dumpIndex(w io.Writer, fs vfs.FS, path string) error {
	b, err := readFile(fs, path, maxIndexBytes)
	if err != nil {
		return err
	}
	x, err := decodeIndex(b)
	if err != nil {
		return fmt.Errorf("dump %s: %w", path, err)
	}
	fmt.Fprintf(w, "index of segment %d end=%d\n", x.number, x.end)
	for _, r := range x.runs {
		fmt.Fprintf(w, "stream=%d shard=%d created=%d records=%d first=%d last=%d last-arrival=%s entries=%d\n", r.stream,
			r.index, r.created, r.records, r.first, r.last, stamp(r.lastArrival), len(r.entries))
	}
	return nil
}

// Report is what Check found.
type Report struct {
	Segments int
	Frames   int
	Records  int64
	Bytes    int64 // of whole frames
	Torn     int64 // position in the last segment behind which there are no whole frames; 0 if nothing follows the last one
}

// Check reads every segment and index in dir and verifies all checksums, the order of the records of each shard and the
// chain of the segments. Damage gives ErrCorrupt; a torn tail of the last segment is not damage. Nothing is changed.
// It may run beside an open Store, whose newest records it then may or may not see.
func Check(fs vfs.FS, dir string) (Report, error) {
	var rep Report
	names, err := fs.List(dir)
	if err != nil {
		return rep, fmt.Errorf("check %s: %w", dir, err)
	}
	slices.Sort(names)
	g := &segments{fs: fs, dir: dir}
	var segs []found
	for _, name := range names {
		number, ok := parseName(name, segmentSuffix)
		if !ok {
			continue
		}
		f, err := g.readHeader(name)
		if err != nil {
			return rep, fmt.Errorf("check %s: %w", name, err)
		}
		if f.header.number == number && f.header.state == stateInUse {
			segs = append(segs, f)
		}
	}
	last := map[shardKey]uint64{}
	segs = g.dropVoid(segs)
	for i := range segs {
		if err := g.checkSegment(&segs[i], i == len(segs)-1, last, &rep); err != nil {
			return rep, fmt.Errorf("check segment %d: %w", segs[i].header.number, err)
		}
	}
	return rep, nil
}

func (g *segments) checkSegment(f *found, isLast bool, last map[shardKey]uint64, rep *Report) error {
	rep.Segments++
	x, err := g.readIndex(f.header.number)
	if err != nil {
		return err
	}
	end, exact := f.size, false
	switch {
	case x != nil:
		end, exact = x.end, true
	case f.bound > 0:
		end, exact = f.bound, true
	case !isLast:
		return fmt.Errorf("%w: it has no index and no later segment says where it ends", ErrCorrupt)
	}
	if f.bound > 0 && x != nil && f.bound != x.end {
		return fmt.Errorf("%w: the index ends at %d, the next segment says %d", ErrCorrupt, x.end, f.bound)
	}
	file, err := g.fs.Open(g.path(segmentName(f.header.number)))
	if err != nil {
		return err
	}
	defer file.Close()
	fr := newFrameReader(file, f.header.number, segmentHeaderBytes, end, 1<<20)
	defer fr.close()
	for {
		h, payload, pos, err := fr.next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = checkFrame(&h, payload, last)
		}
		if errors.Is(err, ErrCorrupt) && !exact {
			rep.Torn = pos
			return nil
		}
		if err != nil {
			return fmt.Errorf("at %d: %w", pos, err)
		}
		rep.Frames++
		rep.Records += int64(h.records)
		rep.Bytes += int64(h.size())
	}
}

// checkFrame verifies a payload, record by record unless it is encrypted, and that the counters of the shard go on.
func checkFrame(h *frameHeader, payload []byte, last map[shardKey]uint64) error {
	if err := h.checkPayload(payload); err != nil {
		return err
	}
	if h.key == 0 {
		if _, err := h.appendRecords(nil, payload); err != nil {
			return err
		}
	}
	if h.first <= last[h.shardKey] {
		return fmt.Errorf("%w: record %d of stream %d shard %d after record %d", ErrCorrupt, h.first, h.stream, h.index, last[h.shardKey])
	}
	last[h.shardKey] = h.last()
	return nil
}
