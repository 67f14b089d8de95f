package delta

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// record is an entry on its way into a run or out of it. Its texts belong to somebody else, so that reading a million of
// them takes no memory of their own.
type record struct {
	key    []byte
	stats  []byte
	rest   []byte // JSON of rest, empty if that is
	values int    // number of its partition values in a chunk
	flags  byte
	size   int64 // bytes
	at     int64 // modification time of an add, deletion time of a remove, milliseconds since the epoch
}

// rest is what few files have.
type rest struct {
	Path                    string             `json:"p,omitempty"` // as in the log, where the key does not tell it
	Tags                    map[string]*string `json:"t,omitempty"`
	DeletionVector          *DeletionVector    `json:"d,omitempty"`
	BaseRowID               *int64             `json:"r,omitempty"`
	DefaultRowCommitVersion *int64             `json:"c,omitempty"`
	ClusteringProvider      string             `json:"g,omitempty"`
}

func (r *rest) empty() bool {
	return r.Path == "" && len(r.Tags) == 0 && r.DeletionVector == nil && r.BaseRowID == nil &&
		r.DefaultRowCommitVersion == nil && r.ClusteringProvider == ""
}

// text is the JSON of a rest, nil for an empty one. There is none that has no JSON.
func (r *rest) text() []byte {
	if r.empty() {
		return nil
	}
	text, err := json.Marshal(r)
	if err != nil {
		panic("delta: pack file: " + err.Error())
	}
	return text
}

// setPath notes how the log writes the path of a key.
func (r *rest) setPath(key, path string) (flag byte) {
	plain := pathOf(key)
	switch path {
	case plain:
		return 0
	case encodePath(plain):
		return flagEncoded
	}
	r.Path = path
	return 0
}

// setKey sets key and rest of a record whose path the log writes so; more is its rest but for the path.
func (r *record) setKey(path []byte, more *rest, place string) error {
	if r.key = path; len(path) == 0 {
		return fmt.Errorf("%w: a data file without path", ErrCorrupt)
	}
	if more.DeletionVector != nil || !isPlainKey(path) {
		text := string(path)
		key, outside, err := decodePathAt(place, text)
		if err != nil {
			return err
		}
		if outside {
			r.flags |= flagOutside
		}
		key = entryKey(key, more.DeletionVector)
		r.flags |= more.setPath(key, text)
		r.key = []byte(key)
	}
	r.rest = more.text()
	return nil
}

// isPlainKey says that a path is, without a further look, the key of an object of the table's folder.
func isPlainKey(path []byte) bool {
	if c := path[0]; c == '/' || c == '_' || c == '.' {
		return false
	}
	return bytes.IndexByte(path, '%') < 0 && bytes.IndexByte(path, ':') < 0 && bytes.IndexByte(path, 0) < 0 && !bytes.Contains(path, []byte("/."))
}

// record is the entry with texts of its own, without partition values.
func (e *entry) record() (record, map[string]*string) {
	out := record{key: []byte(e.key)}
	if e.outside {
		out.flags |= flagOutside
	}
	var more rest
	var values map[string]*string
	var path string
	var dataChange bool
	if a := e.add; a != nil {
		out.size, out.at, out.stats = a.Size, a.ModificationTime, []byte(a.Stats)
		values, path, dataChange = a.PartitionValues, a.Path, a.DataChange
		more = rest{"", a.Tags, a.DeletionVector, a.BaseRowID, a.DefaultRowCommitVersion, a.ClusteringProvider}
	} else {
		r := e.remove
		out.flags |= flagRemove
		out.size, out.at = r.Size, r.DeletionTimestamp
		values, path, dataChange = r.PartitionValues, r.Path, r.DataChange
		more = rest{"", r.Tags, r.DeletionVector, r.BaseRowID, r.DefaultRowCommitVersion, ""}
		if r.ExtendedFileMetadata {
			out.flags |= flagExtended
		}
	}
	if dataChange {
		out.flags |= flagDataChange
	}
	out.flags |= more.setPath(e.key, path)
	out.rest = more.text()
	return out, values
}

