package delta

import (
	"bytes"
	"encoding/json"
)

// logPart is some lines of commits, of a log compaction or a JSON checkpoint: decoded apart from what comes before it, so that
// several are decoded side by side.
type logPart struct {
	key     string   // of the object that the last lines are of
	lines   int      // of that object
	actions []Action // that are not about data files, in their order
	files   chunk    // texts lie in the lines
	runs    []*run   // of files that were packed, oldest first; before those in files
	bad     error    // about the line behind those that were counted

	line []byte // a copy of the one that is read
}

// startCommit notes that lines of another object follow. A commit has a time only if its own commitInfo says so.
func (p *logPart) startCommit(key string) {
	p.key, p.lines = key, 0
	p.actions = append(p.actions, Action{CommitInfo: &CommitInfo{}})
}

// parse decodes lines, which it writes over; place is where the table's folder lies. Of commitInfo only the time is read.
func (p *logPart) parse(body []byte, place string) {
	for len(body) > 0 && p.bad == nil {
		line := body
		if i := bytes.IndexByte(body, '\n'); i >= 0 {
			line, body = body[:i], body[i+1:]
		} else {
			body = nil
		}
		if p.bad = p.parseLine(line, place); p.bad == nil {
			p.lines++
		}
	}
}

func (p *logPart) parseLine(line []byte, place string) error {
	p.line = append(p.line[:0], line...)
	if f, ok := scanFileLine(p.line, line); ok {
		done, err := p.addLine(&f, place)
		if done || err != nil {
			return err
		}
	}
	line = bytes.TrimSpace(p.line)
	if len(line) == 0 {
		return nil
	}
	if info, ok := scanCommitTime(line); ok {
		p.actions = append(p.actions, Action{CommitInfo: info})
		return nil
	}
	a, err := decodeSlowly(line)
	if err != nil {
		return err
	}
	e, err := fileEntry(a, place)
	if err != nil {
		return err
	}
	if e == nil {
		p.actions = append(p.actions, a)
		return nil
	}
	p.files.addOwn(e.record())
	return nil
}

// addLine takes a line that was scanned; false if encoding/json is to look at it.
func (p *logPart) addLine(f *fileLine, place string) (bool, error) {
	if f.partition != nil {
		if _, ok := p.files.numbers[string(f.partition)]; !ok {
			values, ok := f.parsePartition()
			if !ok {
				return false, nil
			}
			p.files.addValues(string(f.partition), values)
		}
	}
	r := record{size: f.size, at: f.at, stats: f.stats}
	if f.remove {
		r.flags |= flagRemove
	}
	if f.dataChange {
		r.flags |= flagDataChange
	}
	if f.extended {
		r.flags |= flagExtended
	}
	var more rest
	if f.members&(memberTags|memberVector|memberRowID|memberRowVersion|memberCluster) != 0 {
		var ok bool
		if more, ok = f.rest(); !ok {
			return false, nil
		}
	}
	if err := r.setKey(f.path, &more, place); err != nil {
		return false, err
	}
	if f.partition != nil {
		r.values = p.files.numbers[string(f.partition)]
	}
	p.files.records = append(p.files.records, r)
	return true, nil
}

// scanCommitTime reads a line that is a commitInfo and nothing else, of which only the inCommitTimestamp is wanted.
func scanCommitTime(line []byte) (*CommitInfo, bool) {
	s := lineScanner{b: line, to: bytes.Clone(line)}
	name, ok := s.open()
	if !ok || string(name) != "commitInfo" {
		return nil, false
	}
	s.space()
	body, ok := s.object()
	if !ok || !s.byte('}') || s.i != len(line) {
		return nil, false
	}
	var info struct {
		InCommitTimestamp json.RawMessage `json:"inCommitTimestamp"`
	}
	if json.Unmarshal(body, &info) != nil {
		return nil, false
	}
	out := &CommitInfo{}
	if len(info.InCommitTimestamp) > 0 && json.Unmarshal(info.InCommitTimestamp, &out.InCommitTimestamp) != nil {
		out.InCommitTimestamp = nil
	}
	return out, true
}

// pack sorts and packs the files, after which the lines are no longer needed.
func (p *logPart) pack() {
	if len(p.files.records) > 0 {
		p.runs = append(p.runs, p.files.pack())
		p.files.reset()
	}
}

// fileEntry is what an action says about a data file, nil if it is about something else.
func fileEntry(a Action, place string) (*entry, error) {
	var e entry
	var encoded string
	var dv *DeletionVector
	switch {
	case a.Add != nil:
		e.add, encoded, dv = a.Add, a.Add.Path, a.Add.DeletionVector
	case a.Remove != nil:
		e.remove, encoded, dv = a.Remove, a.Remove.Path, a.Remove.DeletionVector
	default:
		return nil, nil
	}
	path, outside, err := decodePathAt(place, encoded)
	if err != nil {
		return nil, err
	}
	e.key, e.outside = entryKey(path, dv), outside
	return &e, nil
}
