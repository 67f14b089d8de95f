package sql

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite testdata")

// golden runs f over the blocks of a file in testdata; under ---- stands what it answers.
func golden(t *testing.T, name string, f func(string) string) {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, block := range strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n\n") {
		in, _, _ := strings.Cut(block, "\n----")
		if strings.HasPrefix(in, "--") {
			blocks = append(blocks, in)
			continue
		}
		blocks = append(blocks, in+"\n----\n"+f(in))
	}
	got := strings.Join(blocks, "\n\n") + "\n"
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	w, g := strings.Split(string(raw), "\n\n"), strings.Split(got, "\n\n")
	for i := range g {
		if i >= len(w) || w[i] != g[i] {
			t.Errorf("%s: got\n%s\nwant\n%s", name, g[i], w[min(i, len(w)-1)])
		}
	}
}

// TestParse prints what was parsed; the print must parse to the same print again.
func TestParse(t *testing.T) {
	golden(t, "testdata/parse.txt", func(in string) string {
		s, err := Parse(in)
		if err != nil {
			return "error: " + err.Error()
		}
		printed := Print(s)
		again, err := Parse(printed)
		if err != nil {
			t.Errorf("%s\nprints as\n%s\nwhich does not parse: %v", in, printed, err)
		} else if twice := Print(again); twice != printed {
			t.Errorf("%s\nprints as\n%s\nand then as\n%s", in, printed, twice)
		}
		return printed
	})
}

// tables are what TestTranslate knows.
func tables(src **Source) func(*TableRef) (*Source, error) {
	col := func(name, hive string) Column {
		typ, err := ParseHiveType(hive)
		if err != nil {
			panic(err)
		}
		return Column{Name: name, Type: typ}
	}
	return func(ref *TableRef) (*Source, error) {
		hidden := []Column{{Name: "$path", Type: Type{Name: "varchar"}}}
		s := &Source{Hidden: hidden}
		switch name := ref.Name.Parts[len(ref.Name.Parts)-1]; name {
		case "rides":
			*s = Source{Binding: "b_rides", Hidden: hidden, Columns: []Column{col("vendor", "int"), col("zone", "bigint"), col("total", "double"),
				col("pickup", "timestamp"), col("year", "int"), col("month", "int")}}
		case "zones":
			*s = Source{Binding: "b_zones", Hidden: hidden, Columns: []Column{col("id", "int"), col("name", "string"), col("tags", "array<string>"),
				col("attrs", "map<string,int>"), col("box", "struct<lo:double,hi:double>")}}
		case "loop":
			q, err := ParseQuery("SELECT * FROM loop")
			if err != nil {
				return nil, err
			}
			return &Source{View: q}, nil
		case "source":
			s.Binding = "source"
		default:
			return nil, fmt.Errorf("no table %s", ref.Name)
		}
		if *src == nil {
			*src = s
		}
		return s, nil
	}
}

func TestTranslate(t *testing.T) {
	golden(t, "testdata/translate.txt", func(in string) string {
		q, err := ParseQuery(in)
		if err != nil {
			return "syntax error: " + err.Error()
		}
		var first *Source
		tr, err := Translate(q, Options{Table: tables(&first), Windows: true, Now: time.Unix(0, 0)})
		if err != nil {
			return "error: " + err.Error()
		}
		out := tr.Text
		if tr.Columns != nil {
			out += "\ncolumns:"
			for _, c := range tr.Columns {
				out += " " + c.Name + " " + c.Type.String() + ","
			}
			out = strings.TrimSuffix(out, ",")
		}
		if first != nil {
			for _, p := range first.Predicates {
				out += "\nprune: " + p.Column + " " + p.Op
				for _, v := range p.Values {
					out += " " + v.Text
				}
			}
		}
		return out
	})
}

