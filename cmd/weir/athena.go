package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/aws-sdk-go-v2/service/athena/types"
)

// answer is a statement's result as Athena gives it: every value as text, nil for NULL.
type answer struct {
	Columns []string
	Types   []string
	Rows    [][]*string
	Scanned int64  // bytes of files read
	Note    string // what a weir says of the result
}

// text is the rows with "" for NULL.
func (a *answer) text() [][]string {
	out := make([][]string, len(a.Rows))
	for i, row := range a.Rows {
		out[i] = make([]string, len(row))
		for j, v := range row {
			out[i][j] = aws.ToString(v)
		}
	}
	return out
}

// runAthena starts a statement, waits for it and reads all of its result. When ctx ends the statement is stopped. An empty
// output leaves the place of the result file to the workgroup.
func runAthena(ctx context.Context, api *athena.Client, sql, output string) (*answer, error) {
	in := &athena.StartQueryExecutionInput{QueryString: aws.String(sql)}
	if output != "" {
		in.ResultConfiguration = &types.ResultConfiguration{OutputLocation: aws.String(output)}
	}
	started, err := api.StartQueryExecution(ctx, in)
	if err != nil {
		return nil, err
	}
	id := started.QueryExecutionId
	done, err := awaitStatement(ctx, api, id)
	if err != nil {
		if ctx.Err() != nil {
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_, _ = api.StopQueryExecution(stop, &athena.StopQueryExecutionInput{QueryExecutionId: id}) // the caller is gone already
		}
		return nil, err
	}
	a := &answer{}
	if done.Statistics != nil {
		a.Scanned = aws.ToInt64(done.Statistics.DataScannedInBytes)
	}
	pages := athena.NewGetQueryResultsPaginator(api, &athena.GetQueryResultsInput{QueryExecutionId: id})
	header := done.StatementType == types.StatementTypeDml
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("read result: %w", err)
		}
		a.add(page.ResultSet, header)
		header = false
	}
	return a, nil
}

// awaitStatement polls until the statement has ended; one that did not succeed is an error with Athena's reason.
func awaitStatement(ctx context.Context, api *athena.Client, id *string) (*types.QueryExecution, error) {
	const first, last = 2 * time.Millisecond, 200 * time.Millisecond
	for pause := first; ; pause = min(pause*3/2, last) {
		out, err := api.GetQueryExecution(ctx, &athena.GetQueryExecutionInput{QueryExecutionId: id})
		if err != nil {
			return nil, err
		}
		switch q := out.QueryExecution; q.Status.State {
		case types.QueryExecutionStateSucceeded:
			return q, nil
		case types.QueryExecutionStateFailed, types.QueryExecutionStateCancelled:
			return nil, fmt.Errorf("%s: %s", strings.ToLower(string(q.Status.State)), aws.ToString(q.Status.StateChangeReason))
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// add takes over a page; header says that its first row holds the names.
func (a *answer) add(set *types.ResultSet, header bool) {
	if a.Columns == nil && set.ResultSetMetadata != nil {
		for _, c := range set.ResultSetMetadata.ColumnInfo {
			a.Columns = append(a.Columns, aws.ToString(c.Name))
			a.Types = append(a.Types, aws.ToString(c.Type))
		}
	}
	rows := set.Rows
	if header && len(rows) > 0 {
		rows = rows[1:]
	}
	for _, r := range rows {
		row := make([]*string, len(r.Data))
		for i, d := range r.Data {
			row[i] = d.VarCharValue
		}
		a.Rows = append(a.Rows, row)
	}
}
