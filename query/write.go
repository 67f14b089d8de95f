package query

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/sql"
)

// partitionsMax is Athena's bound on the new partitions of one CTAS or INSERT.
const partitionsMax = 100

// target is where a statement writes files, and how.
type target struct {
	bucket, prefix string
	copy           Copy
}

// write runs a query and makes objects of the files it wrote. They appear one after the other: a failure leaves none of
// them behind.
func (s *Service) write(r *running, req *Request, t *target) (written []Written, rows int64, err error) {
	dir, err := os.MkdirTemp(s.scratch(), "query-*")
	if err != nil {
		return nil, 0, fmt.Errorf("make a directory for results: %w", err)
	}
	defer os.RemoveAll(dir)
	t.copy.Dir = dir
	req.Copy = &t.copy
	report, err := s.opts.Engine.Run(r.ctx, req, discard{})
	if err != nil {
		return nil, 0, err
	}
	if len(report.Written) > partitionsMax && len(t.copy.PartitionBy) > 0 && countPartitions(report.Written) > partitionsMax {
		return nil, 0, &sql.Error{Code: "HIVE_TOO_MANY_OPEN_PARTITIONS", Msg: fmt.Sprintf("Exceeded limit of %d open writers for partitions/buckets.", partitionsMax)}
	}
	var done []string
	defer func() {
		if err != nil {
			for _, key := range done {
				err = errors.Join(err, s.opts.Objects.Delete(context.WithoutCancel(r.ctx), t.bucket, key))
			}
		}
	}()
	for i, w := range report.Written {
		if w.Rows == 0 {
			continue
		}
		key, err := objectKey(t.prefix, dir, w.Path, r.Submitted.Format("20060102_150405_")+fmt.Sprintf("%05d_", i)+r.ID[:5]+"_"+uuid.NewString())
		if err != nil {
			return nil, 0, err
		}
		if err := s.importFile(r.ctx, t.bucket, key, w.Path); err != nil {
			return nil, 0, fmt.Errorf("store s3://%s/%s: %w", t.bucket, key, err)
		}
		done = append(done, key)
		w.Path = key
		written = append(written, w)
	}
	return written, report.Rows, nil
}

// discard is the Sink of queries that write files.
type discard struct{}

func (discard) Columns([]sql.Column) error { return nil }
func (discard) Rows([][]byte) error        { return nil }

func countPartitions(ws []Written) int {
	seen := map[string]bool{}
	for _, w := range ws {
		seen[fmt.Sprint(w.Partition)] = true
	}
	return len(seen)
}

// objectKey puts a file that was written below dir, perhaps in k=v folders, below prefix under a new name.
func objectKey(prefix, dir, file, name string) (string, error) {
	rel, err := filepath.Rel(dir, file)
	if err != nil || strings.HasPrefix(rel, "..") {
		return "", fmt.Errorf("the engine wrote %s, which is outside its directory", file)
	}
	folder, base := filepath.Split(filepath.ToSlash(rel))
	_, ext, _ := strings.Cut(base, ".")
	return prefix + folder + name + "." + ext, nil
}

