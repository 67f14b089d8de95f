package delta

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/objstore"
)

// TestCommitOperations holds the list of object operations for each kind of commit: one that is missing or too many
// shows as a diff.
func TestCommitOperations(t *testing.T) {
	objects := newMemory()
	var out strings.Builder
	step := func(name string, do func()) {
		objects.takeOps()
		do()
		fmt.Fprintf(&out, "%s\n", name)
		ops := objects.takeOps()
		for i := range ops { // commits are read side by side, in any order
			n := i
			for n < len(ops) && strings.HasPrefix(ops[n], "get "+logFolder+"0") && strings.HasSuffix(ops[n], ".json") {
				n++
			}
			slices.Sort(ops[i:n])
		}
		for _, op := range ops {
			fmt.Fprintf(&out, "\t%s\n", strings.TrimSpace(op))
		}
	}
	var table, other *Table
	step("create", func() { table = createRides(t, objects, map[string]string{propCheckpointInterval: "3"}) })
	step("append", func() { appendFile(t, table, "a") })
	step("open", func() {
		var err error
		if other, err = Open(t.Context(), objects); err != nil {
			t.Fatal(err)
		}
	})
	stale := snapshot(t, table)
	step("append by another handle", func() { appendFile(t, other, "b") })
	step("append, rebased, with checkpoint", func() {
		tx := table.Begin(stale)
		tx.Add(ride("c"))
		if v, err := tx.Commit(t.Context()); err != nil || v != 3 {
			t.Fatalf("version %d, %v", v, err)
		}
	})
	step("refresh without change", func() { snapshot(t, table) })
	step("open with checkpoint", func() {
		if _, err := Open(t.Context(), objects); err != nil {
			t.Fatal(err)
		}
	})
	golden(t, "operations.txt", out.String())
}

// change is one side of a race between two commits.
type change struct {
	name string
	do   func(*Transaction)
}

func TestConflicts(t *testing.T) {
	wider := ridesSchema()
	wider.Fields = append(wider.Fields, columnar.Field{Name: "tip", Type: columnar.Type{Kind: columnar.Float64}, Nullable: true})
	next := 0
	unique := func() string { next++; return fmt.Sprint("new", next) }
	changes := []change{
		{"append", func(tx *Transaction) { tx.Add(ride(unique())) }},
		{"append c", func(tx *Transaction) { tx.Add(ride("c")) }},
		{"derived append", func(tx *Transaction) { tx.Add(ride(unique())); tx.ReadTable() }},
		{"remove a", func(tx *Transaction) { tx.Remove("a") }},
		{"remove b", func(tx *Transaction) { tx.Remove("b") }},
		{"remove a, whole table", func(tx *Transaction) { tx.Remove("a"); tx.ReadTable() }},
		{"schema", func(tx *Transaction) { tx.SetSchema(wider) }},
		{"files of a and b written anew", func(tx *Transaction) { tx.RowsStay(); tx.Remove("a"); tx.Remove("b"); tx.Add(ride(unique())) }},
		{"append, read 2019", func(tx *Transaction) { tx.Add(ride(unique())); tx.ReadFiles(inYear("2019")) }},
		{"append, read 2020", func(tx *Transaction) { tx.Add(ride(unique())); tx.ReadFiles(inYear("2020")) }},
		{"properties", func(tx *Transaction) { tx.Alter(Alteration{Properties: map[string]string{"k": "v"}}) }},
		{"domain", func(tx *Transaction) { tx.SetDomain(DomainMetadata{Domain: "d", Configuration: "{}"}) }},
		{"txn 7", func(tx *Transaction) { tx.SetTxn("app", 7) }},
		{"txn 8", func(tx *Transaction) { tx.SetTxn("app", 8) }},
		{"txn of another", func(tx *Transaction) { tx.SetTxn("other", 7) }},
	}
	var out strings.Builder
	for _, first := range changes {
		for _, second := range changes {
			objects := newMemory()
			table := createRides(t, objects, nil)
			appendFile(t, table, "a")
			appendFile(t, table, "b")
			s := snapshot(t, table)
			one, two := table.Begin(s), table.Begin(s)
			first.do(one)
			second.do(two)
			if _, err := one.Commit(t.Context()); err != nil {
				t.Fatalf("%s alone: %v", first.name, err)
			}
			before := len(objects.objects)
			_, err := two.Commit(t.Context())
			answer := "ok"
			switch {
			case errors.Is(err, ErrReplayed):
				answer = "replayed"
			case errors.Is(err, ErrConflict):
				var c *Conflict
				if !errors.As(err, &c) || c.Version != 3 {
					t.Errorf("%s after %s: %#v", second.name, first.name, err)
				}
				answer = "conflict: " + string(c.With)
			case err != nil:
				t.Errorf("%s after %s: %v", second.name, first.name, err)
			}
			if err != nil && len(objects.objects) != before {
				t.Errorf("%s after %s was refused and wrote something", second.name, first.name)
			}
			fmt.Fprintf(&out, "%s, then %s: %s\n", first.name, second.name, answer)
		}
	}
	golden(t, "conflicts.txt", out.String())
}

