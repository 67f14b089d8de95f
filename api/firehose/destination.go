package firehose

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/firehose/types"

	"github.com/weir-data/weir/delivery"
)

// document is what is kept of a delivery stream beside its configuration: the API's own description.
type document struct {
	SourceARN, SourceRole string `json:",omitempty"`
	Destination           types.ExtendedS3DestinationDescription
}

// destinationID is the id of a delivery stream's only destination.
const destinationID = "destinationId-000000000001"

func (d document) encode() json.RawMessage {
	raw, err := json.Marshal(d)
	if err != nil {
		panic(err) // plain structs of strings and numbers
	}
	return raw
}

func decodeDocument(info delivery.Info) (document, error) {
	var d document
	if err := json.Unmarshal(info.Attributes, &d); err != nil {
		return d, fmt.Errorf("description of delivery stream %s: %w", info.Name, err)
	}
	return d, nil
}

// merge puts the members that u has into the description; AWS's rules: a conversion is merged member by member, a
// processing configuration is replaced.
func merge(d *types.ExtendedS3DestinationDescription, u *types.ExtendedS3DestinationUpdate) {
	set(&d.BucketARN, u.BucketARN)
	set(&d.RoleARN, u.RoleARN)
	set(&d.Prefix, u.Prefix)
	set(&d.ErrorOutputPrefix, u.ErrorOutputPrefix)
	set(&d.FileExtension, u.FileExtension)
	set(&d.CustomTimeZone, u.CustomTimeZone)
	set(&d.BufferingHints, u.BufferingHints)
	set(&d.CloudWatchLoggingOptions, u.CloudWatchLoggingOptions)
	set(&d.EncryptionConfiguration, u.EncryptionConfiguration)
	set(&d.DynamicPartitioningConfiguration, u.DynamicPartitioningConfiguration)
	set(&d.ProcessingConfiguration, u.ProcessingConfiguration)
	if u.CompressionFormat != "" {
		d.CompressionFormat = u.CompressionFormat
	}
	if u.S3BackupMode != "" {
		d.S3BackupMode = u.S3BackupMode
	}
	if c := u.DataFormatConversionConfiguration; c != nil {
		if d.DataFormatConversionConfiguration == nil {
			d.DataFormatConversionConfiguration = &types.DataFormatConversionConfiguration{}
		}
		to := d.DataFormatConversionConfiguration
		set(&to.Enabled, c.Enabled)
		set(&to.InputFormatConfiguration, c.InputFormatConfiguration)
		set(&to.OutputFormatConfiguration, c.OutputFormatConfiguration)
		set(&to.SchemaConfiguration, c.SchemaConfiguration)
	}
	if b := u.S3BackupUpdate; b != nil {
		if d.S3BackupDescription == nil {
			d.S3BackupDescription = &types.S3DestinationDescription{}
		}
		mergeBackup(d.S3BackupDescription, b)
	}
}

func mergeBackup(d *types.S3DestinationDescription, u *types.S3DestinationUpdate) {
	set(&d.BucketARN, u.BucketARN)
	set(&d.RoleARN, u.RoleARN)
	set(&d.Prefix, u.Prefix)
	set(&d.ErrorOutputPrefix, u.ErrorOutputPrefix)
	set(&d.BufferingHints, u.BufferingHints)
	set(&d.CloudWatchLoggingOptions, u.CloudWatchLoggingOptions)
	set(&d.EncryptionConfiguration, u.EncryptionConfiguration)
	if u.CompressionFormat != "" {
		d.CompressionFormat = u.CompressionFormat
	}
}

func set[T any](to **T, from *T) {
	if from != nil {
		*to = from
	}
}

