package kpl

import (
	"bytes"
	"crypto/md5"
	"encoding/json"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// vector is an aggregated record made by one of AWS's libraries: the file is named after it, aws_kinesis_agg 1.2.3 for
// Python or aws-kinesis-agg 4.2.8 for JavaScript.
type vector struct {
	Name    string
	Raw     []byte
	Records []struct {
		PartitionKey    string
		ExplicitHashKey *string
		Data            []byte
	}
}

func (v vector) records() []Record {
	var all []Record
	for _, r := range v.Records {
		record := Record{PartitionKey: []byte(r.PartitionKey), Data: r.Data}
		if r.ExplicitHashKey != nil {
			record.ExplicitHashKey = []byte(*r.ExplicitHashKey)
		}
		all = append(all, record)
	}
	return all
}

func vectors(t testing.TB) (all []vector) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var some []vector
		if err := json.Unmarshal(raw, &some); err != nil {
			t.Fatal(err)
		}
		all = append(all, some...)
	}
	return all
}

func sameRecords(t *testing.T, raw []byte, want []Record) {
	t.Helper()
	a, ok := Open(raw)
	if !ok {
		t.Fatal("taken for an ordinary record")
	}
	if a.Len() != len(want) {
		t.Fatalf("%d records, want %d", a.Len(), len(want))
	}
	i := 0
	for r := range a.All() {
		w := want[i]
		if !bytes.Equal(r.PartitionKey, w.PartitionKey) || !bytes.Equal(r.Data, w.Data) ||
			!bytes.Equal(r.ExplicitHashKey, w.ExplicitHashKey) || (r.ExplicitHashKey == nil) != (w.ExplicitHashKey == nil) {
			t.Errorf("record %d is %q, want %q", i, r, w)
		}
		i++
	}
}

func TestRecordsOfAWSLibraries(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			sameRecords(t, v.Raw, v.records())
			sameRecords(t, Append(nil, v.records()), v.records())
		})
	}
}

func TestSameBytesAsAWSLibraries(t *testing.T) {
	for _, v := range vectors(t) {
		if got := Append([]byte("x"), v.records()); !bytes.Equal(got[1:], v.Raw) {
			t.Errorf("%s:\n%x, want\n%x", v.Name, got[1:], v.Raw)
		}
	}
}

// sealed puts magic and digest around a message.
func sealed(message ...byte) []byte {
	sum := md5.Sum(message)
	return append(append([]byte(magic), message...), sum[:]...)
}

func TestOrdinaryRecords(t *testing.T) {
	good := Append(nil, []Record{{PartitionKey: []byte("k"), Data: []byte("d")}})
	flipped := bytes.Clone(good)
	flipped[len(flipped)-1] ^= 1
	record := func(parts ...[]byte) []byte {
		return sealed(appendBytes(appendBytes(nil, fieldKeys, []byte("k")), fieldRecords, bytes.Join(parts, nil))...)
	}
	key, data := appendVarint(nil, fieldKeyIndex, 0), appendBytes(nil, fieldData, []byte("d"))
	if _, ok := Open(record(key, data)); !ok {
		t.Fatal("the good one is refused")
	}
	for name, raw := range map[string][]byte{
		"empty":              nil,
		"text":               []byte("{\"a\": 1, \"b\": \"a record like most\"}"),
		"magic alone":        []byte(magic),
		"no message":         sealed(),
		"wrong digest":       flipped,
		"cut":                good[:len(good)-1],
		"longer":             append(bytes.Clone(good), 0),
		"bad tag":            sealed(0x80),
		"bad length":         sealed(0x0a, 0x7f),
		"field number 0":     sealed(0x00, 0x00),
		"no key index":       record(data),
		"no data":            record(key),
		"key index too high": record(appendVarint(nil, fieldKeyIndex, 1), data),
		"key index huge":     record(appendVarint(nil, fieldKeyIndex, 1<<64-1), data),
		"no such hash key":   record(key, appendVarint(nil, fieldHashIndex, 0), data),
		"bad inside":         record(key, data, []byte{0x1a, 0x05}),
		"hash key is no number": sealed(appendBytes(appendBytes(appendBytes(nil, fieldKeys, []byte("k")),
			fieldHashes, []byte("1e3")), fieldRecords, append(bytes.Clone(key), data...))...),
	} {
		if a, ok := Open(raw); ok {
			t.Errorf("%s: taken for an aggregate of %d", name, a.Len())
		}
	}
}

