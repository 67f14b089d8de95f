package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/weir-data/weir/internal/meta"
)

// ErrProgress says that what was kept of a pipeline's progress cannot be used: it is corrupt, belongs to another
// source, or is behind the table it wrote.
var ErrProgress = errors.New("progress cannot be used")

// Plan is a micro-batch as it was decided on: run again, it is the same batch.
type Plan struct {
	Batch int64     `json:"batchId"` // from 0
	Time  time.Time `json:"timestamp"`
	// Watermark is up to where event time is complete in this batch, Late what it was in the batch before; see RunInput.
	Watermark time.Time        `json:"watermark,omitzero"`
	Late      time.Time        `json:"late,omitzero"`
	Sources   map[string]Range `json:"sources"` // by name in the query
	// Tables are the states of the tables that the query reads beside its sources, by database.table.
	Tables map[string]TableState `json:"tables,omitempty"`
}

// Range is what a batch takes from one source.
type Range struct {
	Of    string `json:"source"` // what is read, as the pipeline file names it
	Start Offset `json:"startOffset"`
	End   Offset `json:"endOffset"`
}

// Mark says that a batch is done.
type Mark struct {
	Batch int64 `json:"batchId"`
	// MaxEventTime is the greatest event time that was seen, in this batch or before, by source. Watermarks follow from it.
	MaxEventTime map[string]time.Time `json:"maxEventTime,omitempty"`
	// Discovered are the fields that records had beyond the schema of the pipeline file, in this batch or before, by source with evolve: a
	// StructType in Spark's JSON form.
	Discovered map[string]json.RawMessage `json:"discovered,omitempty"`
}

// Progress is where a pipeline stands.
type Progress struct {
	Plan *Plan // the newest; nil before the first
	// Mark is that of the newest batch that is done; its number is Plan.Batch, or one less if a crash came between, and -1 if there
	// is none.
	Mark Mark
}

// ProgressStore keeps the progress of one pipeline, durably: what a call saved survives power loss when it returns.
type ProgressStore interface {
	Load(ctx context.Context) (Progress, error)
	SavePlan(ctx context.Context, p Plan) error
	SaveMark(ctx context.Context, m Mark) error
}

// Saved is a plan or a mark as a store holds it: its number, and its JSON, nil if there is none.
type Saved struct {
	Batch int64
	JSON  []byte
}

// ProgressOf puts together what a ProgressStore holds: the newest plan and the newest mark. What does not fit together gives
// ErrProgress.
func ProgressOf(where string, plan, mark Saved) (Progress, error) {
	p := Progress{Mark: Mark{Batch: -1}}
	if mark.JSON != nil {
		if err := json.Unmarshal(mark.JSON, &p.Mark); err != nil {
			return Progress{}, fmt.Errorf("%w: %s, mark %d: %w", ErrProgress, where, mark.Batch, err)
		}
		if p.Mark.Batch != mark.Batch {
			return Progress{}, fmt.Errorf("%w: %s, mark %d says %d", ErrProgress, where, mark.Batch, p.Mark.Batch)
		}
	}
	if plan.JSON == nil {
		if p.Mark.Batch >= 0 {
			return Progress{}, fmt.Errorf("%w: %s has mark %d without its plan", ErrProgress, where, p.Mark.Batch)
		}
		return p, nil
	}
	p.Plan = new(Plan)
	if err := json.Unmarshal(plan.JSON, p.Plan); err != nil {
		return Progress{}, fmt.Errorf("%w: %s, plan %d: %w", ErrProgress, where, plan.Batch, err)
	}
	if n := p.Plan.Batch; n != plan.Batch || p.Mark.Batch != n && p.Mark.Batch != n-1 {
		return Progress{}, fmt.Errorf("%w: %s has plan %d (which says %d) after mark %d", ErrProgress, where, plan.Batch, n, p.Mark.Batch)
	}
	return p, nil
}

// PlansKept is the number of newest batches whose plans and marks a ProgressStore keeps, for people who look.
const PlansKept = 100

const progressDigits = 20 // numbers are padded, so that names sort as numbers do

// ProgressName is the name under which the plan ("offsets") or the mark ("commits") of a batch is kept.
func ProgressName(kind string, batch int64) string {
	return fmt.Sprintf("%s/%0*d", kind, progressDigits, batch)
}

// ProgressNumber is the batch number in a name of ProgressName.
func ProgressNumber(name string) (int64, error) {
	digits := name[strings.LastIndexByte(name, '/')+1:]
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || len(digits) != progressDigits {
		return 0, fmt.Errorf("%w: name %q does not end in a batch number", ErrProgress, name)
	}
	return n, nil
}

// MetaProgress keeps progress in a metadata store, under "<pipeline>/offsets/<batch>" and
// "<pipeline>/commits/<batch>" of the space "pipelines".
type MetaProgress struct {
	space    meta.Space
	store    *meta.Store
	pipeline string
}

