package delta

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/weir-data/weir/objstore"
)

// VacuumOptions say what to remove.
type VacuumOptions struct {
	// Retention is how long files stay after they left the table; 0 is what the table says, 7 days if it says nothing.
	Retention time.Duration
	// Force allows a shorter retention than the table's, 0 included if NoRetention is set: readers of older versions and
	// writers that are at work then lose their files.
	Force       bool
	NoRetention bool
	DryRun      bool                              // remove nothing
	Record      bool                              // leave VACUUM START and VACUUM END in the table's history
	Found       func(key string, sizeBytes int64) // told of each file that goes, or would; may be nil
	Listed      func(n int)                       // told from time to time how many objects were looked at; may be nil
}

// Vacuumed counts the files that were removed, or would be.
type Vacuumed struct {
	Files  int
	Bytes  int64
	Listed int // objects that were looked at
}

// Vacuum removes files that no version within the retention needs: data files, deletion vectors and files of changes that the
// table left longer ago, and what failed writers left behind. What a name with a leading underscore or dot hides is not
// looked at, but for _change_data and folders of partition columns. The log is not touched. It holds little more than the
// files that the commits within the retention name.
func (t *Table) Vacuum(ctx context.Context, opts VacuumOptions) (Vacuumed, error) {
	s, err := t.Snapshot(ctx)
	if err != nil {
		return Vacuumed{}, err
	}
	if err := checkWrite(s.protocol, s.metadata, s.schema, true); err != nil { // section "VACUUM Protocol Check"
		return Vacuumed{}, err
	}
	retention, err := opts.retention(s.metadata.Configuration)
	if err != nil {
		return Vacuumed{}, err
	}
	v := &vacuum{table: t, snapshot: s, opts: opts, cutoff: t.opts.now().Add(-retention)}
	if err := v.protect(ctx); err != nil {
		return Vacuumed{}, err
	}
	if opts.DryRun || !opts.Record {
		return v.run(ctx, !opts.DryRun)
	}
	found, err := v.run(ctx, false)
	if err != nil {
		return Vacuumed{}, err
	}
	parameters := map[string]string{
		"retentionCheckEnabled": strconv.FormatBool(!opts.Force), "specifiedRetentionMillis": strconv.FormatInt(retention.Milliseconds(), 10),
		"defaultRetentionMillis": strconv.FormatInt(fileRetention(s.metadata.Configuration).Milliseconds(), 10),
	}
	err = t.note(ctx, "VACUUM START", parameters, map[string]string{
		"numFilesToDelete": strconv.Itoa(found.Files), "sizeOfDataToDelete": strconv.FormatInt(found.Bytes, 10),
	})
	if err != nil {
		return Vacuumed{}, err
	}
	done, runErr := v.run(ctx, true)
	status := "COMPLETED"
	if runErr != nil {
		status = "FAILED"
	}
	err = t.note(context.WithoutCancel(ctx), "VACUUM END", map[string]string{"status": status},
		map[string]string{"numDeletedFiles": strconv.Itoa(done.Files), "numVacuumedDirectories": "0"})
	if runErr != nil {
		return done, runErr
	}
	return done, err
}

func (o *VacuumOptions) retention(props map[string]string) (time.Duration, error) {
	table := fileRetention(props)
	switch {
	case o.Retention < 0:
		return 0, fmt.Errorf("%w: retention of %v", ErrInvalid, o.Retention)
	case o.Retention == 0 && !o.NoRetention:
		return table, nil
	case o.Retention < table && !o.Force:
		return 0, fmt.Errorf("%w: retention of %s, the table keeps removed files for %s: readers and writers that are at work may still need them",
			ErrInvalid, hours(o.Retention), hours(table))
	}
	return o.Retention, nil
}

// hours writes a time in days or hours where it is whole ones.
func hours(d time.Duration) string {
	switch {
	case d%(24*time.Hour) == 0:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d%time.Hour == 0:
		return fmt.Sprintf("%d hours", d/time.Hour)
	}
	return d.String()
}

// note commits nothing but its provenance.
func (t *Table) note(ctx context.Context, operation string, parameters, metrics map[string]string) error {
	s, err := t.Snapshot(ctx)
	if err != nil {
		return err
	}
	tx := t.Begin(s)
	tx.SetInfo(operation, parameters, metrics)
	tx.onlyInfo = true
	_, err = tx.Commit(ctx)
	return err
}

// vacuum is one run.
type vacuum struct {
	table    *Table
	snapshot *Snapshot
	opts     VacuumOptions
	cutoff   time.Time

	recent fileSet         // named by commits since the cutoff
	others map[string]bool // deletion vectors of the folder
	bases  map[string]bool // last names of what the log names by places that need not be known here
}

