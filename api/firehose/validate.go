package firehose

import (
	"fmt"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/service/firehose/types"

	"github.com/weir-data/weir/wire"
)

// The patterns of the API's model.
var (
	namePattern      = pattern(`[a-zA-Z0-9_.-]+`)
	bucketPattern    = pattern(`arn:.*:s3:::[\w\.\-]{1,255}`)
	rolePattern      = pattern(`arn:.*:iam::\d{12}:role/[a-zA-Z_0-9+=,.@\-_/]+`)
	streamPattern    = pattern(`arn:.*:kinesis:[a-zA-Z0-9\-]+:\d{12}:stream/[a-zA-Z0-9_.-]+`)
	extensionPattern = pattern(`^$|\.[0-9a-z!\-_.*'()]+`)
	zonePattern      = pattern(`^$|[a-zA-Z/_]+`)
	versionPattern   = pattern(`[0-9]+`)
	logGroupPattern  = pattern(`[\.\-_/#A-Za-z0-9]*`)
	tagKeyPattern    = wire.Pattern{Text: `^(?!aws:)[\p{L}\p{Z}\p{N}_.:\/=+\-@%]*$`, Match: tagKey}
	tagValuePattern  = pattern(`[\p{L}\p{Z}\p{N}_.:\/=+\-@%]*`)
)

func pattern(text string) wire.Pattern {
	return wire.Pattern{Text: text, Match: regexp.MustCompile(`^(?:` + text + `)$`).MatchString}
}