// torn is a folder whose listing lacks a commit that is there, as that of a file system may while others write.
type torn struct {
	*memory
	hidden string
}

func (o torn) List(ctx context.Context, prefix, after string) iter.Seq2[objstore.Info, error] {
	return func(yield func(objstore.Info, error) bool) {
		for info, err := range o.memory.List(ctx, prefix, after) {
			if info.Key != o.hidden && !yield(info, err) {
				return
			}
		}
	}
}

func TestTornListing(t *testing.T) {
	objects := newMemory()
	table := createRides(t, objects, nil)
	for i := range 4 {
		appendFile(t, table, fmt.Sprint("f", i))
	}
	stale, err := OpenWith(t.Context(), torn{objects, commitKey(2)}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if s := snapshot(t, stale); s.Version() != 4 || len(paths(t, s)) != 4 {
		t.Errorf("version %d, files %q", s.Version(), paths(t, s))
	}
	if report, err := stale.Check(t.Context(), CheckOptions{LogOnly: true}); err != nil || len(report.Problems) > 0 {
		t.Errorf("%+v, %v", report, err)
	}
	delete(objects.objects, commitKey(2))
	if _, err := Open(t.Context(), torn{objects, commitKey(2)}); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
}

func inYear(year string) func(*File) bool {
	return func(f *File) bool { return f.Partition["year"] != nil && *f.Partition["year"] == year }
}

// TestSerializable holds what differs from the conflicts above at the stricter isolation level.
func TestSerializable(t *testing.T) {
	objects := newMemory()
	table := featured(t, objects, nil, []string{"appendOnly"}, `"delta.isolationLevel":"Serializable"`)
	s := snapshot(t, table)
	appendFile(t, table, "a")
	tx := table.Begin(s)
	tx.ReadFiles(inYear("2019"))
	tx.Add(ride("b"))
	var c *Conflict
	if _, err := tx.Commit(t.Context()); !errors.As(err, &c) || c.With != ConflictAppend || c.What != "a" {
		t.Errorf("after a blind append: %v", err)
	}
}

// TestContention gives up a commit that never comes to its turn.
func TestContention(t *testing.T) {
	objects := newMemory()
	table := createRides(t, objects, nil)
	s := snapshot(t, table)
	body := string(objects.objects[commitKey(0)].body)
	info, _, _ := strings.Cut(body, "\n")
	objects.fault = func(op, key string) (error, bool) {
		if op == "put-if-absent" && objects.objects[key].body == nil {
			objects.objects[key] = stored{[]byte(info), objects.now()}
		}
		return nil, false
	}
	tx := table.Begin(s)
	tx.Add(ride("a"))
	var c *Conflict
	if _, err := tx.Commit(t.Context()); !errors.As(err, &c) || c.With != ConflictContention {
		t.Error(err)
	}
}

// TestRebaseRenews puts a commit behind others: what depends on its version is worked out anew.
func TestRebaseRenews(t *testing.T) {
	objects := newMemory()
	table := featured(t, objects, nil, []string{"inCommitTimestamp", "rowTracking", "domainMetadata"}, `"delta.enableInCommitTimestamps":"true"`)
	ahead := time.Now().Add(time.Hour)
	table.opts.Now = func() time.Time { return ahead }
	s := snapshot(t, table)
	appendFile(t, table, "a")
	table.opts.Now = time.Now // behind the other writer's clock
	tx := table.Begin(s)
	tx.Add(ride("b"))
	if v, err := tx.Commit(t.Context()); err != nil || v != 2 {
		t.Fatal(v, err)
	}
	info, err := table.Info(t.Context(), 2)
	if err != nil || info.InCommitTimestamp == nil || *info.InCommitTimestamp != ahead.UnixMilli()+1 {
		t.Errorf("%+v, %v", info, err)
	}
	for f, err := range snapshot(t, table).Files(nil) {
		want := map[string][2]int64{"a": {0, 1}, "b": {3, 2}}[f.Path]
		if err != nil || f.BaseRowID == nil || *f.BaseRowID != want[0] || *f.DefaultRowCommitVersion != want[1] {
			t.Errorf("%+v, %v", f, err)
		}
	}
}

func TestAmbiguousPut(t *testing.T) {
	broken := errors.New("connection reset")
	for _, c := range []struct {
		name     string
		failures int  // of the first puts
		after    bool // the put took place although it failed
		owner    bool // reading back fails too
		version  int64
		ok       bool
	}{
		{"written, then reset", 1, true, false, 1, true},
		{"not written, then tried again", 1, false, false, 1, true},
		{"never written", 99, false, false, 0, false},
		{"written, store then gone", 99, true, true, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			objects := newMemory()
			table := createRides(t, objects, nil)
			s := snapshot(t, table)
			failures := c.failures
			objects.fault = func(op, key string) (error, bool) {
				if op == "put-if-absent" && failures > 0 {
					failures--
					return broken, c.after
				}
				if op == "get" && c.owner {
					return broken, false
				}
				return nil, false
			}
			tx := table.Begin(s)
			tx.Add(ride("a"))
			version, err := tx.Commit(t.Context())
			if c.ok != (err == nil) || version != c.version || !c.ok && (!errors.Is(err, broken) || !errors.Is(err, ErrUnresolved)) {
				t.Fatalf("version %d, %v", version, err)
			}
			objects.fault = nil
			if s := snapshot(t, table); c.ok && (s.Version() != 1 || len(paths(t, s)) != 1) {
				t.Errorf("version %d with files %q", s.Version(), paths(t, s))
			}
		})
	}
}

