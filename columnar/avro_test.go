package columnar

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/twmb/avro"
)

const avroRich = `{"type":"record","name":"r","namespace":"n.s","fields":[
 {"name":"b","type":"boolean"},{"name":"i","type":"int"},{"name":"l","type":["null","long"]},{"name":"f","type":"float"},{"name":"d","type":"double"},
 {"name":"s","type":"string"},{"name":"y","type":"bytes"},{"name":"x","type":{"type":"fixed","name":"fx","size":2}},{"name":"e","type":{"type":"enum","name":"en","symbols":["A","B"]}},
 {"name":"a","type":{"type":"array","items":["null","int"]}},{"name":"m","type":{"type":"map","values":"long"}},
 {"name":"n","type":{"type":"record","name":"nested","fields":[{"name":"q","type":"int"}]}},{"name":"n2","type":["null","nested"]},
 {"name":"dt","type":{"type":"int","logicalType":"date"}},{"name":"tm","type":{"type":"long","logicalType":"timestamp-millis"}},{"name":"tu","type":{"type":"long","logicalType":"timestamp-micros"}},
 {"name":"lt","type":{"type":"long","logicalType":"local-timestamp-millis"}},{"name":"dec","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}},
 {"name":"u","type":["int","string","null"]},{"name":"il","type":["int","long"]},{"name":"id","type":{"type":"string","logicalType":"uuid"}}]}`

func TestAvroFields(t *testing.T) {
	fields, err := AvroFields(avroRich)
	if err != nil {
		t.Fatal(err)
	}
	want := "struct<b:boolean,i:int,l:bigint,f:float,d:double,s:string,y:binary,x:binary,e:string,a:array<int>,m:map<string,bigint>,n:struct<q:int>,n2:struct<q:int>," +
		"dt:date,tm:timestamp,tu:timestamp,lt:timestamp_ntz,dec:decimal(10,2),u:struct<member0:int,member1:string>,il:bigint,id:string>"
	if got := (Type{Kind: Struct, Fields: fields}).DDL(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, c := range []struct{ schema, want string }{
		{`"int"`, "not a record"}, {`{"type":"record","name":"r","fields":[{"name":"r","type":["null","r"]}]}`, "holds itself"}, {`{`, "schema"},
		{`{"type":"record","name":"r","fields":[{"name":"z","type":"null"}]}`, "always null"}, {`{"type":"record","name":"r","fields":[]}`, "without fields"},
	} {
		if _, err := AvroFields(c.schema); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.schema, err, c.want)
		}
	}
}

// avroRow is a value of avroRich.
func avroRow() map[string]any {
	return map[string]any{
		"b": true, "i": int32(-7), "l": int64(1 << 40), "f": float32(0.5), "d": 2.25, "s": "é", "y": []byte{1, 2}, "x": []byte{3, 4}, "e": "B",
		"a": []any{int32(1), nil}, "m": map[string]any{"k": int64(-1)}, "n": map[string]any{"q": int32(5)}, "n2": nil,
		"dt": int32(17911), "tm": int64(1547523372123), "tu": int64(1547523372123456), "lt": int64(-1), "dec": big.NewRat(-1234, 100),
		"u": "text", "il": int64(9), "id": "00000000-0000-0000-0000-000000000001",
	}
}

const avroRowText = "true|-7|1099511627776|0.5|2.25|é|[1 2]|[3 4]|B|[1 <nil>]|map[k:-1]|map[q:5]|<nil>|2019-01-15 00:00:00 +0000 UTC|2019-01-15 03:36:12.123 +0000 UTC|" +
	"2019-01-15 03:36:12.123456 +0000 UTC|1969-12-31 23:59:59.999 +0000 UTC|-12.34|map[member0:<nil> member1:text]|9|00000000-0000-0000-0000-000000000001"

func encodeAvro(t testing.TB, schema string, v any) []byte {
	t.Helper()
	b, err := avro.MustParse(schema).Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAvroRecords(t *testing.T) {
	datum := encodeAvro(t, avroRich, avroRow())
	single, err := avro.MustParse(avroRich).AppendSingleObject(nil, avroRow())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		framing string
		record  []byte
		want    string
	}{
		{"none", datum, avroRowText}, {"single-object", single, avroRowText}, {"confluent", append([]byte{0, 0, 0, 0, 9}, datum...), avroRowText},
		{"none", append(bytes.Clone(datum), 0), "bytes behind"}, {"none", datum[:len(datum)-1], "ends within"}, {"none", nil, "ends within"},
		{"single-object", datum, "does not begin"}, {"single-object", append([]byte{0xc3, 1, 0, 0, 0, 0, 0, 0, 0, 0}, datum...), "fingerprint"}, {"confluent", []byte{1, 2, 3, 4, 5, 6}, "does not begin"},
	} {
		f := Format{Name: "avro", Options: map[string]string{"avroSchema": avroRich, "framing": c.framing}}
		s, err := f.Complete(nil)
		if err != nil {
			t.Fatal(err)
		}
		d, err := NewRecordDecoder(s, f)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			_, bad, err := d.Append(c.record, &Origin{})
			checkBatch(t, d.Batch())
			if err == nil && c.want == avroRowText {
				continue
			}
			if err == nil || bad != nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v %v, want %s", c.framing, bad, err, c.want)
			}
		}
		if c.want == avroRowText && rowsText(d.Batch()) != c.want+"\n"+c.want {
			t.Errorf("%s:\n%s\nwant twice\n%s", c.framing, rowsText(d.Batch()), c.want)
		}
	}
}

