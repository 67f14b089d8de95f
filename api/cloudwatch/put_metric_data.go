package cloudwatch

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/weir-data/weir/metrics"
	"github.com/weir-data/weir/wire"
)

const (
	dataMax   = 1000
	valuesMax = 150
	pastMax   = 14 * 24 * time.Hour
	futureMax = 2 * time.Hour
)

// putMetricData keeps what a program has measured: single values, values with counts, or statistic sets. All of a request
// is checked before any of it is kept, and it is durable when it is answered. High resolution (a second) and entities
// are refused.
func (a *api) putMetricData(_ context.Context, in *cloudwatch.PutMetricDataInput) (*cloudwatch.PutMetricDataOutput, error) {
	if len(in.EntityMetricData) > 0 {
		return nil, badValue("The parameter EntityMetricData is not supported.")
	}
	if err := text("Namespace", in.Namespace, 255); err != nil {
		return nil, err
	}
	if strings.HasPrefix(*in.Namespace, "AWS/") || strings.HasPrefix(*in.Namespace, ":") {
		return nil, badValue("The value %s for parameter Namespace is invalid.", *in.Namespace)
	}
	if len(in.MetricData) == 0 {
		return nil, missing("MetricData")
	}
	if len(in.MetricData) > dataMax {
		return nil, badValue("The collection MetricData must not have a size greater than %d.", dataMax)
	}
	data := make([]metrics.Datum, len(in.MetricData))
	for i := range in.MetricData {
		d, err := a.datum(in.Namespace, &in.MetricData[i], fmt.Sprintf("MetricData.member.%d.", i+1))
		if err != nil {
			return nil, err
		}
		data[i] = d
	}
	return &cloudwatch.PutMetricDataOutput{}, a.registry.Put(data)
}

func (a *api) datum(namespace *string, d *types.MetricDatum, where string) (metrics.Datum, error) {
	m, err := metric(where, namespace, d.MetricName, d.Dimensions)
	if err != nil {
		return metrics.Datum{}, err
	}
	if err := unit(where+"Unit", d.Unit); err != nil {
		return metrics.Datum{}, err
	}
	if r := aws.ToInt32(d.StorageResolution); d.StorageResolution != nil && r != 60 {
		return metrics.Datum{}, badValue("The value %d for parameter %sStorageResolution is not supported: only 60 is.", r, where)
	}
	out := metrics.Datum{Metric: m, Unit: string(d.Unit), Time: a.now()}
	if out.Unit == "" {
		out.Unit = string(types.StandardUnitNone)
	}
	if d.Timestamp != nil {
		if out.Time = *d.Timestamp; out.Time.Before(a.now().Add(-pastMax)) || out.Time.After(a.now().Add(futureMax)) {
			return out, badValue("The value %s for parameter %sTimestamp must be within the past two weeks and the next two hours.", d.Timestamp.UTC().Format(time.RFC3339), where)
		}
	}
	out.Stat, err = statOf(d, where)
	return out, err
}

// statOf makes a statistic set of the one of three forms that a datum has.
func statOf(d *types.MetricDatum, where string) (metrics.Stat, error) {
	forms := 0
	for _, present := range []bool{d.Value != nil, d.StatisticValues != nil, d.Values != nil} {
		if present {
			forms++
		}
	}
	switch {
	case forms == 0:
		return metrics.Stat{}, wire.Errorf(missingParameter, http.StatusBadRequest, "One of the parameters %sValue, %sValues and %sStatisticValues is required.", where, where, where)
	case forms > 1:
		return metrics.Stat{}, wire.Errorf(invalidCombination, http.StatusBadRequest, "The parameters %sValue, %sValues and %sStatisticValues are mutually exclusive and you have specified more than one.", where, where, where)
	case d.Counts != nil && d.Values == nil:
		return metrics.Stat{}, badValue("The parameter %sCounts goes with %sValues only.", where, where)
	case d.Value != nil:
		return metrics.Stat{Count: 1, Sum: *d.Value, Min: *d.Value, Max: *d.Value}, number(where+"Value", *d.Value)
	case d.StatisticValues != nil:
		return statOfSet(d.StatisticValues, where+"StatisticValues.")
	}
	return statOfValues(d, where)
}

func statOfSet(set *types.StatisticSet, where string) (metrics.Stat, error) {
	for _, part := range []struct {
		name  string
		value *float64
	}{{"SampleCount", set.SampleCount}, {"Sum", set.Sum}, {"Minimum", set.Minimum}, {"Maximum", set.Maximum}} {
		if part.value == nil {
			return metrics.Stat{}, missing(where + part.name)
		}
		if err := number(where+part.name, *part.value); err != nil {
			return metrics.Stat{}, err
		}
	}
	if *set.SampleCount <= 0 {
		return metrics.Stat{}, badValue("The value %v for parameter %sSampleCount must be greater than 0.", *set.SampleCount, where)
	}
	if *set.Minimum > *set.Maximum {
		return metrics.Stat{}, badValue("The value for parameter %sMaximum must not be less than that for %sMinimum.", where, where)
	}
	return metrics.Stat{Count: *set.SampleCount, Sum: *set.Sum, Min: *set.Minimum, Max: *set.Maximum}, nil
}

func statOfValues(d *types.MetricDatum, where string) (metrics.Stat, error) {
	if len(d.Values) == 0 || len(d.Values) > valuesMax {
		return metrics.Stat{}, badValue("The collection %sValues must have between 1 and %d elements.", where, valuesMax)
	}
	if d.Counts != nil && len(d.Counts) != len(d.Values) {
		return metrics.Stat{}, badValue("The parameters %sValues and %sCounts must be of the same size.", where, where)
	}
	st := metrics.Stat{Min: math.Inf(1), Max: math.Inf(-1)}
	for i, value := range d.Values {
		count := 1.0
		if d.Counts != nil {
			count = d.Counts[i]
		}
		if err := number(fmt.Sprintf("%sValues.member.%d", where, i+1), value); err != nil {
			return st, err
		}
		if err := number(fmt.Sprintf("%sCounts.member.%d", where, i+1), count); err != nil {
			return st, err
		}
		if count <= 0 {
			return st, badValue("The value %v for parameter %sCounts.member.%d must be greater than 0.", count, where, i+1)
		}
		st.Count += count
		st.Sum += value * count
		st.Min, st.Max = math.Min(st.Min, value), math.Max(st.Max, value)
	}
	return st, nil
}

// number checks the range that CloudWatch allows for values.
func number(parameter string, f float64) error {
	if math.IsNaN(f) || math.Abs(f) > math.Ldexp(1, 360) {
		return badValue("The value %v for parameter %s is invalid.", f, parameter)
	}
	return nil
}