// complete puts AWS's defaults where a client sent nothing.
func complete(d *types.ExtendedS3DestinationDescription, account, region string) {
	converts := false
	if c := d.DataFormatConversionConfiguration; c != nil {
		if c.Enabled == nil {
			c.Enabled = aws.Bool(true)
		}
		converts = *c.Enabled
		if s := c.SchemaConfiguration; s != nil {
			defaultTo(&s.CatalogId, account)
			defaultTo(&s.Region, region)
			defaultTo(&s.VersionId, "LATEST")
		}
	}
	size := int32(5)
	if converts {
		size = 128
	}
	completeTarget(&d.BufferingHints, &d.CompressionFormat, &d.EncryptionConfiguration, &d.CloudWatchLoggingOptions, size)
	if d.S3BackupMode == "" {
		d.S3BackupMode = types.S3BackupModeDisabled
	}
	if p := d.ProcessingConfiguration; p != nil && p.Enabled == nil {
		p.Enabled = aws.Bool(false)
	}
	if b := d.S3BackupDescription; b != nil {
		completeTarget(&b.BufferingHints, &b.CompressionFormat, &b.EncryptionConfiguration, &b.CloudWatchLoggingOptions, 5)
	}
}

func completeTarget(h **types.BufferingHints, c *types.CompressionFormat, e **types.EncryptionConfiguration, l **types.CloudWatchLoggingOptions, size int32) {
	if *h == nil || (*h).SizeInMBs == nil && (*h).IntervalInSeconds == nil {
		*h = &types.BufferingHints{SizeInMBs: &size, IntervalInSeconds: aws.Int32(300)}
	}
	if *c == "" {
		*c = types.CompressionFormatUncompressed
	}
	if *e == nil {
		*e = &types.EncryptionConfiguration{NoEncryptionConfig: types.NoEncryptionConfigNoEncryption}
	}
	if *l == nil {
		*l = &types.CloudWatchLoggingOptions{Enabled: aws.Bool(false)}
	}
}

func defaultTo(p **string, value string) {
	if *p == nil || **p == "" {
		*p = &value
	}
}

// config turns a completed description into what delivery works by. Errors are InvalidArgumentExceptions.
func config(d *types.ExtendedS3DestinationDescription) (delivery.Config, error) {
	var c delivery.Config
	var err error
	c.Target, err = target(d.BucketARN, d.Prefix, d.ErrorOutputPrefix, d.BufferingHints, d.CompressionFormat, d.EncryptionConfiguration)
	if err != nil {
		return c, err
	}
	c.FileExtension = aws.ToString(d.FileExtension)
	c.TimeZone = aws.ToString(d.CustomTimeZone)
	if p := d.DynamicPartitioningConfiguration; p != nil && aws.ToBool(p.Enabled) {
		return c, invalid("Dynamic partitioning is not supported.")
	}
	if c.AppendDelimiter, err = delimiter(d.ProcessingConfiguration); err != nil {
		return c, err
	}
	if v := d.DataFormatConversionConfiguration; v != nil && *v.Enabled {
		if c.Conversion, err = conversion(v); err != nil {
			return c, err
		}
	}
	if d.S3BackupMode != types.S3BackupModeEnabled {
		return c, nil
	}
	b := d.S3BackupDescription
	if b == nil {
		return c, invalid("S3BackupConfiguration must not be null when S3BackupMode is Enabled.")
	}
	backup, err := target(b.BucketARN, b.Prefix, b.ErrorOutputPrefix, b.BufferingHints, b.CompressionFormat, b.EncryptionConfiguration)
	c.Backup = &backup
	return c, err
}

func target(bucket, prefix, errorPrefix *string, h *types.BufferingHints, c types.CompressionFormat, e *types.EncryptionConfiguration) (delivery.Target, error) {
	var t delivery.Target
	if e != nil && e.KMSEncryptionConfig != nil {
		return t, invalid("KMSEncryptionConfig is not supported: objects are stored without encryption by keys.")
	}
	if h.SizeInMBs == nil || h.IntervalInSeconds == nil {
		return t, invalid("BufferingHints must have both SizeInMBs and IntervalInSeconds, or none of them.")
	}
	_, name, _ := strings.Cut(aws.ToString(bucket), ":::")
	return delivery.Target{
		Bucket:      name,
		Prefix:      aws.ToString(prefix),
		ErrorPrefix: aws.ToString(errorPrefix),
		Buffer:      int64(*h.SizeInMBs) << 20,
		Interval:    time.Duration(*h.IntervalInSeconds) * time.Second,
		Compression: delivery.Compression(c),
	}, nil
}

