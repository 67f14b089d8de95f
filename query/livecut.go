package query

import (
	"fmt"
	"math"
	"net/url"
	"sort"
	"strings"
	"time"

	"github.com/weir-data/weir/delta"
	"github.com/weir-data/weir/sql"
)

// LiveCut is where FOR LIVE AS OF cuts the sources of pipelines: at a time of arrival, or at positions.
type LiveCut struct {
	Time      time.Time // zero: at positions
	Positions []LivePosition
}

// LivePosition is the last record of a shard before the cut. Pipeline and Source may be empty where there is one only.
type LivePosition struct{ Pipeline, Source, Shard, Position string }

// liveCut is the cut that a statement chooses; nil: the newest records. text is the same for the same cut.
func (p *planner) liveCut(ref *sql.TableRef) (cut *LiveCut, text string, err error) {
	if ref.AsOf == nil {
		return nil, "", nil
	}
	if text, err = p.constant(ref.AsOf); err != nil {
		return nil, "", err
	}
	cut, err = parseLiveCut(text)
	if err != nil {
		return nil, "", &sql.Error{Code: "INVALID_ARGUMENTS", Pos: ref.Name.Pos, Msg: "FOR LIVE AS OF: " + err.Error()}
	}
	return cut, " AS OF '" + text + "'", nil
}

// parseLiveCut reads a time, or what cutText wrote.
func parseLiveCut(text string) (*LiveCut, error) {
	if at, ok := parseTime(strings.TrimSuffix(text, " UTC")); ok {
		return &LiveCut{Time: at}, nil
	}
	cut := new(LiveCut)
	if strings.TrimSpace(text) == "" {
		return cut, nil
	}
	for one := range strings.SplitSeq(text, ",") {
		where, position, ok := strings.Cut(strings.TrimSpace(one), ":")
		names := strings.Split(where, "/")
		if !ok || len(names) > 3 || position == "" {
			return nil, fmt.Errorf("%q is neither a timestamp nor [[PIPELINE/]SOURCE/]SHARD:SEQUENCE-NUMBER", one)
		}
		for i := range names {
			name, err := url.QueryUnescape(names[i])
			if err != nil || name == "" {
				return nil, fmt.Errorf("%q is no name", names[i])
			}
			names[i] = name
		}
		names = append(make([]string, 3-len(names)), names...)
		cut.Positions = append(cut.Positions, LivePosition{names[0], names[1], names[2], position})
	}
	return cut, nil
}

// of is the part of the cut for a pipeline, one of so many.
func (c *LiveCut) of(pipeline string, pipelines int) (*LiveCut, error) {
	if c == nil {
		return nil, nil
	}
	part := &LiveCut{Time: c.Time}
	for _, at := range c.Positions {
		if at.Pipeline == "" && pipelines > 1 {
			return nil, fmt.Errorf("%d pipelines write the table: write PIPELINE/SOURCE/%s:%s", pipelines, at.Shard, at.Position)
		}
		if at.Pipeline == "" || at.Pipeline == pipeline {
			part.Positions = append(part.Positions, at)
		}
	}
	return part, nil
}

// check refuses positions of pipelines that are not there.
func (c *LiveCut) check(found []LivePipeline) error {
	if c == nil {
		return nil
	}
	for _, at := range c.Positions {
		known := at.Pipeline == ""
		for _, f := range found {
			known = known || f.Name() == at.Pipeline
		}
		if !known {
			return fmt.Errorf("no pipeline called %s writes the table", at.Pipeline)
		}
	}
	return nil
}

// cutText is the cut of a table in the form that FOR LIVE AS OF takes.
func (l *liveTable) cutText() string {
	var all []string
	for i, t := range l.tails {
		sources := map[string]bool{}
		for _, c := range t.Cuts {
			sources[c.Source] = true
		}
		for _, c := range t.Cuts {
			if c.To == "" {
				continue
			}
			at := url.QueryEscape(c.Shard) + ":" + c.To
			if len(sources) > 1 || len(l.tails) > 1 {
				at = url.QueryEscape(c.Source) + "/" + at
			}
			if len(l.tails) > 1 {
				at = url.QueryEscape(l.names[i]) + "/" + at
			}
			all = append(all, at)
		}
	}
	return strings.Join(all, ",")
}

// liveVersion is the version of a table that a read FOR LIVE stands on.
type liveVersion struct {
	version  int64            // -1: the newest
	versions []int64          // that there are, if an older one was looked for
	below    map[string]int64 // by pipeline, batches that are not to count as held
}

// bound is the batch of a pipeline that the version lacks, or that is not to count.
func (v *liveVersion) bound(pipeline string) int64 {
	if below, ok := v.below[pipeline]; ok {
		return below
	}
	return math.MaxInt64
}

// older moves to the newest version of table that holds at most batch last of a pipeline; false if there is none.
func (p *planner) older(v *liveVersion, table *delta.Table, pipelines []string, passed string, last int64) (ok bool, err error) {
	if v.versions == nil {
		if v.versions, err = table.Versions(p.ctx); err != nil {
			return false, err
		}
	}
	n, err := p.firstWith(table, v.versions, passed, last)
	if err != nil || n == 0 {
		return false, err
	}
	if n < len(v.versions) && (v.version < 0 || v.versions[n-1] < v.version) {
		v.version = v.versions[n-1]
	}
	if v.below == nil {
		v.below = map[string]int64{}
	}
	v.below[passed] = min(last+1, v.bound(passed))
	if v.version < 0 {
		return true, nil
	}
	snapshot, err := table.SnapshotAt(p.ctx, v.version)
	if err != nil {
		return false, err
	}
	for _, name := range pipelines {
		next, err := p.firstWith(table, v.versions, name, heldOf(snapshot, name))
		if err != nil {
			return false, err
		}
		if next == len(v.versions) {
			continue
		}
		after, err := table.SnapshotAt(p.ctx, v.versions[next])
		if err != nil {
			return false, err
		}
		v.below[name] = min(heldOf(after, name), v.bound(name))
	}
	return true, nil
}

// firstWith is the index of the first version that holds a newer batch of a pipeline than last, and their number if none does.
func (p *planner) firstWith(table *delta.Table, versions []int64, pipeline string, last int64) (n int, err error) {
	n = sort.Search(len(versions), func(i int) bool {
		if err != nil {
			return true
		}
		var s *delta.Snapshot
		if s, err = table.SnapshotAt(p.ctx, versions[i]); err != nil {
			return true
		}
		return heldOf(s, pipeline) > last
	})
	return n, err
}

// heldOf is the newest batch of a pipeline that a version holds, -1 for none.
func heldOf(s *delta.Snapshot, pipeline string) int64 {
	if held, ok := s.Txn(pipeline); ok {
		return held
	}
	return -1
}
