variable "endpoint" {
  description = "Address of weir, such as http://127.0.0.1:4566; empty is AWS."
  type        = string
  default     = ""
}

variable "region" {
  description = "AWS region."
  type        = string
  default     = "us-east-1"
}

variable "bucket" {
  description = "Bucket for the data and the query results; at AWS its name must be the only one in the world."
  type        = string
  default     = "r-d-data-lake"
}

variable "shards" {
  description = "Shards of the stream."
  type        = number
  default     = 1
}

variable "buffer_seconds" {
  description = "How long the delivery stream collects records before it writes a file."
  type        = number
  default     = 60
}

variable "buffer_megabytes" {
  description = "Size at which it writes a file earlier; at least 64 when it converts to Parquet."
  type        = number
  default     = 64
}

variable "crawler" {
  description = "Create a crawler that finds the table by itself, beside the one that is defined here."
  type        = bool
  default     = false
}
