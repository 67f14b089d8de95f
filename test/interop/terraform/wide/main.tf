# More of what the provider can say about each resource than the tutorial says. With changed, everything that can be changed
# in place is.
variable "endpoint" {
  type = string
}

variable "region" {
  type    = string
  default = "us-east-1"
}

variable "changed" {
  type    = bool
  default = false
}

locals {
  tags = var.changed ? { stage = "two", team = "lake" } : { stage = "one", cost = "low" }
}

data "aws_caller_identity" "current" {}

resource "aws_kinesis_stream" "clicks" {
  name                = "clicks"
  shard_count         = 2
  retention_period    = var.changed ? 72 : 48
  shard_level_metrics = var.changed ? ["IncomingRecords"] : ["IncomingBytes", "OutgoingBytes"]
  encryption_type     = "KMS"
  kms_key_id          = var.changed ? "arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab" : "alias/aws/kinesis"
  tags                = local.tags
}

resource "aws_kinesis_stream" "on_demand" {
  name            = "on-demand"
  encryption_type = var.changed ? "NONE" : "KMS"
  kms_key_id      = var.changed ? null : "alias/wide"

  stream_mode_details {
    stream_mode = "ON_DEMAND"
  }
}

resource "aws_kinesis_stream_consumer" "reader" {
  name       = "reader"
  stream_arn = aws_kinesis_stream.clicks.arn
}

resource "aws_kinesis_resource_policy" "shared" {
  resource_arn = aws_kinesis_stream.clicks.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "share"
      Effect    = "Allow"
      Principal = { AWS = var.changed ? "111122223333" : "444455556666" }
      Action    = ["kinesis:DescribeStreamSummary", "kinesis:ListShards", "kinesis:PutRecord", "kinesis:PutRecords"]
      Resource  = aws_kinesis_stream.clicks.arn
    }]
  })
}

resource "aws_s3_bucket" "lake" {
  bucket        = "wide-lake"
  force_destroy = true
  tags          = local.tags
}

resource "aws_s3_bucket_versioning" "lake" {
  bucket = aws_s3_bucket.lake.id

  versioning_configuration {
    status = var.changed ? "Suspended" : "Enabled"
  }
}

resource "aws_s3_bucket_public_access_block" "lake" {
  bucket                  = aws_s3_bucket.lake.id
  block_public_acls       = true
  block_public_policy     = !var.changed
  ignore_public_acls      = true
  restrict_public_buckets = !var.changed
}

resource "aws_s3_bucket_server_side_encryption_configuration" "lake" {
  bucket = aws_s3_bucket.lake.id

  rule {
    bucket_key_enabled = var.changed

    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_ownership_controls" "lake" {
  bucket = aws_s3_bucket.lake.id

  rule {
    object_ownership = var.changed ? "BucketOwnerEnforced" : "BucketOwnerPreferred"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "lake" {
  bucket = aws_s3_bucket.lake.id

  rule {
    id     = "results"
    status = "Enabled"

    filter {
      prefix = "athena/"
    }

    expiration {
      days = var.changed ? 14 : 7
    }
  }

  rule {
    id     = "uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 3
    }
  }

  depends_on = [aws_s3_bucket_versioning.lake]
}

resource "aws_s3_object" "note" {
  bucket       = aws_s3_bucket.lake.id
  key          = "notes/read me.txt"
  content      = var.changed ? "changed" : "first"
  content_type = "text/plain"
  tags         = local.tags
}

resource "aws_iam_role" "firehose" {
  name        = "wide-firehose"
  path        = "/service/"
  description = var.changed ? "writes more" : "writes"
  tags        = local.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "firehose.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "firehose" {
  name = "write"
  role = aws_iam_role.firehose.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = var.changed ? ["s3:PutObject", "s3:GetObject"] : ["s3:PutObject"]
      Resource = "${aws_s3_bucket.lake.arn}/*"
    }]
  })
}

resource "aws_iam_policy" "read" {
  name = "wide-read"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = var.changed ? ["kinesis:Get*", "kinesis:List*"] : ["kinesis:Get*"]
      Resource = aws_kinesis_stream.clicks.arn
    }]
  })
}

