package sql

// Expr is an expression of Trino's grammar.
type Expr interface{ Position() Pos }

type node struct{ Pos Pos }

// Position is where the expression starts; for a binary one where its operator stands, as Trino reports it.
func (n node) Position() Pos { return n.Pos }

type (
	// Ident is a column or a variable of a lambda.
	Ident struct {
		node
		Name   string
		Quoted bool
	}
	// Deref is Base.Field: a column of a table, or a field of a row.
	Deref struct {
		node
		Base  Expr
		Field Ident
	}
	// Null, Bool, Number, String, Binary are literals.
	Null struct{ node }
	Bool struct {
		node
		Value bool
	}
	// Number keeps its text: 1 is an integer or bigint, 1.5 a decimal, 1e0 a double.
	Number struct {
		node
		Text string
	}
	String struct {
		node
		Value string
	}
	Binary struct {
		node
		Hex string
	}
	// Typed is a literal with its type in front: DATE '2020-01-01'.
	Typed struct {
		node
		Type Type
		Text string
	}
	// Interval is INTERVAL '3' DAY; To is empty unless DAY TO SECOND and the like.
	Interval struct {
		node
		Negative bool
		Text     string
		From, To string // YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, WEEK
	}
	// Param is the n-th question mark, from 0.
	Param struct {
		node
		Index int
	}
	// Unary is -X or +X.
	Unary struct {
		node
		Op string
		X  Expr
	}
	// Arith is L Op R for + - * / % and ||.
	Arith struct {
		node
		Op   string
		L, R Expr
	}
	// Compare is L Op R for = <> < <= > >=, and for IS [NOT] DISTINCT FROM.
	Compare struct {
		node
		Op   string
		L, R Expr
	}
	// Quantified is L Op ALL|ANY|SOME (query).
	Quantified struct {
		node
		Op, Quantifier string
		L              Expr
		Query          *Query
	}
	// Logical is a chain of AND or of OR.
	Logical struct {
		node
		Op    string
		Terms []Expr
	}
	// Not is NOT X.
	Not struct {
		node
		X Expr
	}
	// Between is X [NOT] BETWEEN Low AND High.
	Between struct {
		node
		X, Low, High Expr
		Negated      bool
	}
	// In is X [NOT] IN (List) or X [NOT] IN (Query).
	In struct {
		node
		X       Expr
		List    []Expr
		Query   *Query
		Negated bool
	}
	// Like is X [NOT] LIKE Pattern [ESCAPE Escape].
	Like struct {
		node
		X, Pattern, Escape Expr
		Negated            bool
	}
	// IsNull is X IS [NOT] NULL.
	IsNull struct {
		node
		X       Expr
		Negated bool
	}
	// Exists is EXISTS (Query).
	Exists struct {
		node
		Query *Query
	}
	// Subquery is a query as a value.
	Subquery struct {
		node
		Query *Query
	}
	// Case is CASE [Operand] WHEN … END.
	Case struct {
		node
		Operand Expr
		Whens   []When
		Else    Expr
	}
	// Cast is CAST or TRY_CAST.
	Cast struct {
		node
		X    Expr
		Type Type
		Try  bool
	}
	// Extract is EXTRACT(Field FROM X).
	Extract struct {
		node
		Field string
		X     Expr
	}
	// AtTimeZone is X AT TIME ZONE Zone.
	AtTimeZone struct {
		node
		X, Zone Expr
	}
	// Call is a function call. Name is in lower case. CURRENT_DATE and its like are calls without Parens.
	Call struct {
		node
		Name        string
		Args        []Expr
		Star        bool // count(*)
		Distinct    bool
		NoParens    bool
		OrderBy     []SortItem
		Filter      Expr
		IgnoreNulls bool
		Over        *Window
	}
	// Array is ARRAY[…].
	Array struct {
		node
		Elems []Expr
	}
	// Row is ROW(…) or a parenthesised list.
	Row struct {
		node
		Elems []Expr
	}
	// Lambda is (Params) -> Body.
	Lambda struct {
		node
		Params []Ident
		Body   Expr
	}
	// Subscript is X[Index].
	Subscript struct {
		node
		X, Index Expr
	}
)

// When is one branch of a Case.
type When struct{ Cond, Then Expr }

// SortItem is one item of ORDER BY. Nulls is FIRST, LAST or empty.
type SortItem struct {
	X     Expr
	Desc  bool
	Nulls string
}

// Window is what stands after OVER, or a definition of the WINDOW clause. A Base alone is OVER name.
type Window struct {
	Base        *Ident
	PartitionBy []Expr
	OrderBy     []SortItem
	Frame       *Frame
}

