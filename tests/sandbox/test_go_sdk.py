"""What the AWS SDK for Go sends is understood: calls as the official provider makes them, in the deployer roles."""

from __future__ import annotations

import base64
import gzip
import io
import json
import time
import zipfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.instance import MANAGEMENT_ACCOUNT
from sandbox.prepare import prepare
from tests.sandbox.conftest import Cloud
from tests.sandbox.existing_archive import Archive, new_account
from tests.sandbox.go_sdk import Credentials, GoSdk, GoSdkError
from tests.stacks import FOLDER
from topology import policies, tables
from topology.settings.types import DEPLOYER_ROLE

ARCHIVE, SENDER, REGION = "666666666661", "666666666662", "eu-west-1"
TAGS = {"managed-by": "central-log-archive"}
PAIRS = [{"Key": key, "Value": value} for key, value in TAGS.items()]
BUCKET = "archive-bucket-go"
TOPIC = f"arn:aws:sns:{REGION}:{ARCHIVE}:archive-alarms-go"
SUBSCRIBER = "central-log-archive-subscriber"
ALARM = {
    "AlarmName": "archive-alarm-go",
    "AlarmDescription": "Records are <rejected> & lost.",
    "AlarmActions": [TOPIC],
    "OKActions": [TOPIC],
    "ActionsEnabled": True,
    "ComparisonOperator": "GreaterThanThreshold",
    "EvaluationPeriods": 3,
    "DatapointsToAlarm": 2,
    "Threshold": 0,
    "TreatMissingData": "notBreaching",
}
ON_A_METRIC = {
    **ALARM,
    "Namespace": "AWS/Firehose",
    "MetricName": "ThrottledRecords",
    "Statistic": "Sum",
    "Period": 300,
    "Dimensions": [{"Name": "DeliveryStreamName", "Value": "archive-stream-go"}],
}
ON_MATH = {
    **ALARM,
    "Metrics": [
        {"Id": "value", "Expression": "FILL(m, 0)", "Label": "throttled", "ReturnData": True},
        {
            "Id": "m",
            "ReturnData": False,
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/Firehose",
                    "MetricName": "ThrottledRecords",
                    "Dimensions": [{"Name": "DeliveryStreamName", "Value": "archive-stream-go"}],
                },
                "Period": 60,
                "Stat": "Sum",
            },
        },
    ],
}


class Client:
    """Makes the calls of a deployer role."""

    def __init__(self, sdk: GoSdk, account: str) -> None:
        self._sdk = sdk
        self._credentials: Credentials = sdk.assume(account, DEPLOYER_ROLE, MANAGEMENT_ACCOUNT)

    def __call__(self, service: str, operation: str, **parameters: Any) -> Any:  # noqa: ANN401 - as AWS spells them
        return self._sdk.call(self._credentials, service, operation, parameters)


@pytest.fixture(scope="module")
def sdk(cloud: Cloud) -> Iterator[GoSdk]:
    environment = {"AWS_ENDPOINT_URL": cloud.endpoint, "HTTP_PROXY": cloud.endpoint, "NO_PROXY": "127.0.0.1"}
    prepare([FOLDER / "options/Pulumi.created.yaml"], environment)
    with GoSdk(environment) as running:
        yield running


@pytest.fixture(scope="module")
def archive(sdk: GoSdk) -> Client:
    return Client(sdk, ARCHIVE)


@pytest.fixture(scope="module")
def sender(sdk: GoSdk) -> Client:
    return Client(sdk, SENDER)