// entry is the reverse of entry.record.
func (r *record) entry(values map[string]*string) *entry {
	e := &entry{key: string(r.key), outside: r.flags&flagOutside != 0}
	path, more := pathIn(e.key, r.flags, r.rest)
	dataChange := r.flags&flagDataChange != 0
	if r.flags&flagRemove != 0 {
		e.remove = &Remove{
			Path: path, DeletionTimestamp: r.at, DataChange: dataChange, ExtendedFileMetadata: r.flags&flagExtended != 0,
			PartitionValues: values, Size: r.size, Tags: more.Tags, DeletionVector: more.DeletionVector,
			BaseRowID: more.BaseRowID, DefaultRowCommitVersion: more.DefaultRowCommitVersion,
		}
		return e
	}
	e.add = &Add{
		Path: path, PartitionValues: values, Size: r.size, ModificationTime: r.at, DataChange: dataChange, Stats: string(r.stats),
		Tags: more.Tags, DeletionVector: more.DeletionVector, BaseRowID: more.BaseRowID,
		DefaultRowCommitVersion: more.DefaultRowCommitVersion, ClusteringProvider: more.ClusteringProvider,
	}
	return e
}

// chunk collects records that are sorted and packed together. Of two with the same key the later one counts.
type chunk struct {
	records []record
	values  []map[string]*string // of the records; number 0 is nil
	numbers map[string]int       // of values, by their text in the log or by partitionKey
	texts   []byte               // slab of what the records own
	held    int                  // bytes that the records own
}

const (
	slabBytes = 1 << 20

	// chunkEntries and chunkBytes bound what is held unpacked.
	chunkEntries = 16 << 10
	chunkBytes   = 8 << 20
)

func (c *chunk) full() bool { return len(c.records) >= chunkEntries || c.held >= chunkBytes }

// addOwn adds a record and copies its texts.
func (c *chunk) addOwn(r record, values map[string]*string) {
	r.values = c.number(values)
	c.addCopy(r)
}

// addCopy is addOwn for a record whose partition values have their number in the chunk.
func (c *chunk) addCopy(r record) {
	r.key, r.stats, r.rest = c.own(r.key), c.own(r.stats), c.own(r.rest)
	c.records = append(c.records, r)
}

func (c *chunk) own(text []byte) []byte {
	if len(text) == 0 {
		return nil
	}
	if cap(c.texts)-len(c.texts) < len(text) {
		c.texts = make([]byte, 0, max(slabBytes, len(text)))
	}
	start := len(c.texts)
	c.texts = append(c.texts, text...)
	c.held += len(text)
	return c.texts[start:len(c.texts):len(c.texts)]
}

func (c *chunk) number(values map[string]*string) int {
	if len(values) == 0 {
		return 0
	}
	key := partitionKey(values)
	n, ok := c.numbers[key]
	if !ok {
		n = c.addValues(key, values)
	}
	return n
}

func (c *chunk) addValues(key string, values map[string]*string) int {
	if c.numbers == nil {
		c.numbers = map[string]int{}
		c.values = []map[string]*string{nil}
	}
	n := len(c.values)
	c.values = append(c.values, values)
	c.numbers[key] = n
	return n
}

// valuesOf are the partition values of a record.
func (c *chunk) valuesOf(r *record) map[string]*string {
	if r.values == 0 {
		return nil
	}
	return c.values[r.values]
}

// pack makes a run of the records.
func (c *chunk) pack() *run {
	order := make([]int32, len(c.records))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		if d := bytes.Compare(c.records[a].key, c.records[b].key); d != 0 {
			return d
		}
		return int(a - b)
	})
	values := newValueList()
	numbers := make([]uint64, max(len(c.values), 1))
	for i, m := range c.values {
		numbers[i] = values.number(m)
	}
	var p packer
	for i, at := range order {
		r := &c.records[at]
		if i+1 < len(order) && bytes.Equal(r.key, c.records[order[i+1]].key) {
			continue // the later one counts
		}
		p.add(r, numbers[r.values])
	}
	out := &run{values: values.list, sources: 1}
	out.finish(&p)
	return out
}

// reset empties the chunk, which keeps its memory but for the texts.
func (c *chunk) reset() {
	clear(c.records)
	c.records, c.values, c.numbers, c.texts, c.held = c.records[:0], nil, nil, nil, 0
}