func (s *Service) importFile(ctx context.Context, bucket, key, path string) error {
	if s.files.local != nil {
		_, err := s.files.local.Import(ctx, bucket, key, path, objstore.PutOptions{})
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = s.opts.Objects.Put(ctx, bucket, key, f, objstore.PutOptions{})
	return err
}

// finishWrite stores the manifest of what was written and notes the counts.
func (s *Service) finishWrite(r *running, t *target, written []Written, rows int64) error {
	var lines []string
	var size int64
	for _, w := range written {
		lines = append(lines, "s3://"+t.bucket+"/"+w.Path)
		size += w.Bytes
	}
	manifest := r.OutputLocation + "-manifest.csv"
	text := strings.Join(lines, "\n")
	if text != "" {
		text += "\n"
	}
	if err := s.put(r, manifest, []byte(text)); err != nil {
		return err
	}
	s.update(r, func(x *Execution) {
		x.Manifest, x.UpdateCount = manifest, rows
		x.Stats.OutputRows, x.Stats.OutputBytes = rows, size
		x.Columns = []sql.Column{{Name: "rows", Type: sql.Type{Name: "bigint"}}}
	})
	return s.writeMetadata(r)
}

// unload writes a query's rows to a folder, and makes no table of it.
func (s *Service) unload(r *running, st *sql.Unload) error {
	props, err := writeProperties(st.Properties, "format", "compression", "compression_level", "field_delimiter", "partitioned_by")
	if err != nil {
		return err
	}
	if props.format == "" {
		return &sql.Error{Code: "INVALID_TABLE_PROPERTY", Msg: "UNLOAD needs the property format"}
	}
	t, err := s.emptyTarget(r, st.To)
	if err != nil {
		return err
	}
	tr, req, err := s.prepare(r, st.Query)
	if err != nil {
		return err
	}
	if err := props.fill(&t.copy, tr.Columns); err != nil {
		return err
	}
	written, rows, err := s.write(r, req, t)
	if err != nil {
		return err
	}
	return s.finishWrite(r, t, written, rows)
}

// emptyTarget is a folder in which there must be nothing yet.
func (s *Service) emptyTarget(r *running, location_ string) (*target, error) {
	bucket, prefix, err := location(location_)
	if err != nil {
		return nil, &sql.Error{Code: "INVALID_TABLE_PROPERTY", Msg: err.Error()}
	}
	page, err := s.opts.Objects.List(r.ctx, bucket, objstore.ListOptions{Prefix: prefix, Limit: 1})
	if err != nil {
		return nil, fmt.Errorf("look at s3://%s/%s: %w", bucket, prefix, err)
	}
	if len(page.Objects) > 0 {
		return nil, &sql.Error{Code: "HIVE_PATH_ALREADY_EXISTS", Msg: fmt.Sprintf("Target directory for table already exists: s3://%s/%s. You may need to manually clean the data at location before retrying", bucket, prefix)}
	}
	return &target{bucket: bucket, prefix: prefix}, nil
}

// createTableAs runs a query into files and makes a table of them.
func (s *Service) createTableAs(r *running, st *sql.CreateTableAs) error {
	d := &definer{Service: s, r: r}
	database, name, err := d.split(st.Name)
	if err != nil {
		return err
	}
	_, err = s.opts.Catalog.Table(r.ctx, database, name)
	switch {
	case err == nil && st.IfNotExists:
		return s.finishWrite(r, &target{}, nil, 0)
	case err == nil:
		return &sql.Error{Code: "TABLE_ALREADY_EXISTS", Pos: sql.Pos{Line: 1, Col: 1}, Msg: fmt.Sprintf("Table '%s.%s.%s' already exists", catalogName, database, name)}
	case !errors.Is(err, catalog.ErrNotFound):
		return err
	}
	props, err := writeProperties(st.Properties, "format", "write_compression", "parquet_compression", "compression_level", "field_delimiter", "partitioned_by", "external_location")
	if err != nil {
		return err
	}
	group, err := s.WorkGroup(r.WorkGroup)
	if err != nil {
		return err
	}
	if props.location != "" && group.Enforce && group.Result.OutputLocation != "" {
		return &sql.Error{Code: "INVALID_TABLE_PROPERTY", Msg: "The Create Table As Select query failed because it was submitted with an 'external_location' property to an Athena Workgroup that enforces a centralized output location for all queries. Please remove the 'external_location' property and resubmit the query."}
	}
	if props.location == "" {
		props.location = r.ResultConfig.OutputLocation + "tables/" + r.ID + "/"
	}
	t, err := s.emptyTarget(r, props.location)
	if err != nil {
		return err
	}
	tr, req, err := s.prepare(r, st.Query)
	if err != nil {
		return err
	}
	table, err := props.table(database, name, tr.Columns)
	if err != nil {
		return err
	}
	if err := props.fill(&t.copy, tr.Columns); err != nil {
		return err
	}
	if st.NoData {
		req.SQL = "SELECT * FROM (" + req.SQL + ") AS t LIMIT 0"
	}
	written, rows, err := s.write(r, req, t)
	if err != nil {
		return err
	}
	if err := tableError(s.opts.Catalog.CreateTable(r.ctx, table), database, name); err != nil {
		return err
	}
	if err := s.register(r.ctx, table, t.bucket, written); err != nil {
		return err
	}
	return s.finishWrite(r, t, written, rows)
}

// register adds the partitions in which files were written.
func (s *Service) register(ctx context.Context, t catalog.Table, bucket string, written []Written) error {
	if len(t.PartitionKeys) == 0 {
		return nil
	}
	seen := map[string]bool{}
	var parts []catalog.Partition
	for _, w := range written {
		values := make([]string, len(t.PartitionKeys))
		for i, k := range t.PartitionKeys {
			values[i] = w.Partition[k.Name]
		}
		folder := w.Path[:strings.LastIndexByte(w.Path, '/')]
		if id := strings.Join(values, "\x00"); !seen[id] {
			seen[id] = true
			parts = append(parts, newPartition(t, values, "s3://"+bucket+"/"+folder))
		}
	}
	for batch := range slices.Chunk(parts, 100) {
		if _, err := s.opts.Catalog.AddPartitions(ctx, t.Database, t.Name, batch); err != nil {
			return fmt.Errorf("register partitions: %w", err)
		}
	}
	return nil
}