// TestLostPut lets another writer take the version while our own put fails: the error must not hide that.
func TestLostPut(t *testing.T) {
	objects := newMemory()
	table := createRides(t, objects, nil)
	other, err := Open(t.Context(), objects)
	if err != nil {
		t.Fatal(err)
	}
	tx := table.Begin(snapshot(t, table))
	tx.Add(ride("ours"))
	appendFile(t, other, "theirs")
	failed := false
	objects.fault = func(op, key string) (error, bool) {
		if op == "put-if-absent" && !failed {
			failed = true
			return errors.New("timeout"), false
		}
		return nil, false
	}
	if v, err := tx.Commit(t.Context()); err != nil || v != 2 {
		t.Fatalf("version %d, %v", v, err)
	}
	if got := paths(t, snapshot(t, table)); !slices.Equal(got, []string{"ours", "theirs"}) {
		t.Errorf("files %q", got)
	}
}

func TestMissedCheckpoint(t *testing.T) {
	objects := newMemory()
	table := createRides(t, objects, map[string]string{propCheckpointInterval: "2"})
	table.opts.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	appendFile(t, table, "a")
	objects.fault = func(op, key string) (error, bool) {
		if op == "put" {
			return errors.New("disk full"), false
		}
		return nil, false
	}
	appendFile(t, table, "b")
	objects.fault = nil
	if _, ok := objects.objects[checkpointKey(2)]; ok {
		t.Fatal("the fault did not hold")
	}
	reopened, err := Open(t.Context(), objects)
	if err != nil {
		t.Fatal(err)
	}
	appendFile(t, reopened, "c")
	if _, ok := objects.objects[checkpointKey(3)]; !ok {
		t.Error("the next commit did not write the missed checkpoint")
	}
	appendFile(t, reopened, "d")
	if _, ok := objects.objects[checkpointKey(4)]; !ok {
		t.Error("no checkpoint at the next multiple of the interval")
	}
}

