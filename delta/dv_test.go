package delta

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"
)

// vectorFile is a file of deletion vectors as others write it, and where each starts.
func vectorFile(t testing.TB, sets ...*Rows) (body []byte, offsets []int32, sizes []int32) {
	t.Helper()
	body = []byte{vectorVersion}
	for _, r := range sets {
		data, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		offsets, sizes = append(offsets, int32(len(body))), append(sizes, int32(len(data)))
		body = binary.BigEndian.AppendUint32(body, uint32(len(data)))
		body = append(body, data...)
		body = binary.BigEndian.AppendUint32(body, crc32.ChecksumIEEE(data))
	}
	return body, offsets, sizes
}

// The rows and the path of the examples of section "Deletion Vector Descriptor Schema". The section's own inline text is
// in a form that came before the one that it describes.
func TestVectorExamples(t *testing.T) {
	inline := &DeletionVector{StorageType: "i", PathOrInlineDv: "^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L", SizeInBytes: 44, Cardinality: 6}
	rows, err := inline.read(t.Context(), newMemory())
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Collect(rows.All()); !slices.Equal(got, []int64{3, 4, 7, 11, 18, 29}) {
		t.Errorf("inline: %v", got)
	}
	key, err := (&DeletionVector{StorageType: "u", PathOrInlineDv: "ab^-aqEH.-t@S}K{vb[*k^"}).key()
	if want := "ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin"; key != want || err != nil {
		t.Errorf("key %q, %v", key, err)
	}
	if got := encodeZ85([]byte{0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b}); got != "HelloWorld" {
		t.Errorf("Z85 of the RFC's example: %q", got)
	}
}

func TestVectorFiles(t *testing.T) {
	objects := newMemory()
	few, many := NewRows(0, 5, 1<<33), &Rows{}
	for i := range int64(70_000) {
		many.Add(i * 3)
	}
	body, offsets, sizes := vectorFile(t, few, many, few)
	objects.set("x/y.bin", string(body))
	vector := func(i int, cardinality int64) *DeletionVector {
		return &DeletionVector{StorageType: "p", PathOrInlineDv: "x/y.bin", Offset: &offsets[i], SizeInBytes: sizes[i], Cardinality: cardinality}
	}
	for i, want := range []*Rows{few, many, few} {
		got, err := vector(i, want.Cardinality()).read(t.Context(), objects)
		if err != nil || !slices.Equal(slices.Collect(got.All()), slices.Collect(want.All())) {
			t.Errorf("vector %d: %v", i, err)
		}
	}
	both := few.Union(many)
	if both.Cardinality() != 70_002 || !both.Contains(5) || !both.Contains(1<<33) || few.Cardinality() != 3 {
		t.Errorf("union of %d rows", both.Cardinality())
	}
	// What is damaged is named.
	damage := func(at int, to byte) string {
		b := bytes.Clone(body)
		b[at] = to
		return string(b)
	}
	for _, c := range []struct {
		body, want  string
		cardinality int64
		err         error
	}{
		{damage(0, 2), "version 2", 3, ErrUnsupported},
		{damage(4, 99), "99 bytes, the log says", 3, ErrCorrupt},
		{damage(20, 99), "checksum", 3, ErrCorrupt},
		{string(body[:30]), "ends before byte", 3, ErrCorrupt},
		{string(body), "holds 3 rows, the log says 4", 4, ErrCorrupt},
	} {
		objects.set("x/y.bin", c.body)
		if _, err := vector(0, c.cardinality).read(t.Context(), objects); !errors.Is(err, c.err) || !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
	for _, v := range []DeletionVector{
		{StorageType: "q"}, {StorageType: "u", PathOrInlineDv: "short"}, {StorageType: "i", PathOrInlineDv: "~~~~~"},
		{StorageType: "u", PathOrInlineDv: "..^-aqEH.-t@S}K{vb[*k^"}, {StorageType: "p", PathOrInlineDv: "s3://elsewhere/x.bin"},
		{StorageType: "i", SizeInBytes: -1}, {StorageType: "i", PathOrInlineDv: "wi5b=", SizeInBytes: 400},
	} {
		if _, err := v.read(t.Context(), objects); !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrUnsupported) {
			t.Errorf("%+v: %v", v, err)
		}
	}
}

func TestVectorsKept(t *testing.T) {
	objects := newMemory()
	rows := NewRows(1, 2, 3)
	body, offsets, sizes := vectorFile(t, rows, rows, rows)
	objects.set("v.bin", string(body))
	kept := newVectors(objects, 2*rows.sizeBytes()+10)
	get := func(i int) error {
		_, err := kept.get(t.Context(), &DeletionVector{StorageType: "p", PathOrInlineDv: "v.bin", Offset: &offsets[i], SizeInBytes: sizes[i], Cardinality: 3})
		return err
	}
	for _, i := range []int{0, 1, 0, 2} { // 2 takes the place of 1
		if err := get(i); err != nil {
			t.Fatal(err)
		}
	}
	objects.set("v.bin", "")
	if get(0) != nil || get(2) != nil || get(1) == nil {
		t.Errorf("not the last used were kept: %v, %v, %v", get(0), get(2), get(1))
	}
	if kept.bytes > kept.bytesMax || kept.order.Len() != 2 {
		t.Errorf("%d vectors of %d bytes kept", kept.order.Len(), kept.bytes)
	}
}

func FuzzDeletionVector(f *testing.F) {
	for _, r := range []*Rows{nil, NewRows(3, 4, 7), NewRows(0, 1<<40)} {
		data, err := r.Encode()
		if err != nil {
			f.Fatal(err)
		}
		body, _, _ := vectorFile(f, r)
		f.Add("u", "ab^-aqEH.-t@S}K{vb[*k^", body, int64(len(data)), r.Cardinality())
		f.Add("i", encodeZ85(data), []byte(nil), int64(len(data)), r.Cardinality())
	}
	f.Fuzz(func(t *testing.T, storage, path string, body []byte, size, cardinality int64) {
		objects := newMemory()
		v := &DeletionVector{StorageType: storage, PathOrInlineDv: path, SizeInBytes: int32(size), Cardinality: cardinality}
		if _, key, err := v.object(t.Context(), objects); err == nil {
			if !cleanKey(key) {
				t.Fatalf("a vector at %q", key)
			}
			objects.set(key, string(body))
		}
		if rows, err := v.read(t.Context(), objects); err == nil && rows.Cardinality() != cardinality {
			t.Fatalf("%d rows, want %d", rows.Cardinality(), cardinality)
		}
		rows, err := DecodeRows(body)
		if err != nil {
			return
		}
		again, err := rows.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := DecodeRows(again); err != nil || back.Cardinality() != rows.Cardinality() {
			t.Fatalf("%d rows became %d, %v", rows.Cardinality(), back.Cardinality(), err)
		}
	})
}
