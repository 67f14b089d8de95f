package duckdb

import (
	"encoding/binary"
	"fmt"
)

// Kinds of the frames in which the engine and its worker talk.
const (
	frameQuery   = 'Q' // to the worker: task as JSON
	frameCancel  = 'C' // to the worker: interrupt what runs
	frameColumns = 'H' // from the worker: []sql.Column as JSON
	frameRows    = 'R' // from the worker: cells, each uvarint length+1 (0 is NULL) and bytes
	frameDone    = 'D' // from the worker: query.Report as JSON
	frameFailed  = 'E' // from the worker: failure as JSON
)

// rowsTarget is about how many bytes of rows make a frame.
const rowsTarget = 128 << 10

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