func TestTombstones(t *testing.T) {
	objects := newMemory()
	now := time.Unix(1700000000, 0)
	table := createRides(t, objects, map[string]string{propFileRetention: "interval 1 hour"})
	table.opts.Now = func() time.Time { return now }
	appendFile(t, table, "a")
	appendFile(t, table, "b")
	tx := table.Begin(snapshot(t, table))
	tx.Remove("a")
	if _, err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		at   time.Duration
		size string // actions of the checkpoint: protocol, metaData, add, remove
	}{{0, `"size":4,`}, {2 * time.Hour, `"size":3,`}} {
		now = time.Unix(1700000000, 0).Add(c.at)
		if _, err := table.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		if hint := string(objects.objects[lastCheckpointKey].body); !strings.Contains(hint, c.size) {
			t.Errorf("after %v: %s, want %s", c.at, hint, c.size)
		}
		fresh, err := Open(t.Context(), objects)
		if err != nil {
			t.Fatal(err)
		}
		if got := paths(t, snapshot(t, fresh)); !slices.Equal(got, []string{"b"}) {
			t.Errorf("after %v: files %q", c.at, got)
		}
	}
}

func TestRefusedChanges(t *testing.T) {
	type tx = *Transaction
	narrower := &columnar.Schema{Fields: ridesSchema().Fields[:3]}
	retyped := ridesSchema()
	retyped.Fields[3].Type.Kind = columnar.Int64
	strict := ridesSchema()
	strict.Fields[0].Nullable = false
	fixed := ridesSchema()
	fixed.Fields = append(fixed.Fields, columnar.Field{Name: "new", Type: columnar.Type{Kind: columnar.String}})
	in := func(path string, year *string) File {
		return File{Path: path, Size: 1, Partition: map[string]*string{"year": year}}
	}
	for _, c := range []struct {
		name string
		do   func(tx)
		want error
		text string
	}{
		{"nothing", func(tx) {}, ErrInvalid, "no change"},
		{"outside", func(x tx) { x.Add(in("../a", nil)) }, ErrInvalid, "inside the table's folder"},
		{"absolute", func(x tx) { x.Add(in("/a", nil)) }, ErrInvalid, "inside the table's folder"},
		{"in the log", func(x tx) { x.Add(in("_delta_log/a", nil)) }, ErrInvalid, "inside the table's folder"},
		{"twice", func(x tx) { x.Add(ride("a")); x.Add(ride("a")) }, ErrInvalid, "already"},
		{"empty file", func(x tx) { x.Add(File{Path: "a", Partition: map[string]*string{"year": nil}}) }, ErrInvalid, "size 0"},
		{"no partition", func(x tx) { x.Add(File{Path: "a", Size: 1}) }, ErrInvalid, "0 partition values"},
		{"other partition", func(x tx) { x.Add(File{Path: "a", Size: 1, Partition: map[string]*string{"month": nil}}) }, ErrInvalid, `"year"`},
		{"bad partition", func(x tx) { x.Add(in("a", text("MMXIX"))) }, ErrInvalid, "is no int"},
		{"there already", func(x tx) { x.Add(in("live", nil)) }, ErrInvalid, "has a file of that path"},
		{"remove unknown", func(x tx) { x.Remove("zz") }, ErrInvalid, "no such file"},
		{"column gone", func(x tx) { x.SetSchema(narrower) }, ErrInvalid, `"year" is gone`},
		{"type changed", func(x tx) { x.SetSchema(retyped) }, ErrUnsupported, "typeWidening"},
		{"not nullable", func(x tx) { x.SetSchema(strict) }, ErrInvalid, "no longer be nullable"},
		{"new not nullable", func(x tx) { x.SetSchema(fixed) }, ErrInvalid, `"new" is not nullable`},
		{"txn without app", func(x tx) { x.SetTxn("", 1) }, ErrInvalid, "empty"},
	} {
		t.Run(c.name, func(t *testing.T) {
			objects := newMemory()
			table := createRides(t, objects, nil)
			appendFile(t, table, "live")
			x := table.Begin(snapshot(t, table))
			c.do(x)
			before := len(objects.objects)
			_, err := x.Commit(t.Context())
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v, want %v with %q", err, c.want, c.text)
			}
			if len(objects.objects) != before {
				t.Error("something was written")
			}
		})
	}
}