def lost(expected: Any, found: Any, where: str = "") -> list[str]:  # noqa: ANN401 - as AWS spells it
    """Return what was sent and is not read back; members that AWS adds do not count."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return [each for key, value in expected.items() for each in lost(value, found.get(key), f"{where}.{key}")]
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        return [each for pair in zip(expected, found, strict=True) for each in lost(*pair, f"{where}[]")]
    return [] if expected == found else [f"{where}: {expected!r} became {found!r}"]


def role(client: Client, name: str, service: str, policy: dict[str, Any]) -> str:
    """Create a role as the provider does; return its ARN."""
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]}
    document = json.dumps({"Version": "2012-10-17", **trust})
    wanted = {"RoleName": name, "Description": "Delivers records", "MaxSessionDuration": 3600, "Path": "/"}
    made = client("iam", "CreateRole", **wanted, AssumeRolePolicyDocument=document, Tags=PAIRS)["Role"]
    client("iam", "PutRolePolicy", RoleName=name, PolicyName="only", PolicyDocument=json.dumps(policy))
    assert lost({**wanted, "Tags": PAIRS}, client("iam", "GetRole", RoleName=name)["Role"]) == []
    assert client("iam", "ListRolePolicies", RoleName=name)["PolicyNames"] == ["only"]
    assert client("iam", "ListAttachedRolePolicies", RoleName=name)["AttachedPolicies"] == []
    assert client("iam", "GetRolePolicy", RoleName=name, PolicyName="only")["PolicyDocument"]
    return str(made["Arn"])


def delete_role(client: Client, name: str) -> None:
    assert client("iam", "ListInstanceProfilesForRole", RoleName=name)["InstanceProfiles"] == []
    client("iam", "DeleteRolePolicy", RoleName=name, PolicyName="only")
    client("iam", "DeleteRole", RoleName=name)


def code(text: str) -> str:
    """Return the archive of a function's code, as a blob in JSON."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("handler.py", text)
    return base64.b64encode(buffer.getvalue()).decode()


ALLOWED: dict[str, Any] = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@pytest.mark.parametrize("alarm", [ON_A_METRIC, ON_MATH], ids=["metric", "math"])
def test_an_alarm_keeps_every_property(archive: Client, alarm: dict[str, Any]) -> None:
    archive("cloudwatch", "PutMetricAlarm", **alarm, Tags=PAIRS)
    (found,) = archive("cloudwatch", "DescribeAlarms", AlarmNames=[alarm["AlarmName"]])["MetricAlarms"]
    assert lost(alarm, found) == []
    if "Metrics" in alarm:
        assert (found["Period"], found["Statistic"]) == (None, "")
    tagged = {"ResourceARN": found["AlarmArn"]}
    assert archive("cloudwatch", "ListTagsForResource", **tagged)["Tags"] == PAIRS
    archive("cloudwatch", "PutMetricAlarm", **{**alarm, "Threshold": 0.5, "AlarmActions": []})
    (found,) = archive("cloudwatch", "DescribeAlarms", AlarmNames=[alarm["AlarmName"]])["MetricAlarms"]
    assert lost({**alarm, "Threshold": 0.5, "AlarmActions": []}, found) == []
    archive("cloudwatch", "DeleteAlarms", AlarmNames=[alarm["AlarmName"]])
    assert archive("cloudwatch", "DescribeAlarms", AlarmNames=[alarm["AlarmName"]])["MetricAlarms"] == []


def test_an_alarm_without_a_description_has_none(archive: Client) -> None:
    wanted = {key: value for key, value in ON_A_METRIC.items() if key != "AlarmDescription"}
    archive("cloudwatch", "PutMetricAlarm", **wanted)
    (found,) = archive("cloudwatch", "DescribeAlarms", AlarmNames=[wanted["AlarmName"]])["MetricAlarms"]
    archive("cloudwatch", "DeleteAlarms", AlarmNames=[wanted["AlarmName"]])
    assert found["AlarmDescription"] is None


def test_an_alarm_is_decided_on_its_own_name(archive: Client) -> None:
    for operation, parameters in (
        ("PutMetricAlarm", {**ON_A_METRIC, "AlarmName": "of-others"}),
        ("DeleteAlarms", {"AlarmNames": ["of-others"]}),
    ):
        with pytest.raises(GoSdkError, match=rf"cloudwatch:{operation} .*alarm:of-others|AccessDenied.*{operation}"):
            archive("cloudwatch", operation, **parameters)


def test_a_dashboard_keeps_its_body(archive: Client) -> None:
    name, body = "archive-go", json.dumps({"widgets": [{"type": "text", "properties": {"markdown": "# <Archive>"}}]})
    archive("cloudwatch", "PutDashboard", DashboardName=name, DashboardBody=body)
    assert archive("cloudwatch", "GetDashboard", DashboardName=name)["DashboardBody"] == body
    archive("cloudwatch", "DeleteDashboards", DashboardNames=[name])
    with pytest.raises(GoSdkError, match="ResourceNotFound"):
        archive("cloudwatch", "GetDashboard", DashboardName=name)