resource "aws_iam_role_policy_attachment" "read" {
  role       = aws_iam_role.firehose.name
  policy_arn = aws_iam_policy.read.arn
}

resource "aws_iam_role_policy_attachment" "managed" {
  role       = aws_iam_role.firehose.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
}

resource "aws_glue_catalog_database" "wide" {
  name        = "wide"
  description = var.changed ? "changed" : "first"
}

resource "aws_glue_catalog_table" "clicks" {
  name          = "clicks"
  database_name = aws_glue_catalog_database.wide.name
  table_type    = "EXTERNAL_TABLE"

  parameters = {
    classification = "parquet"
    note           = var.changed ? "two" : "one"
  }

  partition_keys {
    name = "day"
    type = "string"
  }

  storage_descriptor {
    location      = "s3://${aws_s3_bucket.lake.bucket}/clicks/"
    input_format  = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"

    ser_de_info {
      serialization_library = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
    }

    dynamic "columns" {
      for_each = var.changed ? ["page", "user", "agent"] : ["page", "user"]

      content {
        name = columns.value
        type = "string"
      }
    }
  }
}

resource "aws_glue_crawler" "clicks" {
  name          = "wide-crawler"
  database_name = aws_glue_catalog_database.wide.name
  role          = aws_iam_role.firehose.arn
  description   = var.changed ? "changed" : "first"
  table_prefix  = "found_"
  tags          = local.tags

  s3_target {
    path = "s3://${aws_s3_bucket.lake.bucket}/clicks/"
  }

  schema_change_policy {
    delete_behavior = "LOG"
    update_behavior = "UPDATE_IN_DATABASE"
  }
}

resource "aws_kinesis_firehose_delivery_stream" "clicks" {
  name        = "wide-firehose"
  destination = "extended_s3"
  tags        = local.tags

  kinesis_source_configuration {
    kinesis_stream_arn = aws_kinesis_stream.clicks.arn
    role_arn           = aws_iam_role.firehose.arn
  }

  extended_s3_configuration {
    bucket_arn          = aws_s3_bucket.lake.arn
    role_arn            = aws_iam_role.firehose.arn
    prefix              = "clicks/day=!{timestamp:yyyy-MM-dd}/"
    error_output_prefix = "errors/!{firehose:error-output-type}/"
    buffering_interval  = var.changed ? 120 : 60
    buffering_size      = var.changed ? 128 : 64

    data_format_conversion_configuration {
      input_format_configuration {
        deserializer {
          open_x_json_ser_de {
            case_insensitive = true
          }
        }
      }

      output_format_configuration {
        serializer {
          parquet_ser_de {
            compression = var.changed ? "GZIP" : "SNAPPY"
          }
        }
      }

      schema_configuration {
        database_name = aws_glue_catalog_database.wide.name
        table_name    = aws_glue_catalog_table.clicks.name
        role_arn      = aws_iam_role.firehose.arn
        region        = var.region
      }
    }
  }
}

resource "aws_kinesis_firehose_delivery_stream" "direct" {
  name        = "wide-direct"
  destination = "extended_s3"

  extended_s3_configuration {
    bucket_arn         = aws_s3_bucket.lake.arn
    role_arn           = aws_iam_role.firehose.arn
    prefix             = var.changed ? "raw/two/" : "raw/"
    compression_format = "GZIP"
  }
}

resource "aws_athena_workgroup" "wide" {
  name          = "wide"
  description   = var.changed ? "changed" : "first"
  force_destroy = true
  tags          = local.tags

  configuration {
    enforce_workgroup_configuration    = true
    publish_cloudwatch_metrics_enabled = !var.changed
    bytes_scanned_cutoff_per_query     = var.changed ? 20000000 : null

    result_configuration {
      output_location = "s3://${aws_s3_bucket.lake.bucket}/athena/"
    }
  }
}

resource "aws_athena_named_query" "pages" {
  name      = "pages"
  workgroup = aws_athena_workgroup.wide.id
  database  = aws_glue_catalog_database.wide.name
  query     = "SELECT page, count(*) FROM clicks GROUP BY page"
}