func TestCreateRefuses(t *testing.T) {
	field := func(name string, kind columnar.Kind) columnar.Field {
		return columnar.Field{Name: name, Type: columnar.Type{Kind: kind}, Nullable: true}
	}
	schema := func(fields ...columnar.Field) *columnar.Schema { return &columnar.Schema{Fields: fields} }
	a := field("a", columnar.Int32)
	for _, c := range []struct {
		name string
		opts CreateOptions
		want error
	}{
		{"no column", CreateOptions{Schema: schema()}, ErrInvalid},
		{"space in a name", CreateOptions{Schema: schema(field("a b", columnar.Int32))}, ErrInvalid},
		{"same name", CreateOptions{Schema: schema(a, field("A", columnar.Int32))}, ErrInvalid},
		{"timestamp_ntz", CreateOptions{Schema: schema(field("a", columnar.TimestampNTZ))}, ErrUnsupported},
		{"unknown partition column", CreateOptions{Schema: schema(a), PartitionBy: []string{"b"}}, ErrInvalid},
		{"only partition columns", CreateOptions{Schema: schema(a), PartitionBy: []string{"a"}}, ErrInvalid},
		{"bad interval", CreateOptions{Schema: schema(a), Properties: map[string]string{propCheckpointInterval: "0"}}, ErrInvalid},
		{"unknown property", CreateOptions{Schema: schema(a), Properties: map[string]string{"delta.enableMagic": "true"}}, ErrUnsupported},
		{"unknown feature", CreateOptions{Schema: schema(a), Properties: map[string]string{"delta.feature.magic": "supported"}}, ErrUnsupported},
		{"feature of a preview", CreateOptions{Schema: schema(a), Properties: map[string]string{"delta.feature.inCommitTimestamp-preview": "supported"}}, ErrUnsupported},
		{"bad switch", CreateOptions{Schema: schema(a), Properties: map[string]string{propChangeDataFeed: "yes"}}, ErrInvalid},
		{"mapping by id", CreateOptions{Schema: schema(a), Properties: map[string]string{propMappingMode: "id"}}, ErrInvalid},
		{"unknown member of a column", CreateOptions{Schema: schema(columnar.Field{Name: "a", Type: a.Type, Metadata: map[string]any{"delta.magic": "x"}})}, ErrUnsupported},
	} {
		objects := newMemory()
		if _, err := Create(t.Context(), objects, c.opts); !errors.Is(err, c.want) || len(objects.objects) > 0 {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	objects := newMemory()
	createRides(t, objects, nil)
	if _, err := Create(t.Context(), objects, CreateOptions{Schema: ridesSchema()}); !errors.Is(err, ErrConflict) {
		t.Errorf("second Create: %v", err)
	}
}

func TestSchemaGrows(t *testing.T) {
	objects := newMemory()
	table := createRides(t, objects, nil)
	wider := ridesSchema()
	wider.Fields = append(wider.Fields, columnar.Field{Name: "tip", Type: columnar.Type{Kind: columnar.Float64}, Nullable: true})
	tx := table.Begin(snapshot(t, table))
	tx.SetSchema(wider)
	f := ride("a")
	f.Stats = &Stats{NumRecords: 1, Min: map[string]any{"tip": 1.5}}
	tx.Add(f)
	if _, err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := snapshot(t, table)
	if s.Schema().Index("tip") != 4 {
		t.Errorf("schema %v", s.Schema())
	}
	for f, err := range s.Files(nil) {
		if err != nil || fmt.Sprint(f.Stats.Min["tip"]) != "1.5" {
			t.Errorf("%+v, %v", f, err)
		}
	}
}

func TestTxnReplayed(t *testing.T) {
	objects := newMemory()
	table := createRides(t, objects, nil)
	for _, c := range []struct {
		version int64
		want    error
	}{{5, nil}, {5, ErrReplayed}, {4, ErrReplayed}, {6, nil}} {
		tx := table.Begin(snapshot(t, table))
		tx.SetTxn("app", c.version)
		if _, err := tx.Commit(t.Context()); !errors.Is(err, c.want) {
			t.Errorf("version %d: %v, want %v", c.version, err, c.want)
		}
	}
	if v, ok := snapshot(t, table).Txn("app"); v != 6 || !ok {
		t.Errorf("txn %d, %v", v, ok)
	}
}

func TestTimeTravel(t *testing.T) {
	objects := newMemory()
	start := time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := start
	objects.now = func() time.Time { return clock }
	table := createRides(t, objects, nil)
	for i, at := range []time.Duration{time.Minute, 0, 2 * time.Minute} { // the second commit's clock stepped back
		clock = start.Add(at)
		appendFile(t, table, fmt.Sprint("f", i))
	}
	for _, c := range []struct {
		at   time.Duration
		want int64
	}{
		{-time.Second, -1}, {0, 0}, {30 * time.Second, 0}, {time.Minute, 1}, {time.Minute + time.Millisecond, 2},
		{2 * time.Minute, 3}, {time.Hour, 3},
	} {
		s, err := table.SnapshotAsOf(t.Context(), start.Add(c.at))
		if c.want < 0 {
			if !errors.Is(err, ErrNoVersion) {
				t.Errorf("as of %v: %v", c.at, err)
			}
			continue
		}
		if err != nil || s.Version() != c.want || len(paths(t, s)) != int(c.want) {
			t.Errorf("as of %v: %v, %v, want version %d", c.at, s, err, c.want)
		}
	}
}

func TestCleanedUpLog(t *testing.T) {
	objects := newMemory()
	table := createRides(t, objects, map[string]string{propCheckpointInterval: "4"})
	later := time.Duration(0)
	now := func() time.Time { return time.Now().Add(later) }
	stale, err := OpenWith(t.Context(), objects, Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		appendFile(t, table, fmt.Sprint("f", i))
	}
	for v := range int64(4) {
		delete(objects.objects, commitKey(v))
	}
	later = time.Hour // a clean-up leaves what is younger
	if s := snapshot(t, stale); s.Version() != 6 || len(paths(t, s)) != 6 {
		t.Errorf("a stale handle reads version %d", s.Version())
	}
	if _, err := stale.SnapshotAt(t.Context(), 2); !errors.Is(err, ErrNoVersion) {
		t.Errorf("version 2: %v", err)
	}
	if _, err := stale.SnapshotAt(t.Context(), 5); err != nil {
		t.Errorf("version 5: %v", err)
	}
	if info, err := stale.Info(t.Context(), 5); err != nil || info.Operation != "WRITE" {
		t.Errorf("info of version 5: %v, %v", info, err)
	}
	delete(objects.objects, commitKey(5))
	if _, err := Open(t.Context(), objects); !errors.Is(err, ErrCorrupt) {
		t.Errorf("with a gap: %v", err)
	}
}

func TestNoTable(t *testing.T) {
	objects := newMemory()
	objects.set("year=2019/a.parquet", "x")
	if _, err := Open(t.Context(), objects); !errors.Is(err, ErrNoTable) {
		t.Error(err)
	}
	objects.fault = func(op, key string) (error, bool) { return objstore.ErrNoSuchBucket, false }
	if _, err := Open(t.Context(), objects); !errors.Is(err, objstore.ErrNoSuchBucket) {
		t.Error(err)
	}
}
