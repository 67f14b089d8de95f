package delta

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/google/uuid"
)

const (
	vectorBytesMax   = 256 << 20 // of one deletion vector: every second row of four billion
	vectorHeadBytes  = 1         // of a file of deletion vectors: the version
	vectorVersion    = 1
	vectorFrameBytes = 8       // before and after each vector: its size, its checksum
	vectorNearBytes  = 4 << 10 // a vector that starts before is read together with the file's head
	uuidChars        = 20      // of a UUID in Z85
)

// Deleted returns the rows of a live file that are deleted, nil if there are none. It reads the file's deletion vector
// from the log or from the object that holds it; the last ones read are kept in memory, up to a bound.
func (s *Snapshot) Deleted(ctx context.Context, f *File) (*Rows, error) {
	if f.DeletionVector == nil {
		return nil, nil
	}
	rows, err := s.vectors.get(ctx, f.DeletionVector)
	if err != nil {
		return nil, fmt.Errorf("deletion vector of data file %q: %w", f.Path, err)
	}
	if n := rows.Cardinality(); n == 0 {
		return nil, nil
	} else if f.Stats != nil && rows.last() >= f.Stats.NumRecords {
		return nil, fmt.Errorf("%w: deletion vector of data file %q: it deletes row %d of %d", ErrCorrupt, f.Path, rows.last(),
			f.Stats.NumRecords)
	}
	return rows, nil
}

// read fetches and checks a deletion vector.
func (v *DeletionVector) read(ctx context.Context, objects Objects) (*Rows, error) {
	data, err := v.data(ctx, objects)
	if err != nil {
		return nil, err
	}
	rows, err := DecodeRows(data)
	if err != nil {
		return nil, err
	}
	if n := rows.Cardinality(); n != v.Cardinality {
		return nil, fmt.Errorf("%w: it holds %d rows, the log says %d", ErrCorrupt, n, v.Cardinality)
	}
	return rows, nil
}

// data is the vector's serialized set.
func (v *DeletionVector) data(ctx context.Context, objects Objects) ([]byte, error) {
	if v.SizeInBytes < 0 || v.SizeInBytes > vectorBytesMax {
		return nil, fmt.Errorf("%w: it has %d bytes", ErrCorrupt, v.SizeInBytes)
	}
	if v.StorageType == "i" {
		data, err := decodeZ85(v.PathOrInlineDv)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		if len(data) < int(v.SizeInBytes) || len(data) > int(v.SizeInBytes)+3 { // Z85 needs whole groups of 4 bytes
			return nil, fmt.Errorf("%w: it has %d bytes, the log says %d", ErrCorrupt, len(data), v.SizeInBytes)
		}
		return data[:v.SizeInBytes], nil
	}
	objects, key, err := v.object(ctx, objects)
	if err != nil {
		return nil, err
	}
	offset := int64(0)
	if v.Offset != nil {
		offset = int64(*v.Offset)
	}
	data, err := readVector(ctx, objects, key, offset, int64(v.SizeInBytes))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return data, nil
}

// object is what holds the vector.
func (v *DeletionVector) object(ctx context.Context, objects Objects) (Objects, string, error) {
	if v.StorageType == "u" {
		key, err := v.key()
		return objects, key, err
	}
	if v.StorageType != "p" {
		return nil, "", fmt.Errorf("%w: deletion vectors of storage type %.20q", ErrUnsupported, v.StorageType)
	}
	key, outside, err := decodePathAt(placeOf(objects), v.PathOrInlineDv)
	if err != nil || !outside {
		return objects, key, err
	}
	if r, ok := objects.(reacher); ok {
		if elsewhere, key, ok := r.reach(ctx, key); ok {
			return elsewhere, key, nil
		}
	}
	return nil, "", fmt.Errorf("%w: it lies at %q, outside the table's folder, which this store does not reach", ErrUnsupported, v.PathOrInlineDv)
}

// key is the object whose name the vector's UUID gives.
func (v *DeletionVector) key() (string, error) {
	at := len(v.PathOrInlineDv) - uuidChars
	if at < 0 {
		return "", fmt.Errorf("%w: %.100q holds no UUID", ErrCorrupt, v.PathOrInlineDv)
	}
	raw, err := decodeZ85(v.PathOrInlineDv[at:])
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	key := "deletion_vector_" + uuid.UUID(raw).String() + ".bin"
	if prefix := v.PathOrInlineDv[:at]; prefix != "" {
		key = prefix + "/" + key
	}
	if !cleanKey(key) {
		return "", fmt.Errorf("%w: it lies at %.200q", ErrCorrupt, key)
	}
	return key, nil
}

// readVector reads the vector at offset of a file of vectors, and checks the file's version, the size and the checksum.
func readVector(ctx context.Context, objects Objects, key string, offset, size int64) ([]byte, error) {
	if offset < 0 {
		return nil, fmt.Errorf("%w: a vector at byte %d", ErrCorrupt, offset)
	}
	offset = max(offset, vectorHeadBytes)
	from := int64(0)
	if offset > vectorNearBytes {
		head, err := readRange(ctx, objects, key, 0, vectorHeadBytes)
		if err != nil {
			return nil, err
		}
		if err := checkVectorHead(head); err != nil {
			return nil, err
		}
		from = offset
	}
	frame, err := readRange(ctx, objects, key, from, offset-from+size+vectorFrameBytes)
	if err != nil {
		return nil, err
	}
	if from == 0 {
		if err := checkVectorHead(frame); err != nil {
			return nil, err
		}
		frame = frame[offset:]
	}
	if n := binary.BigEndian.Uint32(frame); int64(n) != size {
		return nil, fmt.Errorf("%w: the vector at byte %d has %d bytes, the log says %d", ErrCorrupt, offset, n, size)
	}
	data := frame[4 : 4+size]
	if sum := binary.BigEndian.Uint32(frame[4+size:]); sum != crc32.ChecksumIEEE(data) {
		return nil, fmt.Errorf("%w: the vector at byte %d does not have its checksum", ErrCorrupt, offset)
	}
	return data, nil
}

func checkVectorHead(head []byte) error {
	if head[0] != vectorVersion {
		return fmt.Errorf("%w: a file of deletion vectors of version %d", ErrUnsupported, head[0])
	}
	return nil
}

// readRange reads exactly length bytes of an object; one that ends before is ErrCorrupt. Memory is taken as bytes come.
func readRange(ctx context.Context, objects Objects, key string, offset, length int64) ([]byte, error) {
	var body io.ReadCloser
	var err error
	if ranges, ok := objects.(rangeGetter); ok {
		body, err = ranges.GetRange(ctx, key, offset, length)
	} else if body, err = objects.Get(ctx, key); err == nil {
		_, err = io.CopyN(io.Discard, body, offset)
	}
	if body != nil {
		defer body.Close()
	}
	var out bytes.Buffer
	if err == nil {
		_, err = io.CopyN(&out, body, length)
	}
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: it ends before byte %d", ErrCorrupt, offset+length)
	}
	return out.Bytes(), err
}
