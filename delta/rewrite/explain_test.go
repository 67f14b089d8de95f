package rewrite

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/duckdb/duckdb-go/mapping"

	"github.com/weir-data/weir/batch/duckdb"
	"github.com/weir-data/weir/columnar"
)

// explaining is a DB that keeps DuckDB's plans of the statements that it runs.
type explaining struct {
	*duckdb.DB
	plans []string
}

func (e *explaining) Query(ctx context.Context, sql string, tables ...duckdb.Table) (*columnar.Batch, error) {
	if err := e.explain(sql, tables); err != nil {
		return nil, err
	}
	return e.DB.Query(ctx, sql, tables...)
}

func (e *explaining) Copy(ctx context.Context, sql string, opts duckdb.CopyOptions, tables ...duckdb.Table) ([]duckdb.CopiedFile, error) {
	if err := e.explain(sql, tables); err != nil {
		return nil, err
	}
	return e.DB.Copy(ctx, sql, opts, tables...)
}

// explain asks an instance of its own, in which tables have the columns and the number of rows that they have.
func (e *explaining) explain(sql string, tables []duckdb.Table) error {
	var db mapping.Database
	var conn mapping.Connection
	if mapping.Open(":memory:", &db) == mapping.StateError || mapping.Connect(db, &conn) == mapping.StateError {
		return errors.New("start DuckDB to explain")
	}
	defer mapping.Close(&db)
	defer mapping.Disconnect(&conn)
	for _, t := range tables {
		rows := 0
		for _, b := range t.Rows {
			rows += b.Len
		}
		var columns []string
		for _, f := range t.Schema.Fields {
			typ := map[columnar.Kind]string{columnar.Int32: "INTEGER", columnar.Int64: "BIGINT"}[f.Type.Kind]
			if typ == "" {
				return fmt.Errorf("explain a column of type %v", f.Type)
			}
			columns = append(columns, fmt.Sprintf("CAST(i AS %s) AS %s", typ, quoteName(f.Name)))
		}
		if _, err := run(conn, fmt.Sprintf("CREATE TABLE %s AS SELECT %s FROM range(%d) r(i)", quoteName(t.Name), strings.Join(columns, ", "), rows)); err != nil {
			return err
		}
	}
	plan, err := run(conn, "EXPLAIN "+sql)
	e.plans = append(e.plans, plan)
	return err
}

// run returns the second column of a statement's first row, which is where EXPLAIN has the plan.
func run(conn mapping.Connection, sql string) (string, error) {
	var res mapping.Result
	defer mapping.DestroyResult(&res)
	if mapping.Query(conn, sql, &res) == mapping.StateError {
		return "", fmt.Errorf("%s: %s", sql, mapping.ResultError(&res))
	}
	if mapping.ColumnCount(&res) < 2 {
		return "", nil
	}
	chunk := mapping.FetchChunk(res)
	defer mapping.DestroyDataChunk(&chunk)
	return mapping.StringTData((*mapping.StringT)(mapping.VectorGetData(mapping.DataChunkGetVector(chunk, 1)))), nil
}

// joins counts the operators of all plans that join by hash, and those that compare each row with each.
func (e *explaining) joins() (byHash, eachWithEach int) {
	for _, plan := range e.plans {
		byHash += strings.Count(plan, "HASH_JOIN")
		eachWithEach += strings.Count(plan, "NL_JOIN") + strings.Count(plan, "NESTED_LOOP_JOIN") + strings.Count(plan, "CROSS_PRODUCT") + strings.Count(plan, "IE_JOIN")
	}
	return byHash, eachWithEach
}
