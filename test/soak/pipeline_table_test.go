package soak

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/test/traffic"
)

// digest tells of a set of records how many there are and which: sums of their numbers, and of products that swap no two.
type digest struct{ Rows, Sum, Products int64 }

const digestBase = 1 << 16

func (d *digest) add(o digest) {
	d.Rows, d.Sum, d.Products = d.Rows+o.Rows, d.Sum+o.Sum, d.Products+o.Products
}

// digestOf is that of records 0 to n-1.
func digestOf(n int64) digest {
	d := digest{Rows: n, Sum: n * (n - 1) / 2}
	for high := int64(0); high*digestBase < n; high++ {
		low := min(digestBase, n-high*digestBase)
		d.Products += high * (low * (low - 1) / 2)
	}
	return d
}

// digest asks the table, by SQL.
func (p *pipelineSoak) digest(ctx context.Context, where string) (d digest, err error) {
	n := fmt.Sprintf("(ride - %d)", int64(traffic.RideFirst))
	out, err := p.server.command(ctx, "sql", "-o", "json", fmt.Sprintf("SELECT count(*) AS rows, coalesce(sum(%s), 0) AS sum, coalesce(sum((%s %% %d) * (%s / %d)), 0) AS products FROM lake.rides%s",
		n, n, digestBase, n, digestBase, where))
	if err != nil {
		return d, err
	}
	return d, json.Unmarshal(out, &d)
}

// partition is an hour's files.
type partition struct {
	hour   time.Time
	values map[string]*string
	sizes  []int64
}

func (p *partition) bytes() (n int64) {
	for _, s := range p.sizes {
		n += s
	}
	return n
}

// where is a condition that names the partition.
func (p *partition) where() string {
	var terms []string
	for _, name := range slices.Sorted(maps.Keys(p.values)) {
		terms = append(terms, name+" = "+*p.values[name])
	}
	return " WHERE " + strings.Join(terms, " AND ")
}

// table reads the table's log; a table that is not there yet has no partitions.
func (p *pipelineSoak) table(ctx context.Context) (version int64, all []*partition, err error) {
	dir := filepath.Join(p.server.data, tablePath)
	if _, err := os.Stat(filepath.Join(dir, "_delta_log")); err != nil {
		return -1, nil, nil
	}
	t, err := delta.Open(ctx, delta.Dir(dir))
	if err != nil {
		return 0, nil, err
	}
	s, err := t.Snapshot(ctx)
	if err != nil {
		return 0, nil, err
	}
	by := map[time.Time]*partition{}
	for f, err := range s.Files(nil) {
		if err != nil {
			return 0, nil, err
		}
		var parts [4]int
		for i, name := range []string{"year", "month", "day", "hour"} {
			if parts[i], err = strconv.Atoi(*f.Partition[name]); err != nil {
				return 0, nil, err
			}
		}
		hour := time.Date(parts[0], time.Month(parts[1]), parts[2], parts[3], 0, 0, 0, time.UTC)
		if by[hour] == nil {
			by[hour] = &partition{hour: hour, values: f.Partition}
			all = append(all, by[hour])
		}
		by[hour].sizes = append(by[hour].sizes, f.Size)
	}
	slices.SortFunc(all, func(a, b *partition) int { return a.hour.Compare(b.hour) })
	return s.Version(), all, nil
}

const (
	keepEvery  = 20 * time.Second
	vacuumLife = "1m"
)

// over says whether an hour has been over for long enough.
func (p *pipelineSoak) over(hour time.Time) bool {
	return p.eventTime().Sub(hour.Add(time.Hour)).Seconds() > rest.Seconds()**speed
}

// keep deletes hours that have been over for a while, and vacuums.
func (p *pipelineSoak) keep(ctx context.Context) error {
	for pause(ctx, keepEvery); ctx.Err() == nil; pause(ctx, keepEvery) {
		_, all, err := p.table(ctx)
		if err != nil {
			return err
		}
		for _, part := range all {
			if !p.over(part.hour) {
				continue
			}
			d, err := p.digest(ctx, part.where())
			if err != nil {
				return err
			}
			if _, err := p.server.command(ctx, "sql", "DELETE FROM lake.rides"+part.where()); err != nil {
				return err
			}
			p.dropped.add(d)
			p.closed = append(p.closed, *part)
		}
		if p.done.Load() == 0 {
			continue
		}
		if _, err := p.server.command(ctx, "table", "vacuum", "lake.rides", "--retention", vacuumLife, "--force"); err != nil {
			return err
		}
	}
	return nil
}
