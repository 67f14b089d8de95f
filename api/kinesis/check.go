package kinesis

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/weir-data/weir/wire"
)

// The patterns and bounds of the service's model, as its messages show them.
var (
	namePattern     = pattern(`[a-zA-Z0-9_.-]+`)
	sequencePattern = pattern(`^(0|([1-9]\d{0,128}))$`)
	hashKeyPattern  = pattern(`^(0|([1-9]\d{0,38}))$`)
	streamARN       = pattern(`arn:aws.*:kinesis:.*:\d{12}:stream/\S+`)
	consumerARN     = pattern(`^(arn):aws.*:kinesis:.*:\d{12}:.*stream\/[a-zA-Z0-9_.-]+\/consumer\/[a-zA-Z0-9_.-]+:[0-9]+`)
	resourceARN     = pattern(`arn:aws.*:kinesis:.*:\d{12}:.*(stream|channel)/\S+`)
	streamID        = pattern(`[a-z0-9]{20}-[a-z0-9]{3}`)
)

func pattern(text string) wire.Pattern {
	return wire.Pattern{Text: text, Match: regexp.MustCompile(`^(?:` + text + `)$`).MatchString}
}

// checkName checks a member that holds the name of a stream, shard or consumer.
func checkName(v *wire.Violations, value *string, path string) {
	v.Pattern(value, path, namePattern)
	v.Length(value, path, 1, 128)
}

// checkStream checks the members that address a stream.
func checkStream(v *wire.Violations, name, arn, id *string) {
	checkName(v, name, "streamName")
	checkARN(v, arn, "streamARN", streamARN)
	checkID(v, id)
}

// checkID checks a StreamId, which AWS reserves for later: it has a form, and no meaning.
func checkID(v *wire.Violations, id *string) {
	v.Pattern(id, "streamId", streamID)
	v.Length(id, "streamId", 1, 24)
}

func checkARN(v *wire.Violations, arn *string, path string, p wire.Pattern) {
	v.Pattern(arn, path, p)
	v.Length(arn, path, 1, 2048)
}

// streamName finds out which stream a request means. A stream of another account or region does not exist here.
func (s *service) streamName(name, arn *string) (string, error) {
	switch {
	case arn == nil && name == nil:
		return "", invalidArgument("Either StreamName or StreamARN should be provided.")
	case arn == nil:
		return *name, nil
	}
	of := (*arn)[strings.LastIndexByte(*arn, '/')+1:]
	if name != nil && *name != of {
		return "", invalidArgument("StreamName %s and StreamARN %s do not refer to the same stream.", *name, *arn)
	}
	if *arn != s.streams.StreamARN(of) {
		return "", resourceNotFound("Stream %s under account %s not found.", of, accountOf(*arn))
	}
	return of, nil
}

// accountOf is the account in an ARN that has the pattern of one.
func accountOf(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	return parts[len(parts)-2]
}

// regionOf is the region in an ARN.
func regionOf(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	return parts[3]
}

// blobText is how AWS prints a blob in a message.
func blobText(n int) string { return fmt.Sprintf("java.nio.HeapByteBuffer[pos=0 lim=%d cap=%d]", n, n) }

const (
	partitionKeyMax = 256      // characters
	requestMax      = 10 << 20 // bytes of keys and data in one PutRecords
)

func validPartitionKey(key []byte) bool {
	return len(key) > 0 && (len(key) <= partitionKeyMax || utf8.RuneCount(key) <= partitionKeyMax)
}

func validHashKey(text string) bool {
	if text == "" || len(text) > 39 || text[0] == '0' && len(text) > 1 {
		return false
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return true
}

func hashKeyRangeError(text string) error {
	return invalidArgument("Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was %s", text)
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
