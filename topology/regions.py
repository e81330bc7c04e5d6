"""AWS Regions, and the partition of each."""

from __future__ import annotations

# CloudWatch Logs and Amazon Data Firehose are available in each of these (botocore endpoint data). A test compares the
# table with botocore, so that an upgrade of botocore reveals new regions.
_PARTITIONS = {
    "aws": (
        "af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1",
        "ap-south-2", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5",
        "ap-southeast-6", "ap-southeast-7", "ca-central-1", "ca-west-1", "eu-central-1", "eu-central-2", "eu-north-1",
        "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3", "il-central-1", "me-central-1",
        "me-south-1", "mx-central-1", "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
    ),
    "aws-cn": ("cn-north-1", "cn-northwest-1"),
    "aws-eusc": ("eusc-de-east-1",),
    "aws-us-gov": ("us-gov-east-1", "us-gov-west-1"),
}  # fmt: skip

PARTITIONS = {region: partition for partition, regions in _PARTITIONS.items() for region in regions}
"""Region → partition, for every region that a stack file may name."""


def boundary_arn(region: str, account: str) -> str:
    """Return the ARN of the permissions boundary that ``bootstrap/archive-account.yaml`` creates."""
    return f"arn:{PARTITIONS[region]}:iam::{account}:policy/central-log-archive-boundary"


def role_arn(region: str, account: str, name: str) -> str:
    """Return the ARN of a role, in the partition of ``region``."""
    return f"arn:{PARTITIONS[region]}:iam::{account}:role/{name}"
