package cloudwatch_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awscw "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	smithy "github.com/aws/smithy-go"

	"github.com/weir-data/weir/api/cloudwatch"
	"github.com/weir-data/weir/metrics"
	"github.com/weir-data/weir/wire"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// start serves CloudWatch at noon. The Go SDK speaks Smithy RPC v2 CBOR; the address is for the other protocols.
func start(t *testing.T) (*awscw.Client, *metrics.Registry, string) {
	t.Helper()
	now := func() time.Time { return noon }
	registry := metrics.New(metrics.Options{Now: now})
	srv, err := wire.NewServer(wire.Options{}, cloudwatch.Service(registry, cloudwatch.Options{Now: now}))
	if err != nil {
		t.Fatal(err)
	}
	hs := httptest.NewServer(srv)
	t.Cleanup(hs.Close)
	return awscw.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: &hs.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AK", "s", "")}), registry, hs.URL
}

func code(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return fmt.Sprint(err)
}

func dims(pairs ...string) (out []types.Dimension) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, types.Dimension{Name: &pairs[i], Value: &pairs[i+1]})
	}
	return out
}

// put stores values of a metric, a minute apart, the last one just before noon.
func put(t *testing.T, c *awscw.Client, name string, values ...float64) {
	t.Helper()
	var data []types.MetricDatum
	for i, v := range values {
		at := noon.Add(time.Duration(i-len(values)) * time.Minute)
		data = append(data, types.MetricDatum{MetricName: &name, Value: aws.Float64(v), Timestamp: &at, Unit: types.StandardUnitCount})
	}
	if _, err := c.PutMetricData(t.Context(), &awscw.PutMetricDataInput{Namespace: aws.String("App"), MetricData: data}); err != nil {
		t.Fatal(err)
	}
}

func TestPutAndGetStatistics(t *testing.T) {
	c, registry, _ := start(t)
	put(t, c, "a", 1, 2, 3)
	data := []types.MetricDatum{
		{MetricName: aws.String("b"), Values: []float64{1, 5}, Counts: []float64{3, 1}, Dimensions: dims("x", "1")},
		{MetricName: aws.String("b"), StatisticValues: &types.StatisticSet{SampleCount: aws.Float64(2), Sum: aws.Float64(30), Minimum: aws.Float64(10), Maximum: aws.Float64(20)}, Dimensions: dims("x", "1")},
	}
	if _, err := c.PutMetricData(t.Context(), &awscw.PutMetricDataInput{Namespace: aws.String("App"), MetricData: data}); err != nil {
		t.Fatal(err)
	}
	registry.Series("AWS/Kinesis", "IncomingRecords", "Count", metrics.Dimension{Name: "StreamName", Value: "rides"}).Observe(500)
	all := []types.Statistic{"SampleCount", "Sum", "Average", "Minimum", "Maximum"}
	stats := func(in awscw.GetMetricStatisticsInput) string {
		t.Helper()
		in.StartTime, in.EndTime = aws.Time(noon.Add(-time.Hour)), aws.Time(noon.Add(time.Minute))
		in.Statistics = all
		out, err := c.GetMetricStatistics(t.Context(), &in)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		for _, p := range out.Datapoints {
			fmt.Fprintf(&b, "%s %v/%v %v %v..%v %s|", p.Timestamp.Format("15:04"), *p.Sum, *p.SampleCount, *p.Average, *p.Minimum, *p.Maximum, p.Unit)
		}
		return b.String()
	}
	for _, s := range []struct {
		in   awscw.GetMetricStatisticsInput
		want string
	}{
		{awscw.GetMetricStatisticsInput{Namespace: aws.String("App"), MetricName: aws.String("a"), Period: aws.Int32(60)}, "11:57 1/1 1 1..1 Count|11:58 2/1 2 2..2 Count|11:59 3/1 3 3..3 Count|"},
		{awscw.GetMetricStatisticsInput{Namespace: aws.String("App"), MetricName: aws.String("a"), Period: aws.Int32(3600)}, "11:00 6/3 2 1..3 Count|"},
		{awscw.GetMetricStatisticsInput{Namespace: aws.String("App"), MetricName: aws.String("a"), Period: aws.Int32(60), Unit: types.StandardUnitBytes}, ""},
		{awscw.GetMetricStatisticsInput{Namespace: aws.String("App"), MetricName: aws.String("b"), Period: aws.Int32(60), Dimensions: dims("x", "1")}, "12:00 38/6 6.333333333333333 1..20 None|"},
		{awscw.GetMetricStatisticsInput{Namespace: aws.String("App"), MetricName: aws.String("b"), Period: aws.Int32(60)}, ""},
		{awscw.GetMetricStatisticsInput{Namespace: aws.String("AWS/Kinesis"), MetricName: aws.String("IncomingRecords"), Period: aws.Int32(60), Dimensions: dims("StreamName", "rides")}, "12:00 500/1 500 500..500 Count|"},
	} {
		if got := stats(s.in); got != s.want {
			t.Errorf("%s: got %s, want %s", *s.in.MetricName, got, s.want)
		}
	}
}

