package sql

import (
	"strconv"
	"strings"
)

// typeName reads a type of Trino's grammar: bigint, varchar(3), array(row(a integer)), timestamp(3) with time zone.
// Hive's array<int> is read too, since Athena takes it in casts.
func (p *parser) typeName() (Type, error) {
	if err := p.enter(); err != nil {
		return Type{}, err
	}
	defer p.leave()
	t := p.cur()
	if t.Kind != tokIdent && t.Kind != tokQuoted {
		return Type{}, p.mismatch("<type>")
	}
	p.at++
	lower := strings.ToLower(t.Text)
	switch lower {
	case "interval":
		return p.intervalType()
	case "double":
		p.word("PRECISION")
	case "array", "map", "row":
		return p.nestedType(lower)
	}
	name, ok := typeNames[lower]
	if !ok || name == "array" || name == "map" || name == "row" || lower == "string" {
		return Type{}, &Error{Code: "TYPE_NOT_FOUND", Pos: t.Pos, Msg: "Unknown type: " + lower}
	}
	typ := Type{Name: name}
	if err := p.typeParams(&typ, t.Pos); err != nil {
		return Type{}, err
	}
	if name == "time" || name == "timestamp" {
		if p.word("WITH", "TIME", "ZONE") && name == "timestamp" {
			typ.Name = "timestamp with time zone"
		} else {
			p.word("WITHOUT", "TIME", "ZONE")
		}
	}
	return typ, nil
}

// typeParams reads (n) or (p, s) into t.
func (p *parser) typeParams(t *Type, at Pos) error {
	if t.Name == "decimal" {
		t.Len, t.Scale = 38, 0
	}
	if !p.op("(") {
		return nil
	}
	nums, err := list(p, p.smallInt)
	if err != nil {
		return err
	}
	if err := p.expectOp(")"); err != nil {
		return err
	}
	switch {
	case t.Name == "decimal" && len(nums) <= 2:
		t.Len = nums[0]
		if len(nums) == 2 {
			t.Scale = nums[1]
		}
		if t.Len < 1 || t.Len > 38 || t.Scale > t.Len {
			return syntaxError(at, "Invalid decimal precision or scale: decimal(%d,%d)", t.Len, t.Scale)
		}
	case (t.Name == "varchar" || t.Name == "char") && len(nums) == 1:
		t.Len = nums[0]
	case (t.Name == "timestamp" || t.Name == "time") && len(nums) == 1 && nums[0] <= 12:
	default:
		return syntaxError(at, "type %s does not take these parameters", t.Name)
	}
	return nil
}

func (p *parser) smallInt() (int, error) {
	t := p.cur()
	n, err := strconv.ParseInt(t.Text, 10, 32)
	if t.Kind != tokInteger || err != nil {
		return 0, p.mismatch("<integer>")
	}
	p.at++
	return int(n), nil
}

func (p *parser) intervalType() (Type, error) {
	switch {
	case p.word("DAY", "TO", "SECOND"):
		return Type{Name: "interval day to second"}, nil
	case p.word("YEAR", "TO", "MONTH"):
		return Type{Name: "interval year to month"}, nil
	}
	return Type{}, p.mismatch("'DAY'", "'YEAR'")
}

func (p *parser) nestedType(name string) (Type, error) {
	closing := ")"
	switch {
	case p.op("<"):
		closing = ">"
	default:
		if err := p.expectOp("("); err != nil {
			return Type{}, err
		}
	}
	typ := Type{Name: name}
	for {
		field := ""
		if name == "row" && p.fieldNameNext() {
			id, err := p.ident()
			if err != nil {
				return Type{}, err
			}
			field = id.Name
		}
		arg, err := p.typeName()
		if err != nil {
			return Type{}, err
		}
		typ.Args = append(typ.Args, arg)
		if name == "row" {
			typ.Fields = append(typ.Fields, field)
		}
		if !p.op(",") {
			break
		}
	}
	if want := map[string]int{"array": 1, "map": 2}[name]; want > 0 && len(typ.Args) != want {
		return Type{}, p.mismatch("<type>")
	}
	return typ, p.expectOp(closing)
}

// fieldNameNext tells "a integer" from "integer" in a row type.
func (p *parser) fieldNameNext() bool {
	if !p.isName(p.cur()) {
		return false
	}
	next := p.look(1)
	switch {
	case next.Kind == tokQuoted:
		return true
	case next.Kind != tokIdent:
		return false
	}
	switch p.cur().Upper {
	case "DOUBLE":
		return next.Upper != "PRECISION"
	case "TIME", "TIMESTAMP":
		return next.Upper != "WITH" && next.Upper != "WITHOUT"
	case "INTERVAL":
		return next.Upper != "DAY" && next.Upper != "YEAR"
	}
	return true
}

// hiveType reads a type of Hive's grammar: int, array<string>, struct<a:int>, decimal(10,2).
func (p *parser) hiveType(depth int) (Type, error) {
	if depth > maxTypeDepth {
		return Type{}, syntaxError(p.cur().Pos, "the type nests more than %d levels deep", maxTypeDepth)
	}
	t := p.cur()
	if t.Kind != tokIdent {
		return Type{}, p.mismatch("<type>")
	}
	name, ok := typeNames[strings.ToLower(t.Text)]
	if !ok {
		return Type{}, p.mismatch("<type>")
	}
	p.at++
	typ := Type{Name: name}
	switch name {
	case "array", "map", "row":
		return p.hiveNested(typ, depth)
	case "decimal":
		typ.Len, typ.Scale = 10, 0
		if !p.cur().isOp("(") {
			return typ, nil
		}
	case "double":
		p.word("PRECISION")
	case "timestamp":
		p.word("WITH", "TIME", "ZONE")
	}
	return typ, p.typeParams(&typ, t.Pos)
}

func (p *parser) hiveNested(typ Type, depth int) (Type, error) {
	if err := p.expectOp("<"); err != nil {
		return Type{}, err
	}
	for {
		if typ.Name == "row" {
			t := p.advance()
			if t.Kind == tokEOF || t.Kind == tokOp || !p.op(":") {
				return Type{}, p.mismatch("':'")
			}
			typ.Fields = append(typ.Fields, strings.ToLower(t.Text))
		}
		arg, err := p.hiveType(depth + 1)
		if err != nil {
			return Type{}, err
		}
		if typ.Name == "row" && p.word("COMMENT") {
			if _, err := p.stringLit(); err != nil {
				return Type{}, err
			}
		}
		typ.Args = append(typ.Args, arg)
		if !p.op(",") {
			break
		}
	}
	if want := map[string]int{"array": 1, "map": 2}[typ.Name]; want > 0 && len(typ.Args) != want {
		return Type{}, p.mismatch("<type>")
	}
	return typ, p.expectOp(">")
}
