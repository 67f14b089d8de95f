package awss3

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"
)

// TestReadPart reads bodies around the sizes at which its buffer grows, and holds no more than a few times what there is.
func TestReadPart(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcde"), partBytes/15+2)
	for _, size := range []int{0, 1, 256<<10 - 1, 256 << 10, 256<<10 + 1, 1 << 20, partBytes - 1, partBytes, partBytes + 1} {
		for _, r := range []io.Reader{bytes.NewReader(body[:size]), iotest.DataErrReader(bytes.NewReader(body[:size]))} {
			buf, err := readPart(r)
			if want := body[:min(size, partBytes)]; !bytes.Equal(buf, want) {
				t.Errorf("of %d bytes: %d, and not the first", size, len(buf))
			}
			switch {
			case size < partBytes && err != io.EOF, size > partBytes && err != nil, err != nil && err != io.EOF:
				t.Errorf("of %d bytes: %v", size, err)
			}
			if cap(buf) > 4*size+256<<10 {
				t.Errorf("of %d bytes: a buffer of %d", size, cap(buf))
			}
		}
	}
	if _, err := readPart(io.MultiReader(bytes.NewReader(body[:100]), iotest.ErrReader(io.ErrUnexpectedEOF))); err != io.ErrUnexpectedEOF {
		t.Errorf("a body that is cut off: %v", err)
	}
}
