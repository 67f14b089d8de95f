package query

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/weir-data/weir/objstore"
)

// readPage fills a page with rows of a result object from pos on.
func (s *Service) readPage(page *Page, bucket, key string, pos int64, max int, csv bool) error {
	ctx := context.Background()
	info, err := s.opts.Objects.Head(ctx, bucket, key)
	switch {
	case errors.Is(err, objstore.ErrNoSuchKey) || errors.Is(err, objstore.ErrNoSuchBucket):
		return fmt.Errorf("%w: Could not find results", ErrInvalid)
	case err != nil:
		return fmt.Errorf("read result: %w", err)
	case pos > 0 && pos >= info.Size:
		return fmt.Errorf("%w: Invalid token", ErrInvalid)
	case info.Size == 0:
		return nil
	}
	r, _, err := s.opts.Objects.Get(ctx, bucket, key, &objstore.Range{Offset: pos, Length: -1})
	if err != nil {
		return fmt.Errorf("read result: %w", err)
	}
	defer r.Close()
	rows := &rowReader{r: bufio.NewReaderSize(r, 64<<10)}
	for len(page.Rows) < max {
		row, err := rows.next(csv)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read result: %w", err)
		}
		page.Rows = append(page.Rows, row)
	}
	if _, err := rows.r.Peek(1); err == nil {
		page.Next = strconv.FormatInt(pos+rows.pos, 36)
	}
	return nil
}

// rowReader reads rows of result objects. pos is behind the last row.
type rowReader struct {
	r   *bufio.Reader
	pos int64
}

// errResult says that a result object is not what writers of results write.
var errResult = errors.New("result object is malformed")

// rowMax bounds one row, Athena's own limit.
const rowMax = 32 << 20

// next reads one row: of CSV the values, of text the whole line as one.
func (r *rowReader) next(csv bool) ([]*string, error) {
	if _, err := r.r.Peek(1); err != nil {
		return nil, err
	}
	if !csv {
		line, err := r.line()
		if err != nil {
			return nil, err
		}
		text := string(bytes.TrimSuffix(line, []byte("\n")))
		return []*string{&text}, nil
	}
	var row []*string
	for size := 0; ; {
		cell, last, err := r.cell()
		if err != nil {
			return nil, err
		}
		row = append(row, cell)
		if cell != nil {
			size += len(*cell)
		}
		if size > rowMax {
			return nil, errResult
		}
		if last {
			return row, nil
		}
	}
}

func (r *rowReader) line() ([]byte, error) {
	line, err := r.r.ReadBytes('\n')
	r.pos += int64(len(line))
	if errors.Is(err, io.EOF) && len(line) > 0 {
		err = nil
	}
	return line, err
}

// cell reads one value and the comma or line feed behind it; nil is NULL.
func (r *rowReader) cell() (cell *string, last bool, err error) {
	c, err := r.byte()
	if err != nil {
		return nil, false, err
	}
	if c == ',' || c == '\n' {
		return nil, c == '\n', nil
	}
	if c != '"' {
		return nil, false, errResult
	}
	var b []byte
	for len(b) <= rowMax {
		if c, err = r.byte(); err != nil {
			return nil, false, err
		}
		if c == '"' {
			if c, err = r.byte(); err != nil {
				return nil, false, err
			}
			if c != '"' {
				text := string(b)
				if c != ',' && c != '\n' {
					return nil, false, errResult
				}
				return &text, c == '\n', nil
			}
		}
		b = append(b, c)
	}
	return nil, false, errResult
}

func (r *rowReader) byte() (byte, error) {
	c, err := r.r.ReadByte()
	if errors.Is(err, io.EOF) {
		return 0, errResult
	}
	r.pos++
	return c, err
}