def test_a_topic_keeps_policy_and_tags(archive: Client) -> None:
    arn = archive("sns", "CreateTopic", Name="archive-alarms-go", Tags=PAIRS)["TopicArn"]
    policy = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "cloudwatch.amazonaws.com"},
                    "Action": "sns:Publish",
                    "Resource": arn,
                }
            ],
        }
    )
    archive("sns", "SetTopicAttributes", TopicArn=arn, AttributeName="Policy", AttributeValue=policy)
    attributes = archive("sns", "GetTopicAttributes", TopicArn=arn)["Attributes"]
    assert json.loads(attributes["Policy"]) == json.loads(policy)
    assert archive("sns", "ListTagsForResource", ResourceArn=arn)["Tags"] == PAIRS
    archive("sns", "DeleteTopic", TopicArn=arn)


def test_a_bucket_keeps_all_its_settings(cloud: Cloud, archive: Client, sdk: GoSdk) -> None:
    of, arn = {"Bucket": BUCKET}, f"arn:aws:s3:::{BUCKET}"
    location = {"LocationConstraint": REGION}
    archive("s3", "CreateBucket", **of, CreateBucketConfiguration=location, ObjectLockEnabledForBucket=True)
    archive("s3", "HeadBucket", **of)
    archive("s3", "PutBucketTagging", **of, Tagging={"TagSet": PAIRS})
    assert archive("s3", "GetBucketTagging", **of)["TagSet"] == PAIRS
    blocked = dict.fromkeys(("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True)
    archive("s3", "PutPublicAccessBlock", **of, PublicAccessBlockConfiguration=blocked)
    assert archive("s3", "GetPublicAccessBlock", **of)["PublicAccessBlockConfiguration"] == blocked
    owned = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    archive("s3", "PutBucketOwnershipControls", **of, OwnershipControls=owned)
    assert archive("s3", "GetBucketOwnershipControls", **of)["OwnershipControls"] == owned
    archive("s3", "PutBucketVersioning", **of, VersioningConfiguration={"Status": "Enabled"})
    assert archive("s3", "GetBucketVersioning", **of)["Status"] == "Enabled"
    key = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": f"arn:aws:kms:{REGION}:{ARCHIVE}:key/one"}
    encrypted = {"Rules": [{"ApplyServerSideEncryptionByDefault": key, "BucketKeyEnabled": True}]}
    archive("s3", "PutBucketEncryption", **of, ServerSideEncryptionConfiguration=encrypted)
    found = archive("s3", "GetBucketEncryption", **of)["ServerSideEncryptionConfiguration"]
    assert lost(encrypted, found) == []
    lifecycle = [
        {
            "ID": "archive",
            "Status": "Enabled",
            "Filter": {"Prefix": "logs/"},
            "Transitions": [{"Days": 30, "StorageClass": "STANDARD_IA"}, {"Days": 180, "StorageClass": "DEEP_ARCHIVE"}],
            "Expiration": {"Days": 730},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 400},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 3},
        }
    ]
    archive("s3", "PutBucketLifecycleConfiguration", **of, LifecycleConfiguration={"Rules": lifecycle})
    assert lost(lifecycle, archive("s3", "GetBucketLifecycleConfiguration", **of)["Rules"]) == []
    lock = {
        "ObjectLockEnabled": "Enabled",
        "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 365}},
    }
    archive("s3", "PutObjectLockConfiguration", **of, ObjectLockConfiguration=lock)
    assert lost(lock, archive("s3", "GetObjectLockConfiguration", **of)["ObjectLockConfiguration"]) == []
    policy = policies.bucket_policy(bucket_arn=arn, key_arn=None)
    archive("s3", "PutBucketPolicy", **of, Policy=policy)
    assert json.loads(archive("s3", "GetBucketPolicy", **of)["Policy"]) == json.loads(policy)
    for read in (
        "GetBucketAccelerateConfiguration", "GetBucketAcl", "GetBucketLocation", "GetBucketLogging",
        "GetBucketRequestPayment",
    ):  # fmt: skip
        archive("s3", read, **of)
    root = {"AccessKeyID": ARCHIVE, "SecretAccessKey": "any"}
    sdk.call(root, "s3", "PutObject", {**of, "Key": "logs/a b"}, body=b"record")
    s3 = cloud.client("s3", account=ARCHIVE)
    (version,) = archive("s3", "ListObjectVersions", **of)["Versions"]
    assert s3.get_object(Bucket=BUCKET, Key="logs/a b")["Body"].read() == b"record"
    s3.delete_object(Bucket=BUCKET, Key="logs/a b", VersionId=version["VersionId"], BypassGovernanceRetention=True)
    archive("s3", "DeleteBucketPolicy", **of)
    archive("s3", "DeleteBucket", **of)


