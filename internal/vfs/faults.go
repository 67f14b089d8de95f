package vfs

import (
	"strings"
	"sync"
	"syscall"
)

// Recorder keeps the operations of a disk as text, for golden lists: a sync that is missing shows as a
// diff. The zero value is ready; pass its Before to Hooked.
type Recorder struct {
	mu    sync.Mutex
	lines []string
}

// Before notes an operation and lets it happen.
func (r *Recorder) Before(op Op) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, op.String())
	return nil
}

// Take returns what happened since the last Take, one operation a line.
func (r *Recorder) Take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.lines) == 0 {
		return ""
	}
	text := strings.Join(r.lines, "\n") + "\n"
	r.lines = nil
	return text
}

// Faults makes operations fail. The zero value fails nothing; pass its Before to Hooked. Its methods may
// be called while operations run.
type Faults struct {
	mu    sync.Mutex
	kind  Kind
	skip  int // operations of kind still to let pass
	times int // failures left; negative: for ever
	err   error
	full  bool
	room  int64
	seen  int
}

// Fail lets skip operations of kind (any kind if empty) pass and then makes the next times of them return
// err; a negative times never ends.
func (f *Faults) Fail(kind Kind, skip, times int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kind, f.skip, f.times, f.err = kind, skip, times, err
}

// Full lets the disk grow by room more bytes before it answers ENOSPC.
func (f *Faults) Full(room int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.full, f.room = true, room
}

// Heal ends all faults.
func (f *Faults) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.full, f.times, f.err = false, 0, nil
}

// Ops is the number of operations so far.
func (f *Faults) Ops() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen
}

// Before decides the fate of an operation.
func (f *Faults) Before(op Op) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen++
	if err := f.planned(op); err != nil {
		return err
	}
	if !f.full {
		return nil
	}
	if op.Grow > f.room || op.Kind == OpCreate && f.room <= 0 {
		return syscall.ENOSPC
	}
	f.room -= op.Grow
	return nil
}

func (f *Faults) planned(op Op) error {
	if f.times == 0 || f.kind != "" && f.kind != op.Kind {
		return nil
	}
	if f.skip > 0 {
		f.skip--
		return nil
	}
	if f.times > 0 {
		f.times--
	}
	return f.err
}