// delimiter is what the only supported processor puts behind every record.
func delimiter(p *types.ProcessingConfiguration) ([]byte, error) {
	if p == nil || !aws.ToBool(p.Enabled) {
		return nil, nil
	}
	var d []byte
	for _, proc := range p.Processors {
		if proc.Type != types.ProcessorTypeAppendDelimiterToRecord {
			return nil, invalid("Processor %s is not supported; AppendDelimiterToRecord is.", proc.Type)
		}
		d = []byte("\n")
		for _, param := range proc.Parameters {
			if param.ParameterName != types.ProcessorParameterNameDelimiter {
				return nil, invalid("Parameter %s is not valid for processor %s.", param.ParameterName, proc.Type)
			}
			d = []byte(strings.NewReplacer(`\n`, "\n", `\r`, "\r", `\t`, "\t").Replace(aws.ToString(param.ParameterValue)))
		}
	}
	return d, nil
}

func conversion(v *types.DataFormatConversionConfiguration) (*delivery.Conversion, error) {
	s := v.SchemaConfiguration
	if s == nil || v.InputFormatConfiguration == nil || v.OutputFormatConfiguration == nil {
		return nil, invalid("SchemaConfiguration, InputFormatConfiguration and OutputFormatConfiguration must not be null when data format conversion is enabled.")
	}
	if s.DatabaseName == nil || s.TableName == nil || s.RoleARN == nil {
		return nil, invalid("SchemaConfiguration must have DatabaseName, TableName and RoleARN when data format conversion is enabled.")
	}
	c := &delivery.Conversion{Catalog: *s.CatalogId, Region: *s.Region, Role: *s.RoleARN, Database: *s.DatabaseName, Table: *s.TableName, Version: *s.VersionId}
	if err := deserializer(c, v.InputFormatConfiguration.Deserializer); err != nil {
		return nil, err
	}
	return c, serializer(c, v.OutputFormatConfiguration.Serializer)
}

func deserializer(c *delivery.Conversion, d *types.Deserializer) error {
	switch {
	case d == nil || (d.HiveJsonSerDe == nil) == (d.OpenXJsonSerDe == nil):
		return invalid("Exactly one deserializer must be set: OpenXJsonSerDe or HiveJsonSerDe.")
	case d.HiveJsonSerDe != nil:
		c.Hive = true
		c.TimestampFormats = d.HiveJsonSerDe.TimestampFormats
	default:
		x := d.OpenXJsonSerDe
		c.CaseSensitive = x.CaseInsensitive != nil && !*x.CaseInsensitive
		c.DotsToUnderscores = aws.ToBool(x.ConvertDotsInJsonKeysToUnderscores)
		c.ColumnToKey = x.ColumnToJsonKeyMappings
	}
	return nil
}

func serializer(c *delivery.Conversion, s *types.Serializer) error {
	switch {
	case s == nil || (s.OrcSerDe == nil) == (s.ParquetSerDe == nil):
		return invalid("Exactly one serializer must be set: ParquetSerDe or OrcSerDe.")
	case s.OrcSerDe != nil:
		return invalid("OrcSerDe is not supported; ParquetSerDe is.")
	}
	p := s.ParquetSerDe
	if aws.ToInt32(p.MaxPaddingBytes) != 0 {
		return invalid("ParquetSerDe.MaxPaddingBytes is not supported: row groups are not padded.")
	}
	c.Compression = "SNAPPY"
	if p.Compression != "" {
		c.Compression = string(p.Compression)
	}
	c.BlockSize = 256 << 20
	if p.BlockSizeBytes != nil {
		c.BlockSize = int64(*p.BlockSizeBytes)
	}
	c.PageSize = int(aws.ToInt32(p.PageSizeBytes))
	c.NoDictionary = p.EnableDictionaryCompression != nil && !*p.EnableDictionaryCompression
	c.WriterVersion = 1
	if p.WriterVersion == types.ParquetWriterVersionV2 {
		c.WriterVersion = 2
	}
	return nil
}
