package query

import (
	"errors"
	"slices"
	"strings"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/sql"
)

// partitionOf reads a PARTITION (…) clause: values for all keys of the table, in order.
func (d *definer) partitionOf(n sql.Name, spec sql.PartitionSpec) (catalog.Table, []string, error) {
	t, err := d.table(n)
	if err != nil {
		return t, nil, err
	}
	values, err := partitionSpec(t, spec)
	return t, values, err
}

func partitionSpec(t catalog.Table, spec sql.PartitionSpec) ([]string, error) {
	if len(spec.Values) != len(t.PartitionKeys) {
		return nil, failed("SemanticException: partition spec %s doesn't contain all (%d) partition columns", specText(spec), len(t.PartitionKeys))
	}
	values := make([]string, len(t.PartitionKeys))
	for i, k := range t.PartitionKeys {
		j := slices.IndexFunc(spec.Values, func(v sql.PartitionValue) bool { return strings.EqualFold(v.Key, k.Name) })
		if j < 0 {
			return nil, failed("SemanticException: Partition key %s is missing in %s", k.Name, specText(spec))
		}
		values[i] = spec.Values[j].Value
	}
	return values, nil
}

func specText(spec sql.PartitionSpec) string {
	parts := make([]string, len(spec.Values))
	for i, v := range spec.Values {
		parts[i] = v.Key + "=" + v.Value
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// newPartition is a partition as DDL makes it: the table's storage at its own place.
func newPartition(t catalog.Table, values []string, location string) catalog.Partition {
	p := catalog.Partition{Values: values, Storage: t.Storage}
	p.Storage.Location = location
	if location == "" {
		p.Storage.Location = strings.TrimSuffix(t.Storage.Location, "/") + "/" + strings.TrimSuffix(hivePath(t.PartitionKeys, values), "/")
	}
	return p
}

func (d *definer) addPartitions(st *sql.AddPartitions) error {
	t, err := d.table(st.Table)
	if err != nil {
		return err
	}
	if len(t.PartitionKeys) == 0 {
		return failed("SemanticException: Table %s is not partitioned", t.Name)
	}
	var parts []catalog.Partition
	for _, spec := range st.Partitions {
		values, err := partitionSpec(t, spec)
		if err != nil {
			return err
		}
		if !st.IfNotExists {
			if _, err := d.find(t, values); err == nil {
				return failed("Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. AlreadyExistsException(message:Partition already exists: %s)", specText(spec))
			}
		}
		parts = append(parts, newPartition(t, values, spec.Location))
	}
	_, err = d.opts.Catalog.AddPartitions(d.r.ctx, t.Database, t.Name, parts)
	return tableError(err, t.Database, t.Name)
}

// find looks up one partition.
func (d *definer) find(t catalog.Table, values []string) (catalog.Partition, error) {
	parts, err := d.opts.Catalog.Partitions(d.r.ctx, t.Database, t.Name, "")
	if err != nil {
		return catalog.Partition{}, err
	}
	for _, p := range parts {
		if slices.Equal(p.Values, values) {
			return p, nil
		}
	}
	return catalog.Partition{}, failed("SemanticException [Error 10006]: Partition not found %v", values)
}

func (d *definer) dropPartitions(st *sql.DropPartitions) error {
	t, err := d.table(st.Table)
	if err != nil {
		return err
	}
	var all [][]string
	for _, spec := range st.Partitions {
		values, err := partitionSpec(t, spec)
		if err != nil {
			return err
		}
		all = append(all, values)
	}
	for _, values := range all {
		err := d.opts.Catalog.DeletePartition(d.r.ctx, t.Database, t.Name, values)
		if errors.Is(err, catalog.ErrNotFound) {
			if st.IfExists {
				continue
			}
			return failed("SemanticException [Error 10006]: Partition not found %v", values)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *definer) renamePartition(st *sql.RenamePartition) error {
	t, from, err := d.partitionOf(st.Table, st.From)
	if err != nil {
		return err
	}
	to, err := partitionSpec(t, st.To)
	if err != nil {
		return err
	}
	old, err := d.find(t, from)
	if err != nil {
		return err
	}
	if _, err := d.find(t, to); err == nil {
		return failed("Execution Error, return code 1 from org.apache.hadoop.hive.ql.exec.DDLTask. Partition already exists: %s", specText(st.To))
	}
	old.Values = to
	if _, err := d.opts.Catalog.AddPartitions(d.r.ctx, t.Database, t.Name, []catalog.Partition{old}); err != nil {
		return err
	}
	return d.opts.Catalog.DeletePartition(d.r.ctx, t.Database, t.Name, from)
}

// replacePartition puts a changed partition in the place of the old one.
func (d *definer) replacePartition(t catalog.Table, values []string, p catalog.Partition) error {
	if err := d.opts.Catalog.DeletePartition(d.r.ctx, t.Database, t.Name, values); err != nil {
		return err
	}
	_, err := d.opts.Catalog.AddPartitions(d.r.ctx, t.Database, t.Name, []catalog.Partition{p})
	return err
}

// repair registers the partitions whose folders (k=v in the order of the keys) hold files and that the catalog does not
// know. It never removes any, as on Athena.
func (d *definer) repair(st *sql.RepairTable) ([]string, error) {
	t, err := d.table(st.Table)
	if err != nil {
		return nil, err
	}
	if len(t.PartitionKeys) == 0 {
		return nil, failed("SemanticException: Table %s.%s is not a partitioned table", t.Database, t.Name)
	}
	bucket, prefix, err := location(t.Storage.Location)
	if err != nil {
		return nil, failed("SemanticException: %s", err)
	}
	files, err := d.list(d.r.ctx, bucket, prefix, nil)
	if err != nil {
		return nil, err
	}
	known, err := d.opts.Catalog.Partitions(d.r.ctx, t.Database, t.Name, "")
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, p := range known {
		seen[strings.Join(p.Values, "\x00")] = true
	}
	var add []catalog.Partition
	var lines []string
	for _, f := range files {
		values, ok := hiveValues(t.PartitionKeys, f.key[len(prefix):])
		if id := strings.Join(values, "\x00"); ok && !seen[id] {
			seen[id] = true
			add = append(add, newPartition(t, values, ""))
			lines = append(lines, "Partitions not in metastore:\t"+t.Name+":"+strings.TrimSuffix(hivePath(t.PartitionKeys, values), "/"))
		}
	}
	for batch := range slices.Chunk(add, 100) {
		if _, err := d.opts.Catalog.AddPartitions(d.r.ctx, t.Database, t.Name, batch); err != nil {
			return nil, err
		}
	}
	for _, p := range add {
		lines = append(lines, "Repair: Added partition to metastore "+t.Name+":"+strings.TrimSuffix(hivePath(t.PartitionKeys, p.Values), "/"))
	}
	return lines, nil
}
