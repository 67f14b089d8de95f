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
	Batch  int64     `json:"batchId"` // from 0
	Source string    `json:"source"`
	Start  Offset    `json:"startOffset"`
	End    Offset    `json:"endOffset"`
	Time   time.Time `json:"timestamp"`
}

// Progress is where a pipeline stands.
type Progress struct {
	Plan *Plan // the newest; nil before the first
	// Committed is the number of the newest batch that is done, -1 if none. It is Plan.Batch, or one less if a
	// crash came between.
	Committed int64
}

// ProgressStore keeps the progress of one pipeline, durably: what a call saved survives power loss when it returns.
type ProgressStore interface {
	Load(ctx context.Context) (Progress, error)
	SavePlan(ctx context.Context, p Plan) error
	SaveCommit(ctx context.Context, batch int64) error
}

// plansKept is the number of newest batches whose plans stay, for people who look.
const plansKept = 100

const progressDigits = 20 // numbers are padded, so that names sort as numbers do

func progressName(kind string, batch int64) string {
	return fmt.Sprintf("%s/%0*d", kind, progressDigits, batch)
}

type commitMark struct {
	Batch int64 `json:"batchId"`
}

// progressOf puts together what a store holds. plan is the newest plan as it was saved, nil if none.
func progressOf(where string, plan []byte, planned, committed int64) (Progress, error) {
	if plan == nil {
		if committed >= 0 {
			return Progress{}, fmt.Errorf("%w: %s has commit %d without its plan", ErrProgress, where, committed)
		}
		return Progress{Committed: -1}, nil
	}
	p := new(Plan)
	if err := json.Unmarshal(plan, p); err != nil {
		return Progress{}, fmt.Errorf("%w: %s, plan %d: %w", ErrProgress, where, planned, err)
	}
	if p.Batch != planned || committed != planned && committed != planned-1 {
		return Progress{}, fmt.Errorf("%w: %s has plan %d (which says %d) after commit %d", ErrProgress, where, planned, p.Batch, committed)
	}
	return Progress{Plan: p, Committed: committed}, nil
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
	plan, planned, err := m.newest("offsets")
	if err != nil {
		return Progress{}, err
	}
	_, committed, err := m.newest("commits")
	if err != nil {
		return Progress{}, err
	}
	return progressOf("pipeline "+m.pipeline, plan, planned, committed)
}

// newest is the last entry of a kind; number -1 if there is none.
func (m *MetaProgress) newest(kind string) (value []byte, number int64, err error) {
	number = -1
	for e, err := range m.space.Scan(m.pipeline+"/"+kind+"/", "") {
		if err != nil {
			return nil, 0, err
		}
		if number, err = progressNumber(e.Key); err != nil {
			return nil, 0, err
		}
		value = e.Value
	}
	return value, number, nil
}

// progressNumber is the batch number at the end of a name.
func progressNumber(name string) (int64, error) {
	digits := name[strings.LastIndexByte(name, '/')+1:]
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || len(digits) != progressDigits {
		return 0, fmt.Errorf("%w: name %q does not end in a batch number", ErrProgress, name)
	}
	return n, nil
}

// SavePlan implements ProgressStore.
func (m *MetaProgress) SavePlan(_ context.Context, p Plan) error {
	return m.save("offsets", p.Batch, p)
}

// SaveCommit implements ProgressStore.
func (m *MetaProgress) SaveCommit(_ context.Context, batch int64) error {
	return m.save("commits", batch, commitMark{batch})
}

func (m *MetaProgress) save(kind string, batch int64, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("pipeline %s: %w", m.pipeline, err)
	}
	b := new(meta.Batch)
	b.Put(m.space, m.pipeline+"/"+progressName(kind, batch), raw)
	if batch >= plansKept {
		b.Delete(m.space, m.pipeline+"/"+progressName(kind, batch-plansKept))
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
	planned, err := d.newest("offsets")
	if err != nil {
		return Progress{}, err
	}
	committed, err := d.newest("commits")
	if err != nil {
		return Progress{}, err
	}
	var plan []byte
	if planned >= 0 {
		if plan, err = os.ReadFile(filepath.Join(d.dir, progressName("offsets", planned))); err != nil {
			return Progress{}, fmt.Errorf("read progress: %w", err)
		}
	}
	return progressOf(d.dir, plan, planned, committed)
}

func (d *DirProgress) newest(kind string) (int64, error) {
	entries, err := os.ReadDir(filepath.Join(d.dir, kind))
	if err != nil {
		return 0, fmt.Errorf("read progress: %w", err)
	}
	for _, e := range slices.Backward(entries) {
		if !strings.HasSuffix(e.Name(), temporarySuffix) {
			return progressNumber(e.Name())
		}
	}
	return -1, nil
}

// temporarySuffix marks files that a crash left unfinished.
const temporarySuffix = ".tmp"

// SavePlan implements ProgressStore.
func (d *DirProgress) SavePlan(_ context.Context, p Plan) error { return d.save("offsets", p.Batch, p) }

// SaveCommit implements ProgressStore.
func (d *DirProgress) SaveCommit(_ context.Context, batch int64) error {
	return d.save("commits", batch, commitMark{batch})
}

func (d *DirProgress) save(kind string, batch int64, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("save progress: %w", err)
	}
	if err := writeDurably(filepath.Join(d.dir, progressName(kind, batch)), append(raw, '\n')); err != nil {
		return fmt.Errorf("save progress: %w", err)
	}
	if batch >= plansKept {
		old := filepath.Join(d.dir, progressName(kind, batch-plansKept))
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
