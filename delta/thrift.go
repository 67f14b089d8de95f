package delta

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// thriftWalk goes through a struct of Thrift's compact protocol, in which Parquet describes itself, without taking memory
// for it. What it passes is safe to be decoded: a library takes room for lists and texts by the lengths that they claim.
type thriftWalk struct {
	b        []byte
	pos      int
	elements int // of lists and maps, so far
	// integer is told of every integer: of which field of which struct (the field that holds the struct, 0 is the outermost).
	integer func(of, field int16, v int64)
}

var (
	errThriftEnds = errors.New("it ends in a description")
	errThrift     = errors.New("a damaged description")
)

const (
	thriftDepthMax    = 32
	thriftElementsMax = 1 << 20 // some hundred bytes each when decoded
)

// Types of the compact protocol.
const (
	thriftTrue = iota + 1
	thriftFalse
	thriftByte
	thriftI16
	thriftI32
	thriftI64
	thriftDouble
	thriftBinary
	thriftList
	thriftSet
	thriftMap
	thriftStruct
)

// walk passes one struct.
func (t *thriftWalk) walk() error { return t.group(0, 0) }

func (t *thriftWalk) group(of int16, depth int) error {
	if depth > thriftDepthMax {
		return fmt.Errorf("%w: nested deeper than %d", errThrift, thriftDepthMax)
	}
	field := int16(0)
	for {
		head, err := t.byte()
		if err != nil || head == 0 {
			return err
		}
		if step := head >> 4; step != 0 {
			field += int16(step)
		} else if v, err := t.signed(); err != nil {
			return err
		} else {
			field = int16(v)
		}
		if kind := head & 15; kind != thriftTrue && kind != thriftFalse { // a boolean's value is its type
			if err := t.value(kind, of, field, depth); err != nil {
				return err
			}
		}
	}
}

func (t *thriftWalk) value(kind byte, of, field int16, depth int) error {
	switch kind {
	case thriftTrue, thriftFalse, thriftByte:
		return t.skip(1)
	case thriftI16, thriftI32, thriftI64:
		v, err := t.signed()
		if err == nil && t.integer != nil {
			t.integer(of, field, v)
		}
		return err
	case thriftDouble:
		return t.skip(8)
	case thriftBinary:
		n, err := t.unsigned()
		if err != nil {
			return err
		}
		return t.skip(n)
	case thriftList, thriftSet:
		return t.list(field, depth)
	case thriftMap:
		return t.pairs(field, depth)
	case thriftStruct:
		return t.group(field, depth+1)
	}
	return fmt.Errorf("%w: type %d", errThrift, kind)
}

func (t *thriftWalk) list(field int16, depth int) error {
	head, err := t.byte()
	if err != nil {
		return err
	}
	n := uint64(head >> 4)
	if n == 15 {
		if n, err = t.unsigned(); err != nil {
			return err
		}
	}
	return t.repeat(n, func() error { return t.value(head&15, -1, field, depth+1) })
}

func (t *thriftWalk) pairs(field int16, depth int) error {
	n, err := t.unsigned()
	if err != nil || n == 0 {
		return err
	}
	kinds, err := t.byte()
	if err != nil {
		return err
	}
	return t.repeat(n, func() error {
		if err := t.value(kinds>>4, -1, field, depth+1); err != nil {
			return err
		}
		return t.value(kinds&15, -1, field, depth+1)
	})
}

func (t *thriftWalk) repeat(n uint64, one func() error) error {
	if n > uint64(thriftElementsMax-t.elements) {
		return fmt.Errorf("%w: more than %d elements", errThrift, thriftElementsMax)
	}
	t.elements += int(n)
	for range n {
		if err := one(); err != nil {
			return err
		}
	}
	return nil
}

func (t *thriftWalk) byte() (byte, error) {
	if t.pos >= len(t.b) {
		return 0, errThriftEnds
	}
	t.pos++
	return t.b[t.pos-1], nil
}

func (t *thriftWalk) skip(n uint64) error {
	if n > uint64(len(t.b)-t.pos) {
		t.pos = len(t.b)
		return errThriftEnds
	}
	t.pos += int(n)
	return nil
}

func (t *thriftWalk) unsigned() (uint64, error) {
	v, n := binary.Uvarint(t.b[t.pos:])
	switch {
	case n == 0:
		return 0, errThriftEnds
	case n < 0:
		return 0, fmt.Errorf("%w: a number of more than 64 bits", errThrift)
	}
	t.pos += n
	return v, nil
}

func (t *thriftWalk) signed() (int64, error) {
	v, err := t.unsigned()
	return int64(v>>1) ^ -int64(v&1), err
}
