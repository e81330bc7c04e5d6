"""An archive to test the cloud with, created with boto3 as the root user of its account."""

from __future__ import annotations

import gzip
import itertools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.sandbox.conftest import Cloud
from topology import policies

HOME = "eu-west-1"
DECOMPRESSION = {
    "Type": "Decompression",
    "Parameters": [{"ParameterName": "CompressionFormat", "ParameterValue": "GZIP"}],
}
DELIMITER = {
    "Type": "AppendDelimiterToRecord",
    "Parameters": [{"ParameterName": "Delimiter", "ParameterValue": "\\n"}],
}
_numbers = itertools.count(1)


def new_account() -> str:
    """Return an account ID that no other test uses."""
    return f"{next(_numbers):06d}{time.time_ns() % 10**6:06d}"


def eventually(check: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Poll until a check passes; return False if it does not within some seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if check():
            return True
        time.sleep(0.05)
    return False


@dataclass
class Archive:
    """Bucket, roles and stream of a new account."""

    cloud: Cloud
    senders: list[str]
    account: str = field(default_factory=new_account)
    extra: dict[str, Any] = field(default_factory=dict)
    organization: str | None = None

    def __post_init__(self) -> None:
        self.bucket = f"archive-{self.account}"
        self.stream_arn = f"arn:aws:firehose:{HOME}:{self.account}:deliverystream/archive"
        self.client("s3").create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": HOME})
        self.role("delivery", policies.delivery_role_trust(account=self.account))
        self.allow(
            "delivery",
            policies.delivery_role_policy(
                home_region=HOME,
                bucket_arn=f"arn:aws:s3:::{self.bucket}",
                error_log_stream_arn=f"arn:aws:logs:{HOME}:{self.account}:log-group:errors:log-stream:S3Delivery",
                key_arn=None,
                cross_account_bucket=False,
                function_arn=None,
            ),
        )
        self.role(
            "sender",
            policies.sender_role_trust(
                home_region=HOME,
                account=self.account,
                sender_accounts=self.senders,
                sender_organization=self.organization,
            ),
        )
        self.allow("sender", policies.sender_role_policy(home_region=HOME, stream_arn=self.stream_arn, key_arn=None))
        self.client("logs").create_log_group(logGroupName="errors")
        self.client("logs").create_log_stream(logGroupName="errors", logStreamName="S3Delivery")
        self.client("firehose").create_delivery_stream(
            DeliveryStreamName="archive", ExtendedS3DestinationConfiguration=self.configuration()
        )

    def client(self, service: str, region: str = HOME) -> Any:  # noqa: ANN401 - boto3
        return self.cloud.client(service, account=self.account, region=region)

    def role(self, name: str, trust: str) -> None:
        self.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)

    def allow(self, role: str, policy: str) -> None:
        self.client("iam").put_role_policy(RoleName=role, PolicyName="only", PolicyDocument=policy)

    def role_arn(self, name: str) -> str:
        return f"arn:aws:iam::{self.account}:role/{name}"

    def configuration(self) -> dict[str, Any]:
        return {
            "BucketARN": f"arn:aws:s3:::{self.bucket}",
            "RoleARN": self.role_arn("delivery"),
            "Prefix": "logs/!{timestamp:yyyy}/",
            "ErrorOutputPrefix": "errors/!{firehose:error-output-type}/",
            "CompressionFormat": "GZIP",
            "ProcessingConfiguration": {"Enabled": True, "Processors": [DECOMPRESSION, DELIMITER]},
            "CloudWatchLoggingOptions": {"Enabled": True, "LogGroupName": "errors", "LogStreamName": "S3Delivery"},
            **self.extra,
        }

    def destination(self, region: str = HOME, *, admit: list[str] | None = None) -> str:
        """Create or update a destination that admits the senders; return its ARN."""
        logs = self.client("logs", region)
        response = logs.put_destination(
            destinationName="archive", targetArn=self.stream_arn, roleArn=self.role_arn("sender")
        )
        arn = str(response["destination"]["arn"])
        accounts = self.senders if admit is None else admit
        policy = policies.destination_policy(
            destination_arn=arn, sender_accounts=accounts, sender_organization=self.organization
        )
        logs.put_destination_policy(destinationName="archive", accessPolicy=policy)
        return arn

    def objects(self, prefix: str = "logs/") -> dict[str, bytes]:
        listed = self.client("s3").list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        return {
            item["Key"]: self.client("s3").get_object(Bucket=self.bucket, Key=item["Key"])["Body"].read()
            for item in listed
        }

    def records(self) -> list[dict[str, Any]]:
        """Return the archived records, without test messages."""
        lines = [line for body in self.objects().values() for line in gzip.decompress(body).splitlines()]
        return [document for line in lines if (document := json.loads(line))["messageType"] == "DATA_MESSAGE"]

    def messages(self) -> list[str]:
        return sorted(event["message"] for record in self.records() for event in record["logEvents"])


@dataclass
class Sender:
    """A log group of an account."""

    cloud: Cloud
    account: str
    region: str = HOME
    group: str = "group"
    log_class: str = "STANDARD"

    def __post_init__(self) -> None:
        self.logs = self.cloud.client("logs", account=self.account, region=self.region)
        self.logs.create_log_group(logGroupName=self.group, logGroupClass=self.log_class)
        self.logs.create_log_stream(logGroupName=self.group, logStreamName="stream")

    def subscribe(self, destination: str, *, pattern: str = "", name: str = "archive", **more: Any) -> None:  # noqa: ANN401
        self.logs.put_subscription_filter(
            logGroupName=self.group, filterName=name, filterPattern=pattern, destinationArn=destination, **more
        )

    def write(self, *messages: str) -> None:
        now = int(time.time() * 1000)
        self.logs.put_log_events(
            logGroupName=self.group,
            logStreamName="stream",
            logEvents=[{"timestamp": now, "message": message} for message in messages],
        )

    def metric(self, name: str, *, filter_name: str = "archive") -> float:
        """Return the sum of a metric in AWS/Logs for the log group's filter."""
        statistics = self.cloud.client("cloudwatch", account=self.account, region=self.region).get_metric_statistics(
            Namespace="AWS/Logs",
            MetricName=name,
            Dimensions=[
                {"Name": "LogGroupName", "Value": self.group},
                {"Name": "DestinationType", "Value": "Firehose"},
                {"Name": "FilterName", "Value": filter_name},
            ],
            StartTime=time.time() - 3600,
            EndTime=time.time() + 60,
            Period=7200,
            Statistics=["Sum"],
        )
        return float(sum(point["Sum"] for point in statistics["Datapoints"]))
