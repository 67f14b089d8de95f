package kinesis

// DeleteChannel stops delivery. The channel is gone at once, where AWS shows it as DELETING for a while. What was not
// delivered stays in the stream only.

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

func (s *service) deleteChannel(ctx context.Context, in *kinesis.DeleteChannelInput) (*kinesis.DeleteChannelOutput, error) {
	if err := checkChannelARN(in.ChannelARN); err != nil {
		return nil, err
	}
	info, _, err := s.channel(*in.ChannelARN)
	if err != nil {
		return nil, err
	}
	if err := s.channels.Delete(ctx, info.Name); err != nil {
		return nil, s.channelError(err, info.ID, info.Source)
	}
	return &kinesis.DeleteChannelOutput{}, nil
}

// channelsOf are the names of a stream's channels.
func (s *service) channelsOf(stream string) (names []string) {
	if s.channels == nil {
		return nil
	}
	for _, info := range s.channels.List() {
		if info.Source == stream {
			names = append(names, info.Name)
		}
	}
	return names
}

// checkNoChannels refuses a change that a stream's channels would not outlive. channelChange is held.
func (s *service) checkNoChannels(stream, change string) error {
	if names := s.channelsOf(stream); len(names) > 0 {
		return resourceInUse("Stream %s under account %s has the channel %s, which must be deleted before the stream %s.",
			stream, s.streams.Account(), names[0], change)
	}
	return nil
}
