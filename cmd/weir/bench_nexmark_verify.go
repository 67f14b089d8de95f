package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	batchdelta "github.com/weir-data/weir/batch/delta"
	"github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/produce/nexmark"
)

// nexmarkAnswers holds all events in Parquet files, made of the generator's values and not of records, for DuckDB to answer the
// queries in its own words.
type nexmarkAnswers struct {
	dir string
}

// nexmarkTables are the kinds of events as tables of their own.
var nexmarkTables = map[nexmark.Kind]struct{ name, columns string }{
	nexmark.PersonEvent: {"person", "struct<id:bigint,name:string,emailaddress:string,creditcard:string,city:string,state:string,datetime:timestamp,extra:string>"},
	nexmark.AuctionEvent: {"auction", "struct<id:bigint,itemname:string,description:string,initialbid:bigint,reserve:bigint,datetime:timestamp,expires:timestamp," +
		"seller:bigint,category:bigint,extra:string>"},
	nexmark.BidEvent: {"bid", "struct<auction:bigint,bidder:bigint,price:bigint,channel:string,url:string,datetime:timestamp,extra:string>"},
}

// answerEvents is the number of events that are written at a time.
const answerEvents = 200_000

func newNexmarkAnswers(ctx context.Context, dir string, options nexmark.Options) (*nexmarkAnswers, error) {
	db, err := duckdb.Open(duckdb.Options{Dirs: []string{dir}})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	g := nexmark.New(options)
	for from := int64(0); from < options.Events; from += answerEvents {
		if err := writeEvents(ctx, db, dir, g, from, min(from+answerEvents, options.Events)); err != nil {
			return nil, err
		}
	}
	return &nexmarkAnswers{dir: dir}, nil
}

// writeEvents writes a file of each kind.
func writeEvents(ctx context.Context, db *duckdb.DB, dir string, g *nexmark.Generator, from, to int64) error {
	builders := map[nexmark.Kind]*columnar.Builder{}
	schemas := map[nexmark.Kind]*columnar.Schema{}
	for kind, table := range nexmarkTables {
		typ, err := columnar.ParseType(table.columns)
		if err != nil {
			return err
		}
		schemas[kind] = &columnar.Schema{Fields: typ.Fields}
		builders[kind] = columnar.NewBuilder(schemas[kind])
	}
	var e nexmark.Event
	for n := from; n < to; n++ {
		g.Event(n, &e)
		if e.Kind == nexmark.EndEvent {
			continue
		}
		if err := builders[e.Kind].Append(eventRow(&e)...); err != nil {
			return err
		}
	}
	for kind, table := range nexmarkTables {
		rows := duckdb.Table{Name: "events", Schema: schemas[kind], Rows: []*columnar.Batch{builders[kind].Batch()}}
		target := filepath.Join(dir, table.name, fmt.Sprintf("from-%012d", from))
		if _, err := db.Copy(ctx, "SELECT * FROM events", duckdb.CopyOptions{Dir: target, Columns: schemas[kind]}, rows); err != nil {
			return err
		}
	}
	return nil
}

// eventRow is an event as a row of its table.
func eventRow(e *nexmark.Event) []any {
	switch e.Kind {
	case nexmark.PersonEvent:
		p := &e.Person
		return []any{p.ID, p.Name, p.Email, p.CreditCard, p.City, p.State, e.DateTime, p.Extra}
	case nexmark.AuctionEvent:
		a := &e.Auction
		return []any{a.ID, a.ItemName, a.Description, a.InitialBid, a.Reserve, e.DateTime, a.Expires, a.Seller, a.Category, a.Extra}
	}
	b := &e.Bid
	return []any{b.Auction, b.Bidder, b.Price, b.Channel, b.URL, e.DateTime, b.Extra}
}

func (a *nexmarkAnswers) close() error { return os.RemoveAll(a.dir) }

// nexmarkMemory is what DuckDB may use to compare.
const nexmarkMemory = 4 << 30

// compare asks whether the table of a query has the rows of its answer, each as often, and no others. It removes neither.
func (a *nexmarkAnswers) compare(ctx context.Context, h *house, query string) error {
	answer, ok := nexmarkSQL[query]
	if !ok {
		return errors.New("has no answer to compare with")
	}
	db, err := duckdb.Open(duckdb.Options{Dirs: []string{a.dir, h.dir()}, MemoryLimit: nexmarkMemory})
	if err != nil {
		return err
	}
	defer db.Close()
	tables := batchdelta.NewTables(batchdelta.TablesOptions{Store: h.objects, Catalog: h.catalog, DB: db})
	defer tables.Close()
	name := "nexmark." + query
	state, err := tables.State(ctx, name)
	if err != nil {
		return err
	}
	table, err := tables.Select(ctx, name, state)
	if err != nil {
		return err
	}
	with := "WITH "
	for _, t := range nexmarkTables {
		with += fmt.Sprintf("%s AS (SELECT * FROM read_parquet('%s')), ", t.name, strings.ReplaceAll(filepath.Join(a.dir, t.name, "*", "*.parquet"), "'", "''"))
	}
	result := cmp.Or(nexmarkResult[query], "FROM result")
	with += "answer AS (" + answer + "), result AS (" + table + "), compared AS (" + result + ")\n"
	b, err := db.Query(ctx, with+`SELECT (SELECT count(*) FROM answer), (SELECT count(*) FROM compared),
		(SELECT count(*) FROM (FROM answer EXCEPT ALL FROM compared)), (SELECT count(*) FROM (FROM compared EXCEPT ALL FROM answer))`)
	if err != nil {
		return fmt.Errorf("compare with the answer: %w", err)
	}
	at := func(i int) int64 { return b.Columns[i].Int(0) }
	if at(2) > 0 || at(3) > 0 || at(0) != at(1) {
		return fmt.Errorf("the table has %s rows and the answer %s; %s are missing and %s are not in the answer", count(at(1)), count(at(0)), count(at(2)), count(at(3)))
	}
	return nil
}
