// Package cloudwatch is Amazon CloudWatch over package metrics: putting, listing and reading metrics, in JSON, Smithy RPC
// v2 CBOR and Query alike. Alarms, dashboards, percentiles and periods under a minute are not here.
//
// Reference: the CloudWatch API Reference, version 2010-08-01.
package cloudwatch

import (
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/weir-data/weir/metrics"
	"github.com/weir-data/weir/wire"
)

// Options of Service. Zero fields are defaults.
type Options struct {
	Now func() time.Time
}

// Service is CloudWatch over the series of registry.
func Service(registry *metrics.Registry, opts Options) wire.Service {
	a := &api{registry: registry, now: opts.Now}
	if a.now == nil {
		a.now = time.Now
	}
	return wire.Service{
		Name:      "monitoring",
		Target:    "GraniteServiceVersion20100801",
		JSON:      "1.0",
		ShapeName: "GraniteServiceVersion20100801",
		Version:   "2010-08-01",
		XMLNS:     "http://monitoring.amazonaws.com/doc/2010-08-01/",
		Operations: []wire.Operation{
			wire.Op("PutMetricData", a.putMetricData),
			wire.Op("GetMetricData", a.getMetricData),
			wire.Op("GetMetricStatistics", a.getMetricStatistics),
			wire.Op("ListMetrics", a.listMetrics),
		},
		Errors: wire.Codes{
			{Err: metrics.ErrTooManySeries, Name: "LimitExceededFault", Status: http.StatusBadRequest},
		},
		QueryErrors: map[string]string{
			invalidValue:         "InvalidParameterValue",
			invalidCombination:   "InvalidParameterCombination",
			missingParameter:     "MissingParameter",
			"LimitExceededFault": "LimitExceeded",
		},
	}
}

type api struct {
	registry *metrics.Registry
	now      func() time.Time
}

const (
	invalidValue       = "InvalidParameterValueException"
	invalidCombination = "InvalidParameterCombinationException"
	missingParameter   = "MissingRequiredParameterException"

	dimensionsMax = 30
)

func badValue(format string, args ...any) error {
	return wire.Errorf(invalidValue, http.StatusBadRequest, format, args...)
}

func missing(parameter string) error {
	return wire.Errorf(missingParameter, http.StatusBadRequest, "The parameter %s is required.", parameter)
}

// metric checks the parts of a metric's name; where is the path to the member that holds them, with a dot, or empty.
func metric(where string, namespace, name *string, dims []types.Dimension) (metrics.Metric, error) {
	if err := text(where+"Namespace", namespace, 255); err != nil {
		return metrics.Metric{}, err
	}
	if err := text(where+"MetricName", name, 255); err != nil {
		return metrics.Metric{}, err
	}
	m := metrics.Metric{Namespace: *namespace, Name: *name}
	if len(dims) > dimensionsMax {
		return m, badValue("The collection %sDimensions must not have a size greater than %d.", where, dimensionsMax)
	}
	seen := map[string]bool{}
	for i, d := range dims {
		member := fmt.Sprintf("%sDimensions.member.%d.", where, i+1)
		if err := text(member+"Name", d.Name, 255); err != nil {
			return m, err
		}
		if err := text(member+"Value", d.Value, 1024); err != nil {
			return m, err
		}
		if seen[*d.Name] {
			return m, badValue("The dimension %s is specified more than once.", *d.Name)
		}
		seen[*d.Name] = true
		m.Dimensions = append(m.Dimensions, metrics.Dimension{Name: *d.Name, Value: *d.Value})
	}
	return m, nil
}

// text checks a text that is needed: neither empty nor too long, and without control characters.
func text(parameter string, value *string, max int) error {
	if aws.ToString(value) == "" {
		return missing(parameter)
	}
	if len(*value) > max {
		return badValue("The value for parameter %s must not be longer than %d characters.", parameter, max)
	}
	for i := range len(*value) {
		if c := (*value)[i]; c < 0x20 || c == 0x7f {
			return badValue("The value %q for parameter %s is invalid.", *value, parameter)
		}
	}
	return nil
}

func unit(parameter string, u types.StandardUnit) error {
	if u == "" {
		return nil
	}
	for _, known := range u.Values() {
		if u == known {
			return nil
		}
	}
	return badValue("The value %s for parameter %s is invalid.", u, parameter)
}

// span checks a time range and a period, and rounds the start down to the minute as CloudWatch does.
func span(start, end *time.Time, period *int32, where string) (from, to time.Time, step time.Duration, err error) {
	switch {
	case start == nil:
		return from, to, 0, missing("StartTime")
	case end == nil:
		return from, to, 0, missing("EndTime")
	case period == nil:
		return from, to, 0, missing(where + "Period")
	case !start.Before(*end):
		return from, to, 0, badValue("The parameter StartTime must be less than the parameter EndTime.")
	case *period < 60 || *period%60 != 0 || *period > 86400*365:
		return from, to, 0, badValue("The value %d for parameter %sPeriod is not supported: it must be a multiple of 60.", *period, where)
	}
	return start.UTC().Truncate(time.Minute), end.UTC(), time.Duration(*period) * time.Second, nil
}

// statistics are those that a statistic set can tell.
var statistics = map[string]func(metrics.Stat) float64{
	"SampleCount": func(s metrics.Stat) float64 { return s.Count },
	"Average":     metrics.Stat.Average,
	"Sum":         func(s metrics.Stat) float64 { return s.Sum },
	"Minimum":     func(s metrics.Stat) float64 { return s.Min },
	"Maximum":     func(s metrics.Stat) float64 { return s.Max },
}
