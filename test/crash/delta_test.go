package crash

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
)

var (
	deltaWriters = flag.Int("delta-writers", 4, "processes that write the Delta table")
	deltaCommits = flag.Int("delta-commits", 15, "commits of each of them")
)

// TestDelta lets processes append to, delete from and compact one table in a plain folder, while they are killed and started
// again. Every row that was committed must be there once, every commit that was acknowledged must be the version that was
// told, and the checker must find nothing. A process is this test binary, started again as TestDeltaWriter.
func TestDelta(t *testing.T) {
	from := *seed
	if from == 0 {
		from = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", from)
	rng := rand.New(rand.NewPCG(from, 0))
	folder := t.TempDir()
	objects := delta.Dir(filepath.Join(folder, "table"))
	table, err := delta.Create(t.Context(), objects, delta.CreateOptions{
		Schema:     &columnar.Schema{Fields: []columnar.Field{{Name: "id", Type: columnar.Type{Kind: columnar.String}, Nullable: true}}},
		Properties: map[string]string{"weir.logCompactionInterval": "7"},
	})
	if err != nil {
		t.Fatal(err)
	}
	kills := runWriters(t, rng, folder)
	journals := make([]deltaJournal, *deltaWriters)
	for i := range journals {
		journals[i] = readJournal(t, folder, i)
	}
	commits := verifyLog(t, objects, table, journals)
	verifyRows(t, objects, table, journals, commits)
	report, err := table.Check(t.Context(), delta.CheckOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range report.Problems {
		t.Errorf("%s: %s", p.Where, p.What)
	}
	t.Logf("%d kills, %d versions, %d files, %d rows, %d checkpoints", kills, report.Newest, report.Files, report.Rows, report.Checkpoints)
}

// runWriters starts the processes, kills one of them now and then, and returns when all are done.
func runWriters(t *testing.T, rng *rand.Rand, folder string) (kills int) {
	type ended struct {
		writer int
		err    error
		output string
	}
	done := make(chan ended)
	procs := make([]*exec.Cmd, *deltaWriters)
	start := func(i int) {
		cmd := exec.Command(os.Args[0], "-test.run=^TestDeltaWriter$", "-test.count=1")
		cmd.Env = append(os.Environ(), "WEIR_DELTA_WRITER="+strconv.Itoa(i), "WEIR_DELTA_FOLDER="+folder,
			"WEIR_DELTA_COMMITS="+strconv.Itoa(*deltaCommits), "WEIR_DELTA_SEED="+strconv.FormatUint(rng.Uint64(), 10))
		var output bytes.Buffer
		cmd.Stdout, cmd.Stderr = &output, &output
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		procs[i] = cmd
		go func() {
			err := cmd.Wait()
			done <- ended{i, err, output.String()}
		}()
	}
	for i := range procs {
		start(i)
	}
	killed := map[int]bool{}
	for left := *deltaWriters; left > 0; {
		select {
		case e := <-done:
			procs[e.writer] = nil
			switch {
			case e.err == nil:
				left--
			case killed[e.writer]:
				delete(killed, e.writer)
				start(e.writer)
			default:
				t.Fatalf("writer %d: %v\n%s", e.writer, e.err, e.output)
			}
		case <-time.After(time.Duration(20+rng.IntN(200)) * time.Millisecond):
			i := rng.IntN(len(procs))
			if p := procs[i]; p != nil && !killed[i] {
				killed[i] = true
				kills++
				_ = p.Process.Kill() // kill -9; it may just have ended
			}
		}
	}
	return kills
}

// TestDeltaWriter is a process of TestDelta.
func TestDeltaWriter(t *testing.T) {
	text, ok := os.LookupEnv("WEIR_DELTA_WRITER")
	if !ok {
		t.Skip("started by TestDelta")
	}
	number := func(text string) int {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	seed, err := strconv.ParseUint(os.Getenv("WEIR_DELTA_SEED"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	w := &deltaWriter{number: number(text), folder: os.Getenv("WEIR_DELTA_FOLDER"), rng: rand.New(rand.NewPCG(seed, 1))}
	if err := w.run(t.Context(), number(os.Getenv("WEIR_DELTA_COMMITS"))); err != nil {
		t.Fatal(err)
	}
}

// deltaWriter makes random commits. Its journal says what it is about to commit, and what it was told.
type deltaWriter struct {
	number  int
	folder  string
	rng     *rand.Rand
	objects delta.Objects
	table   *delta.Table
	journal *os.File
	next    int64 // version of the next txn
	files   int
}

func (w *deltaWriter) app() string { return fmt.Sprint("writer-", w.number) }

func (w *deltaWriter) run(ctx context.Context, commits int) (err error) {
	w.objects = delta.Dir(filepath.Join(w.folder, "table"))
	if w.table, err = delta.Open(ctx, w.objects); err != nil {
		return err
	}
	if w.journal, err = os.OpenFile(journalPath(w.folder, w.number), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o644); err != nil {
		return err
	}
	defer w.journal.Close()
	done, err := w.recover(ctx)
	if err != nil {
		return err
	}
	for done < commits {
		switch err := w.commit(ctx); {
		case err == nil:
			done++
		case !errors.Is(err, delta.ErrConflict):
			return err
		}
	}
	return nil
}

// recover finds out from the table whether what was tried last was committed.
func (w *deltaWriter) recover(ctx context.Context) (done int, err error) {
	if _, err := w.journal.Write([]byte("\n")); err != nil { // ends a torn line
		return 0, err
	}
	body, err := os.ReadFile(w.journal.Name())
	if err != nil {
		return 0, err
	}
	for _, e := range parseJournal(body) {
		w.next = max(w.next, e.txn+1)
		if e.kind == "ok" {
			done++
		}
	}
	s, err := w.table.Snapshot(ctx)
	if err != nil {
		return 0, err
	}
	w.files = w.rng.IntN(1 << 30)
	if last, ok := s.Txn(w.app()); ok && last == w.next-1 && !acknowledged(body, last) {
		done++
		return done, w.note("ok", last, "unknown")
	}
	return done, nil
}

func acknowledged(body []byte, txn int64) bool {
	return slices.ContainsFunc(parseJournal(body), func(e deltaEntry) bool { return e.kind == "ok" && e.txn == txn })
}

func (w *deltaWriter) note(kind string, txn int64, words ...string) error {
	if _, err := fmt.Fprintf(w.journal, "%s %d %s .\n", kind, txn, strings.Join(words, " ")); err != nil {
		return err
	}
	return w.journal.Sync()
}

// commit appends, removes a file with its rows, or writes the rows of some files into one.
func (w *deltaWriter) commit(ctx context.Context) error {
	s, err := w.table.Snapshot(ctx)
	if err != nil {
		return err
	}
	var files []*delta.File
	for f, err := range s.Files(nil) {
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	txn := w.next
	w.next++
	tx := w.table.Begin(s)
	tx.SetTxn(w.app(), txn)
	var plus, minus []string // rows
	switch n := w.rng.IntN(10); {
	case n < 2 && len(files) > 4:
		f := files[w.rng.IntN(len(files))]
		if minus, err = w.read(ctx, f); err != nil {
			return err
		}
		tx.Remove(f.Path)
	case n < 5 && len(files) > 4:
		tx.RowsStay()
		var rows []string
		for _, i := range w.rng.Perm(len(files))[:2+w.rng.IntN(3)] {
			some, err := w.read(ctx, files[i])
			if err != nil {
				return err
			}
			rows = append(rows, some...)
			tx.Remove(files[i].Path)
		}
		if err := w.add(ctx, tx, rows); err != nil {
			return err
		}
	default:
		for i := range 1 + w.rng.IntN(3) {
			var rows []string
			for j := range 1 + w.rng.IntN(5) {
				rows = append(rows, fmt.Sprintf("%d-%d-%d-%d", w.number, txn, i, j))
			}
			if err := w.add(ctx, tx, rows); err != nil {
				return err
			}
			plus = append(plus, rows...)
		}
	}
	words := []string{"+" + strings.Join(plus, ",+"), "-" + strings.Join(minus, ",-")}
	if err := w.note("try", txn, words...); err != nil {
		return err
	}
	version, err := tx.Commit(ctx)
	if err != nil {
		return err
	}
	return w.note("ok", txn, strconv.FormatInt(version, 10))
}

type idRow struct {
	ID string `parquet:"id"`
}

func (w *deltaWriter) add(ctx context.Context, tx *delta.Transaction, rows []string) error {
	list := make([]idRow, len(rows))
	for i, id := range rows {
		list[i].ID = id
	}
	var body bytes.Buffer
	if err := parquet.Write(&body, list); err != nil {
		return err
	}
	w.files++
	path := fmt.Sprintf("part-%d-%d.parquet", w.number, w.files)
	if err := w.objects.Put(ctx, path, body.Bytes()); err != nil {
		return err
	}
	tx.Add(delta.File{Path: path, Size: int64(body.Len()), Stats: &delta.Stats{NumRecords: int64(len(rows))}})
	return nil
}

func (w *deltaWriter) read(ctx context.Context, f *delta.File) ([]string, error) {
	return readIDs(ctx, w.objects, f.Path)
}

func readIDs(ctx context.Context, objects delta.Objects, path string) ([]string, error) {
	r, err := objects.Get(ctx, path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	rows, err := parquet.Read[idRow](bytes.NewReader(body), int64(len(body)))
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	return ids, nil
}

// deltaEntry is a line of a journal: what was tried, or that it was acknowledged.
type deltaEntry struct {
	kind        string // try, ok
	txn         int64
	version     int64 // of ok; -1 if the writer found out after a kill
	plus, minus []string
}

type deltaJournal map[int64]deltaEntry // tries by txn; version is set where acknowledged

func journalPath(folder string, writer int) string {
	return filepath.Join(folder, fmt.Sprintf("journal-%d", writer))
}

func parseJournal(body []byte) []deltaEntry {
	var entries []deltaEntry
	lines := bufio.NewScanner(bytes.NewReader(body))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 4 || words[len(words)-1] != "." {
			continue // torn
		}
		e := deltaEntry{kind: words[0], version: -1}
		e.txn, _ = strconv.ParseInt(words[1], 10, 64)
		if e.kind == "ok" {
			if v, err := strconv.ParseInt(words[2], 10, 64); err == nil {
				e.version = v
			}
		} else {
			e.plus, e.minus = splitRows(words[2]), splitRows(words[3])
		}
		entries = append(entries, e)
	}
	return entries
}

func splitRows(text string) []string {
	var rows []string
	for row := range strings.SplitSeq(text, ",") {
		if row = row[1:]; row != "" {
			rows = append(rows, row)
		}
	}
	return rows
}

func readJournal(t *testing.T, folder string, writer int) deltaJournal {
	body, err := os.ReadFile(journalPath(folder, writer))
	if err != nil {
		t.Fatal(err)
	}
	j := deltaJournal{}
	acks := 0
	for _, e := range parseJournal(body) {
		if e.kind == "try" {
			e.version = -2
			j[e.txn] = e
			continue
		}
		acks++
		try, ok := j[e.txn]
		if !ok {
			t.Fatalf("writer %d: txn %d was acknowledged and never tried", writer, e.txn)
		}
		try.version = e.version
		j[e.txn] = try
	}
	if acks != *deltaCommits {
		t.Errorf("writer %d: %d commits acknowledged, want %d", writer, acks, *deltaCommits)
	}
	return j
}

// committedTxn is a txn that the log holds.
type committedTxn struct {
	writer int
	txn    int64
}

// verifyLog reads every commit: each txn is there once, and acknowledged ones are where their writer was told.
func verifyLog(t *testing.T, objects delta.Objects, table *delta.Table, journals []deltaJournal) []committedTxn {
	versions, err := table.Versions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at := map[committedTxn]int64{}
	var list []committedTxn
	for i, v := range versions {
		if v != int64(i) {
			t.Fatalf("version %d follows %d", v, i-1)
		}
		if v == 0 {
			continue
		}
		c := txnOf(t, objects, v)
		if before, ok := at[c]; ok {
			t.Fatalf("txn %d of writer %d is in versions %d and %d", c.txn, c.writer, before, v)
		}
		at[c] = v
		list = append(list, c)
	}
	for w, j := range journals {
		for txn, e := range j {
			v, ok := at[committedTxn{w, txn}]
			if e.version >= -1 && !ok || e.version >= 0 && v != e.version {
				t.Errorf("writer %d was told that txn %d is version %d, the log has it at %d (%v)", w, txn, e.version, v, ok)
			}
			if e.version == -2 && ok {
				t.Errorf("writer %d thinks that txn %d was refused, the log has it at %d", w, txn, v)
			}
		}
	}
	return list
}

// txnOf reads the txn of a commit.
func txnOf(t *testing.T, objects delta.Objects, version int64) (c committedTxn) {
	r, err := objects.Get(t.Context(), fmt.Sprintf("_delta_log/%020d.json", version))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		a, err := delta.DecodeAction(lines.Bytes())
		if err != nil {
			t.Fatalf("version %d: %v", version, err)
		}
		if a.Txn == nil {
			continue
		}
		if _, err := fmt.Sscanf(a.Txn.AppID, "writer-%d", &c.writer); err != nil {
			t.Fatalf("version %d: %v", version, err)
		}
		c.txn = a.Txn.Version
		return c
	}
	t.Fatalf("version %d has no txn: %v", version, lines.Err())
	return c
}

// verifyRows compares the table's rows with what the committed txns added and removed.
func verifyRows(t *testing.T, objects delta.Objects, table *delta.Table, journals []deltaJournal, commits []committedTxn) {
	want := map[string]int{}
	for _, c := range commits {
		e := journals[c.writer][c.txn]
		for _, row := range e.plus {
			want[row]++
		}
		for _, row := range e.minus {
			want[row]--
		}
	}
	s, err := table.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for f, err := range s.Files(nil) {
		if err != nil {
			t.Fatal(err)
		}
		rows, err := readIDs(t.Context(), objects, f.Path)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			got[row]++
		}
	}
	for row, n := range want {
		if n != got[row] || n < 0 || n > 1 {
			t.Errorf("row %s is there %d times, want %d", row, got[row], n)
		}
		delete(got, row)
	}
	for row := range got {
		t.Errorf("row %s was never committed", row)
	}
}