// Frame is ROWS|RANGE|GROUPS [BETWEEN Start AND] End. End is nil without BETWEEN.
type Frame struct {
	Unit  string
	Start Bound
	End   *Bound
}

// Bound is one end of a frame. X is nil for UNBOUNDED and CURRENT ROW.
type Bound struct {
	Kind string // UNBOUNDED PRECEDING, PRECEDING, CURRENT ROW, FOLLOWING, UNBOUNDED FOLLOWING
	X    Expr
}

// Name is a qualified name: [[catalog.]schema.]object. Unquoted and quoted parts alike are in lower case.
type Name struct {
	Pos   Pos
	Parts []string
}

// Query is a whole query expression, with its WITH and ORDER BY.
type Query struct {
	Pos       Pos
	Recursive bool
	With      []CTE
	Body      SetExpr
	OrderBy   []SortItem
	Offset    Expr
	Limit     Expr // nil: none or LIMIT ALL
	WithTies  bool // FETCH FIRST n ROWS WITH TIES
}

// CTE is one named query of a WITH.
type CTE struct {
	Name    Ident
	Columns []Ident
	Query   *Query
}

// SetExpr is the body of a query: *Select, *SetOp, *Values, *TableBody or *Query in parentheses.
type SetExpr interface{ setExpr() }

// Select is SELECT … FROM … WHERE … GROUP BY … HAVING … WINDOW ….
type Select struct {
	Pos             Pos
	Distinct        bool
	Items           []SelectItem
	From            []Relation
	Where           Expr
	GroupBy         []Grouping
	GroupByDistinct bool
	Having          Expr
	Windows         []NamedWindow
}

// SelectItem is an expression with an alias, or a star: X is nil and Qualifier its prefix, if any.
type SelectItem struct {
	Pos       Pos
	X         Expr
	Alias     *Ident
	Qualifier Expr
}

// NamedWindow is one definition of the WINDOW clause.
type NamedWindow struct {
	Name Ident
	Def  Window
}

// Grouping is one element of GROUP BY: a plain expression, or ROLLUP, CUBE, GROUPING SETS over Sets.
type Grouping struct {
	Kind string // "", ROLLUP, CUBE, GROUPING SETS
	X    Expr
	Sets [][]Expr
}

// SetOp is UNION, INTERSECT or EXCEPT.
type SetOp struct {
	Pos  Pos
	Op   string
	All  bool
	L, R SetExpr
}

// Values is VALUES row, ….
type Values struct {
	Pos  Pos
	Rows []Expr
}

// TableBody is TABLE name.
type TableBody struct{ Name Name }

func (*Select) setExpr()    {}
func (*SetOp) setExpr()     {}
func (*Values) setExpr()    {}
func (*TableBody) setExpr() {}
func (*Query) setExpr()     {}

// Relation is something that FROM can name.
type Relation interface{ relation() }

type (
	// TableRef is a table, view or WITH query by name, possibly at an older version, or with what its pipeline has yet to write (Live).
	TableRef struct {
		Name     Name
		AsOf     Expr
		AsOfKind string // VERSION or TIMESTAMP; empty with Live
		Live     bool   // FOR LIVE, which AWS does not have; AsOf is the cut then, nil for the newest records
	}
	// QueryRef is a query in parentheses; Lateral lets it see what stands left of it.
	QueryRef struct {
		Query   *Query
		Lateral bool
	}
	// Unnest is UNNEST(…) [WITH ORDINALITY].
	Unnest struct {
		Pos        Pos
		Exprs      []Expr
		Ordinality bool
	}
	// Aliased is Relation [AS] Alias (Columns).
	Aliased struct {
		Relation Relation
		Alias    Ident
		Columns  []Ident
	}
	// Sampled is Relation TABLESAMPLE Method (Percent).
	Sampled struct {
		Relation Relation
		Method   string
		Percent  Expr
	}
	// Join is L Kind JOIN R.
	Join struct {
		Pos     Pos
		Kind    string // INNER, LEFT, RIGHT, FULL, CROSS
		Natural bool
		L, R    Relation
		On      Expr
		Using   []Ident
	}
	// Parens is a relation in parentheses.
	Parens struct{ Relation Relation }
)

func (*TableRef) relation() {}
func (*QueryRef) relation() {}
func (*Unnest) relation()   {}
func (*Aliased) relation()  {}
func (*Sampled) relation()  {}
func (*Join) relation()     {}
func (*Parens) relation()   {}
