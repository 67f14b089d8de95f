package sql

// TextLengths is t with the lengths that text has in raw, a type of the same shape: char(n) and varchar(n) take the place of varchar.
// Fields of rows are matched by their place; what raw lacks, or has of another kind, stays as it is.
func TextLengths(t, raw Type) Type {
	switch {
	case t.Name == "varchar" && raw.family() == "text" && raw.Len > 0:
		return raw
	case t.Name != raw.Name || len(t.Args) == 0:
		return t
	}
	args := append([]Type(nil), t.Args...)
	for i := range min(len(args), len(raw.Args)) {
		args[i] = TextLengths(args[i], raw.Args[i])
	}
	t.Args = args
	return t
}

// blankless makes texts comparable if one of them is a char(n): blanks at their ends do not count then.
func blankless(xs []Expr, ts []Type) {
	char := false
	for _, t := range ts {
		char = char || t.Name == "char"
	}
	if !char {
		return
	}
	for i, t := range ts {
		if t.family() == "text" {
			xs[i] = &template{text: "rtrim($1, ' ')", args: []Expr{xs[i]}}
		}
	}
}