def test_s3_control_reads_and_writes_the_tags_of_a_bucket(sdk: GoSdk) -> None:
    root = {"AccessKeyID": ARCHIVE, "SecretAccessKey": "any"}
    made = {"Bucket": "archive-bucket-tags", "CreateBucketConfiguration": {"LocationConstraint": REGION, "Tags": PAIRS}}
    sdk.call(root, "s3", "CreateBucket", made)
    of = {"AccountId": ARCHIVE, "ResourceArn": "arn:aws:s3:::archive-bucket-tags"}
    assert sdk.call(root, "s3control", "ListTagsForResource", of)["Tags"] == PAIRS
    more = [{"Key": "stack", "Value": "archive"}]
    sdk.call(root, "s3control", "TagResource", {**of, "Tags": more})
    assert sdk.call(root, "s3control", "ListTagsForResource", of)["Tags"] == [*PAIRS, *more]
    sdk.call(root, "s3control", "UntagResource", {**of, "TagKeys": ["managed-by"]})
    assert sdk.call(root, "s3control", "ListTagsForResource", of)["Tags"] == more
    sdk.call(root, "s3", "DeleteBucket", {"Bucket": "archive-bucket-tags"})


def test_a_key_keeps_rotation_policy_and_tags(archive: Client) -> None:
    # The template grants nothing on keys: what the deployer role may do with one is up to the key's policy.
    deployer = f"arn:aws:iam::{ARCHIVE}:role/{DEPLOYER_ROLE}"
    statement = {"Effect": "Allow", "Principal": {"AWS": deployer}, "Action": "kms:*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Resource": "*"}]})
    tags = [{"TagKey": key, "TagValue": value} for key, value in TAGS.items()]
    wanted = {"Description": "Of the archive", "KeyUsage": "ENCRYPT_DECRYPT", "KeySpec": "SYMMETRIC_DEFAULT"}
    made = archive("kms", "CreateKey", **wanted, Policy=policy, Tags=tags)["KeyMetadata"]
    of = {"KeyId": made["KeyId"]}
    archive("kms", "EnableKeyRotation", **of)
    assert lost(wanted, archive("kms", "DescribeKey", **of)["KeyMetadata"]) == []
    assert json.loads(archive("kms", "GetKeyPolicy", **of, PolicyName="default")["Policy"]) == json.loads(policy)
    assert archive("kms", "GetKeyRotationStatus", **of)["KeyRotationEnabled"] is True
    assert archive("kms", "ListResourceTags", **of)["Tags"] == tags
    archive("kms", "ScheduleKeyDeletion", **of, PendingWindowInDays=30)


