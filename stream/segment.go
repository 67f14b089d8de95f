package stream

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// A segment file begins with a header block; frames follow it without gaps. The block is a whole disk block, so that
// rewriting the header never touches a frame.
const (
	segmentHeaderBytes = 4096
	segmentMagic       = "weirseg\x01"
	headerUsed         = 64
)

// segmentState tells a file that is kept ready for use from one that holds frames.
type segmentState uint32

const (
	statePrepared segmentState = 1 // no frames; whatever follows the header is left over
	stateInUse    segmentState = 2
)

// segmentHeader is the decoded header block.
type segmentHeader struct {
	number uint64
	state  segmentState
	// Where the log ended when this segment was begun: frames of segment prev at or past prevEnd never were acknowledged,
	// and segments between prev and this one never held anything.
	prev    uint64
	prevEnd int64
	created int64 // Unix milliseconds
}

func (h segmentHeader) encode() []byte {
	b := make([]byte, headerUsed)
	copy(b, segmentMagic)
	le := binary.LittleEndian
	le.PutUint64(b[8:], h.number)
	le.PutUint32(b[16:], uint32(h.state))
	le.PutUint64(b[24:], h.prev)
	le.PutUint64(b[32:], uint64(h.prevEnd))
	le.PutUint64(b[40:], uint64(h.created))
	le.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
	return b
}

// decodeSegmentHeader reads a header block. A block of zeros gives the zero header and no error: the file was being made.
func decodeSegmentHeader(b []byte) (segmentHeader, error) {
	if allZero(b) {
		return segmentHeader{}, nil
	}
	if len(b) < headerUsed || string(b[:8]) != segmentMagic {
		return segmentHeader{}, fmt.Errorf("%w: no segment header", ErrCorrupt)
	}
	le := binary.LittleEndian
	if le.Uint32(b[60:]) != crc32.Checksum(b[:60], castagnoli) {
		return segmentHeader{}, fmt.Errorf("%w: segment header checksum", ErrCorrupt)
	}
	h := segmentHeader{
		number:  le.Uint64(b[8:]),
		state:   segmentState(le.Uint32(b[16:])),
		prev:    le.Uint64(b[24:]),
		prevEnd: int64(le.Uint64(b[32:])),
		created: int64(le.Uint64(b[40:])),
	}
	if h.state != statePrepared && h.state != stateInUse || h.prevEnd < 0 {
		return segmentHeader{}, fmt.Errorf("%w: segment header with state %d", ErrCorrupt, h.state)
	}
	return h, nil
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

const (
	segmentSuffix = ".segment"
	indexSuffix   = ".index"
	tempSuffix    = ".tmp"
)

func segmentName(number uint64) string { return fmt.Sprintf("%012d%s", number, segmentSuffix) }

func indexName(number uint64) string { return fmt.Sprintf("%012d%s", number, indexSuffix) }

// parseName returns the number in a file name with the given suffix.
func parseName(name, suffix string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok || len(digits) < 12 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil && n > 0
}
