package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/weir-data/weir/test/traffic"
)

// writeFiles writes all records.
func writeFiles(o options, dir string) (out outcome, err error) {
	m, err := traffic.NewMaker(o.records)
	if err != nil {
		return out, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return out, err
	}
	var buf []byte
	for first := 0; first < o.records.Total; first += o.per {
		n := min(o.per, o.records.Total-first)
		if buf, err = writeFile(m, buf, filepath.Join(dir, fileName(first/o.per)), first, n); err != nil {
			return out, err
		}
		out.Records, out.Bytes = out.Records+n, out.Bytes+int64(len(buf))
	}
	return out, nil
}

func fileName(i int) string { return fmt.Sprintf("%06d.json", i) }

func writeFile(m *traffic.Maker, buf []byte, name string, first, n int) ([]byte, error) {
	buf = buf[:0]
	now := time.Now()
	for i := range n {
		buf = append(m.Append(buf, first+i, now), '\n')
	}
	return buf, os.WriteFile(name, buf, 0o644)
}

// dropEvery is how often a file is dropped.
const dropEvery = 100 * time.Millisecond

// dropFiles writes a file of what is due, and renames it into dir, again and again.
func dropFiles(ctx context.Context, o options, dir string, log *times) (out outcome, err error) {
	m, err := traffic.NewMaker(o.records)
	if err != nil {
		return out, err
	}
	aside := dir + ".new"
	for _, d := range []string{dir, aside} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return out, err
		}
	}
	n := int(o.rate * dropEvery.Seconds())
	if n < 1 || o.duration <= 0 {
		return out, fmt.Errorf("-rate and -for are needed")
	}
	var buf []byte
	began := time.Now()
	for i := 0; time.Duration(i)*dropEvery < o.duration; i++ {
		name := fileName(i)
		if buf, err = writeFile(m, buf, filepath.Join(aside, name), i*n, n); err != nil {
			return out, err
		}
		if !traffic.Until(ctx, began.Add(time.Duration(i+1)*dropEvery)) {
			return out, nil
		}
		if err := os.Rename(filepath.Join(aside, name), filepath.Join(dir, name)); err != nil {
			return out, err
		}
		log.add(i*n, n, time.Now())
		out.Records, out.Bytes = out.Records+n, out.Bytes+int64(len(buf))
	}
	return out, nil
}
