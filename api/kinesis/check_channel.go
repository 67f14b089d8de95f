package kinesis

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/weir-data/weir/wire"
)

// The patterns of channels in the service's model.
var (
	channelARN         = pattern(`arn:aws.*:kinesis:.*:\d{12}:channel/\S+`)
	roleARN            = pattern(`arn:aws[-a-z0-9]*:iam::\d{12}:role/[a-zA-Z_0-9+=,.@\-_/]+`)
	bucketARN          = pattern(`arn:aws[-a-z0-9]*:s3:::[a-z0-9._-]{3,63}`)
	tableBucketARN     = pattern(`arn:aws[-a-z0-9]*:s3tables:[-a-z0-9]+:\d{12}:bucket/[a-z0-9_-]{3,63}`)
	schemaARN          = pattern(`arn:aws[-a-z0-9]*:glue:[-a-z0-9]+:\d{12}:schema/[-a-zA-Z0-9_$#.]+/[-a-zA-Z0-9_$#.]+`)
	accountPattern     = pattern(`\d{12}`)
	errorPrefixPattern = pattern(`[0-9A-Za-z!\-_'.*()\/]+`)
	templatePattern    = pattern(`[0-9A-Za-z!\-_'.*()\/=:{}]+`)
	tableNamePattern   = pattern(`[0-9a-z_]+`)
	sourceNamePattern  = pattern(`[a-zA-Z0-9\.\_]+`)
	logGroupPattern    = pattern(`[\.\-_/#A-Za-z0-9]+`)
	logStreamPattern   = pattern(`[^:*]*`)
)

const (
	channelListMax     = 10000 // elements of a list, by the model
	partitionFieldsMax = 10
)

// checkText checks the form and the length of a text that is present.
func checkText(v *wire.Violations, value *string, path string, p wire.Pattern, max int) {
	v.Pattern(value, path, p)
	v.Length(value, path, 1, max)
}

// required is checkText of a text that has to be there.
func required(v *wire.Violations, value *string, path string, p wire.Pattern, max int) {
	v.Required(value != nil, path)
	checkText(v, value, path, p, max)
}

// checkEnum checks a member of an enumeration that has to be there.
func checkEnum[T ~string](v *wire.Violations, value T, path string, known []T) {
	v.Required(value != "", path)
	wire.Enum(v, value, path, known)
}

// elements checks the length of a list of structures and gives their paths.
func elements[T any](v *wire.Violations, list []T, path string, max int, f func(e *T, path string)) {
	text := "[]"
	if len(list) > 0 {
		text = fmt.Sprintf("[%d elements]", len(list)) // AWS shows the names of its classes
	}
	v.Size(len(list), path, text, 1, max)
	for i := range list {
		f(&list[i], fmt.Sprintf("%s.%d.member", path, i+1))
	}
}

func checkCreateChannel(in *kinesis.CreateChannelInput) error {
	var v wire.Violations
	v.Required(in.ChannelName != nil, "channelName")
	checkName(&v, in.ChannelName, "channelName")
	required(&v, in.ServiceExecutionRoleARN, "serviceExecutionRoleARN", roleARN, 512)
	if v.Required(in.StreamConfigurationList != nil, "streamConfigurationList"); in.StreamConfigurationList != nil {
		elements(&v, in.StreamConfigurationList, "streamConfigurationList", channelListMax, func(c *types.ChannelStreamConfiguration, path string) {
			checkChannelStream(&v, c, path)
		})
	}
	if d := in.S3DestinationConfiguration; d != nil {
		checkS3Destination(&v, d)
	}
	if d := in.S3TablesDestinationConfiguration; d != nil {
		checkTablesDestination(&v, d)
	}
	if e := in.EncryptionConfiguration; e != nil {
		checkEnum(&v, e.EncryptionType, "encryptionConfiguration.encryptionType", e.EncryptionType.Values())
		v.Required(e.KeyId != nil, "encryptionConfiguration.keyId")
		v.Length(e.KeyId, "encryptionConfiguration.keyId", 1, 2048)
	}
	checkTagMap(&v, in.Tags, false)
	if l := in.LoggingConfiguration; l != nil {
		v.Required(l.CloudWatchLogs != nil, "loggingConfiguration.cloudWatchLogs")
		if c := l.CloudWatchLogs; c != nil {
			checkLogs(&v, c.Enabled, c.LogGroupName, c.LogStreamName)
		}
	}
	return v.Err()
}

