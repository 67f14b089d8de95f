package kinesis

// UpdateChannel changes the freshness, or the names for logs, and nothing else. The answer says UPDATING, as in AWS; the
// change holds by then. Enabling logs is refused, see CreateChannel.

import (
	"context"
	"encoding/json"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/wire"
)

func (s *service) updateChannel(ctx context.Context, in *kinesis.UpdateChannelInput) (*kinesis.UpdateChannelOutput, error) {
	if err := checkUpdateChannel(in); err != nil {
		return nil, err
	}
	info, _, err := s.channel(*in.ChannelARN)
	if err != nil {
		return nil, err
	}
	if in.S3TablesDestinationConfiguration != nil {
		return nil, invalidArgument("Channel %s delivers to a general purpose Amazon S3 bucket: S3TablesDestinationConfiguration does not apply.", info.Name)
	}
	if in.S3DestinationConfiguration == nil && in.LoggingConfiguration == nil {
		return nil, invalidArgument("At least one of S3DestinationConfiguration and LoggingConfiguration must be specified.")
	}
	freshness := info.Channel.Freshness
	if d := in.S3DestinationConfiguration; d != nil {
		freshness = time.Duration(*d.DataFreshnessInSeconds) * time.Second
	}
	var attributes json.RawMessage
	if l := in.LoggingConfiguration; l != nil {
		if err := checkLogging(l.CloudWatchLogs.Enabled); err != nil {
			return nil, err
		}
		doc, err := documentOf(info)
		if err != nil {
			return nil, err
		}
		doc.Logs = types.CloudWatchLogs(*l.CloudWatchLogs)
		attributes = doc.encode()
	}
	if info, err = s.channels.Update(info.Name, freshness, attributes); err != nil {
		return nil, s.channelError(err, info.Name, info.Source)
	}
	d, err := s.describe(info, types.ChannelStatusUpdating, "")
	return &kinesis.UpdateChannelOutput{ChannelDescription: d}, err
}

func checkUpdateChannel(in *kinesis.UpdateChannelInput) error {
	var v wire.Violations
	v.Required(in.ChannelARN != nil, "channelARN")
	checkARN(&v, in.ChannelARN, "channelARN", channelARN)
	if d := in.S3DestinationConfiguration; d != nil {
		v.Required(d.DataFreshnessInSeconds != nil, "s3DestinationConfiguration.dataFreshnessInSeconds")
	}
	if d := in.S3TablesDestinationConfiguration; d != nil {
		v.Required(d.DataFreshnessInSeconds != nil, "s3TablesDestinationConfiguration.dataFreshnessInSeconds")
	}
	if l := in.LoggingConfiguration; l != nil {
		v.Required(l.CloudWatchLogs != nil, "loggingConfiguration.cloudWatchLogs")
		if c := l.CloudWatchLogs; c != nil {
			checkLogs(&v, c.Enabled, c.LogGroupName, c.LogStreamName)
		}
	}
	return v.Err()
}