// TestAvroProjection reads some fields, into wider types, and fields that the records lack.
func TestAvroProjection(t *testing.T) {
	f := Format{Name: "avro", Options: map[string]string{"AVROSCHEMA": avroRich}}
	s := completeSchema(t, f, "i:double,zz:string,n:struct<new:int,q:bigint>,y:string,_shard_id:string,f:double,s:binary")
	d, err := NewRecordDecoder(s, f)
	if err != nil {
		t.Fatal(err)
	}
	if _, bad, err := d.Append(encodeAvro(t, avroRich, avroRow()), &Origin{Shard: "x"}); err != nil || bad != nil {
		t.Fatal(bad, err)
	}
	checkBatch(t, d.Batch())
	if got, want := rowsText(d.Batch()), "-7|<nil>|map[new:<nil> q:5]|\x01\x02|x|0.5|[195 169]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for fields, want := range map[string]string{"i:string": "int does not fit type string", "s:int": "string does not fit", "a:int": "array does not fit", "l:int": "long does not fit",
		"dec:decimal(12,2)": "bytes does not fit", "tm:bigint": "long does not fit", "u:string": "union does not fit"} {
		if _, err := NewRecordDecoder(completeSchema(t, f, fields), f); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", fields, err, want)
		}
	}
	for _, c := range []struct {
		f    Format
		want string
	}{
		{Format{Name: "avro"}, "option avroSchema of format avro: is missing"}, {Format{Name: "avro", Options: map[string]string{"framing": "registry"}}, "is not none"},
		{Format{Name: "avro", CorruptRecord: "c", Options: map[string]string{"avroSchema": avroRich}}, "corrupt_record"}, {Format{Name: "avro", Evolve: true}, "of format json"},
	} {
		if _, err := NewRecordDecoder(completeSchema(t, Format{}, "i:int"), c.f); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", c.f, err, c.want)
		}
	}
}

func TestAvroBadFields(t *testing.T) {
	schema := `{"type":"record","name":"r","fields":[{"name":"s","type":"string"},{"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":3,"scale":1}},
	 {"name":"t","type":{"type":"long","logicalType":"timestamp-millis"}},{"name":"m","type":{"type":"map","values":"int"}}]}`
	fields, err := AvroFields(schema)
	if err != nil {
		t.Fatal(err)
	}
	d, err := NewAvroDecoder(&Schema{Fields: fields}, AvroOptions{Schema: schema})
	if err != nil {
		t.Fatal(err)
	}
	long := binary.AppendVarint(nil, math.MaxInt64)
	record := append([]byte{2, 0xff, 4, 0x03, 0xe8}, long...)
	record = append(record, 4, 2, 'k', 2, 2, 'k', 4, 0)
	rows, bad, err := d.Append(record)
	if rows != 1 || err != nil || fmt.Sprint(bad) != "[{s text is not UTF-8} {d 2 bytes are not of type decimal(3,1)} {t instant is out of range} {m map has a key twice}]" {
		t.Errorf("%d rows, %v, %v", rows, bad, err)
	}
	checkBatch(t, d.Batch())
	if got := rowsText(d.Batch()); got != "<nil>|<nil>|<nil>|<nil>" {
		t.Error(got)
	}
}

// avroContainer makes an object container file of blocks of two records.
func avroContainer(t testing.TB, codec, schema string, data ...[]byte) []byte {
	t.Helper()
	text := func(dst []byte, s string) []byte { return append(binary.AppendVarint(dst, int64(len(s))), s...) }
	marker := bytes.Repeat([]byte{7}, 16)
	out := append([]byte("Obj\x01"), 4)
	out = text(text(text(text(out, "avro.schema"), schema), "avro.codec"), codec)
	out = append(append(out, 0), marker...)
	for len(data) > 0 {
		n := min(2, len(data))
		block := bytes.Join(data[:n], nil)
		switch codec {
		case "deflate":
			var b bytes.Buffer
			w, _ := flate.NewWriter(&b, 1)
			w.Write(block)
			w.Close()
			block = b.Bytes()
		case "snappy":
			block = binary.BigEndian.AppendUint32(snappy.Encode(nil, block), crc32.ChecksumIEEE(block))
		case "zstandard":
			w, _ := zstd.NewWriter(nil)
			block = w.EncodeAll(block, nil)
			w.Close()
		}
		out = append(text(binary.AppendVarint(out, int64(n)), string(block)), marker...)
		data = data[n:]
	}
	return out
}

