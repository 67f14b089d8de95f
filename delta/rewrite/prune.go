package rewrite

import (
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/sql"
)

// pruner tells files that may hold rows for which all predicates are true.
type pruner struct {
	schema *columnar.Schema
	by     map[string]bool // partition columns, in lower case
	all    map[string][]sql.Predicate
}

func (j *job) pruner(predicates []sql.Predicate) *pruner {
	p := &pruner{schema: j.snapshot.Schema(), by: map[string]bool{}, all: map[string][]sql.Predicate{}}
	for _, name := range j.snapshot.PartitionBy() {
		p.by[strings.ToLower(name)] = true
	}
	for _, x := range predicates {
		if i := indexOf(p.schema.Fields, x.Column); i >= 0 && hasChars(&p.schema.Fields[i]) {
			continue
		}
		p.all[x.Column] = append(p.all[x.Column], x)
	}
	return p
}

// candidates are the files that a condition may hold in.
func (j *job) candidates(predicates []sql.Predicate) (files []*delta.File, err error) {
	p := j.pruner(predicates)
	for f, err := range j.snapshot.FilesIn(p.inside, p.keeps) {
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// match is keeps for files whose partition was not looked at yet.
func (p *pruner) match(f *delta.File) bool { return p.inside(f.Partition) && p.keeps(f) }

func (p *pruner) inside(partition map[string]*string) bool {
	for name, v := range partition {
		lower := strings.ToLower(name)
		for _, x := range p.all[lower] {
			if v == nil || *v == "" || !possible(x, p.schema.Fields[p.schema.Index(name)].Type, *v, *v) {
				return false
			}
		}
	}
	return true
}

func (p *pruner) keeps(f *delta.File) bool {
	if f.Stats == nil {
		return true
	}
	for i := range p.schema.Fields {
		field := &p.schema.Fields[i]
		lower := strings.ToLower(field.Name)
		if p.by[lower] {
			continue
		}
		for _, x := range p.all[lower] {
			if n, ok := number(f.Stats.NullCount[field.Name]); ok && n == f.Stats.NumRecords {
				return false // a predicate is not true for null
			}
			low, ok1 := boundText(f.Stats.Min[field.Name], field.Type, 0)
			high, ok2 := boundText(f.Stats.Max[field.Name], field.Type, time.Millisecond)
			if ok1 && ok2 && !possible(x, field.Type, low, high) {
				return false
			}
		}
	}
	return true
}

func number(v any) (int64, bool) {
	switch v := v.(type) {
	case json.Number:
		n, err := v.Int64()
		return n, err == nil
	case int64:
		return v, true
	}
	return 0, false
}

// boundText is a bound of statistics as text. Those of timestamps are cut to milliseconds: slack makes up for it.
func boundText(v any, t columnar.Type, slack time.Duration) (string, bool) {
	switch v := v.(type) {
	case json.Number:
		return v.String(), true
	case string:
		if t.Kind != columnar.Timestamp && t.Kind != columnar.TimestampNTZ {
			return v, true
		}
		at, err := delta.ParseTimestamp(v)
		return at.Add(slack).Format("2006-01-02 15:04:05.999999999"), err == nil
	}
	return "", false
}

// possible says whether some value between low and high may fulfil x. What cannot be compared is possible.
func possible(x sql.Predicate, t columnar.Type, low, high string) bool {
	for _, v := range x.Values {
		a, ok1 := compare(t, low, v)
		b, ok2 := compare(t, high, v)
		if !ok1 || !ok2 {
			return true
		}
		switch x.Op {
		case "=", "IN":
			if a <= 0 && b >= 0 {
				return true
			}
		case "<":
			return a < 0
		case "<=":
			return a <= 0
		case ">":
			return b > 0
		case ">=":
			return b >= 0
		default:
			return true
		}
	}
	return false
}

func compare(t columnar.Type, value string, lit sql.Literal) (order int, ok bool) {
	switch t.Kind {
	case columnar.Int8, columnar.Int16, columnar.Int32, columnar.Int64, columnar.Decimal:
		a, ok1 := new(big.Rat).SetString(value)
		b, ok2 := new(big.Rat).SetString(lit.Text)
		if !ok1 || !ok2 || len(lit.Text) > 60 {
			return 0, false
		}
		return a.Cmp(b), true
	case columnar.String:
		return strings.Compare(value, lit.Text), lit.Type.Name == "varchar"
	case columnar.Date, columnar.Timestamp, columnar.TimestampNTZ:
		a, err1 := delta.ParseTimestamp(value)
		b, err2 := delta.ParseTimestamp(lit.Text)
		return a.Compare(b), err1 == nil && err2 == nil
	}
	return 0, false
}

// partitions are the distinct partitions of the files, and the files of each.
func partitions(files []*delta.File, by []string) (list []map[string]*string, of map[string][]*delta.File) {
	of = map[string][]*delta.File{}
	for _, f := range files {
		key := partitionKey(f.Partition, by)
		if of[key] == nil {
			list = append(list, f.Partition)
		}
		of[key] = append(of[key], f)
	}
	return list, of
}

func partitionKey(p map[string]*string, by []string) string {
	var b strings.Builder
	for _, name := range by {
		if v := p[name]; v == nil || *v == "" {
			b.WriteString("-")
		} else {
			fmt.Fprintf(&b, "%d:%s", len(*v), *v)
		}
	}
	return b.String()
}
