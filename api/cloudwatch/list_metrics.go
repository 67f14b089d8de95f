package cloudwatch

import (
	"context"
	"encoding/base64"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/weir-data/weir/metrics"
	"github.com/weir-data/weir/wire"
)

const listPage = 500

// listMetrics lists what has data, 500 at a time. There are no linked accounts, so asking for them changes nothing.
func (a *api) listMetrics(ctx context.Context, in *cloudwatch.ListMetricsInput) (*cloudwatch.ListMetricsOutput, error) {
	f := metrics.Filter{Namespace: aws.ToString(in.Namespace), Name: aws.ToString(in.MetricName)}
	for _, d := range in.Dimensions {
		if aws.ToString(d.Name) == "" {
			return nil, missing("Dimensions.member.Name")
		}
		f.Dimensions = append(f.Dimensions, metrics.Dimension{Name: *d.Name, Value: aws.ToString(d.Value)})
	}
	switch in.RecentlyActive {
	case "":
	case types.RecentlyActivePt3h:
		f.Since = a.now().Add(-3 * time.Hour)
	default:
		return nil, badValue("The value %s for parameter RecentlyActive is invalid.", in.RecentlyActive)
	}
	from, err := readToken(in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &cloudwatch.ListMetricsOutput{Metrics: []types.Metric{}}
	if in.OwningAccount != nil && *in.OwningAccount != wire.Caller(ctx).Account {
		return out, nil
	}
	all, err := a.registry.List(f)
	if err != nil {
		return nil, err
	}
	all = all[min(from, len(all)):]
	if len(all) > listPage {
		all = all[:listPage]
		out.NextToken = newToken(from + listPage)
	}
	for _, m := range all {
		shown := types.Metric{Namespace: aws.String(m.Namespace), MetricName: aws.String(m.Name), Dimensions: []types.Dimension{}}
		for _, d := range m.Dimensions {
			shown.Dimensions = append(shown.Dimensions, types.Dimension{Name: aws.String(d.Name), Value: aws.String(d.Value)})
		}
		out.Metrics = append(out.Metrics, shown)
	}
	return out, nil
}

// A token is how many items came before, not for clients to read.

func newToken(n int) *string {
	return aws.String(base64.RawURLEncoding.EncodeToString([]byte("after:" + strconv.Itoa(n))))
}

func readToken(token *string) (int, error) {
	if token == nil {
		return 0, nil
	}
	invalid := wire.Errorf("InvalidNextToken", http.StatusBadRequest, "Request parameter NextToken is invalid.")
	raw, err := base64.RawURLEncoding.DecodeString(*token)
	if err != nil || len(raw) < 7 || string(raw[:6]) != "after:" {
		return 0, invalid
	}
	n, err := strconv.Atoi(string(raw[6:]))
	if err != nil || n < 0 {
		return 0, invalid
	}
	return n, nil
}
