output "stream" {
  description = "Stream that the producer sends to."
  value       = aws_kinesis_stream.users.name
}

output "delivery_stream" {
  description = "Delivery stream that writes the files."
  value       = aws_kinesis_firehose_delivery_stream.users.name
}

output "files" {
  description = "Where the Parquet files are."
  value       = "s3://${aws_s3_bucket.lake.bucket}/users/"
}

output "table" {
  description = "Table to query."
  value       = "${aws_glue_catalog_database.lake.name}.${aws_glue_catalog_table.users.name}"
}

output "workgroup" {
  description = "Workgroup to query in."
  value       = aws_athena_workgroup.users.name
}