var tagKeyText = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@%]*$`)

func tagKey(key string) bool {
	return tagKeyText.MatchString(key) && (len(key) < 4 || key[:4] != "aws:")
}

// checkText notes the violations of a text member.
func checkText(v *wire.Violations, value *string, path string, min, max int, p wire.Pattern) {
	v.Length(value, path, min, max)
	v.Pattern(value, path, p)
}

func checkName(v *wire.Violations, name *string) {
	v.Required(name != nil, "deliveryStreamName")
	checkText(v, name, "deliveryStreamName", 1, 64, namePattern)
}

// nameOnly checks an operation whose only member of note is the stream's name.
func nameOnly(name *string) error {
	var v wire.Violations
	checkName(&v, name)
	return v.Err()
}

func checkRole(v *wire.Violations, role *string, path string, required bool) {
	if required {
		v.Required(role != nil, path)
	}
	checkText(v, role, path, 1, 512, rolePattern)
}

func checkHints(v *wire.Violations, h *types.BufferingHints, path string) {
	if h != nil {
		wire.Range(v, h.SizeInMBs, path+".sizeInMBs", 1, 128)
		wire.Range(v, h.IntervalInSeconds, path+".intervalInSeconds", 0, 900)
	}
}

func checkLogging(v *wire.Violations, l *types.CloudWatchLoggingOptions, path string) {
	if l != nil {
		checkText(v, l.LogGroupName, path+".logGroupName", 0, 512, logGroupPattern)
		v.Length(l.LogStreamName, path+".logStreamName", 0, 512)
	}
}

// checkDestination notes the violations of an extended S3 destination, which may be a part of one in an update.
func checkDestination(v *wire.Violations, d *types.ExtendedS3DestinationUpdate, path string, whole bool) {
	if whole {
		v.Required(d.BucketARN != nil, path+".bucketARN")
	}
	checkRole(v, d.RoleARN, path+".roleARN", whole)
	checkText(v, d.BucketARN, path+".bucketARN", 1, 2048, bucketPattern)
	v.Length(d.Prefix, path+".prefix", 0, 1024)
	v.Length(d.ErrorOutputPrefix, path+".errorOutputPrefix", 0, 1024)
	checkText(v, d.FileExtension, path+".fileExtension", 0, 128, extensionPattern)
	checkText(v, d.CustomTimeZone, path+".customTimeZone", 0, 50, zonePattern)
	checkHints(v, d.BufferingHints, path+".bufferingHints")
	checkLogging(v, d.CloudWatchLoggingOptions, path+".cloudWatchLoggingOptions")
	wire.Enum(v, d.CompressionFormat, path+".compressionFormat", d.CompressionFormat.Values())
	wire.Enum(v, d.S3BackupMode, path+".s3BackupMode", d.S3BackupMode.Values())
	if c := d.DataFormatConversionConfiguration; c != nil {
		checkConversion(v, c, path+".dataFormatConversionConfiguration")
	}
	if p := d.ProcessingConfiguration; p != nil {
		checkProcessing(v, p, path+".processingConfiguration")
	}
	if b := d.S3BackupUpdate; b != nil {
		checkBackup(v, b, path+".s3BackupConfiguration", whole)
	}
}

func checkBackup(v *wire.Violations, d *types.S3DestinationUpdate, path string, whole bool) {
	if whole {
		v.Required(d.BucketARN != nil, path+".bucketARN")
	}
	checkRole(v, d.RoleARN, path+".roleARN", whole)
	checkText(v, d.BucketARN, path+".bucketARN", 1, 2048, bucketPattern)
	v.Length(d.Prefix, path+".prefix", 0, 1024)
	v.Length(d.ErrorOutputPrefix, path+".errorOutputPrefix", 0, 1024)
	checkHints(v, d.BufferingHints, path+".bufferingHints")
	checkLogging(v, d.CloudWatchLoggingOptions, path+".cloudWatchLoggingOptions")
	wire.Enum(v, d.CompressionFormat, path+".compressionFormat", d.CompressionFormat.Values())
}

func checkConversion(v *wire.Violations, c *types.DataFormatConversionConfiguration, path string) {
	if s := c.SchemaConfiguration; s != nil {
		v.Length(s.DatabaseName, path+".schemaConfiguration.databaseName", 1, 1024)
		v.Length(s.TableName, path+".schemaConfiguration.tableName", 1, 1024)
		v.Length(s.VersionId, path+".schemaConfiguration.versionId", 1, 1024)
		v.Length(s.RoleARN, path+".schemaConfiguration.roleARN", 1, 1024)
	}
	if o := c.OutputFormatConfiguration; o != nil && o.Serializer != nil && o.Serializer.ParquetSerDe != nil {
		p, at := o.Serializer.ParquetSerDe, path+".outputFormatConfiguration.serializer.parquetSerDe"
		checkLeast(v, p.BlockSizeBytes, at+".blockSizeBytes", 64<<20)
		checkLeast(v, p.PageSizeBytes, at+".pageSizeBytes", 64<<10)
		checkLeast(v, p.MaxPaddingBytes, at+".maxPaddingBytes", 0)
		wire.Enum(v, p.Compression, at+".compression", p.Compression.Values())
		wire.Enum(v, p.WriterVersion, at+".writerVersion", p.WriterVersion.Values())
	}
}

// checkLeast checks a number that has a lower bound only.
func checkLeast(v *wire.Violations, value *int32, path string, min int32) {
	if value != nil {
		v.Check(*value >= min, path, fmt.Sprint(*value), fmt.Sprintf("Member must have value greater than or equal to %d", min))
	}
}

func checkProcessing(v *wire.Violations, p *types.ProcessingConfiguration, path string) {
	for i, proc := range p.Processors {
		at := fmt.Sprintf("%s.processors.%d.member", path, i+1)
		v.Required(proc.Type != "", at+".type")
		wire.Enum(v, proc.Type, at+".type", proc.Type.Values())
		for k, param := range proc.Parameters {
			to := fmt.Sprintf("%s.parameters.%d.member", at, k+1)
			v.Required(param.ParameterName != "", to+".parameterName")
			wire.Enum(v, param.ParameterName, to+".parameterName", param.ParameterName.Values())
			v.Required(param.ParameterValue != nil, to+".parameterValue")
			v.Length(param.ParameterValue, to+".parameterValue", 1, 5120)
		}
	}
}
