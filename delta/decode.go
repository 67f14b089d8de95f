package delta

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Bounds of what is read from a log.
const (
	lineBytesMax  = 64 << 20 // of one action; the longest seen are metaData of very wide tables
	tableFilesMax = 1 << 26  // of the live files and tombstones of a snapshot
)

// DecodeAction reads one line of a commit. Members and kinds of action that it does not know are ignored, as the
// protocol asks: what a reader must not ignore is named by the table's protocol.
func DecodeAction(line []byte) (Action, error) {
	var a Action
	if len(line) > lineBytesMax {
		return a, fmt.Errorf("%w: action of %d bytes", ErrCorrupt, len(line))
	}
	if f, ok := scanFileLine(line, bytes.Clone(line)); ok {
		if a, ok := f.action(); ok {
			return a, nil
		}
	}
	return decodeSlowly(line)
}

// decodeSlowly is DecodeAction by encoding/json alone.
func decodeSlowly(line []byte) (a Action, err error) {
	if err := json.Unmarshal(line, &a); err != nil {
		return Action{}, fmt.Errorf("%w: action %.80q: %w", ErrCorrupt, line, err)
	}
	if err := a.check(); err != nil {
		return Action{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return a, nil
}

// check says what a well-formed action lacks.
func (a *Action) check() error {
	switch {
	case a.Add != nil:
		if a.Add.Path == "" {
			return errors.New("add without path")
		}
		if a.Add.Size < 0 {
			return fmt.Errorf("add of %q with size %d", a.Add.Path, a.Add.Size)
		}
	case a.Remove != nil:
		if a.Remove.Path == "" {
			return errors.New("remove without path")
		}
	case a.Protocol != nil:
		if a.Protocol.MinReaderVersion < 1 || a.Protocol.MinWriterVersion < 1 {
			return fmt.Errorf("protocol with reader version %d and writer version %d",
				a.Protocol.MinReaderVersion, a.Protocol.MinWriterVersion)
		}
	case a.Txn != nil:
		if a.Txn.AppID == "" {
			return errors.New("txn without appId")
		}
	case a.Sidecar != nil:
		if a.Sidecar.Path == "" {
			return errors.New("sidecar without path")
		}
	}
	return nil
}

// readActions calls do for each action of a commit or of a JSON checkpoint, holding one line at a time.
func readActions(r io.Reader, do func(Action) error) error {
	br := bufio.NewReaderSize(r, 64<<10)
	var long []byte // a line that is longer than br's buffer
	for number := 1; ; number++ {
		line, err := br.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			long = append(long[:0], line...)
			line, err = appendLine(br, &long)
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("line %d: %w", number, err)
		}
		if trimmed := bytes.TrimSpace(line); len(trimmed) > 0 {
			a, decodeErr := DecodeAction(trimmed)
			if decodeErr != nil {
				return fmt.Errorf("line %d: %w", number, decodeErr)
			}
			if doErr := do(a); doErr != nil {
				return fmt.Errorf("line %d: %w", number, doErr)
			}
		}
		if err == io.EOF {
			return nil
		}
	}
}

// appendLine reads the rest of a line into long.
func appendLine(br *bufio.Reader, long *[]byte) ([]byte, error) {
	for {
		part, err := br.ReadSlice('\n')
		*long = append(*long, part...)
		if len(*long) > lineBytesMax {
			return nil, fmt.Errorf("%w: action of more than %d bytes", ErrCorrupt, lineBytesMax)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return *long, err
		}
	}
}