func TestAvroContainer(t *testing.T) {
	datum := encodeAvro(t, avroRich, avroRow())
	f := Format{Name: "avro", Options: map[string]string{"framing": "container"}}
	for _, codec := range []string{"null", "deflate", "snappy", "zstandard"} {
		file := avroContainer(t, codec, avroRich, datum, datum, datum)
		d, err := NewRecordDecoder(completeSchema(t, f, "s:string,il:bigint"), f)
		if err != nil {
			t.Fatal(err)
		}
		rows, bad, err := d.Append(file, &Origin{})
		checkBatch(t, d.Batch())
		if rows != 3 || bad != nil || err != nil || rowsText(d.Batch()) != "é|9\né|9\né|9" {
			t.Errorf("%s: %d rows, %v, %v", codec, rows, bad, err)
		}
		other := `{"type":"record","name":"o","fields":[{"name":"il","type":"int"}]}`
		if _, _, err := d.Append(avroContainer(t, codec, other, []byte{2}), &Origin{}); err != nil || !strings.HasSuffix(rowsText(d.Batch()), "\n<nil>|1") {
			t.Errorf("%s: of another schema: %v", codec, err)
		}
		if schema, err := AvroContainerSchema(file); err != nil || schema != avroRich {
			t.Errorf("%s: schema %q, %v", codec, schema, err)
		}
		for _, broken := range [][]byte{file[:len(file)-1], file[:100], bytes.Replace(file, []byte(codec), []byte("lzma   ")[:len(codec)%8], 1), nil} {
			if rows, _, err := d.Append(broken, &Origin{}); err == nil || rows != 0 || d.Len() != 4 {
				t.Errorf("%s: broken file of %d bytes: %d rows, %v", codec, len(broken), rows, err)
			}
		}
	}
	bomb := avroContainer(t, "deflate", `{"type":"record","name":"o","fields":[{"name":"s","type":"string"}]}`, bytes.Repeat([]byte{0}, avroBlockMax+1))
	d, err := NewRecordDecoder(completeSchema(t, f, "s:string"), f)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Append(bomb, &Origin{}); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("bomb: %v", err)
	}
}

// FuzzAvro compares what is a record with the library's reader.
func FuzzAvro(f *testing.F) {
	datum := encodeAvro(f, avroRich, avroRow())
	f.Add(datum, false)
	f.Add(avroContainer(f, "deflate", avroRich, datum, datum), true)
	f.Add(avroContainer(f, "null", avroRich, datum), true)
	fields, err := AvroFields(avroRich)
	if err != nil {
		f.Fatal(err)
	}
	schema := avro.MustParse(avroRich)
	f.Fuzz(func(t *testing.T, record []byte, container bool) {
		opts := AvroOptions{Schema: avroRich}
		if container {
			opts.Framing = "container"
		}
		d, err := NewAvroDecoder(&Schema{Fields: fields}, opts)
		if err != nil {
			t.Fatal(err)
		}
		d.Append(datum)
		before := d.Len()
		rows, bad, err := d.Append(record)
		checkBatch(t, d.Batch())
		if container {
			return
		}
		var v any
		rest, wantErr := schema.Decode(record, &v)
		if wantErr == nil && len(rest) == 0 && err != nil {
			t.Fatalf("%x: %v, the library reads %v", record, err, v)
		}
		if err == nil && bad == nil && wantErr != nil && !strings.Contains(wantErr.Error(), "uuid") && !strings.Contains(wantErr.Error(), "UTF-8") {
			t.Fatalf("%x: read, the library says %v", record, wantErr)
		}
		d.Undo(rows)
		checkBatch(t, d.Batch())
		if d.Len() != before {
			t.Fatal("undo")
		}
	})
}

func BenchmarkAvro(b *testing.B) {
	schema := `{"type":"record","name":"ride","fields":[{"name":"id","type":"long"},{"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}},{"name":"zone","type":["null","string"]},
	 {"name":"fare","type":"double"},{"name":"tip","type":["null","double"]},{"name":"count","type":"int"}]}`
	record := encodeAvro(b, schema, map[string]any{"id": int64(123456), "at": int64(1547523372123456), "zone": "Upper East Side", "fare": 12.5, "tip": nil, "count": int32(2)})
	fields, err := AvroFields(schema)
	if err != nil {
		b.Fatal(err)
	}
	d, err := NewAvroDecoder(&Schema{Fields: fields}, AvroOptions{Schema: schema})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(record)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := d.Append(record); err != nil {
			b.Fatal(err)
		}
		if d.Len() == 10000 {
			d.Reset()
		}
	}
}
