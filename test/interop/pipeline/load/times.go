package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// times is a file of what happened when; nil takes no notice.
type times struct {
	mu   sync.Mutex // guards the fields below
	file *os.File
	w    *bufio.Writer
}

func openTimes(name string) (*times, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	return &times{file: f, w: bufio.NewWriter(f)}, nil
}

// add notes that n records from first on were there at a time.
func (t *times) add(first, n int, at time.Time) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.w, "%d,%d,%d\n", first, n, at.UnixMicro())
}

func (t *times) close() error {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return errors.Join(t.w.Flush(), t.file.Close())
}

// watchEvery is how often the next version is looked for: the error of its time.
const watchEvery = time.Millisecond

// watch notes when each version of a table appears under its name.
func watch(ctx context.Context, table string, log *times) error {
	next := 0
	for tick := time.NewTicker(watchEvery); ; {
		switch _, err := os.Stat(filepath.Join(table, "_delta_log", fmt.Sprintf("%020d.json", next))); {
		case err == nil:
			log.add(next, 1, time.Now())
			next++
			continue
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
