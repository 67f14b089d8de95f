package worker

import (
	"encoding/binary"
	"fmt"
	"io"
)

// FrameMax bounds the payload of a frame in bytes.
const FrameMax = 256 << 20

// WriteFrame writes a kind, the length of the payload in 4 bytes little-endian, and the payload. A pipe that is full makes the
// writer wait: that is all the back-pressure there is.
func WriteFrame(w io.Writer, kind byte, payload []byte) error {
	if len(payload) > FrameMax {
		return fmt.Errorf("frame of %d bytes is too large", len(payload))
	}
	head := make([]byte, 5, 5+len(payload))
	head[0] = kind
	binary.LittleEndian.PutUint32(head[1:], uint32(len(payload)))
	_, err := w.Write(append(head, payload...))
	return err
}

// ReadFrame reads a frame into buf, which it grows as needed.
func ReadFrame(r io.Reader, buf []byte) (kind byte, payload []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := int(binary.LittleEndian.Uint32(head[1:]))
	if n > FrameMax {
		return 0, nil, fmt.Errorf("frame of %d bytes is too large", n)
	}
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	_, err = io.ReadFull(r, buf)
	return head[0], buf, err
}
