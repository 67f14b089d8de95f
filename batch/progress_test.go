package batch_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/internal/meta"
)

// progressStores opens each kind of store; reopen gives it as after a restart.
func progressStores(t *testing.T) map[string]func() batch.ProgressStore {
	m, dir := meta.NewMem(), filepath.Join(t.TempDir(), "progress")
	var last *batch.DirProgress
	return map[string]func() batch.ProgressStore{
		"meta": func() batch.ProgressStore { return batch.NewMetaProgress(m, "rides") },
		"dir": func() batch.ProgressStore {
			if last != nil {
				last.Close()
			}
			var err error
			if last, err = batch.OpenDirProgress(dir); err != nil {
				t.Fatal(err)
			}
			return last
		},
	}
}

func TestProgressStores(t *testing.T) {
	for name, reopen := range progressStores(t) {
		t.Run(name, func(t *testing.T) {
			expect := func(planned, committed int64) {
				t.Helper()
				p, err := reopen().Load(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if planned < 0 && p.Plan != nil || planned >= 0 && (p.Plan == nil || p.Plan.Batch != planned) || p.Mark.Batch != committed {
					t.Fatalf("got %+v, committed %d; want plan %d, committed %d", p.Plan, p.Mark.Batch, planned, committed)
				}
			}
			plan := func(n int64) batch.Plan {
				return batch.Plan{
					Batch: n, Time: time.Unix(1e9, 0).UTC(), Watermark: time.UnixMilli(1e12).UTC(),
					Sources: map[string]batch.Range{"source": {Of: "s", Start: batch.Offset{"a": "1"}, End: batch.Offset{"a": "2"}}},
				}
			}
			expect(-1, -1)
			for n := range int64(250) {
				s := reopen()
				if err := s.SavePlan(t.Context(), plan(n)); err != nil {
					t.Fatal(err)
				}
				if n%50 == 0 {
					expect(n, n-1)
					s = reopen()
				}
				if err := s.SaveMark(t.Context(), batch.Mark{Batch: n, MaxEventTime: map[string]time.Time{"source": time.UnixMilli(n).UTC()}}); err != nil {
					t.Fatal(err)
				}
			}
			expect(249, 249)
			p, err := reopen().Load(t.Context())
			if err != nil || mustJSON(p.Plan) != mustJSON(plan(249)) || p.Mark.MaxEventTime["source"] != time.UnixMilli(249).UTC() {
				t.Errorf("plan came back as %s, %v", mustJSON(p.Plan), err)
			}
		})
	}
}

func TestDirProgressKeepsTheNewestAndIsLocked(t *testing.T) {
	dir := t.TempDir()
	d, err := batch.OpenDirProgress(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := batch.OpenDirProgress(dir); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("opened twice: %v", err)
	}
	for n := range int64(130) {
		if err := errors.Join(d.SavePlan(t.Context(), batch.Plan{Batch: n}), d.SaveMark(t.Context(), batch.Mark{Batch: n})); err != nil {
			t.Fatal(err)
		}
	}
	if entries, err := os.ReadDir(filepath.Join(dir, "offsets")); err != nil || len(entries) != 100 {
		t.Errorf("%d plans are kept, %v", len(entries), err)
	}
	// What a crash leaves of a plan does not count, a plan that is cut short is an error.
	if err := os.WriteFile(filepath.Join(dir, "offsets", "00000000000000000130.tmp"), []byte(`{"ba`), 0o644); err != nil {
		t.Fatal(err)
	}
	if p, err := d.Load(t.Context()); err != nil || p.Plan.Batch != 129 {
		t.Errorf("got %+v, %v", p, err)
	}
	for name, text := range map[string]string{"00000000000000000130": `{"ba`, "00000000000000000131": `{"batchId": 131}`, "x": "{}"} {
		path := filepath.Join(dir, "offsets", name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Load(t.Context()); !errors.Is(err, batch.ErrProgress) {
			t.Errorf("%s: %v", name, err)
		}
		os.Remove(path)
	}
}

func FuzzProgressPlan(f *testing.F) {
	f.Add([]byte(`{"batchId":0,"timestamp":"2026-01-01T00:00:00Z","watermark":"2026-01-01T00:00:00Z","sources":{"source":{"source":"s","startOffset":{"a":"1"},"endOffset":{"a":"2"}}}}`))
	f.Add([]byte(`{"batchId":1}`))
	f.Add([]byte(`null`))
	dir := f.TempDir()
	d, err := batch.OpenDirProgress(dir)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(filepath.Join(dir, "offsets", "00000000000000000000"), text, 0o644); err != nil {
			t.Fatal(err)
		}
		p, err := d.Load(t.Context())
		if err != nil && !errors.Is(err, batch.ErrProgress) {
			t.Fatal(err)
		}
		if err == nil && (p.Plan == nil || p.Plan.Batch != 0) {
			t.Fatalf("%q gave %+v", text, p)
		}
	})
}
