package columnar

import (
	"fmt"
)

func (d *JSONDecoder) structValue(n *node, b []byte, p, depth int) (int, error) {
	if b[p] == '[' && d.opts.Coerce {
		return d.structByPosition(n, b, p, depth)
	}
	if b[p] != '{' {
		return d.skipMisfit(n, b, p, depth)
	}
	p, err := d.object(&n.obj, b, p+1, n.Len, depth+1)
	if err == nil {
		n.addStruct()
	}
	return p, err
}

// structByPosition fills a struct from an array: the first element is the first field.
func (d *JSONDecoder) structByPosition(n *node, b []byte, p, depth int) (int, error) {
	if depth >= depthMax {
		return p, errDepth
	}
	row := n.Len
	p = skipSpace(b, p+1)
	done := p < len(b) && b[p] == ']'
	if done {
		p++
	}
	for i := 0; !done; i++ {
		var err error
		if i < len(n.obj.fields) {
			p, err = d.value(n.obj.fields[i], b, p, depth+1)
		} else {
			p, err = skipValue(b, p, depth+1)
		}
		if err != nil {
			return p, err
		}
		if p, done, err = scanComma(b, p, ']'); err != nil {
			return p, err
		}
	}
	n.obj.fill(row)
	n.addStruct()
	return p, nil
}

// spend takes cells for one more element of a list or map.
func (d *JSONDecoder) spend(elem *node) error {
	d.cells -= 1 + len(elem.obj.fields)
	if d.cells < 0 {
		return fmt.Errorf("%w: record expands to more than %d nested values", errSyntax, cellsMax)
	}
	return nil
}

func (d *JSONDecoder) listValue(n *node, b []byte, p, depth int) (int, error) {
	elem := n.kids[0]
	if b[p] != '[' {
		if !d.opts.Coerce || b[p] == '{' && elem.kind != Struct && elem.kind != Map {
			return d.skipMisfit(n, b, p, depth)
		}
		p, err := d.value(elem, b, p, depth)
		if err == nil {
			n.addList()
		}
		return p, err
	}
	if depth >= depthMax {
		return p, errDepth
	}
	p = skipSpace(b, p+1)
	if p < len(b) && b[p] == ']' {
		n.addList()
		return p + 1, nil
	}
	for {
		err := d.spend(elem)
		if err != nil {
			return p, err
		}
		if p, err = d.value(elem, b, p, depth+1); err != nil {
			return p, err
		}
		var done bool
		if p, done, err = scanComma(b, p, ']'); err != nil {
			return p, err
		}
		if done {
			n.addList()
			return p, nil
		}
	}
}

func (d *JSONDecoder) mapValue(n *node, b []byte, p, depth int) (int, error) {
	if b[p] != '{' {
		return d.skipMisfit(n, b, p, depth)
	}
	if depth >= depthMax {
		return p, errDepth
	}
	start := p
	key, value := n.kids[0], n.kids[1]
	first := key.Len
	p = skipSpace(b, p+1)
	done := p < len(b) && b[p] == '}'
	if done {
		p++
	}
	for !done {
		err := d.spend(value)
		if err != nil {
			return p, err
		}
		if p, err = d.mapKey(key, b, p); err != nil {
			return p, err
		}
		if p, err = d.value(value, b, p, depth+1); err != nil {
			return p, err
		}
		if p, done, err = scanComma(b, p, '}'); err != nil {
			return p, err
		}
	}
	if repeats(&key.Column, first) {
		key.truncate(first)
		value.truncate(first)
		d.misfit(n, b[start:p])
		return p, nil
	}
	n.addList()
	return p, nil
}

func (d *JSONDecoder) mapKey(key *node, b []byte, p int) (int, error) {
	if p >= len(b) || b[p] != '"' {
		return p, syntaxAt(b, p, "a key")
	}
	end, escaped, err := scanString(b, p+1)
	if err != nil {
		return end, err
	}
	from := len(key.Data)
	if escaped {
		key.Data = appendUnescaped(key.Data, b[p+1:end])
	} else {
		key.Data = append(key.Data, b[p+1:end]...)
	}
	if d.opts.Coerce {
		lowerASCII(key.Data[from:])
	}
	key.endBytes()
	return scanColon(b, end+1)
}

// repeats says whether two rows of c from row first on are equal.
func repeats(c *Column, first int) bool {
	if c.Len-first > 16 {
		seen := make(map[string]struct{}, c.Len-first)
		for i := first; i < c.Len; i++ {
			seen[string(c.Bytes(i))] = struct{}{}
		}
		return len(seen) < c.Len-first
	}
	for i := first; i < c.Len; i++ {
		for j := first; j < i; j++ {
			if string(c.Bytes(i)) == string(c.Bytes(j)) {
				return true
			}
		}
	}
	return false
}

// appendCompact appends a checked JSON value without spaces between tokens and with keys in lower case.
func appendCompact(dst, raw []byte) []byte {
	for p := 0; p < len(raw); {
		switch c := raw[p]; c {
		case ' ', '\n', '\r', '\t':
			p++
		case '"':
			end, escaped, _ := scanString(raw, p+1)
			from := len(dst)
			dst = append(dst, raw[p:end+1]...)
			p = end + 1
			if next := skipSpace(raw, p); next < len(raw) && raw[next] == ':' && !escaped {
				lowerASCII(dst[from:])
			}
		default:
			dst = append(dst, c)
			p++
		}
	}
	return dst
}

func lowerASCII(b []byte) {
	for i, c := range b {
		if c-'A' <= 25 {
			b[i] = c | 0x20
		}
	}
}

func asciiLower(s string) string {
	b := []byte(s)
	lowerASCII(b)
	return string(b)
}
