package query

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/objstore"
	"github.com/weir-data/weir/sql"
)

// tableFilesMax bounds the files of one table in one query.
const tableFilesMax = 1_000_000

// folderFiles are the files of a table that is plain folders: those of its partitions that the predicates leave, or all
// below its location.
func (p *planner) folderFiles(t *planned) ([]dataFile, error) {
	bucket, prefix, err := location(t.table.Storage.Location)
	if err != nil {
		return nil, &sql.Error{Code: "HIVE_METASTORE_ERROR", Msg: fmt.Sprintf("table %s.%s: %s", t.table.Database, t.table.Name, err)}
	}
	if len(t.table.PartitionKeys) == 0 {
		return p.s.list(p.ctx, bucket, prefix, nil)
	}
	folders, err := p.partitionFolders(t)
	if err != nil {
		return nil, err
	}
	return p.filesOf(bucket, prefix, folders)
}

// folder is one partition: where it lies and the values of the keys.
type folder struct {
	bucket, prefix string
	values         map[string]*string
}

// location splits a table's or partition's location; the prefix ends with a slash unless it is the whole bucket.
func location(url string) (bucket, prefix string, err error) {
	bucket, prefix, err = objstore.ParseURL(url)
	if err != nil {
		return "", "", err
	}
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	return bucket, prefix, nil
}

// partitionFolders are the partitions that the predicates leave: projected ones, or those of the catalog.
func (p *planner) partitionFolders(t *planned) ([]folder, error) {
	pr := newPrune(t.source.Predicates)
	types := map[string]sql.Type{}
	for _, c := range t.source.Columns {
		types[c.Name] = c.Type
	}
	if strings.EqualFold(t.table.Parameters["projection.enabled"], "true") {
		return projectedFolders(t.table, pr, types, p.s.now())
	}
	parts, err := p.s.opts.Catalog.Partitions(p.ctx, t.table.Database, t.table.Name, "")
	if err != nil {
		return nil, fmt.Errorf("list partitions of %s.%s: %w", t.table.Database, t.table.Name, err)
	}
	var out []folder
	for _, part := range parts {
		values := partitionValues(t.table, part.Values)
		if !keepsFolder(pr, types, values) {
			continue
		}
		bucket, prefix, err := location(part.Storage.Location)
		if err != nil {
			return nil, &sql.Error{Code: "HIVE_METASTORE_ERROR", Msg: fmt.Sprintf("partition %v of %s.%s: %s", part.Values, t.table.Database, t.table.Name, err)}
		}
		out = append(out, folder{bucket, prefix, values})
	}
	return out, nil
}

// hiveNull stands for NULL in partition folders.
const hiveNull = "__HIVE_DEFAULT_PARTITION__"

func partitionValues(t catalog.Table, values []string) map[string]*string {
	out := make(map[string]*string, len(values))
	for i, k := range t.PartitionKeys {
		if i < len(values) && values[i] != hiveNull {
			out[strings.ToLower(k.Name)] = &values[i]
		}
	}
	return out
}

func keepsFolder(pr prune, types map[string]sql.Type, values map[string]*string) bool {
	for name := range pr {
		if t, ok := types[name]; ok {
			if _, isKey := values[name]; isKey && !pr.keepsValue(name, t, values[name]) {
				return false
			}
		}
	}
	return true
}

// oneByOneMax is the number of partitions up to which each is listed by itself; more are found in one listing of the
// whole table.
const oneByOneMax = 16

// filesOf lists the files of partitions.
func (p *planner) filesOf(bucket, root string, folders []folder) ([]dataFile, error) {
	var out []dataFile
	inside := map[string]folder{}
	for _, f := range folders {
		if len(folders) > oneByOneMax && f.bucket == bucket && strings.HasPrefix(f.prefix, root) && root != f.prefix {
			inside[f.prefix] = f
			continue
		}
		files, err := p.s.list(p.ctx, f.bucket, f.prefix, f.values)
		if err != nil {
			return nil, err
		}
		out = append(out, files...)
	}
	if len(inside) == 0 {
		return out, nil
	}
	all, err := p.s.list(p.ctx, bucket, root, nil)
	if err != nil {
		return nil, err
	}
	for _, f := range all {
		if part, ok := folderOf(inside, f.key, len(root)); ok {
			f.values = part.values
			out = append(out, f)
		}
	}
	return out, nil
}

