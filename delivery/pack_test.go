package delivery

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"math/rand"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
)

func TestPackers(t *testing.T) {
	data := make([]byte, 300<<10)
	rand.New(rand.NewSource(1)).Read(data[:100<<10])
	unpack := map[Compression]func([]byte) []byte{
		Gzip: func(b []byte) []byte {
			z, err := gzip.NewReader(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			out, _ := io.ReadAll(z)
			return out
		},
		Zip: func(b []byte) []byte {
			z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
			if err != nil || len(z.File) != 1 || z.File[0].Name != "s-1-x" {
				t.Fatal(z, err)
			}
			r, _ := z.File[0].Open()
			out, _ := io.ReadAll(r)
			return out
		},
		Snappy:       func(b []byte) []byte { return unsnap(t, b[16:], false) },
		HadoopSnappy: func(b []byte) []byte { return unsnap(t, b, true) },
	}
	for c, unpack := range unpack {
		for _, size := range []int{0, 1, 32 << 10, len(data)} {
			var first []byte
			for range 2 {
				var b bytes.Buffer
				w, err := packers[c].open(&b, "folder/s-1-x.zip", time.Unix(1e9, 0))
				if err != nil {
					t.Fatal(err)
				}
				for chunk := data[:size]; len(chunk) > 0; chunk = chunk[min(len(chunk), 5000):] {
					w.Write(chunk[:min(len(chunk), 5000)])
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				if got := unpack(b.Bytes()); !bytes.Equal(got, data[:size]) {
					t.Errorf("%s of %d bytes came back as %d", c, size, len(got))
				}
				if first != nil && !bytes.Equal(first, b.Bytes()) {
					t.Errorf("%s: the same input gave other bytes", c)
				}
				first = b.Bytes()
			}
		}
	}
}

func unsnap(t *testing.T, b []byte, hadoop bool) (out []byte) {
	for len(b) > 0 {
		if hadoop {
			b = b[4:]
		}
		n := binary.BigEndian.Uint32(b)
		block, err := snappy.Decode(nil, b[4:4+n])
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, block...)
		b = b[4+n:]
	}
	return out
}
