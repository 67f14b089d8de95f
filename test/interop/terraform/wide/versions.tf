terraform {
  required_version = ">= 1.1"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.31, < 6.0"
    }
  }
}

# With an endpoint everything is created there, else at AWS.
provider "aws" {
  region            = var.region
  s3_use_path_style = var.endpoint != ""

  dynamic "endpoints" {
    for_each = var.endpoint == "" ? [] : [var.endpoint]

    content {
      athena   = endpoints.value
      firehose = endpoints.value
      glue     = endpoints.value
      iam      = endpoints.value
      kinesis  = endpoints.value
      s3       = endpoints.value
      sts      = endpoints.value
    }
  }
}