// protect notes what a version within the retention needs, beside the snapshot's own files and tombstones.
func (v *vacuum) protect(ctx context.Context) error {
	v.others, v.bases = map[string]bool{}, map[string]bool{}
	cutoff := v.cutoff.UnixMilli()
	for e := range v.snapshot.files.all() {
		if e.add != nil || e.remove.DeletionTimestamp >= cutoff {
			v.needs(e)
		}
	}
	listing, err := listLog(ctx, v.table.objects, "")
	if err != nil {
		return err
	}
	r := v.table.newReplay(nil)
	for _, c := range listing.commits {
		if c.modTime.Before(v.cutoff) {
			continue
		}
		err := readCommit(ctx, v.table.objects, c.version, func(a Action) error {
			if a.CDC != nil {
				a = Action{Add: &Add{Path: a.CDC.Path}}
			}
			e, err := r.entry(a)
			if err != nil || e == nil {
				return err
			}
			v.needs(e)
			if e.add != nil {
				e.add.Stats = ""
			}
			return r.put(e)
		})
		if err != nil {
			return err
		}
	}
	err = r.flush(never)
	v.recent = r.files
	return err
}

// needs notes the objects of a file that are not found under its key.
func (v *vacuum) needs(e *entry) {
	var dv *DeletionVector
	encoded := ""
	if e.add != nil {
		dv, encoded = e.add.DeletionVector, e.add.Path
	} else {
		dv, encoded = e.remove.DeletionVector, e.remove.Path
	}
	if e.outside {
		v.bases[path.Base(e.path())] = true
		v.bases[path.Base(encoded)] = true
	}
	if key, ok := vectorKey(dv); ok {
		v.others[key] = true
	} else if dv != nil && dv.StorageType == "p" {
		v.bases[path.Base(dv.PathOrInlineDv)] = true
	}
}

// listedStep is how often the progress of a listing is told.
const listedStep = 1000

// run walks the folder beside the names that are needed, both in order.
func (v *vacuum) run(ctx context.Context, remove bool) (Vacuumed, error) {
	var out Vacuumed
	d := newDeleter(ctx, v.table.objects)
	live := needed{m: v.snapshot.files.merger(), keep: func(r *source) bool { return !r.removed() || r.stamp() >= v.cutoff.UnixMilli() }}
	recent := needed{m: v.recent.merger(), keep: func(*source) bool { return true }}
	for info, err := range v.table.objects.List(ctx, "", "") {
		if err != nil {
			_ = d.wait()
			return out, fmt.Errorf("list the table's folder: %w", err)
		}
		if out.Listed++; v.opts.Listed != nil && out.Listed%listedStep == 0 {
			v.opts.Listed(out.Listed)
		}
		inTable := live.has(info.Key) // both must see every key
		if recent.has(info.Key) || inTable || !v.stale(info) {
			continue
		}
		out.Files++
		out.Bytes += info.Size
		if v.opts.Found != nil && (remove || v.opts.DryRun) {
			v.opts.Found(info.Key, info.Size)
		}
		if remove {
			d.delete(info.Key)
		}
	}
	return out, d.wait()
}

// stale says whether an object that no file of the table needs is to go.
func (v *vacuum) stale(info objstore.Info) bool {
	return info.ModTime.Before(v.cutoff) && !info.ModTime.IsZero() && !hidden(info.Key, v.snapshot) && !v.others[info.Key] && !v.bases[path.Base(info.Key)] &&
		!strings.HasSuffix(info.Key, "/")
}

// hidden says whether a key is none of the table's files: by a leading underscore or dot in it, as Spark has it.
func hidden(key string, s *Snapshot) bool {
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "" || segment[0] != '_' && segment[0] != '.' || segment == "_change_data" || strings.HasPrefix(segment, tempPrefix) {
			continue
		}
		name, _, isPartition := strings.Cut(segment, "=")
		if !isPartition || !s.partitionColumn(UnescapePartition(name)) {
			return true
		}
	}
	return false
}

// partitionColumn says whether a name is that of a partition column, in the schema or in data files.
func (s *Snapshot) partitionColumn(name string) bool {
	for _, by := range s.metadata.PartitionColumns {
		i := s.schema.Index(by)
		if by == name || i >= 0 && s.physical.Fields[i].Name == name {
			return true
		}
	}
	return false
}

// needed tells whether paths that come in order are in a set.
type needed struct {
	m     *merger
	keep  func(*source) bool
	begun bool
	more  bool
}

func (n *needed) has(key string) bool {
	if !n.begun {
		n.begun, n.more = true, n.m.next()
	}
	found := false
	for n.more {
		name := n.m.top.name
		for i, c := range name { // without the deletion vector
			if c == 0 {
				name = name[:i]
				break
			}
		}
		if string(name) > key {
			break
		}
		found = found || string(name) == key && n.keep(n.m.top)
		n.more = n.m.next()
	}
	return found
}