func TestRefusals(t *testing.T) {
	c, _, _ := start(t)
	one := aws.Float64(1)
	name := aws.String("m")
	for _, s := range []struct {
		what  string
		datum types.MetricDatum
		want  string
	}{
		{"no name", types.MetricDatum{MetricName: aws.String(""), Value: one}, "MissingParameter"},
		{"no value", types.MetricDatum{MetricName: name}, "MissingParameter"},
		{"two values", types.MetricDatum{MetricName: name, Value: one, Values: []float64{1}}, "InvalidParameterCombination"},
		{"NaN", types.MetricDatum{MetricName: name, Value: aws.Float64(math.NaN())}, "InvalidParameterValue"},
		{"infinite", types.MetricDatum{MetricName: name, Value: aws.Float64(math.Inf(1))}, "InvalidParameterValue"},
		{"odd counts", types.MetricDatum{MetricName: name, Values: []float64{1}, Counts: []float64{1, 2}}, "InvalidParameterValue"},
		{"no count", types.MetricDatum{MetricName: name, Values: []float64{1}, Counts: []float64{0}}, "InvalidParameterValue"},
		{"old", types.MetricDatum{MetricName: name, Value: one, Timestamp: aws.Time(noon.Add(-15 * 24 * time.Hour))}, "InvalidParameterValue"},
		{"future", types.MetricDatum{MetricName: name, Value: one, Timestamp: aws.Time(noon.Add(3 * time.Hour))}, "InvalidParameterValue"},
		{"unit", types.MetricDatum{MetricName: name, Value: one, Unit: "Furlongs"}, "InvalidParameterValue"},
		{"resolution", types.MetricDatum{MetricName: name, Value: one, StorageResolution: aws.Int32(1)}, "InvalidParameterValue"},
		{"dimension twice", types.MetricDatum{MetricName: name, Value: one, Dimensions: dims("a", "1", "a", "2")}, "InvalidParameterValue"},
		{"half a set", types.MetricDatum{MetricName: name, StatisticValues: &types.StatisticSet{Sum: one, SampleCount: one, Minimum: one, Maximum: aws.Float64(0)}}, "InvalidParameterValue"},
	} {
		good := types.MetricDatum{MetricName: name, Value: one}
		_, err := c.PutMetricData(t.Context(), &awscw.PutMetricDataInput{Namespace: aws.String("App"), MetricData: []types.MetricDatum{good, s.datum}})
		if code(err) != s.want {
			t.Errorf("%s: %v", s.what, err)
		}
	}
	if _, err := c.PutMetricData(t.Context(), &awscw.PutMetricDataInput{Namespace: aws.String("AWS/Kinesis"), MetricData: []types.MetricDatum{{MetricName: name, Value: one}}}); code(err) != "InvalidParameterValue" {
		t.Errorf("AWS's own namespace: %v", err)
	}
	if l, err := c.ListMetrics(t.Context(), nil); err != nil || len(l.Metrics) != 0 {
		t.Errorf("a refused request left something: %v, %v", l, err)
	}
	for what, s := range map[string]struct {
		change func(*awscw.GetMetricStatisticsInput)
		want   string
	}{
		"period":     {func(in *awscw.GetMetricStatisticsInput) { in.Period = aws.Int32(61) }, "InvalidParameterValue"},
		"span":       {func(in *awscw.GetMetricStatisticsInput) { in.EndTime = in.StartTime }, "InvalidParameterValue"},
		"percentile": {func(in *awscw.GetMetricStatisticsInput) { in.ExtendedStatistics = []string{"p99"} }, "InvalidParameterValue"},
		"none":       {func(in *awscw.GetMetricStatisticsInput) { in.Statistics = nil }, "MissingParameter"},
		"too many":   {func(in *awscw.GetMetricStatisticsInput) { in.EndTime = aws.Time(in.StartTime.Add(1441 * time.Minute)) }, "InvalidParameterCombination"},
	} {
		in := &awscw.GetMetricStatisticsInput{Namespace: aws.String("App"), MetricName: name, Period: aws.Int32(60), StartTime: &noon, EndTime: aws.Time(noon.Add(time.Hour)), Statistics: []types.Statistic{"Sum"}}
		s.change(in)
		if _, err := c.GetMetricStatistics(t.Context(), in); code(err) != s.want {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// query is a metric of namespace App, or an expression if it has one.
func query(id, expression string) types.MetricDataQuery {
	if expression != "" {
		return types.MetricDataQuery{Id: &id, Expression: &expression}
	}
	return types.MetricDataQuery{Id: &id, ReturnData: aws.Bool(false), MetricStat: &types.MetricStat{
		Metric: &types.Metric{Namespace: aws.String("App"), MetricName: &id}, Period: aws.Int32(60), Stat: aws.String("Sum"),
	}}
}

func TestMath(t *testing.T) {
	c, _, _ := start(t)
	put(t, c, "m1", 1, 2, 3)
	put(t, c, "m2", 10, 20)
	for expression, want := range map[string]string{
		"m1":                     "1 2 3",
		"m1 + m2":                "12 23",
		"m2 - m1":                "8 17",
		"m1 * 2 + 1":             "3 5 7",
		"-m1":                    "-1 -2 -3",
		"(m1 + 1) * 2":           "4 6 8",
		"2 ^ m1":                 "2 4 8",
		"m2 / m1":                "5 6.666666666666667",
		"m1 / (m1 - 2)":          "-1 3", // a division by zero gives no point
		"100 * m2 / SUM(m2)":     "33.333333333333336 66.66666666666667",
		"SUM([m1, m2])":          "1 12 23",
		"AVG(METRICS())":         "1 6 11.5",
		`MAX(METRICS("m2"))`:     "10 20",
		"MIN([m1,m2])":           "1 2 3",
		"METRICS() * 2":          "2 4 6; 20 40",
		"m1 / PERIOD(m1) * 60":   "1 2 3",
		"RUNNING_SUM(m1)":        "1 3 6",
		"DIFF(m2)":               "10",
		"RATE(m2) * 60":          "10",
		"ABS(m1 - 3)":            "2 1 0",
		"FILL(m1 / (m1 - 2), 0)": "-1 0 3",
		"e":                      "", // the id of the expression itself
		"m1 +":                   "ends too early",
		"m1 + m9":                "m9 is not defined",
		"m1 @ m2":                "unexpected character '@' at position 4",
		"SEARCH('x', 'Sum')":     "SEARCH is not supported",
		"PERCENTILE(m1)":         "PERCENTILE is not supported",
		"1 + 1":                  "must be a time series",
		strings.Repeat("(", 99):  "nested too deeply",
		"METRICS() + METRICS()":  "two arrays",
		"1.2.3 * m1":             "bad number",
		"'m1":                    "unexpected",
	} {
		out, err := c.GetMetricData(t.Context(), &awscw.GetMetricDataInput{
			StartTime: aws.Time(noon.Add(-time.Hour)), EndTime: &noon, ScanBy: types.ScanByTimestampAscending,
			MetricDataQueries: []types.MetricDataQuery{query("e", expression), query("m1", ""), query("m2", "")},
		})
		if err != nil {
			if code(err) != "ValidationError" || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", expression, err)
			}
			continue
		}
		var results []string
		for _, r := range out.MetricDataResults {
			results = append(results, strings.Trim(fmt.Sprint(r.Values), "[]"))
		}
		if got := strings.Join(results, "; "); got != want || want == "" {
			t.Errorf("%s: got %s, want %s", expression, got, want)
		}
	}
}

func TestGetMetricDataPages(t *testing.T) {
	c, _, _ := start(t)
	put(t, c, "m1", 1, 2, 3)
	put(t, c, "m3", 4, 5)
	var queries []types.MetricDataQuery
	for _, id := range []string{"m1", "m2", "m3"} { // m2 has no data
		q := query(id, "")
		q.ReturnData = nil
		queries = append(queries, q)
	}
	for limit, want := range map[int32]string{
		0: "m1=[3 2 1]Complete m2=[]Complete m3=[5 4]Complete",
		2: "m1=[3 2]PartialData | m1=[1]Complete m2=[]Complete m3=[5]PartialData | m3=[4]Complete",
		3: "m1=[3 2 1]Complete m2=[]Complete | m3=[5 4]Complete",
		4: "m1=[3 2 1]Complete m2=[]Complete m3=[5]PartialData | m3=[4]Complete",
	} {
		in := &awscw.GetMetricDataInput{StartTime: aws.Time(noon.Add(-time.Hour)), EndTime: &noon, MetricDataQueries: queries}
		if limit > 0 {
			in.MaxDatapoints = &limit
		}
		var pages []string
		for p := awscw.NewGetMetricDataPaginator(c, in); p.HasMorePages() && len(pages) < 10; {
			out, err := p.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var page []string
			for _, r := range out.MetricDataResults {
				page = append(page, fmt.Sprintf("%s=%v%s", *r.Id, r.Values, r.StatusCode))
			}
			pages = append(pages, strings.Join(page, " "))
		}
		if got := strings.Join(pages, " | "); got != want {
			t.Errorf("%d a page: got %s, want %s", limit, got, want)
		}
	}
	for _, token := range []string{"x", "YWZ0ZXI6LTE"} {
		in := &awscw.GetMetricDataInput{StartTime: aws.Time(noon.Add(-time.Hour)), EndTime: &noon, MetricDataQueries: queries, NextToken: &token}
		if _, err := c.GetMetricData(t.Context(), in); code(err) != "InvalidNextToken" {
			t.Errorf("token %s: %v", token, err)
		}
	}
}

func TestListMetricsPages(t *testing.T) {
	c, registry, _ := start(t)
	var data []metrics.Datum
	for i := range 1100 {
		data = append(data, metrics.Datum{Metric: metrics.Metric{Namespace: "App", Name: fmt.Sprintf("m%04d", i)}, Unit: "Count", Time: noon, Stat: metrics.Stat{Count: 1}})
	}
	if err := registry.Put(data); err != nil {
		t.Fatal(err)
	}
	var sizes []int
	seen := map[string]bool{}
	for p := awscw.NewListMetricsPaginator(c, &awscw.ListMetricsInput{Namespace: aws.String("App"), RecentlyActive: types.RecentlyActivePt3h}); p.HasMorePages(); {
		out, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(out.Metrics))
		for _, m := range out.Metrics {
			seen[*m.MetricName] = true
		}
	}
	if fmt.Sprint(sizes) != "[500 500 100]" || len(seen) != 1100 {
		t.Errorf("pages %v, %d names", sizes, len(seen))
	}
}

// The same calls in JSON 1.0, as boto3 makes them, and in Query, as old clients do.
func TestOtherProtocols(t *testing.T) {
	_, _, address := start(t)
	send := func(target, contentType, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequest("POST", address, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", contentType)
		if target != "" {
			req.Header.Set("X-Amz-Target", "GraniteServiceVersion20100801."+target)
			req.Header.Set("X-Amzn-Query-Mode", "true")
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(b) + res.Header.Get("X-Amzn-Query-Error")
	}
	const jsonType, formType = "application/x-amz-json-1.0", "application/x-www-form-urlencoded"
	form := func(pairs ...string) string {
		v := url.Values{"Version": {"2010-08-01"}}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v.Encode()
	}
	at := fmt.Sprint(noon.Unix())
	for _, s := range []struct {
		target, contentType, body string
		status                    int
		want                      string
	}{
		{"PutMetricData", jsonType, `{"Namespace":"App","MetricData":[{"MetricName":"m","Value":1.5,"Timestamp":` + at + `}]}`, 200, `{}`},
		{"", formType, form("Action", "PutMetricData", "Namespace", "App", "MetricData.member.1.MetricName", "m", "MetricData.member.1.Value", "2.5", "MetricData.member.1.Timestamp", "2026-03-04T12:00:30Z"), 200, "<PutMetricDataResponse"},
		{"GetMetricStatistics", jsonType, `{"Namespace":"App","MetricName":"m","StartTime":` + at + `,"EndTime":` + at[:len(at)-1] + `9,"Period":60,"Statistics":["Sum"]}`, 200,
			`{"Datapoints":[{"Sum":4.0,"Timestamp":` + at + `,"Unit":"None"}],"Label":"m"}`},
		{"", formType, form("Action", "GetMetricStatistics", "Namespace", "App", "MetricName", "m", "StartTime", "2026-03-04T12:00:00Z", "EndTime", "2026-03-04T13:00:00Z", "Period", "60", "Statistics.member.1", "Average"), 200,
			`<Datapoints><member><Average>2.0</Average><Timestamp>2026-03-04T12:00:00Z</Timestamp><Unit>None</Unit></member></Datapoints><Label>m</Label>`},
		{"GetMetricStatistics", jsonType, `{"Namespace":"App","MetricName":"m","StartTime":1,"EndTime":2,"Period":1}`, 400, `InvalidParameterValue;Sender`},
		{"", formType, form("Action", "GetMetricStatistics", "Namespace", "App", "MetricName", "m"), 400, `<Code>MissingParameter</Code><Message>The parameter StartTime is required.</Message>`},
		{"ListMetrics", jsonType, `{}`, 200, `{"Metrics":[{"Dimensions":[],"MetricName":"m","Namespace":"App"}]}`},
	} {
		if status, got := send(s.target, s.contentType, s.body); status != s.status || !strings.Contains(got, s.want) {
			t.Errorf("%s%s: %d %s", s.target, s.body, status, got)
		}
	}
}
