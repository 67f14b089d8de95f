package state

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/batch"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/internal/vfs"
)

var (
	update = flag.Bool("update", false, "rewrite the answers in testdata")
	seed   = flag.Uint64("seed", 1, "of random histories")
)

func specs() []batch.StateSpec {
	return []batch.StateSpec{
		{Name: "counts", Operator: "stateStoreSave", Until: "until", Keys: []string{"k"}, Definition: map[string]string{"group by": "k"}},
		{Name: "seen", Operator: "dedupe", Keys: []string{"k"}, Definition: map[string]string{"columns": "k"}},
	}
}

func schemaOf(t testing.TB, columns string) *columnar.Schema {
	t.Helper()
	s := &columnar.Schema{}
	for _, c := range strings.Split(columns, ", ") {
		name, text, _ := strings.Cut(c, " ")
		typ, err := columnar.ParseType(text)
		if err != nil {
			t.Fatal(err)
		}
		s.Fields = append(s.Fields, columnar.Field{Name: name, Type: typ, Nullable: true})
	}
	return s
}

func columns(t testing.TB) map[string]*columnar.Schema {
	return map[string]*columnar.Schema{"counts": schemaOf(t, "until timestamp, k string, n bigint"), "seen": schemaOf(t, "k string")}
}

func open(t testing.TB, fs vfs.FS, opts Options) *Store {
	t.Helper()
	opts.Dir, opts.FS = "state", fs
	s, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func load(t testing.TB, s *Store, number int64) batch.StateVersion {
	t.Helper()
	v, err := s.Load(t.Context(), number, specs(), columns(t))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// run is a file to be committed: its text is its rows.
type run struct {
	state, text string
	until       time.Time
	replaces    bool
	merges      []string
}

// stage writes runs as a Runner does.
func stage(fs vfs.FS, dir string, runs []run) ([]batch.StateRun, error) {
	var all []batch.StateRun
	for i, r := range runs {
		out := batch.StateRun{State: r.state, Until: r.until, Replaces: r.replaces, Merges: r.merges}
		if r.text != "" {
			out.File, out.Rows = fmt.Sprintf("%s-%d.parquet", r.state, i), int64(len(r.text))
			f, err := fs.Create(fs.PathJoin(dir, out.File), vfs.Category)
			if err != nil {
				return nil, err
			}
			_, err = f.Write([]byte(r.text))
			if err := errors.Join(err, f.Close()); err != nil {
				return nil, err
			}
		}
		all = append(all, out)
	}
	return all, nil
}

// commit adds the batch after v.
func commit(t testing.TB, s *Store, v batch.StateVersion, watermark time.Time, runs ...run) batch.StateVersion {
	t.Helper()
	v, err := tryCommit(t.Context(), s, v, watermark, runs)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func tryCommit(ctx context.Context, s *Store, v batch.StateVersion, watermark time.Time, runs []run) (batch.StateVersion, error) {
	dir, err := s.NewDir(ctx, v)
	if err != nil {
		return v, err
	}
	staged, err := stage(s.fs, dir, runs)
	if err != nil {
		return v, err
	}
	return s.Commit(ctx, v, v.Batch+1, watermark, staged)
}

// contents are the texts of a version's runs.
func contents(t testing.TB, fs vfs.FS, v batch.StateVersion) string {
	t.Helper()
	var all []string
	for _, r := range v.Runs {
		f, err := fs.Open(fs.PathJoin(v.Dir, r.File))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(f)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		all = append(all, r.State+":"+string(text))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func TestOperationsOfACommit(t *testing.T) {
	var rec vfs.Recorder
	fs := vfs.Hooked(vfs.NewCrashable(), rec.Before)
	var b strings.Builder
	s := open(t, fs, Options{Keep: 2})
	v := load(t, s, -1)
	fmt.Fprintf(&b, "open\n----\n%s\n", rec.Take())
	for i := range 4 {
		dir, err := s.NewDir(t.Context(), v)
		if err != nil {
			t.Fatal(err)
		}
		staged, err := stage(fs, dir, []run{{state: "counts", text: fmt.Sprint("c", i), until: noon.Add(time.Duration(i) * time.Hour)}, {state: "seen", text: fmt.Sprint("s", i)}})
		if err != nil {
			t.Fatal(err)
		}
		rec.Take()
		if v, err = s.Commit(t.Context(), v, v.Batch+1, noon.Add(time.Hour), staged); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "commit %d\n----\n%s\n", i, rec.Take())
	}
	golden := filepath.Join("testdata", "operations.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestVersions(t *testing.T) {
	fs := vfs.NewCrashable()
	s := open(t, fs, Options{Keep: 3})
	v := load(t, s, -1)
	v = commit(t, s, v, time.Time{}, run{state: "counts", text: "a", until: noon}, run{state: "seen", text: "x"})
	v = commit(t, s, v, noon.Add(-time.Hour), run{state: "counts", text: "b", until: noon.Add(time.Hour)})
	v = commit(t, s, v, noon, run{state: "counts", text: "c"}, run{state: "seen", text: "y", replaces: true})
	if got := contents(t, fs, v); got != "counts:b counts:c seen:y" {
		t.Errorf("batch 2 has %s", got)
	}
	var merged []string
	for _, r := range v.Runs {
		if r.State == "counts" {
			merged = append(merged, r.File)
		}
	}
	v = commit(t, s, v, noon, run{state: "counts", text: "bc", merges: merged}, run{state: "seen", replaces: true})
	if got := contents(t, fs, v); got != "counts:bc" {
		t.Errorf("batch 3 has %s", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = open(t, fs, Options{Keep: 3})
	defer s.Close()
	if n, err := s.Newest(t.Context()); n != 3 || err != nil {
		t.Errorf("newest is %d, %v", n, err)
	}
	for number, want := range map[int64]string{2: "counts:b counts:c seen:y", 3: "counts:bc"} {
		if got := contents(t, fs, load(t, s, number)); got != want {
			t.Errorf("version %d has %s, want %s", number, got, want)
		}
	}
	for number, want := range map[int64]string{0: "progress to 0", 1: "progress to 1"} {
		if _, err := s.Load(t.Context(), number, specs(), columns(t)); !errors.Is(err, batch.ErrState) || !strings.Contains(err.Error(), want) {
			t.Errorf("version %d: %v", number, err)
		}
	}
	files, err := fs.List("state/runs")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 6 { // of batches 1 to 3: a is gone
		t.Errorf("files: %v", files)
	}
}

// TestNewestMakesNothing looks for the newest version where there is no folder, and where there is one.
func TestNewestMakesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pipelines", "rides")
	if n, err := Newest(t.Context(), Options{Dir: dir}); n != -1 || err != nil {
		t.Errorf("no folder: %d, %v", n, err)
	}
	if _, err := os.Stat(filepath.Dir(dir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder was made: %v", err)
	}
	fs := vfs.NewCrashable()
	s := open(t, fs, Options{})
	opts := Options{Dir: "state", FS: fs}
	if n, err := Newest(t.Context(), opts); n != -1 || err != nil {
		t.Errorf("an empty store: %d, %v", n, err)
	}
	commit(t, s, load(t, s, -1), noon, run{state: "counts", text: "a", until: noon})
	if n, err := Newest(t.Context(), opts); n != 0 || err != nil {
		t.Errorf("after batch 0: %d, %v", n, err)
	}
}

func TestBatchAgain(t *testing.T) {
	fs := vfs.NewCrashable()
	s := open(t, fs, Options{})
	v := commit(t, s, load(t, s, -1), time.Time{}, run{state: "counts", text: "a"})
	commit(t, s, v, time.Time{}, run{state: "counts", text: "first"})
	s.Close()
	s = open(t, fs, Options{})
	defer s.Close()
	v = load(t, s, 0)
	v = commit(t, s, v, time.Time{}, run{state: "counts", text: "second"})
	if got := contents(t, fs, v); got != "counts:a counts:second" {
		t.Errorf("got %s", got)
	}
	if files, err := fs.List("state/runs"); err != nil || len(files) != 2 {
		t.Errorf("files %v, %v", files, err)
	}
}

func TestOneProcess(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("opened twice: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err = Open(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

func TestDamageIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(fs vfs.FS, v batch.StateVersion) error
		want   string
	}{
		"manifest cut": {func(fs vfs.FS, v batch.StateVersion) error {
			return rewrite(fs, "state/versions/"+versionName(0), func(b []byte) []byte { return b[:50] })
		},
			"state/versions/00000000000000000000"},
		"manifest changed": {func(fs vfs.FS, v batch.StateVersion) error {
			return rewrite(fs, "state/versions/"+versionName(0), func(b []byte) []byte { b[len(b)-9]++; return b })
		}, "state/versions/00000000000000000000"},
		"run cut": {func(fs vfs.FS, v batch.StateVersion) error {
			return rewrite(fs, "state/runs/"+v.Runs[0].File, func(b []byte) []byte { return b[:1] })
		}, "00000000000000000000-1-counts-0.parquet has 1 bytes, not 3"},
		"run changed": {func(fs vfs.FS, v batch.StateVersion) error {
			return rewrite(fs, "state/runs/"+v.Runs[0].File, func(b []byte) []byte { b[0]++; return b })
		}, "00000000000000000000-1-counts-0.parquet has checksum"},
		"run gone": {func(fs vfs.FS, v batch.StateVersion) error { return fs.Remove("state/runs/" + v.Runs[0].File) },
			"00000000000000000000-1-counts-0.parquet"},
	} {
		fs := vfs.NewCrashable()
		s := open(t, fs, Options{})
		v := commit(t, s, load(t, s, -1), time.Time{}, run{state: "counts", text: "abc"})
		s.Close()
		if err := c.damage(fs, v); err != nil {
			t.Fatal(err)
		}
		s = open(t, fs, Options{})
		_, err := s.Load(t.Context(), 0, specs(), columns(t))
		if !errors.Is(err, batch.ErrState) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		s.Close()
	}
}

func rewrite(fs vfs.FS, path string, f func([]byte) []byte) error {
	r, err := fs.Open(path)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		return err
	}
	return writeFile(fs, path, f(data))
}

// history is a random pipeline: what each version must hold.
type history struct {
	rng      *rand.Rand
	versions []string // contents, by batch
}

// step are the runs of a batch after v.
func (h *history) step(v batch.StateVersion) []run {
	var runs []run
	for i := range 1 + h.rng.IntN(3) {
		r := run{state: []string{"counts", "seen"}[h.rng.IntN(2)], text: fmt.Sprintf("b%d.%d", v.Batch+1, i)}
		if r.state == "counts" {
			r.until = noon.Add(time.Duration(v.Batch+1+h.rng.Int64N(4)) * time.Minute)
		}
		runs = append(runs, r)
	}
	return runs
}

// TestCrashes runs a history and crashes it before each operation of the disk: what is left opens, its newest version is the last
// that was acknowledged or the one under way, whole, and the pipeline goes on.
func TestCrashes(t *testing.T) {
	h := &history{rng: rand.New(rand.NewPCG(*seed, 0))}
	disk := vfs.NewCrashable()
	acked := int64(-1)
	crashes := 0
	fs := vfs.Hooked(disk, func(op vfs.Op) error {
		for _, percent := range []int{0, 50, 100} {
			crashes++
			left := disk.CrashClone(vfs.CrashConfig{UnsyncedDataPercent: percent, RNG: h.rng})
			h.check(t, left, acked, fmt.Sprintf("seed %d, before %s with %d %% of what was not synced", *seed, op, percent))
		}
		return nil
	})
	s := open(t, fs, Options{Keep: 3})
	defer s.Close()
	v := load(t, s, -1)
	for i := range 8 {
		runs := h.step(v)
		h.versions = append(h.versions, "")
		watermark := noon.Add(time.Duration(i) * time.Minute)
		h.versions[i] = expected(t, disk, v, runs, watermark)
		v = commit(t, s, v, watermark, runs...)
		acked = v.Batch
		if got := contents(t, disk, v); got != h.versions[i] {
			t.Fatalf("seed %d: version %d has %s, want %s", *seed, i, got, h.versions[i])
		}
	}
	t.Logf("%d crashes", crashes)
}

// expected are the contents of the version after v.
func expected(t *testing.T, fs vfs.FS, v batch.StateVersion, runs []run, watermark time.Time) string {
	var all []string
	for _, r := range v.Runs {
		if r.Until.IsZero() || r.Until.After(watermark) {
			all = append(all, contents(t, fs, batch.StateVersion{Dir: v.Dir, Runs: []batch.StateRun{r}}))
		}
	}
	for _, r := range runs {
		if r.until.IsZero() || r.until.After(watermark) {
			all = append(all, r.state+":"+r.text)
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func (h *history) check(t *testing.T, disk *vfs.Crashable, acked int64, when string) {
	t.Helper()
	s := open(t, disk, Options{Keep: 3})
	defer s.Close()
	newest, err := s.Newest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if newest != acked && newest != acked+1 {
		t.Fatalf("%s: newest is %d, %d was acknowledged", when, newest, acked)
	}
	for _, n := range []int64{acked, newest} {
		v := load(t, s, n)
		if n < 0 {
			continue
		}
		if got := contents(t, disk, v); got != h.versions[n] {
			t.Fatalf("%s: version %d has %s, want %s", when, n, got, h.versions[n])
		}
	}
	commit(t, s, load(t, s, newest), noon, run{state: "seen", text: "goes on"})
}

// TestFaults fails each operation of a commit once: the next call of Commit succeeds.
func TestFaults(t *testing.T) {
	boom := errors.New("boom")
	for skip := 0; ; skip++ {
		var faults vfs.Faults
		fs := vfs.Hooked(vfs.NewCrashable(), faults.Before)
		s := open(t, fs, Options{Keep: 2})
		v := commit(t, s, load(t, s, -1), noon, run{state: "counts", text: "0", until: noon.Add(time.Minute)})
		v = commit(t, s, v, noon, run{state: "counts", text: "a", until: noon.Add(time.Minute)}, run{state: "seen", text: "s"})
		dir, err := s.NewDir(t.Context(), v)
		if err != nil {
			t.Fatal(err)
		}
		staged, err := stage(fs, dir, []run{{state: "counts", text: "b"}, {state: "seen", text: "r", replaces: true}})
		if err != nil {
			t.Fatal(err)
		}
		faults.Fail("", skip, 1, boom)
		_, failed := s.Commit(t.Context(), v, 2, noon.Add(time.Hour), staged)
		faults.Heal()
		if v, err = s.Commit(t.Context(), v, 2, noon.Add(time.Hour), staged); failed != nil && err != nil {
			t.Fatalf("operation %d: %v, then %v", skip, failed, err)
		}
		if failed == nil {
			if skip < 10 {
				t.Fatalf("only %d operations", skip)
			}
			return
		}
		if !errors.Is(failed, boom) {
			t.Fatalf("operation %d: %v", skip, failed)
		}
		if got := contents(t, fs, v); got != "counts:b seen:r" {
			t.Fatalf("operation %d: got %s", skip, got)
		}
		if got := contents(t, fs, load(t, s, 2)); got != "counts:b seen:r" {
			t.Fatalf("operation %d: got %s", skip, got)
		}
		s.Close()
	}
}
