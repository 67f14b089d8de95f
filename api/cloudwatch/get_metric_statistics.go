package cloudwatch

import (
	"context"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/weir-data/weir/wire"
)

const datapointsMax = 1440

// getMetricStatistics gives the data points of one metric, oldest first. A metric that does not exist has none.
// Percentiles are refused: statistic sets do not know them.
func (a *api) getMetricStatistics(_ context.Context, in *cloudwatch.GetMetricStatisticsInput) (*cloudwatch.GetMetricStatisticsOutput, error) {
	m, err := metric("", in.Namespace, in.MetricName, in.Dimensions)
	if err != nil {
		return nil, err
	}
	start, end, period, err := span(in.StartTime, in.EndTime, in.Period, "")
	if err != nil {
		return nil, err
	}
	if err := unit("Unit", in.Unit); err != nil {
		return nil, err
	}
	if len(in.ExtendedStatistics) > 0 {
		return nil, badValue("The parameter ExtendedStatistics is not supported.")
	}
	if len(in.Statistics) == 0 {
		return nil, wire.Errorf(missingParameter, http.StatusBadRequest, "At least one of the parameters Statistics and ExtendedStatistics must be specified.")
	}
	for _, s := range in.Statistics {
		if statistics[string(s)] == nil {
			return nil, badValue("The value %s for parameter Statistics is invalid.", s)
		}
	}
	if n := (end.Sub(start) + period - 1) / period; n > datapointsMax {
		return nil, wire.Errorf(invalidCombination, http.StatusBadRequest, "You have requested up to %d datapoints, which exceeds the limit of 1,440. You may reduce the datapoints requested by increasing Period, or decreasing the time range.", n)
	}
	points, err := a.registry.Read(m, string(in.Unit), start, end, period)
	if err != nil {
		return nil, err
	}
	out := &cloudwatch.GetMetricStatisticsOutput{Label: in.MetricName, Datapoints: []types.Datapoint{}}
	for _, p := range points {
		d := types.Datapoint{Timestamp: aws.Time(p.Time.Truncate(time.Second)), Unit: types.StandardUnit(p.Unit)}
		for _, s := range in.Statistics {
			*member(&d, s) = aws.Float64(statistics[string(s)](p.Stat))
		}
		out.Datapoints = append(out.Datapoints, d)
	}
	return out, nil
}

// member is where a data point has a statistic.
func member(d *types.Datapoint, s types.Statistic) **float64 {
	switch s {
	case types.StatisticSampleCount:
		return &d.SampleCount
	case types.StatisticAverage:
		return &d.Average
	case types.StatisticSum:
		return &d.Sum
	case types.StatisticMinimum:
		return &d.Minimum
	}
	return &d.Maximum
}