def test_a_stream_with_its_function_role_and_log_group_keeps_every_property(cloud: Cloud, archive: Client) -> None:
    cloud.client("s3", account=ARCHIVE).create_bucket(
        Bucket="archive-bucket-of-stream", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    delivery = role(archive, "archive-delivery-role-go", "firehose.amazonaws.com", ALLOWED)
    runs = role(archive, "archive-transform-role-go", "lambda.amazonaws.com", ALLOWED)
    group = "archive-delivery-errors-go"
    archive("logs", "CreateLogGroup", LogGroupName=group, Tags=TAGS)
    archive("logs", "PutRetentionPolicy", LogGroupName=group, RetentionInDays=30)
    archive("logs", "CreateLogStream", LogGroupName=group, LogStreamName="S3Delivery")
    (found,) = archive("logs", "DescribeLogGroups", LogGroupNamePrefix=group)["LogGroups"]
    assert (found["RetentionInDays"], found["LogGroupClass"]) == (30, "STANDARD")
    assert archive("logs", "ListTagsForResource", ResourceArn=found["Arn"].removesuffix(":*"))["Tags"] == TAGS
    (stream,) = archive("logs", "DescribeLogStreams", LogGroupName=group, LogStreamNamePrefix="S3D")["LogStreams"]
    assert stream["LogStreamName"] == "S3Delivery"

    function = {
        "FunctionName": "archive-transform-go",
        "Description": "Transforms records",
        "Handler": "handler.handler",
        "Role": runs,
        "Runtime": "python3.13",
        "MemorySize": 1024,
        "Timeout": 90,
        "Architectures": ["arm64"],
        "Environment": {"Variables": {"LAYOUT": "json"}},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": "archive-transform-logs-go"},
    }
    of = {"FunctionName": function["FunctionName"]}
    archive("lambda", "CreateFunction", **function, Code={"ZipFile": code("def handler(*_): pass")}, Tags=TAGS)
    got = archive("lambda", "GetFunction", **of)
    assert lost({"Configuration": function, "Tags": TAGS}, got) == []
    archive("lambda", "GetFunctionCodeSigningConfig", **of)
    archive("lambda", "ListVersionsByFunction", **of)
    archive("lambda", "UpdateFunctionConfiguration", **of, MemorySize=256)
    archive("lambda", "UpdateFunctionCode", **of, ZipFile=code("def handler(*_): return 1"))
    got = archive("lambda", "GetFunction", **of)
    assert lost({**function, "MemorySize": 256}, got["Configuration"]) == []

    parameters = [
        {"ParameterName": "LambdaArn", "ParameterValue": f"{got['Configuration']['FunctionArn']}:$LATEST"},
        {"ParameterName": "NumberOfRetries", "ParameterValue": "5"},
    ]
    to = {
        "BucketARN": "arn:aws:s3:::archive-bucket-of-stream",
        "RoleARN": delivery,
        "Prefix": "logs/!{partitionKeyFromLambda:account}/",
        "ErrorOutputPrefix": "errors/!{firehose:error-output-type}/",
        "BufferingHints": {"SizeInMBs": 100, "IntervalInSeconds": 120},
        "CompressionFormat": "GZIP",
        "FileExtension": ".json.gz",
        "CustomTimeZone": "UTC",
        "CloudWatchLoggingOptions": {"Enabled": True, "LogGroupName": group, "LogStreamName": "S3Delivery"},
        "DynamicPartitioningConfiguration": {"Enabled": True, "RetryOptions": {"DurationInSeconds": 300}},
        "ProcessingConfiguration": {"Enabled": True, "Processors": [{"Type": "Lambda", "Parameters": parameters}]},
        "S3BackupMode": "Enabled",
    }
    backup = {
        "BucketARN": "arn:aws:s3:::archive-bucket-of-stream",
        "RoleARN": delivery,
        "Prefix": "originals/",
        "CompressionFormat": "GZIP",
        "BufferingHints": {"SizeInMBs": 5, "IntervalInSeconds": 300},
        "CloudWatchLoggingOptions": {"Enabled": False},
    }
    name = {"DeliveryStreamName": "archive-stream-go"}
    configured = {**to, "S3BackupConfiguration": backup}
    archive(
        "firehose", "CreateDeliveryStream", **name, DeliveryStreamType="DirectPut", Tags=PAIRS,
        ExtendedS3DestinationConfiguration=configured,
    )  # fmt: skip
    described = archive("firehose", "DescribeDeliveryStream", **name)["DeliveryStreamDescription"]
    (destination,) = described["Destinations"]
    read = {**to, "S3BackupDescription": backup}
    assert lost(read, destination["ExtendedS3DestinationDescription"]) == []
    assert archive("firehose", "ListTagsForDeliveryStream", **name)["Tags"] == PAIRS
    update = {**to, "BufferingHints": {"SizeInMBs": 64, "IntervalInSeconds": 60}, "S3BackupUpdate": backup}
    archive(
        "firehose", "UpdateDestination", **name, CurrentDeliveryStreamVersionId=described["VersionId"],
        DestinationId=destination["DestinationId"], ExtendedS3DestinationUpdate=update,
    )  # fmt: skip
    described = archive("firehose", "DescribeDeliveryStream", **name)["DeliveryStreamDescription"]
    read = {**read, "BufferingHints": update["BufferingHints"]}
    assert lost(read, described["Destinations"][0]["ExtendedS3DestinationDescription"]) == []

    archive("firehose", "DeleteDeliveryStream", **name)
    archive("lambda", "DeleteFunction", **of)
    archive("logs", "DeleteLogStream", LogGroupName=group, LogStreamName="S3Delivery")
    archive("logs", "DeleteLogGroup", LogGroupName=group)
    for each in ("archive-delivery-role-go", "archive-transform-role-go"):
        delete_role(archive, each)


def test_a_destination_and_what_leads_to_it_keep_every_property(cloud: Cloud, sdk: GoSdk) -> None:
    archive = Archive(cloud, [account := new_account()])
    of, arn = {"DestinationNamePrefix": "go"}, f"arn:aws:logs:{REGION}:{archive.account}:destination:go"
    root = {"AccessKeyID": archive.account, "SecretAccessKey": "any"}
    to = {"DestinationName": "go", "RoleArn": archive.role_arn("sender"), "TargetArn": archive.stream_arn}
    sdk.call(root, "logs", "PutDestination", to)
    sdk.call(root, "logs", "TagResource", {"ResourceArn": arn, "Tags": TAGS})
    policy = policies.destination_policy(destination_arn=arn, sender_accounts=[account], sender_organization=None)
    admits = {"DestinationName": "go", "AccessPolicy": policy, "ForceUpdate": False}
    sdk.call(root, "logs", "PutDestinationPolicy", admits)
    (found,) = sdk.call(root, "logs", "DescribeDestinations", of)["Destinations"]
    assert lost({**to, "Arn": arn, "AccessPolicy": policy}, found) == []
    assert sdk.call(root, "logs", "ListTagsForResource", {"ResourceArn": arn})["Tags"] == TAGS

    sends = {"AccessKeyID": account, "SecretAccessKey": "any"}
    group = {"LogGroupName": "/go"}
    sdk.call(sends, "logs", "CreateLogGroup", group)
    filters = {
        **group,
        "FilterName": "go",
        "FilterPattern": "?ERROR ?WARN",
        "DestinationArn": arn,
        "Distribution": "ByLogStream",
        "EmitSystemFields": ["@aws.account", "@aws.region"],
    }
    sdk.call(sends, "logs", "PutSubscriptionFilter", filters)
    (found,) = sdk.call(sends, "logs", "DescribeSubscriptionFilters", group)["SubscriptionFilters"]
    assert lost(filters, found) == []
    sdk.call(sends, "logs", "DeleteSubscriptionFilter", {**group, "FilterName": "go"})

    document = json.dumps({"DestinationArn": arn, "FilterPattern": "", "Distribution": "Random"})
    everything = {
        "PolicyName": "go",
        "PolicyType": "SUBSCRIPTION_FILTER_POLICY",
        "PolicyDocument": document,
        "Scope": "ALL",
        "SelectionCriteria": 'LogGroupName NOT IN ["/go"]',
    }
    sdk.call(sends, "logs", "PutAccountPolicy", everything)
    of_policy = {"PolicyName": "go", "PolicyType": "SUBSCRIPTION_FILTER_POLICY"}
    (found,) = sdk.call(sends, "logs", "DescribeAccountPolicies", of_policy)["AccountPolicies"]
    assert lost(everything, found) == []
    sdk.call(sends, "logs", "DeleteAccountPolicy", of_policy)
    sdk.call(root, "logs", "DeleteDestination", {"DestinationName": "go"})


def test_a_function_is_invoked_with_a_qualifier_and_keeps_its_permission(sender: Client) -> None:
    arn = f"arn:aws:iam::{SENDER}:role/{SUBSCRIBER}"
    made = {"FunctionName": SUBSCRIBER, "Handler": "handler.handler", "Role": arn, "Runtime": "python3.13"}
    sender("lambda", "CreateFunction", **made, Code={"ZipFile": code("def handler(event, _): return event")})
    of = {"FunctionName": SUBSCRIBER}
    rule = f"arn:aws:events:{REGION}:{SENDER}:rule/{SUBSCRIBER}"
    allows = {"Action": "lambda:InvokeFunction", "Principal": "events.amazonaws.com", "SourceArn": rule}
    sender("lambda", "AddPermission", **of, StatementId="events", **allows)
    (statement,) = json.loads(sender("lambda", "GetPolicy", **of)["Policy"])["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Condition"] == {"ArnLike": {"AWS:SourceArn": rule}}
    payload = base64.b64encode(b'{"config": 1}').decode()
    answer = sender("lambda", "Invoke", **of, Qualifier="$LATEST", InvocationType="RequestResponse", Payload=payload)
    assert (answer["StatusCode"], base64.b64decode(answer["Payload"])) == (200, b'{"config": 1}')
    sender("lambda", "RemovePermission", **of, StatementId="events")
    sender("lambda", "DeleteFunction", **of)


@pytest.mark.parametrize("bus", [None, "default", f"arn:aws:events:{REGION}:{SENDER}:event-bus/default"])
def test_a_rule_with_its_target_is_decided_on_the_rule_whatever_names_the_bus(sender: Client, bus: str | None) -> None:
    of = {} if bus is None else {"EventBusName": bus}
    pattern = json.dumps({"source": ["aws.logs"]})
    rule = {"Name": SUBSCRIBER, "Description": "New log groups", "EventPattern": pattern, "State": "ENABLED"}
    arn = sender("events", "PutRule", **rule, **of, Tags=PAIRS)["RuleArn"]
    found = sender("events", "DescribeRule", Name=SUBSCRIBER, **of)
    assert lost(rule, found) == []
    assert sender("events", "ListTagsForResource", ResourceARN=arn)["Tags"] == PAIRS
    target = {"Id": SUBSCRIBER, "Arn": f"arn:aws:lambda:{REGION}:{SENDER}:function:{SUBSCRIBER}"}
    sender("events", "PutTargets", Rule=SUBSCRIBER, Targets=[target], **of)
    (found,) = sender("events", "ListTargetsByRule", Rule=SUBSCRIBER, **of)["Targets"]
    assert lost(target, found) == []
    with pytest.raises(GoSdkError, match="not authorized to perform: events:PutTargets"):
        sender("events", "PutTargets", Rule="of-others", Targets=[target], **of)
    sender("events", "RemoveTargets", Rule=SUBSCRIBER, Ids=[SUBSCRIBER], **of)
    sender("events", "DeleteRule", Name=SUBSCRIBER, **of)


def test_a_queue_keeps_attributes_and_tags(sender: Client) -> None:
    attributes = {"MessageRetentionPeriod": "1209600", "SqsManagedSseEnabled": "true"}
    url = sender("sqs", "CreateQueue", QueueName=SUBSCRIBER, Attributes=attributes, Tags=TAGS)["QueueUrl"]
    found = sender("sqs", "GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert lost(attributes, found) == []
    assert sender("sqs", "ListQueueTags", QueueUrl=url)["Tags"] == TAGS
    sender("sqs", "DeleteQueue", QueueUrl=url)


DATABASE = "central_log_archive_go"


@pytest.fixture
def catalog(cloud: Cloud, archive: Client) -> Iterator[str]:
    """A database with a table and a view over a bucket with one event. Every property was read back."""
    bucket, of = "archive-events-go", {"DatabaseName": DATABASE}
    s3 = cloud.client("s3", account=ARCHIVE)
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    record = {
        "messageType": "DATA_MESSAGE", "owner": SENDER, "logGroup": "/go", "logStream": "s",
        "logEvents": [{"id": "1", "timestamp": 1769860800000, "message": "hello"}],
    }  # fmt: skip
    key = f"logs/account={SENDER}/region={REGION}/date=2026-01-31/archive-1-2026-01-31-12-00-00-x.gz"
    s3.put_object(Bucket=bucket, Key=key, Body=gzip.compress(json.dumps(record).encode()))
    records = tables.records_table(
        layout="partitioned", accounts=[SENDER], regions=[REGION], since=datetime(2026, 1, 1, tzinfo=UTC).date()
    )
    view = tables.events_view(layout="partitioned", account=ARCHIVE, regions=[REGION])

    def columns(described: Iterable[tables.Column]) -> list[dict[str, str]]:
        return [{"Name": each.name, "Type": each.type} for each in described]

    table = {
        "Name": records.name,
        "Owner": tables.OWNER,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": records.parameters(bucket),
        "PartitionKeys": columns(records.partition_keys),
        "StorageDescriptor": {
            "Columns": columns(records.columns),
            "Location": records.location(bucket),
            "InputFormat": tables.INPUT_FORMAT,
            "OutputFormat": tables.OUTPUT_FORMAT,
            "SerdeInfo": {"SerializationLibrary": tables.SERDE, "Parameters": dict(tables.SERDE_PARAMETERS)},
        },
    }
    events = {
        "Name": view.name,
        "Owner": tables.OWNER,
        "TableType": "VIRTUAL_VIEW",
        "Parameters": dict(tables.VIEW_PARAMETERS),
        "ViewOriginalText": view.original_text(DATABASE),
        "ViewExpandedText": tables.VIEW_EXPANDED_TEXT,
        "StorageDescriptor": {
            "Columns": columns(view.columns),
            "SerdeInfo": {"Name": "-", "SerializationLibrary": "-"},
        },
    }
    described = {"Name": DATABASE, "Description": "The archive"}
    archive("glue", "CreateDatabase", DatabaseInput=described, Tags=TAGS)
    assert lost(described, archive("glue", "GetDatabase", Name=DATABASE)["Database"]) == []
    arn = f"arn:aws:glue:{REGION}:{ARCHIVE}:database/{DATABASE}"
    assert archive("glue", "GetTags", ResourceArn=arn)["Tags"] == TAGS
    for each in (table, events):
        archive("glue", "CreateTable", **of, TableInput={**each, "Owner": "before"})
        archive("glue", "UpdateTable", **of, TableInput=each)
        assert lost(each, archive("glue", "GetTable", **of, Name=each["Name"])["Table"]) == []
        assert (
            archive("glue", "GetPartitionIndexes", **of, TableName=each["Name"])["PartitionIndexDescriptorList"] == []
        )
    yield bucket
    for each in (events, table):
        archive("glue", "DeleteTable", **of, Name=each["Name"])
    archive("glue", "DeleteDatabase", Name=DATABASE)
    with pytest.raises(GoSdkError, match="EntityNotFoundException"):
        archive("glue", "GetDatabase", Name=DATABASE)


def test_a_workgroup_and_its_query_keep_every_property_and_the_query_returns_what_a_view_has(
    sdk: GoSdk, archive: Client, catalog: str
) -> None:
    of = {"WorkGroup": "archive-analysis-go"}
    results = {"ExpectedBucketOwner": ARCHIVE, "EncryptionConfiguration": {"EncryptionOption": "SSE_S3"}}
    configuration = {
        "EnforceWorkGroupConfiguration": True,
        "EngineVersion": {"SelectedEngineVersion": "Athena engine version 3"},
        "PublishCloudWatchMetricsEnabled": True,
    }
    before, after = (
        {
            "BytesScannedCutoffPerQuery": limit,
            "ResultConfiguration": {**results, "OutputLocation": f"s3://{catalog}/{to}/"},
        }
        for limit, to in ((10**10, "before"), (10**11, "results"))
    )
    wanted = {"Name": of["WorkGroup"], "Description": "Queries the archive"}
    archive("athena", "CreateWorkGroup", **wanted, Configuration={**configuration, **before}, Tags=PAIRS)
    updates = {
        "ResultConfigurationUpdates" if key == "ResultConfiguration" else key: each for key, each in after.items()
    }
    archive("athena", "UpdateWorkGroup", **of, ConfigurationUpdates=updates)
    found = archive("athena", "GetWorkGroup", **of)["WorkGroup"]
    assert lost({**wanted, "Configuration": {**configuration, **after}}, found) == []
    arn = f"arn:aws:athena:{REGION}:{ARCHIVE}:workgroup/{of['WorkGroup']}"
    assert archive("athena", "ListTagsForResource", ResourceARN=arn)["Tags"] == PAIRS
    sql = 'SELECT time, message FROM events WHERE "date" = ? AND account = ?'
    saved = {**of, "Name": "messages", "Description": "Lists messages", "Database": DATABASE, "QueryString": sql}
    identifier = archive("athena", "CreateNamedQuery", **saved)["NamedQueryId"]
    assert lost(saved, archive("athena", "GetNamedQuery", NamedQueryId=identifier)["NamedQuery"]) == []

    def run(operation: str, **parameters: object) -> Any:  # noqa: ANN401 - as AWS spells it
        root = {"AccessKeyID": ARCHIVE, "SecretAccessKey": "any"}  # the deployer role may not query
        return sdk.call(root, "athena", operation, parameters)

    values = {"ExecutionParameters": ["'2026-01-31'", f"'{SENDER}'"], "QueryExecutionContext": {"Database": DATABASE}}
    asked = {"QueryExecutionId": run("StartQueryExecution", **of, QueryString=sql, **values)["QueryExecutionId"]}
    while (status := run("GetQueryExecution", **asked)["QueryExecution"]["Status"])["State"] in {"QUEUED", "RUNNING"}:
        time.sleep(0.05)
    assert status["State"] == "SUCCEEDED", status["StateChangeReason"]
    result = run("GetQueryResults", **asked)["ResultSet"]
    rows = [[cell["VarCharValue"] for cell in row["Data"]] for row in result["Rows"]]
    assert rows == [["time", "message"], ["2026-01-31 12:00:00.000", "hello"]]
    assert [each["Type"] for each in result["ResultSetMetadata"]["ColumnInfo"]] == ["timestamp", "varchar"]

    archive("athena", "DeleteNamedQuery", NamedQueryId=identifier)
    archive("athena", "DeleteWorkGroup", **of, RecursiveDeleteOption=True)
    with pytest.raises(GoSdkError, match=r"InvalidRequestException.* is not found"):
        archive("athena", "GetWorkGroup", **of)