func TestDepthAndLength(t *testing.T) {
	for name, text := range map[string]string{
		"parentheses": "SELECT " + strings.Repeat("(", 100000) + "1",
		"minus":       "SELECT " + strings.Repeat("- ", 100000) + "1",
		"not":         "SELECT " + strings.Repeat("NOT ", 60000) + "1",
		"queries":     strings.Repeat("SELECT (", 30000),
		"relations":   "SELECT 1 FROM " + strings.Repeat("(", 100000),
		"types":       "SELECT CAST(1 AS " + strings.Repeat("array(", 40000),
		"sum":         "SELECT 1" + strings.Repeat("+1", 100000),
		"fields":      "SELECT a" + strings.Repeat(".a", 100000),
		"prepares":    strings.Repeat("PREPARE a FROM ", 10000),
		"explains":    strings.Repeat("EXPLAIN ", 30000),
		"length":      "SELECT '" + strings.Repeat("x", MaxLength) + "'",
	} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	long := "SELECT 1 WHERE " + strings.Repeat("1=1 OR ", 30000) + "1=1"
	if _, err := Parse(long); err != nil {
		t.Errorf("a long chain of OR: %v", err)
	}
	if _, err := ParseHiveType(strings.Repeat("array<", 1000)); err == nil {
		t.Error("a deep Hive type: no error")
	}
}

// TestBlowUp nests a function whose translation repeats its argument.
func TestBlowUp(t *testing.T) {
	text := "x"
	for range 60 {
		text = "json_extract_scalar(" + text + ", '$.a')"
	}
	began := time.Now()
	if out, err := ToDuckDB("SELECT "+text+" FROM t", Options{}); err == nil {
		t.Errorf("%d bytes", len(out))
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestHiveTypes(t *testing.T) {
	for _, in := range []string{"int", "bigint", "string", "varchar(3)", "decimal(10,2)", "array<map<string,double>>",
		"struct<a:int,b:array<struct<c:timestamp>>>", "binary", "boolean", "float"} {
		typ, err := ParseHiveType(in)
		if err != nil || typ.Hive() != in {
			t.Errorf("%s: %s %v", in, typ.Hive(), err)
		}
	}
	for _, in := range []string{"", "nosuch", "array<>", "array<int", "struct<a>", "map<int>", "int int", "decimal(99,1)", "varchar(99999999999)"} {
		if typ, err := ParseHiveType(in); err == nil {
			t.Errorf("%q: %v", in, typ)
		}
	}
}

func seeds(f *testing.F) {
	for _, name := range []string{"testdata/parse.txt", "testdata/translate.txt"} {
		raw, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, block := range strings.Split(string(raw), "\n\n") {
			in, _, _ := strings.Cut(block, "\n----")
			f.Add(in)
		}
	}
}

// FuzzParse checks that no text panics, and that what parses prints as text that parses to the same print.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, in string) {
		s, err := Parse(in)
		if err != nil {
			return
		}
		printed := Print(s)
		if len(printed) > MaxLength {
			return
		}
		again, err := Parse(printed)
		if err != nil {
			t.Fatalf("%q prints as %q: %v", in, printed, err)
		}
		if twice := Print(again); twice != printed {
			t.Fatalf("%q prints as %q, then as %q", in, printed, twice)
		}
	})
}

// FuzzTranslate checks that no query panics the analysis.
func FuzzTranslate(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, in string) {
		q, err := ParseQuery(in)
		if err != nil {
			return
		}
		var first *Source
		_, _ = Translate(q, Options{Table: tables(&first), Windows: true}) // any error will do
		_, _ = ToDuckDB(in, Options{})
		Qualify(q, "db")
	})
}

// FuzzLexer checks that tokens lie in the text one after the other.
func FuzzLexer(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, in string) {
		tokens, err := lex(in)
		if err != nil {
			return
		}
		at := 0
		for _, tok := range tokens {
			if tok.Start < at || tok.End < tok.Start || tok.End > len(in) {
				t.Fatalf("token %+v after %d", tok, at)
			}
			at = tok.End
		}
	})
}
