locals {
  tags = {
    project = "r-d"
  }

  # The members of the producer's records. event_date stays text: Firehose takes ISO times into a timestamp column only
  # with a zone, and the producer writes none.
  columns = [
    { name = "uuid", type = "string" },
    { name = "event_date", type = "string" },
    { name = "status", type = "string" },
    { name = "name", type = "string" },
    { name = "last_name", type = "string" },
    { name = "email", type = "string" },
    { name = "phone", type = "bigint" },
  ]
}

data "aws_caller_identity" "current" {}

# Records arrive here.

resource "aws_kinesis_stream" "users" {
  name             = "r-d-kinesis-stream"
  shard_count      = var.shards
  retention_period = 24

  stream_mode_details {
    stream_mode = "PROVISIONED"
  }

  tags = local.tags
}

# Files lie here: users/2022/02/04/21/….parquet, errors/, athena/.

resource "aws_s3_bucket" "lake" {
  bucket        = var.bucket
  force_destroy = true
  tags          = local.tags
}

resource "aws_s3_bucket_public_access_block" "lake" {
  bucket                  = aws_s3_bucket.lake.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# The table's schema: the delivery stream converts to it, queries read by it.

resource "aws_glue_catalog_database" "lake" {
  name = "r_d_database"
}

resource "aws_glue_catalog_table" "users" {
  name          = "users"
  database_name = aws_glue_catalog_database.lake.name
  table_type    = "EXTERNAL_TABLE"

  parameters = {
    EXTERNAL       = "TRUE"
    classification = "parquet"
  }

  storage_descriptor {
    location      = "s3://${aws_s3_bucket.lake.bucket}/users/"
    input_format  = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"

    ser_de_info {
      name                  = "parquet"
      serialization_library = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"

      parameters = {
        "serialization.format" = "1"
      }
    }

    dynamic "columns" {
      for_each = local.columns

      content {
        name = columns.value.name
        type = columns.value.type
      }
    }
  }
}

# From the stream to files, JSON to Parquet.

resource "aws_kinesis_firehose_delivery_stream" "users" {
  name        = "r-d-firehose-stream"
  destination = "extended_s3"
  tags        = local.tags

  kinesis_source_configuration {
    kinesis_stream_arn = aws_kinesis_stream.users.arn
    role_arn           = aws_iam_role.firehose.arn
  }

  extended_s3_configuration {
    bucket_arn          = aws_s3_bucket.lake.arn
    role_arn            = aws_iam_role.firehose.arn
    prefix              = "users/"
    error_output_prefix = "errors/"
    buffering_interval  = var.buffer_seconds
    buffering_size      = var.buffer_megabytes

    data_format_conversion_configuration {
      input_format_configuration {
        deserializer {
          open_x_json_ser_de {}
        }
      }

      output_format_configuration {
        serializer {
          parquet_ser_de {}
        }
      }

      schema_configuration {
        database_name = aws_glue_catalog_database.lake.name
        table_name    = aws_glue_catalog_table.users.name
        role_arn      = aws_iam_role.firehose.arn
        region        = var.region
      }
    }
  }

  depends_on = [aws_iam_role_policy.firehose]
}

# Queries.

resource "aws_athena_workgroup" "users" {
  name          = "r-d-workgroup"
  force_destroy = true
  tags          = local.tags

  configuration {
    result_configuration {
      output_location = "s3://${aws_s3_bucket.lake.bucket}/athena/"
    }
  }
}

resource "aws_athena_named_query" "by_status" {
  name        = "r-d-users-by-status"
  description = "How many people there are of each status."
  workgroup   = aws_athena_workgroup.users.id
  database    = aws_glue_catalog_database.lake.name
  query       = "SELECT status, count(*) AS people FROM users GROUP BY status ORDER BY people DESC"
}

# The crawler registers the table found_users with the folders as its partitions.

resource "aws_glue_crawler" "users" {
  count         = var.crawler ? 1 : 0
  name          = "r-d-crawler"
  database_name = aws_glue_catalog_database.lake.name
  role          = aws_iam_role.crawler[0].arn
  table_prefix  = "found_"
  tags          = local.tags

  s3_target {
    path = "s3://${aws_s3_bucket.lake.bucket}/users/"
  }
}
