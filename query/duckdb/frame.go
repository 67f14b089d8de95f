package duckdb

import (
	"encoding/binary"
	"fmt"
	"io"
)

// The engine and its worker talk in frames over two pipes: a kind, the length of the payload in 4 bytes little-endian,
// and the payload. A pipe that is full makes the worker wait: that is all the back-pressure there is.
const (
	frameQuery   = 'Q' // to the worker: task as JSON
	frameCancel  = 'C' // to the worker: interrupt what runs
	frameColumns = 'H' // from the worker: []sql.Column as JSON
	frameRows    = 'R' // from the worker: cells, each uvarint length+1 (0 is NULL) and bytes
	frameDone    = 'D' // from the worker: query.Report as JSON
	frameFailed  = 'E' // from the worker: failure as JSON
)

// frameMax bounds a payload. A query carries its file lists; rows are cut into frames of about rowsTarget.
const (
	frameMax   = 256 << 20
	rowsTarget = 128 << 10
)

func writeFrame(w io.Writer, kind byte, payload []byte) error {
	if len(payload) > frameMax {
		return fmt.Errorf("frame of %d bytes is too large", len(payload))
	}
	head := make([]byte, 5, 5+len(payload))
	head[0] = kind
	binary.LittleEndian.PutUint32(head[1:], uint32(len(payload)))
	_, err := w.Write(append(head, payload...))
	return err
}

// readFrame reads a frame into buf, which it grows as needed.
func readFrame(r io.Reader, buf []byte) (kind byte, payload []byte, err error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := int(binary.LittleEndian.Uint32(head[1:]))
	if n > frameMax {
		return 0, nil, fmt.Errorf("frame of %d bytes is too large", n)
	}
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	_, err = io.ReadFull(r, buf)
	return head[0], buf, err
}

// appendCell appends a cell; nil is NULL.
func appendCell(buf, cell []byte) []byte {
	if cell == nil {
		return append(buf, 0)
	}
	buf = binary.AppendUvarint(buf, uint64(len(cell))+1)
	return append(buf, cell...)
}

// readCells cuts a frame of rows into cells, which point into it.
func readCells(payload []byte, cells [][]byte) ([][]byte, error) {
	for len(payload) > 0 {
		n, w := binary.Uvarint(payload)
		if w <= 0 || n > uint64(len(payload)-w)+1 {
			return nil, fmt.Errorf("rows frame is cut short")
		}
		payload = payload[w:]
		if n == 0 {
			cells = append(cells, nil)
			continue
		}
		cells = append(cells, payload[:n-1:n-1])
		payload = payload[n-1:]
	}
	return cells, nil
}
