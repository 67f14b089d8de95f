package crawler

import (
	"crypto/md5"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-data/weir/catalog"
	"github.com/weir-data/weir/columnar"
)

// Table parameters that AWS's crawler sets.
const (
	paramClassification = "classification"
	paramCrawler        = "UPDATED_BY_CRAWLER"
	paramDeprecated     = "DEPRECATED_BY_CRAWLER"
)

// statistics are the parameters that change with the data; they alone make no version of a table.
var statistics = []string{"recordCount", "averageRecordSize", "objectCount", "sizeKey", "delta.lastUpdateVersion"}

// table is the catalog's form of a unit, for the crawler c.
func (u *unit) table(bucket string, c *catalog.Crawler) (catalog.Table, []catalog.Partition) {
	keys := u.keys()
	t := catalog.Table{
		Database: c.Database, Name: tableName(c.TablePrefix, u, bucket), Owner: "owner", Type: "EXTERNAL_TABLE",
		Storage: u.shape.storage(), PartitionKeys: keys, Parameters: u.parameters(c),
	}
	t.Storage.Columns = u.columns(keys)
	t.Storage.Location = "s3://" + bucket + "/" + u.root.key
	if u.file != "" {
		t.Storage.Location = "s3://" + bucket + "/" + u.file
	}
	if u.depth == 0 {
		return t, nil
	}
	fixed := maps.Clone(t.Parameters)
	for _, k := range statistics {
		delete(fixed, k)
	}
	delete(fixed, paramCrawler)
	var ps []catalog.Partition
	for _, l := range u.leaves {
		p := catalog.Partition{Storage: t.Storage, Parameters: fixed}
		p.Storage.Location = "s3://" + bucket + "/" + l.folder.key
		for i, part := range l.path {
			p.Values = append(p.Values, partitionValue(part, keys[i].Name))
		}
		ps = append(ps, p)
	}
	return t, ps
}

// columns are the unit's columns without those that partition keys hide.
func (u *unit) columns(keys []catalog.Column) []catalog.Column {
	var out []catalog.Column
	seen := map[string]bool{}
	for _, k := range keys {
		seen[k.Name] = true
	}
	for _, f := range u.shape.fields {
		name := strings.ToLower(strings.TrimSpace(f.Name))
		if name == "" {
			name = "col" + strconv.Itoa(len(out)) // the last cell of a header may be empty
		}
		if seen[name] {
			continue
		}
		seen[name] = true
		out = append(out, catalog.Column{Name: name, Type: hive(f.Type)})
	}
	return out
}

// keys are the partition keys: key of key=value folders where a level has one, else partition_0 and so on. All are
// strings, as AWS's crawler has them; a Delta table's have the types of its schema.
func (u *unit) keys() []catalog.Column {
	if u.shape.delta != nil {
		return deltaKeys(u.shape)
	}
	var keys []catalog.Column
	for i := range u.depth {
		name := u.keyName(i)
		taken := slices.ContainsFunc(keys, func(c catalog.Column) bool { return c.Name == name })
		if name == "" || taken {
			name = "partition_" + strconv.Itoa(i)
		}
		keys = append(keys, catalog.Column{Name: name, Type: "string"})
	}
	return keys
}

// keyName is the key that all folders of a partition level share, or empty.
func (u *unit) keyName(level int) string {
	first, _, ok := strings.Cut(u.leaves[0].path[level], "=")
	for _, l := range u.leaves {
		key, _, has := strings.Cut(l.path[level], "=")
		ok = ok && has && strings.EqualFold(key, first)
	}
	if !ok {
		return ""
	}
	return strings.ToLower(first)
}

func deltaKeys(sh *shape) []catalog.Column {
	var keys []catalog.Column
	for _, name := range sh.delta.partitionBy {
		for _, f := range sh.fields {
			if strings.EqualFold(f.Name, name) {
				keys = append(keys, catalog.Column{Name: strings.ToLower(name), Type: hive(f.Type)})
			}
		}
	}
	return keys
}

// partitionValue is what a folder's name says: what follows the = for key=value, with Hive's escapes undone.
func partitionValue(part, key string) string {
	name, value, ok := strings.Cut(part, "=")
	if !ok || !strings.EqualFold(name, key) {
		return part
	}
	if plain, err := url.PathUnescape(value); err == nil {
		value = plain
	}
	if value == "" {
		return "__HIVE_DEFAULT_PARTITION__"
	}
	return value
}

// parameters are what AWS's crawler says about a table. Counts of records are estimated from what was read.
func (u *unit) parameters(c *catalog.Crawler) map[string]string {
	sh := u.shape
	if sh.delta != nil {
		return map[string]string{
			paramClassification: "delta", "table_type": "DELTA", "EXTERNAL": "TRUE",
			"spark.sql.sources.provider": "delta", "spark.sql.partitionProvider": "catalog",
			"CrawlerSchemaSerializerVersion": "1.0", "CrawlerSchemaDeserializerVersion": "1.0",
			"delta.lastUpdateVersion": strconv.FormatInt(sh.delta.version, 10), paramCrawler: c.Name,
		}
	}
	objects, bytes := u.size()
	records, average := int64(0), int64(0)
	if sh.records > 0 {
		records = int64(float64(sh.records) * float64(bytes) / float64(max(1, sh.stored)))
		average = max(1, sh.raw/sh.records)
	}
	p := map[string]string{
		paramClassification: sh.classification, "compressionType": sh.compression, "typeOfData": "file",
		"CrawlerSchemaSerializerVersion": "1.0", "CrawlerSchemaDeserializerVersion": "1.0", paramCrawler: c.Name,
		"objectCount": strconv.FormatInt(objects, 10), "sizeKey": strconv.FormatInt(bytes, 10),
		"recordCount": strconv.FormatInt(records, 10), "averageRecordSize": strconv.FormatInt(average, 10),
	}
	if sh.classification == "csv" {
		p["delimiter"] = string(sh.delimiter)
		p["columnsOrdered"] = "true"
		p["areColumnsQuoted"] = strconv.FormatBool(sh.quoted)
		if sh.header {
			p["skip.header.line.count"] = "1"
		}
	}
	if sh.array {
		p["jsonPath"] = "$[*]"
	}
	return p
}

// tableName is the name of the table's folder or object (of the bucket, at its root) in the letters that Hive allows.
func tableName(prefix string, u *unit, bucket string) string {
	name := u.root.name
	if name == "" {
		name = bucket
	}
	if u.file != "" {
		name = u.file[strings.LastIndexByte(u.file, '/')+1:]
	}
	if key, value, ok := strings.Cut(name, "="); ok && u.file == "" {
		name = key + "_" + value
	}
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, strings.ToLower(name))
	return strings.ToLower(prefix) + name
}

// otherName is the name for a table whose own name another table of the database has.
func otherName(t catalog.Table) string {
	return fmt.Sprintf("%s_%x", t.Name, md5.Sum([]byte(t.Storage.Location)))
}

// paths lists the top-level fields as AWS's crawler tells the JSON SerDe.
func paths(fields []columnar.Field) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	slices.Sort(names)
	return strings.Join(names, ",")
}
