package delta

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sync/semaphore"
)

const (
	// partBytes is how much of a log file is decoded at a time; smaller files are decoded whole, and several together up to
	// about as much.
	partBytes    = 8 << 20
	partFilesMax = 32
	// aheadBytes and aheadParts bound what is read before it is its turn.
	aheadBytes = 4 * partBytes
	aheadParts = 16
	// packedRecords is from how many files on the part of a small log file is packed where it was decoded.
	packedRecords = 2 << 10
)

// logReading decodes the parts of log files side by side, and hands them on in their order.
type logReading struct {
	objects Objects
	place   string
	room    *semaphore.Weighted // bytes of parts that were begun and not yet taken
	queue   chan *pendingPart
	spare   chan []byte // buffers of partBytes
	work    sync.WaitGroup
}

// pendingPart is a part that is being decoded.
type pendingPart struct {
	continues bool // the file that the part before it was of
	weight    int64
	part      *logPart // set when ready is closed, as is err
	err       error
	ready     chan struct{}
}

// readLogParts calls do with the parts of files in their order.
func readLogParts(ctx context.Context, objects Objects, files []logFile, place string, do func(p *logPart) error) error {
	ctx, cancel := context.WithCancel(ctx)
	r := &logReading{
		objects: objects, place: place, room: semaphore.NewWeighted(aheadBytes), queue: make(chan *pendingPart, aheadParts),
		spare: make(chan []byte, aheadParts),
	}
	defer r.work.Wait()
	defer cancel()
	var readErr error // of the goroutine below, once the queue is closed
	r.work.Go(func() {
		defer close(r.queue)
		readErr = r.files(ctx, files)
	})
	line := 0
	for p := range r.queue {
		<-p.ready
		if p.err != nil {
			return p.err
		}
		part := p.part
		if !p.continues {
			line = 0
		}
		if line += part.lines; part.bad != nil {
			return fmt.Errorf("%s: line %d: %w", part.key, line+1, part.bad)
		}
		if err := do(part); err != nil {
			return fmt.Errorf("%s: %w", part.key, err)
		}
		r.room.Release(p.weight)
	}
	return readErr
}

// begin queues a part, which decode makes in a goroutine of its own.
func (r *logReading) begin(ctx context.Context, p *pendingPart, decode func() (*logPart, error)) error {
	p.ready = make(chan struct{})
	if err := r.room.Acquire(ctx, p.weight); err != nil {
		return err
	}
	select {
	case r.queue <- p:
	case <-ctx.Done():
		return ctx.Err()
	}
	r.work.Go(func() {
		defer close(p.ready)
		p.part, p.err = decode()
	})
	return nil
}

// files begins the parts of log files, small ones together.
func (r *logReading) files(ctx context.Context, files []logFile) error {
	for len(files) > 0 {
		if files[0].size > partBytes {
			if err := r.largeFile(ctx, &files[0]); err != nil {
				return err
			}
			files = files[1:]
			continue
		}
		n, sum := 0, int64(0)
		for n < len(files) && n < partFilesMax && sum < partBytes && files[n].size <= partBytes {
			sum += files[n].size
			n++
		}
		some := files[:n]
		files = files[n:]
		err := r.begin(ctx, &pendingPart{weight: sum}, func() (*logPart, error) { return r.smallFiles(ctx, some, sum) })
		if err != nil {
			return err
		}
	}
	return nil
}

// smallFiles decodes files of so many bytes together.
func (r *logReading) smallFiles(ctx context.Context, files []logFile, bytes int64) (*logPart, error) {
	part := &logPart{}
	buffer := r.buffer(int(bytes))
	used := 0
	for _, f := range files {
		body, err := readInto(ctx, r.objects, f.key, buffer[used:used:cap(buffer)])
		if err != nil {
			return nil, err
		}
		if used += len(body); used > cap(buffer) {
			used = cap(buffer)
		}
		part.startCommit(f.key)
		if part.parse(body, r.place); part.bad != nil {
			return part, nil
		}
	}
	if len(part.files.records) >= packedRecords {
		part.pack()
		r.giveBack(buffer)
	}
	return part, nil
}

// readInto reads an object behind what to holds, which grows only if the object is larger than was listed.
func readInto(ctx context.Context, objects Objects, key string, to []byte) ([]byte, error) {
	body, err := objects.Get(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", key, err)
	}
	defer body.Close()
	for {
		if len(to) == cap(to) {
			var one [1]byte // most often the end
			n, err := body.Read(one[:])
			if n == 0 && err == io.EOF {
				return to, nil
			}
			to = append(to, one[:n]...)
			if len(to) > 2*partBytes {
				return nil, fmt.Errorf("read %s: it has grown to more than %d bytes", key, 2*partBytes)
			}
		}
		n, err := body.Read(to[len(to):cap(to)])
		to = to[:len(to)+n]
		if err == io.EOF {
			return to, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", key, err)
		}
	}
}

// buffer is an empty buffer with room for n bytes.
func (r *logReading) buffer(n int) []byte {
	select {
	case b := <-r.spare:
		if cap(b) >= n {
			return b[:0]
		}
	default:
	}
	return make([]byte, 0, n)
}

// giveBack takes a buffer that nothing refers to any more.
func (r *logReading) giveBack(b []byte) {
	if cap(b) < partBytes/2 {
		return
	}
	select {
	case r.spare <- b:
	default:
	}
}

// largeFile begins the parts of a file that is read in blocks.
func (r *logReading) largeFile(ctx context.Context, f *logFile) error {
	body, err := r.objects.Get(ctx, f.key)
	if err != nil {
		return fmt.Errorf("get %s: %w", f.key, err)
	}
	defer body.Close()
	var rest []byte // of the line that the last block ended in
	for continues := false; ; continues = true {
		block, n, err := r.block(body, rest)
		if err != nil && err != io.EOF {
			return fmt.Errorf("read %s: %w", f.key, err)
		}
		rest = append([]byte(nil), block[n:]...)
		beginErr := r.begin(ctx, &pendingPart{continues: continues, weight: partBytes}, func() (*logPart, error) {
			part := &logPart{key: f.key}
			if !continues {
				part.startCommit(f.key)
			}
			part.parse(block[:n], r.place)
			part.pack()
			r.giveBack(block)
			return part, nil
		})
		if beginErr != nil || err == io.EOF {
			return beginErr
		}
	}
}

// block reads what follows rest, of which the first n bytes are whole lines. io.EOF: that is all.
func (r *logReading) block(body io.Reader, rest []byte) (block []byte, n int, err error) {
	block = append(r.buffer(max(partBytes, 2*len(rest))), rest...)
	for {
		have := len(block)
		read, err := io.ReadFull(body, block[have:cap(block)])
		block = block[:have+read]
		if errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF {
			return block, len(block), io.EOF
		}
		if err != nil {
			return nil, 0, err
		}
		if i := bytes.LastIndexByte(block, '\n'); i >= 0 {
			return block, i + 1, nil
		}
		if len(block) > lineBytesMax {
			return nil, 0, fmt.Errorf("%w: action of more than %d bytes", ErrCorrupt, lineBytesMax)
		}
		block = append(make([]byte, 0, 2*len(block)), block...)
	}
}

// readCommits applies commits and log compactions in their order.
func readCommits(ctx context.Context, objects Objects, files []logFile, r *replay) error {
	return readLogParts(ctx, objects, files, r.place, func(p *logPart) error {
		for _, a := range p.actions {
			r.note(a)
		}
		return r.takeFiles(p)
	})
}