func checkChannelStream(v *wire.Violations, c *types.ChannelStreamConfiguration, path string) {
	v.Required(c.StreamARN != nil, path+".streamARN")
	checkARN(v, c.StreamARN, path+".streamARN", streamARN)
	v.Required(c.RecordConfiguration != nil, path+".recordConfiguration")
	if r := c.RecordConfiguration; r != nil {
		checkEnum(v, r.RecordFormatType, path+".recordConfiguration.recordFormatType", r.RecordFormatType.Values())
		checkText(v, r.GSRSchemaARN, path+".recordConfiguration.gSRSchemaARN", schemaARN, 512)
	}
}

func checkS3Destination(v *wire.Violations, d *types.S3DestinationConfiguration) {
	const path = "s3DestinationConfiguration"
	checkDeadLetters(v, d.DeadLetterQueueS3Configuration, path)
	s, at := d.StorageConfiguration, path+".storageConfiguration"
	if v.Required(s != nil, at); s == nil {
		return
	}
	required(v, s.BucketARN, at+".bucketARN", bucketARN, 2048)
	checkOwner(v, s.ExpectedBucketOwner, at+".expectedBucketOwner")
	checkText(v, s.OutputKeyTemplate, at+".outputKeyTemplate", templatePattern, 1024)
	wire.Enum(v, s.StorageClass, at+".storageClass", s.StorageClass.Values())
	checkEnum(v, s.CompressionType, at+".compressionType", s.CompressionType.Values())
}

func checkOwner(v *wire.Violations, owner *string, path string) {
	v.Required(owner != nil, path)
	v.Pattern(owner, path, accountPattern)
	v.Length(owner, path, 12, 12)
}

func checkDeadLetters(v *wire.Violations, d *types.DeadLetterQueueS3Configuration, of string) {
	if d == nil {
		return
	}
	path := of + ".deadLetterQueueS3Configuration"
	required(v, d.BucketARN, path+".bucketARN", bucketARN, 2048)
	checkOwner(v, d.ExpectedBucketOwner, path+".expectedBucketOwner")
	checkText(v, d.ErrorOutputPrefix, path+".errorOutputPrefix", errorPrefixPattern, 512)
}

func checkTablesDestination(v *wire.Violations, d *types.S3TablesDestinationConfiguration) {
	const path = "s3TablesDestinationConfiguration"
	v.Required(d.DeadLetterQueueS3Configuration != nil, path+".deadLetterQueueS3Configuration")
	checkDeadLetters(v, d.DeadLetterQueueS3Configuration, path)
	if v.Required(d.S3TablesConfigurationList != nil, path+".s3TablesConfigurationList"); d.S3TablesConfigurationList == nil {
		return
	}
	elements(v, d.S3TablesConfigurationList, path+".s3TablesConfigurationList", channelListMax, func(t *types.S3TablesConfiguration, at string) {
		required(v, t.TableBucketARN, at+".tableBucketARN", tableBucketARN, 2048)
		required(v, t.Namespace, at+".namespace", tableNamePattern, 255)
		required(v, t.TableName, at+".tableName", tableNamePattern, 255)
		checkEnum(v, t.CompressionType, at+".compressionType", t.CompressionType.Values())
		if t.PartitionSpec != nil {
			checkPartitions(v, t.PartitionSpec.PartitionFields, at+".partitionSpec.partitionFields")
		}
	})
}

func checkPartitions(v *wire.Violations, list []types.PartitionField, path string) {
	if v.Required(list != nil, path); list == nil {
		return
	}
	elements(v, list, path, partitionFieldsMax, func(p *types.PartitionField, at string) {
		checkEnum(v, p.Transform, at+".transform", p.Transform.Values())
		required(v, p.SourceName, at+".sourceName", sourceNamePattern, 255)
	})
}

func checkLogs(v *wire.Violations, enabled *bool, group, stream *string) {
	const path = "loggingConfiguration.cloudWatchLogs"
	v.Required(enabled != nil, path+".enabled")
	checkText(v, group, path+".logGroupName", logGroupPattern, 512)
	checkText(v, stream, path+".logStreamName", logStreamPattern, 512)
}

// checkChannelARN checks an operation whose only member is the ARN.
func checkChannelARN(arn *string) error {
	var v wire.Violations
	v.Required(arn != nil, "channelARN")
	checkARN(&v, arn, "channelARN", channelARN)
	return v.Err()
}
