package incremental

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/weir-data/weir/columnar"
	"github.com/weir-data/weir/sql"
)

func everything(t testing.TB, mode string) Inputs {
	in := twoStreams(t, mode)
	in.Streams["source"] = events(t, mode, time.Minute).Streams["source"]
	in.Streams["plain"] = Stream{Columns: schema(t, eventColumns)}
	in.Static = func(name string) (string, *columnar.Schema, error) {
		if name != "lake.names" {
			return "", nil, &sql.Error{Code: "TABLE_NOT_FOUND", Msg: "Table '" + name + "' does not exist"}
		}
		return name, schema(t, "k string, name string"), nil
	}
	return in
}

// TestRefusals checks what is refused, and that the reason is Spark's where Spark refuses it too.
func TestRefusals(t *testing.T) {
	for _, c := range []struct{ mode, query, want string }{
		{Append, "SELECT k, count(*) FROM source GROUP BY k", "Append output mode not supported when there are streaming aggregations on streaming DataFrames/DataSets without watermark"},
		{Append, "SELECT window(ts, '1 minute'), count(*) FROM plain GROUP BY 1", "Append output mode not supported when there are streaming aggregations"},
		{Update, "SELECT k, percentile_approx(x, 0.5) FROM source GROUP BY k", "Function 'percentile_approx' not registered; write approx_percentile(x, 0.5)"},
		{Complete, "SELECT collect_list(x) FROM source", "Function 'collect_list' not registered; write array_agg(x)"},
		{Append, "SELECT a.id FROM a left semi JOIN b ON a.id = b.id", "mismatched input 'semi'. Expecting: 'JOIN'; write WHERE EXISTS (SELECT 1 FROM b WHERE"},
		{Append, "SELECT a.id FROM a LEFT ANTI JOIN b ON a.id = b.id", "write WHERE NOT EXISTS (SELECT 1 FROM b WHERE"},
		{Append, "SELECT id, e FROM a LATERAL VIEW explode(x) t AS e", "write CROSS JOIN UNNEST(x) AS t(e)"},
		{Append, "SELECT id FROM a WHERE id IN (SELECT x.id FROM (SELECT id, ts FROM b) AS x WHERE x.ts = a.ts)", "Column 'a' cannot be resolved; where a subquery over a stream mentions columns of the query around it, write it as SELECT"},
		{Append, "SELECT session_window(ts, v), count(*) FROM a GROUP BY 1", "the gap of a session is a duration such as '5 minutes'"},
		{Append, "SELECT session_window(ts, CASE WHEN id = 1 THEN '5 parsecs' END), count(*) FROM a GROUP BY 1", "\"5 parsecs\" is not a duration"},
		{Append, "SELECT CAST(ts AS string) FROM source", "Unknown type: string; write varchar"},
		{Append, "SELECT ARRAY[k][0] FROM source", "SQL array indices start at 1"},
		{Append, "SELECT DISTINCT k FROM source", "Append output mode not supported"},
		{Complete, "SELECT k FROM source", "Complete output mode not supported when there are no streaming aggregations on streaming DataFrames/Datasets"},
		{Complete, "SELECT a.id FROM a JOIN b ON a.id = b.id", "Join between two streaming DataFrames/Datasets is not supported in Complete output mode"},
		{Update, "SELECT session_window(ts, '1 minute'), count(*) FROM source GROUP BY 1", "Update output mode not supported for session window on streaming DataFrames/DataSets"},
		{Update, "SELECT max(n) FROM (SELECT k, count(*) AS n FROM source GROUP BY k)", "Multiple streaming aggregations are not supported with streaming DataFrames/Datasets"},
		{Update, "SELECT k, sum(x) OVER (PARTITION BY k), count(*) FROM source GROUP BY k", "Non-time-based windows are not supported on streaming DataFrames/Datasets"},
		{Update, "SELECT k, count(*) FROM source GROUP BY k ORDER BY 2", "Sorting is not supported on streaming DataFrames/Datasets, unless it is on aggregated DataFrame/Dataset in Complete output mode"},
		{Update, "SELECT k, count(*) FROM source GROUP BY k LIMIT 3", "Limits are not supported on streaming DataFrames/Datasets in Update output mode"},
		{Append, "SELECT k FROM source ORDER BY k", "Sorting is not supported"},
		{Append, "SELECT k FROM source UNION ALL SELECT k FROM lake.names", "Union between streaming and batch DataFrames/Datasets is not supported"},
		{Append, "SELECT id FROM a INTERSECT SELECT id FROM b", "Intersect of streaming DataFrames/Datasets is not supported"},
		{Append, "SELECT id FROM a EXCEPT SELECT id FROM b", "Except on a streaming DataFrame/Dataset on the right is not supported"},
		{Append, "SELECT a.id FROM a FULL JOIN lake.names ON v = k", "FullOuter joins with streaming DataFrames/Datasets on the left and a static DataFrame/Dataset on the right is not supported"},
		{Append, "SELECT a.id FROM a RIGHT JOIN lake.names ON v = k", "RightOuter join with a streaming DataFrame/Dataset on the left and a static DataFrame/DataSet on the right not supported"},
		{Append, "SELECT a.id FROM lake.names LEFT JOIN a ON v = k", "LeftOuter join with a streaming DataFrame/Dataset on the right and a static DataFrame/Dataset on the left is not supported"},
		{Update, "SELECT k, count(*) FROM source TABLESAMPLE BERNOULLI (10) GROUP BY k", "Sampling is not supported on streaming DataFrames/Datasets"},
		{Append, "SELECT window(ts, '1 minute'), session_window(ts, '1 minute'), count(*) FROM source GROUP BY 1, 2", "Multiple time/session window expressions"},
		{Append, "SELECT name FROM lake.names", "Queries without streaming sources cannot be executed"},
		{Append, "SELECT k, (SELECT max(id) FROM a) FROM source", "a stream can be read in FROM"},
		{Update, "SELECT k, x, count(*) FROM source GROUP BY k", "'x' must be an aggregate expression or appear in GROUP BY clause"},
		{Update, "SELECT k, sum(count(*)) FROM source GROUP BY k", "Cannot nest aggregations"},
		{Update, "SELECT k, sum(k) FROM source GROUP BY k", "Unexpected parameters (varchar) for function sum"},
		{Update, "SELECT nothing, count(*) FROM source GROUP BY nothing", "Column 'nothing' cannot be resolved"},
		{Update, "SELECT k, count(*) FROM source GROUP BY ROLLUP (k)", "the result must have all that GROUP BY names"},
		{Append, "SELECT k, count(*) FROM source GROUP BY ROLLUP (k, ts)", "Append output mode not supported"},
		{Complete, "SELECT window(ts, '1 minute'), k, count(*) FROM source GROUP BY CUBE (1, k)", "a time window that some grouping sets lack"},
		{Complete, "SELECT k, count(*) FROM source GROUP BY GROUPING SETS (k, (k))", "the same grouping set twice"},
		{Complete, "SELECT count(*) FROM source GROUP BY CUBE (k, x, ts, k || 'a', k || 'b', x + 1, x + 2)", "more than 64 grouping sets"},
		{Complete, "SELECT k, count(*) FROM source GROUP BY ROLLUP (k), session_window(ts, '1 minute')", "session_window() beside grouping sets"},
		{Update, "SELECT k, count(*) FROM source GROUP BY 3", "GROUP BY position 3 is not in select list"},
		{Update, "SELECT count(*) FROM source GROUP BY k", "in Update output mode a row replaces the one of the same keys: the result must have all that GROUP BY names"},
		{Update, "SELECT g.k, n, name FROM (SELECT k, count(*) AS n FROM source GROUP BY k) AS g JOIN lake.names AS m ON g.k = m.k", "cannot be joined with a table"},
		{Update, "SELECT k, skewness(x) FROM source GROUP BY k", "the aggregate skewness"},
		{Append, "SELECT window(ts, '1 minute', '2 minutes'), count(*) FROM source GROUP BY 1", "the slide of a window must not be longer than the window"},
	} {
		_, err := Compile(c.query, everything(t, c.mode))
		switch {
		case c.want == "":
			continue
		case err == nil:
			t.Errorf("%s (%s): not refused", c.query, c.mode)
		case !strings.Contains(err.Error(), c.want):
			t.Errorf("%s (%s): got\n  %v\nwant\n  %s", c.query, c.mode, err, c.want)
		}
		var sound *sql.Error
		if err != nil && !errors.Is(err, ErrUnsupported) && !errors.As(err, &sound) {
			t.Errorf("%s: error of no kind: %v", c.query, err)
		}
	}
}