// folderOf finds the partition that holds a key: the nearest folder above it.
func folderOf(folders map[string]folder, key string, rootLen int) (folder, bool) {
	for dir := key; ; {
		i := strings.LastIndexByte(strings.TrimSuffix(dir, "/"), '/')
		if i < 0 || i+1 < rootLen {
			return folder{}, false
		}
		dir = dir[:i+1]
		if f, ok := folders[dir]; ok {
			return f, true
		}
	}
}

// list returns the data files below a prefix: those that are not empty and not hidden (names that start with _ or .).
func (s *Service) list(ctx context.Context, bucket, prefix string, values map[string]*string) ([]dataFile, error) {
	var out []dataFile
	opts := objstore.ListOptions{Prefix: prefix}
	for {
		page, err := s.opts.Objects.List(ctx, bucket, opts)
		if errors.Is(err, objstore.ErrNoSuchBucket) {
			return nil, &sql.Error{Code: "PERMISSION_DENIED", Msg: fmt.Sprintf("The specified bucket does not exist (Service: Amazon S3; Status Code: 404; Error Code: NoSuchBucket; Bucket: %s)", bucket)}
		}
		if err != nil {
			return nil, fmt.Errorf("list s3://%s/%s: %w", bucket, prefix, err)
		}
		for _, o := range page.Objects {
			if o.Size > 0 && !hidden(o.Key[len(prefix):]) {
				out = append(out, dataFile{bucket: bucket, key: o.Key, size: o.Size, etag: o.ETag, values: values})
			}
		}
		if len(out) > tableFilesMax {
			return nil, &sql.Error{Code: "EXCEEDED_LIMIT", Msg: fmt.Sprintf("more than %d files below s3://%s/%s", tableFilesMax, bucket, prefix)}
		}
		if page.Next == "" {
			return out, nil
		}
		opts.After = page.Next
	}
}

// hidden says whether any part of a key below a table's folder starts with an underscore or a dot.
func hidden(rest string) bool {
	if strings.HasSuffix(rest, "/") || strings.HasSuffix(rest, "_$folder$") {
		return true
	}
	for part := range strings.SplitSeq(rest, "/") {
		if strings.HasPrefix(part, "_") || strings.HasPrefix(part, ".") {
			return true
		}
	}
	return false
}

// hivePath is the folder k=v/k=v/ of a partition.
func hivePath(keys []catalog.Column, values []string) string {
	var b strings.Builder
	for i, k := range keys {
		b.WriteString(strings.ToLower(k.Name) + "=" + escapeHive(values[i]) + "/")
	}
	return b.String()
}

// escapeHive writes a partition value as Hive does in a path: characters that are special there as %XX.
func escapeHive(v string) string {
	if v == "" {
		return hiveNull
	}
	var b strings.Builder
	for i := range len(v) {
		c := v[i]
		if c < 0x20 || c == 0x7f || strings.IndexByte(`"#%'*/:=?\{[]^`, c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// hiveValues reads k=v/k=v/… below a table's folder; ok is false if the folders are not the table's keys in order.
func hiveValues(keys []catalog.Column, rest string) (values []string, ok bool) {
	parts := strings.Split(rest, "/")
	if len(parts) < len(keys) {
		return nil, false
	}
	for i, k := range keys {
		name, value, found := strings.Cut(parts[i], "=")
		if !found || name != strings.ToLower(k.Name) {
			return nil, false
		}
		v, err := url.PathUnescape(value)
		if err != nil {
			return nil, false
		}
		values = append(values, v)
	}
	return values, true
}
