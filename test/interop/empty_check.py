"""A listing of nothing is an empty list, never a missing member: programs and awscli's --query count on it."""
import boto3

LISTS = {
    "kinesis": {"list_streams": "StreamNames"},
    "firehose": {"list_delivery_streams": "DeliveryStreamNames"},
    "glue": {"get_databases": "DatabaseList", "get_crawlers": "Crawlers", "list_crawlers": "CrawlerNames", "search_tables": "TableList"},
    "athena": {"list_named_queries": "NamedQueryIds", "list_query_executions": "QueryExecutionIds", "list_work_groups": "WorkGroups"},
    "cloudwatch": {"list_metrics": "Metrics"},
    "iam": {"list_roles": "Roles", "list_policies": "Policies"},
    "s3": {"list_buckets": "Buckets"},
}

missing = [f"{service} {call}" for service, calls in LISTS.items() for call, member in calls.items()
           if not isinstance(getattr(boto3.client(service), call)().get(member), list)]
assert not missing, f"no list in the answers of {missing}"
print("listings of nothing are empty lists")