// Tables may come after the records, unknown fields and groups are skipped, of a field that is there twice the last counts.
func TestUnusualMessages(t *testing.T) {
	record := appendBytes(appendBytes(appendVarint(nil, fieldKeyIndex, 0), fieldData, []byte("old")), fieldData, []byte("new"))
	record = appendBytes(record, 4, []byte{0x0a, 0x01, 't'}) // a tag
	message := appendBytes(nil, fieldRecords, record)
	message = protowire.AppendVarint(protowire.AppendTag(message, 9, protowire.VarintType), 5)
	message = protowire.AppendTag(message, 10, protowire.StartGroupType)
	message = protowire.AppendTag(message, 10, protowire.EndGroupType)
	message = appendBytes(message, fieldKeys, []byte("later"))
	sameRecords(t, sealed(message...), []Record{{PartitionKey: []byte("later"), Data: []byte("new")}})
}

func TestWithin(t *testing.T) {
	hash := func(s string) (h Hash) {
		n, ok := new(big.Int).SetString(s, 10)
		if !ok {
			t.Fatal(s)
		}
		n.FillBytes(h[:])
		return h
	}
	half := new(big.Int).Lsh(big.NewInt(1), 127)
	top := new(big.Int).Sub(new(big.Int).Lsh(half, 1), big.NewInt(1)).String()
	// The MD5 of "a" begins with 0c, that of "b" with 92.
	records := func(parts ...string) *Aggregate {
		var all []Record
		for _, p := range parts {
			r := Record{PartitionKey: []byte(p), Data: []byte("d")}
			if p[0] >= '0' && p[0] <= '9' {
				r.ExplicitHashKey = []byte(p)
			}
			all = append(all, r)
		}
		a, ok := Open(Append(nil, all))
		if !ok {
			t.Fatal("refused")
		}
		return &a
	}
	for _, c := range []struct {
		of        *Aggregate
		low, high string
		want      bool
	}{
		{records("a"), "0", half.String(), true},
		{records("b"), "0", half.String(), false},
		{records("a", "b"), "0", half.String(), false},
		{records("a", "b"), "0", top, true},
		{records("5"), "5", "5", true},
		{records("5"), "6", top, false},
		{records("5", "6"), "5", "5", false},
		{records("00005"), "5", "5", true},
		{records(top), "0", top, true},
		{records(half.String()), half.String(), half.String(), true},
	} {
		if got := c.of.Within(hash(c.low), hash(c.high)); got != c.want {
			t.Errorf("%s to %s: %v", c.low, c.high, got)
		}
	}
	if _, ok := ParseHash([]byte(new(big.Int).Lsh(half, 1).String())); ok {
		t.Error("2^128 is a hash key")
	}
}

func TestManyRandomRecords(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 50 {
		var want []Record
		for range 1 + r.IntN(40) {
			rec := Record{PartitionKey: []byte{byte('a' + r.IntN(5))}, Data: make([]byte, r.IntN(300))}
			if r.IntN(2) == 0 {
				rec.ExplicitHashKey = []byte(big.NewInt(r.Int64N(20)).String())
			}
			want = append(want, rec)
		}
		sameRecords(t, Append(nil, want), want)
	}
}

func FuzzOpen(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.Raw[len(magic) : len(v.Raw)-digestSize])
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		a, ok := Open(sealed(message...))
		if !ok {
			return
		}
		n, size := 0, 0
		var all []Record
		for r := range a.All() {
			n++
			size += len(r.Data)
			all = append(all, r)
		}
		if n != a.Len() || size > len(message) {
			t.Fatalf("%d records of %d, %d bytes of %d", n, a.Len(), size, len(message))
		}
		a.Within(Hash{}, Hash{0xff})
		if n > 0 {
			again, ok := Open(Append(nil, all))
			if !ok || again.Len() != n {
				t.Fatal("what was read cannot be written and read again")
			}
		}
	})
}

func BenchmarkOpenOrdinary(b *testing.B) {
	data := bytes.Repeat([]byte("x"), 450)
	for b.Loop() {
		Open(data)
	}
}

func BenchmarkOpenAggregate(b *testing.B) {
	var all []Record
	for range 500 {
		all = append(all, Record{PartitionKey: []byte("key"), Data: bytes.Repeat([]byte("x"), 100)})
	}
	raw := Append(nil, all)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		a, _ := Open(raw)
		for range a.All() {
		}
	}
}
