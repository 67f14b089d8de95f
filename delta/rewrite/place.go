package rewrite

import (
	"fmt"
	"strconv"

	"github.com/google/uuid"

	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/objstore"
)

var suffixes = map[string]string{"snappy": ".snappy.parquet", "zstd": ".zstd.parquet", "gzip": ".gz.parquet", "uncompressed": ".parquet"}

// place gives files their keys and makes them objects.
func (j *job) place(files []written, folder, kind string) error {
	if len(files) == 0 {
		return nil
	}
	name := uuid.New()
	all := make([]objstore.LocalFile, len(files))
	for i := range files {
		f := &files[i]
		f.file.Path = fmt.Sprintf("%s%s%s-%05d-%s.c000%s", folder, delta.DataFolder(j.by, f.file.Partition), kind, i, name, suffixes[j.t.opts.Compression])
		f.file.ModTime = j.t.opts.Now()
		all[i] = objstore.LocalFile{Key: j.t.prefix + f.file.Path, Path: f.path, Opts: objstore.PutOptions{ContentType: contentType}}
	}
	return objstore.Upload(j.ctx, j.t.opts.Store, j.t.bucket, j.t.opts.Staging, all)
}

// commit puts the files at their places and writes the commit. Without any change there is none.
func (j *job) commit() error {
	if len(j.removes)+len(j.deleted)+len(j.adds) == 0 && !j.alter && j.txn == nil {
		return nil
	}
	if err := j.place(j.adds, "", "part"); err != nil {
		return err
	}
	if err := j.place(j.changes, "_change_data/", "cdc"); err != nil {
		return err
	}
	tx := j.t.table.Begin(j.snapshot)
	tx.ChecksRows()
	if j.moved {
		tx.RowsStay()
	}
	if j.txn != nil {
		j.txn(tx)
	}
	j.setIdentity()
	if j.alter {
		tx.Alter(delta.Alteration{Schema: j.schema, PartitionBy: j.by, Properties: j.props, Features: j.features})
	}
	for _, f := range j.removes {
		tx.RemoveFile(f)
	}
	if err := j.setDeleted(tx); err != nil {
		return err
	}
	for _, w := range j.adds {
		tx.Add(w.file)
		j.result.AddedFiles++
		j.result.AddedBytes += w.file.Size
	}
	for _, w := range j.changes {
		tx.AddChanges(w.file)
	}
	if j.readAll {
		tx.ReadTable()
	}
	if j.readFiles != nil {
		tx.ReadFiles(j.readFiles)
	}
	tx.SetInfo(j.operation, j.parameters, j.metrics())
	version, err := tx.Commit(j.ctx)
	if err != nil {
		return err
	}
	j.result.Version, j.result.Committed = version, true
	if j.done != nil {
		j.done()
	}
	return nil
}

func (j *job) setDeleted(tx *delta.Transaction) error {
	if len(j.deleted) == 0 {
		return nil
	}
	w := j.t.table.NewVectorWriter()
	for _, d := range j.deleted {
		v, err := w.Add(d.rows)
		if err != nil {
			return err
		}
		tx.SetDeleted(d.file, v)
	}
	return w.Close(j.ctx)
}

// metrics are those that Spark writes for the operation.
func (j *job) metrics() map[string]string {
	r := &j.result
	m := map[string]string{
		"numAddedFiles": strconv.Itoa(r.AddedFiles), "numRemovedFiles": strconv.Itoa(r.RemovedFiles),
		"numAddedBytes": strconv.FormatInt(r.AddedBytes, 10), "numRemovedBytes": strconv.FormatInt(r.RemovedBytes, 10),
	}
	for name, n := range map[string]int64{
		"numInsertedRows": r.Inserted, "numUpdatedRows": r.Updated, "numDeletedRows": r.Deleted, "numCopiedRows": r.Copied,
		"numDeletionVectorsAdded": int64(len(j.deleted)),
	} {
		if n > 0 {
			m[name] = strconv.FormatInt(n, 10)
		}
	}
	if r.Inserted+r.Updated > 0 {
		m["numOutputRows"] = strconv.FormatInt(r.Inserted+r.Updated+r.Copied, 10)
	}
	return m
}
