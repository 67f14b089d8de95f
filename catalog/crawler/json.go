package crawler

import (
	"errors"

	"github.com/weir-data/weir/columnar"
)

// Bounds of inference. What is nested deeper than jsonDepthMax is text.
const (
	jsonDepthMax   = 32
	jsonMembersMax = 1000 // of an object
)

// jsonRecords is what a sample of JSON looks like.
type jsonRecords struct {
	fields  []columnar.Field
	records int64
	array   bool  // one array of records
	read    int64 // bytes
}

// inferJSON learns the schema of records: objects one after the other, on lines or not, or one array of them. ok is
// false if data is not that. A record that the sample cuts short is left out, unless the sample is whole: then the
// object is broken and no JSON. After limit records it stops; read is how many bytes it took.
func inferJSON(data []byte, whole bool, limit int64) (r jsonRecords, ok bool) {
	n := columnar.NewInference(columnar.InferOptions{Ints: true, IgnoreCase: true, MembersMax: jsonMembersMax, DepthMax: jsonDepthMax})
	read, array, err := n.Sample(data, limit)
	r = jsonRecords{records: n.Records(), array: array, read: int64(read)}
	for _, f := range n.Fields() {
		r.fields = append(r.fields, f.Field)
	}
	if err != nil && (whole || errors.Is(err, columnar.ErrWide)) {
		return r, false
	}
	return r, len(r.fields) > 0
}
