package cloudwatch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/weir-data/weir/metrics"
	"github.com/weir-data/weir/wire"
)

const (
	queriesMax       = 500
	expressionMax    = 2048
	dataPerAnswerMax = 100_800
	dataPerQueryMax  = 100_800
)

var idPattern = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]{0,254}$`)

// getMetricData answers up to 500 queries: metrics, and expressions over their results (see expression.go). It pages
// by data points. Search expressions, SQL and dynamic labels are refused.
func (a *api) getMetricData(_ context.Context, in *cloudwatch.GetMetricDataInput) (*cloudwatch.GetMetricDataOutput, error) {
	q, err := a.newQueries(in)
	if err != nil {
		return nil, err
	}
	from, err := readToken(in.NextToken)
	if err != nil {
		return nil, err
	}
	limit := dataPerAnswerMax
	if in.MaxDatapoints != nil {
		if limit = int(*in.MaxDatapoints); limit < 1 || limit > dataPerAnswerMax {
			return nil, invalid("The value %d for parameter MaxDatapoints must be between 1 and %d.", limit, dataPerAnswerMax)
		}
	}
	var all []types.MetricDataResult
	for i := range in.MetricDataQueries {
		query := &in.MetricDataQueries[i]
		if query.ReturnData != nil && !*query.ReturnData {
			continue
		}
		results, err := q.results(query, in.ScanBy)
		if err != nil {
			return nil, err
		}
		all = append(all, results...)
	}
	out := &cloudwatch.GetMetricDataOutput{Messages: []types.MessageData{}}
	out.MetricDataResults, out.NextToken = cut(all, from, limit)
	return out, nil
}

// invalid is what GetMetricData answers to a query that makes no sense.
func invalid(format string, args ...any) error {
	return wire.Errorf("ValidationError", http.StatusBadRequest, format, args...)
}

// cut returns limit data points of all after the first from. A result that goes on in the next answer is partial.
func cut(all []types.MetricDataResult, from, limit int) (page []types.MetricDataResult, next *string) {
	page = []types.MetricDataResult{}
	position := 0
	for _, r := range all {
		n := len(r.Values)
		first := min(max(from-position, 0), n)
		position += n
		if first == n && n > 0 || n == 0 && position <= from && from > 0 { // told by an earlier answer
			continue
		}
		take := min(n-first, limit)
		r.Timestamps, r.Values = r.Timestamps[first:first+take], r.Values[first:first+take]
		limit -= take
		if first+take < n {
			r.StatusCode = types.StatusCodePartialData
			if take > 0 {
				page = append(page, r)
			}
			return page, newToken(position - n + first + take)
		}
		page = append(page, r)
	}
	return page, nil
}

// queries is the queries of a request and what is known of their answers.
type queries struct {
	registry   *metrics.Registry
	start, end time.Time
	byID       map[string]*types.MetricDataQuery
	ids        []string // in the order of the request
	done       map[string]value
	under      map[string]bool // being computed, to find circles
}

func (a *api) newQueries(in *cloudwatch.GetMetricDataInput) (*queries, error) {
	switch {
	case in.StartTime == nil:
		return nil, missing("StartTime")
	case in.EndTime == nil:
		return nil, missing("EndTime")
	case !in.StartTime.Before(*in.EndTime):
		return nil, invalid("The parameter StartTime must be less than the parameter EndTime.")
	case len(in.MetricDataQueries) == 0:
		return nil, missing("MetricDataQueries")
	case len(in.MetricDataQueries) > queriesMax:
		return nil, invalid("The collection MetricDataQueries must not have a size greater than %d.", queriesMax)
	case in.ScanBy != "" && !slices.Contains(in.ScanBy.Values(), in.ScanBy):
		return nil, invalid("The value %s for parameter ScanBy is invalid.", in.ScanBy)
	}
	q := &queries{
		registry: a.registry, start: in.StartTime.UTC().Truncate(time.Minute), end: in.EndTime.UTC(),
		byID: map[string]*types.MetricDataQuery{}, done: map[string]value{}, under: map[string]bool{},
	}
	for i := range in.MetricDataQueries {
		query := &in.MetricDataQueries[i]
		if err := checkQuery(query, fmt.Sprintf("MetricDataQueries.member.%d.", i+1)); err != nil {
			return nil, err
		}
		if q.byID[*query.Id] != nil {
			return nil, invalid("The values for parameter id in MetricDataQueries are not unique.")
		}
		q.byID[*query.Id] = query
		q.ids = append(q.ids, *query.Id)
	}
	return q, nil
}

func checkQuery(query *types.MetricDataQuery, where string) error {
	switch {
	case query.Id == nil:
		return missing(where + "Id")
	case !idPattern.MatchString(*query.Id):
		return invalid("The value %s for parameter %sId is not matching the expected pattern %s", *query.Id, where, idPattern)
	case (query.Expression == nil) == (query.MetricStat == nil):
		return invalid("Exactly one of the parameters %sExpression and %sMetricStat must be specified.", where, where)
	case query.AccountId != nil:
		return invalid("The parameter %sAccountId is not supported.", where)
	case strings.Contains(aws.ToString(query.Label), "${"):
		return invalid("Dynamic labels, as in parameter %sLabel, are not supported.", where)
	case len(aws.ToString(query.Expression)) > expressionMax:
		return invalid("The value for parameter %sExpression must not be longer than %d characters.", where, expressionMax)
	}
	return nil
}

// results is the answer to one query: one series, or several if its expression gives an array.
func (q *queries) results(query *types.MetricDataQuery, order types.ScanBy) ([]types.MetricDataResult, error) {
	v, err := q.value(*query.Id)
	if err != nil {
		return nil, err
	}
	label := *query.Id
	if query.MetricStat != nil {
		label = *query.MetricStat.Metric.MetricName
	}
	if query.Label != nil {
		label = *query.Label
	}
	var all []series
	switch v.kind {
	case aNumber:
		return nil, invalid("Error in expression '%s': the result of the expression must be a time series", *query.Id)
	case aSeries:
		all = []series{v.one}
	default:
		all = v.many
	}
	out := make([]types.MetricDataResult, len(all))
	for i, s := range all {
		out[i] = types.MetricDataResult{
			Id: query.Id, Label: aws.String(label), StatusCode: types.StatusCodeComplete,
			Timestamps: []time.Time{}, Values: []float64{},
		}
		for _, at := range s.times(order == types.ScanByTimestampAscending) {
			out[i].Timestamps = append(out[i].Timestamps, time.Unix(at, 0).UTC())
			out[i].Values = append(out[i].Values, s.points[at])
		}
	}
	return out, nil
}

// value computes the query of an id, once.
func (q *queries) value(id string) (value, error) {
	if v, ok := q.done[id]; ok {
		return v, nil
	}
	query := q.byID[id]
	if query == nil {
		return value{}, invalid("Error in expression: the id %s is not defined", id)
	}
	if q.under[id] {
		return value{}, invalid("Error in expression '%s': the expression refers to itself", id)
	}
	q.under[id] = true
	defer delete(q.under, id)
	var v value
	var err error
	if query.Expression != nil {
		v, err = evaluate(*query.Expression, q)
		var wrong mathError
		if errors.As(err, &wrong) {
			err = invalid("Error in expression '%s': %v", id, wrong)
		}
	} else {
		v, err = q.read(query.MetricStat, id)
	}
	if err == nil {
		q.done[id] = v
	}
	return v, err
}

// read reads the metric of a query.
func (q *queries) read(ms *types.MetricStat, id string) (value, error) {
	if ms.Metric == nil {
		return value{}, missing("MetricStat.Metric")
	}
	m, err := metric("MetricStat.Metric.", ms.Metric.Namespace, ms.Metric.MetricName, ms.Metric.Dimensions)
	if err != nil {
		return value{}, err
	}
	_, _, period, err := span(&q.start, &q.end, ms.Period, "MetricStat.")
	if err != nil {
		return value{}, err
	}
	if err := unit("MetricStat.Unit", ms.Unit); err != nil {
		return value{}, err
	}
	if ms.Stat == nil {
		return value{}, missing("MetricStat.Stat")
	}
	stat := statistics[*ms.Stat]
	if stat == nil {
		return value{}, invalid("The value %s for parameter MetricStat.Stat of %s is not supported: use SampleCount, Average, Sum, Minimum or Maximum.", *ms.Stat, id)
	}
	if n := q.end.Sub(q.start) / period; n > dataPerQueryMax {
		return value{}, invalid("The query %s asks for %d data points, more than %d.", id, n, dataPerQueryMax)
	}
	points, err := q.registry.Read(m, string(ms.Unit), q.start, q.end, period)
	if err != nil {
		return value{}, err
	}
	s := series{period: period, points: make(map[int64]float64, len(points))}
	for _, p := range points {
		s.points[p.Time.Unix()] = stat(p.Stat)
	}
	return value{kind: aSeries, one: s}, nil
}

// metrics returns the series of the queries that are no expressions and whose id contains part.
func (q *queries) metrics(part string) ([]series, error) {
	var out []series
	for _, id := range q.ids {
		if q.byID[id].MetricStat == nil || !strings.Contains(id, part) {
			continue
		}
		v, err := q.value(id)
		if err != nil {
			return nil, err
		}
		out = append(out, v.one)
	}
	return out, nil
}