// NewMetaProgress returns the progress of the named pipeline in s.
func NewMetaProgress(s *meta.Store, pipeline string) *MetaProgress {
	return &MetaProgress{space: s.Space("pipelines"), store: s, pipeline: pipeline}
}

// Load implements ProgressStore.
func (m *MetaProgress) Load(context.Context) (Progress, error) {
	plan, err := m.newest("offsets")
	if err != nil {
		return Progress{}, err
	}
	mark, err := m.newest("commits")
	if err != nil {
		return Progress{}, err
	}
	return ProgressOf("pipeline "+m.pipeline, plan, mark)
}

func (m *MetaProgress) newest(kind string) (s Saved, err error) {
	for e, err := range m.space.Scan(m.pipeline+"/"+kind+"/", "") {
		if err != nil {
			return s, err
		}
		if s.Batch, err = ProgressNumber(e.Key); err != nil {
			return s, err
		}
		s.JSON = e.Value
	}
	return s, nil
}

// SavePlan implements ProgressStore.
func (m *MetaProgress) SavePlan(_ context.Context, p Plan) error {
	return m.save("offsets", p.Batch, p)
}

// SaveMark implements ProgressStore.
func (m *MetaProgress) SaveMark(_ context.Context, mark Mark) error {
	return m.save("commits", mark.Batch, mark)
}

func (m *MetaProgress) save(kind string, batch int64, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("pipeline %s: %w", m.pipeline, err)
	}
	b := new(meta.Batch)
	b.Put(m.space, m.pipeline+"/"+ProgressName(kind, batch), raw)
	if batch >= PlansKept {
		b.Delete(m.space, m.pipeline+"/"+ProgressName(kind, batch-PlansKept))
	}
	return m.store.Commit(b)
}

// DirProgress keeps progress as files in a folder, for pipelines that run away from a data directory. Only one
// process at a time can have it open.
type DirProgress struct {
	dir  string
	lock *os.File
}

// OpenDirProgress opens or creates the folder.
func OpenDirProgress(dir string) (*DirProgress, error) {
	for _, kind := range []string{"offsets", "commits"} {
		if err := os.MkdirAll(filepath.Join(dir, kind), 0o755); err != nil {
			return nil, fmt.Errorf("open progress: %w", err)
		}
	}
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := syncDir(d); err != nil {
			return nil, fmt.Errorf("open progress: %w", err)
		}
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open progress: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("open progress %s: another process runs this pipeline: %w", dir, err)
	}
	return &DirProgress{dir: dir, lock: lock}, nil
}

// Close lets another process open the folder.
func (d *DirProgress) Close() error { return d.lock.Close() }

// Load implements ProgressStore.
func (d *DirProgress) Load(context.Context) (Progress, error) {
	plan, err := d.newest("offsets")
	if err != nil {
		return Progress{}, fmt.Errorf("read progress: %w", err)
	}
	mark, err := d.newest("commits")
	if err != nil {
		return Progress{}, fmt.Errorf("read progress: %w", err)
	}
	return ProgressOf(d.dir, plan, mark)
}

func (d *DirProgress) newest(kind string) (s Saved, err error) {
	entries, err := os.ReadDir(filepath.Join(d.dir, kind))
	if err != nil {
		return s, err
	}
	for _, e := range slices.Backward(entries) {
		if strings.HasSuffix(e.Name(), temporarySuffix) {
			continue
		}
		if s.Batch, err = ProgressNumber(e.Name()); err != nil {
			return s, err
		}
		s.JSON, err = os.ReadFile(filepath.Join(d.dir, kind, e.Name()))
		return s, err
	}
	return s, nil
}

// temporarySuffix marks files that a crash left unfinished.
const temporarySuffix = ".tmp"

// SavePlan implements ProgressStore.
func (d *DirProgress) SavePlan(_ context.Context, p Plan) error { return d.save("offsets", p.Batch, p) }

// SaveMark implements ProgressStore.
func (d *DirProgress) SaveMark(_ context.Context, m Mark) error { return d.save("commits", m.Batch, m) }

func (d *DirProgress) save(kind string, batch int64, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("save progress: %w", err)
	}
	if err := writeDurably(filepath.Join(d.dir, ProgressName(kind, batch)), append(raw, '\n')); err != nil {
		return fmt.Errorf("save progress: %w", err)
	}
	if batch >= PlansKept {
		old := filepath.Join(d.dir, ProgressName(kind, batch-PlansKept))
		if err := os.Remove(old); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("save progress: %w", err)
		}
	}
	return nil
}

// writeDurably makes the file at path hold data, all or nothing.
func writeDurably(path string, data []byte) error {
	f, err := os.Create(path + temporarySuffix)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(path+temporarySuffix, path)
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
