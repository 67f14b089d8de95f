package delta

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/google/uuid"
)

// inlineBytesMax is the size up to which a deletion vector lies in the log itself.
const inlineBytesMax = 96

// vectorFileMax is the size from which on a file of deletion vectors is followed by another.
const vectorFileMax = 8 << 20

// VectorWriter puts deletion vectors at their places: small ones into the log, others into files with several of them. Add each, then
// Close, then commit what Add returned.
type VectorWriter struct {
	objects Objects
	id      uuid.UUID
	body    bytes.Buffer
	files   []vectorFileBody
}

type vectorFileBody struct {
	key  string
	body []byte
}

// NewVectorWriter returns a writer for the table's folder.
func (t *Table) NewVectorWriter() *VectorWriter { return &VectorWriter{objects: t.objects} }

// Add returns the vector of a set of rows, which must not be empty.
func (w *VectorWriter) Add(rows *Rows) (*DeletionVector, error) {
	data, err := rows.Encode()
	if err != nil {
		return nil, err
	}
	if len(data) > vectorBytesMax {
		return nil, fmt.Errorf("%w: deletion vector of %d bytes", ErrUnsupported, len(data))
	}
	v := &DeletionVector{SizeInBytes: int32(len(data)), Cardinality: rows.Cardinality()}
	if len(data) <= inlineBytesMax {
		v.StorageType = "i"
		v.PathOrInlineDv = encodeZ85(data)
		return v, nil
	}
	if w.body.Len() == 0 {
		w.id = uuid.New()
		w.body.WriteByte(vectorVersion)
	}
	offset := int32(w.body.Len())
	v.StorageType, v.PathOrInlineDv, v.Offset = "u", encodeZ85(w.id[:]), &offset
	var number [4]byte
	binary.BigEndian.PutUint32(number[:], uint32(len(data)))
	w.body.Write(number[:])
	w.body.Write(data)
	binary.BigEndian.PutUint32(number[:], crc32.ChecksumIEEE(data))
	w.body.Write(number[:])
	if w.body.Len() >= vectorFileMax {
		w.roll()
	}
	return v, nil
}

func (w *VectorWriter) roll() {
	if w.body.Len() > 0 {
		w.files = append(w.files, vectorFileBody{"deletion_vector_" + w.id.String() + ".bin", bytes.Clone(w.body.Bytes())})
		w.body.Reset()
	}
}

// Close writes the files. Those of a commit that then fails are garbage that a vacuum removes.
func (w *VectorWriter) Close(ctx context.Context) error {
	w.roll()
	for _, f := range w.files {
		if err := w.objects.PutIfAbsent(ctx, f.key, f.body); err != nil {
			return fmt.Errorf("write deletion vectors %s: %w", f.key, err)
		}
	}
	w.files = nil
	return nil
}
