package columnar

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// streamed are rows of every shape: nulls at every level, empty lists, texts longer than a word.
func streamed(t testing.TB, rows int) *Batch {
	typ, err := ParseType("struct<a:bigint,b:boolean,s:string,d:decimal(20,2),l:array<struct<x:string,y:int>>,m:map<string,array<double>>,n:struct<p:date,q:binary>>")
	if err != nil {
		t.Fatal(err)
	}
	b := NewBuilder(&Schema{Fields: typ.Fields})
	for i := range rows {
		if i%5 == 4 {
			if err := b.Append(); err != nil {
				t.Fatal(err)
			}
			continue
		}
		var list []any
		pairs := map[string]any{}
		for k := range i % 4 {
			pairs[fmt.Sprint(k)] = []any{1.5, nil}
			list = append(list, []any{strings.Repeat("ä", k*7), nil})
		}
		if err := b.Append(int64(i), i%2 == 0, fmt.Sprint("row ", i), nil, list, pairs, []any{nil, []byte{byte(i)}}); err != nil {
			t.Fatal(err)
		}
	}
	return b.Batch()
}

func TestStream(t *testing.T) {
	for _, rows := range []int{0, 1, 7, 64, 20_000} {
		b := streamed(t, rows)
		var buf bytes.Buffer
		if err := WriteBatch(&buf, b); err != nil {
			t.Fatal(err)
		}
		if int64(buf.Len()) != b.StreamSize() {
			t.Errorf("%d rows: %d bytes, foretold %d", rows, buf.Len(), b.StreamSize())
		}
		got, err := ReadBatch(bytes.NewReader(buf.Bytes()), b.Schema, int64(buf.Len()))
		if err != nil {
			t.Fatalf("%d rows: %v", rows, err)
		}
		if want, have := texts(b), texts(got); !reflect.DeepEqual(want, have) {
			t.Errorf("%d rows: %.200v\nwant %.200v", rows, have, want)
		}
		if _, err := ReadBatch(bytes.NewReader(buf.Bytes()), b.Schema, int64(buf.Len())-1); !errors.Is(err, ErrStream) {
			t.Errorf("%d rows beyond the bound: %v", rows, err)
		}
	}
}

// texts are the values of all columns, as text.
func texts(b *Batch) []string {
	var out []string
	for i := range b.Len {
		for _, c := range b.Columns {
			out = append(out, textOf(c, i))
		}
	}
	return out
}

func textOf(c *Column, i int) string {
	switch k := c.Type.Kind; {
	case c.Null(i):
		return "-"
	case k == Struct:
		var all []string
		for _, kid := range c.Children {
			all = append(all, textOf(kid, i))
		}
		return fmt.Sprint(all)
	case k == List || k == Map:
		var all []string
		for at := c.Offsets[i]; at < c.Offsets[i+1]; at++ {
			for _, kid := range c.Children {
				all = append(all, textOf(kid, int(at)))
			}
		}
		return fmt.Sprint(all)
	case k.Width() == 0:
		return string(c.Bytes(i))
	default:
		w := c.Type.Kind.Width()
		return fmt.Sprintf("%x", c.Data[i*w:(i+1)*w])
	}
}

// FuzzReadBatch reads bytes that another process may have made up: what is accepted can be read and written again.
func FuzzReadBatch(f *testing.F) {
	schema := streamed(f, 0).Schema
	for _, rows := range []int{0, 3, 17} {
		var buf bytes.Buffer
		if err := WriteBatch(&buf, streamed(f, rows)); err != nil {
			f.Fatal(err)
		}
		f.Add(buf.Bytes())
	}
	f.Add([]byte{255, 255, 255, 255, 255, 255, 0, 0, 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := ReadBatch(bytes.NewReader(raw), schema, 1<<20)
		if err != nil {
			return
		}
		want := texts(b)
		var buf bytes.Buffer
		if err := WriteBatch(&buf, b); err != nil {
			t.Fatal(err)
		}
		again, err := ReadBatch(&buf, schema, 1<<20)
		if err != nil || !reflect.DeepEqual(texts(again), want) {
			t.Fatalf("written again: %v", err)
		}
	})
}
