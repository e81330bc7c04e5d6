"""What a thief of the reader roles tries, with the roles of the bootstrap templates."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

from sandbox.instance import MANAGEMENT_ACCOUNT
from sandbox.prepare import prepare
from tests.sandbox.assumed_role import assumed
from tests.sandbox.conftest import Cloud
from tests.sandbox.templates import actions
from tests.sandbox.test_stolen_archive_deployer import bucket_of, refused, version_of

ARCHIVE, SHOP, HOME = "111111111111", "222222222222", "eu-west-1"
TEMPLATES = {ARCHIVE: "archive-account.yaml", SHOP: "application-account.yaml"}
READER, DEPLOYER = "central-log-archive-reader", "central-log-archive-deployer"


@pytest.fixture(scope="module", autouse=True)
def _bootstrap(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Deploy the templates with all that their parameters grant."""
    group = {"name": "aws-waf-logs-shop", "create": True, "retentionDays": 30}
    regions = {HOME: {"logGroups": [group, "/app/*"], "autoSubscribe": True}, "us-east-1": {"all": True}}
    config = {
        "archive": {"account": ARCHIVE, "region": HOME, "alarms": "create"},
        "applications": [{"account": SHOP, "regions": regions}],
        "filterRoles": True,
    }
    file = tmp_path_factory.mktemp("stack") / "Pulumi.thief.yaml"
    keys = {f"central-log-archive:{key}": value for key, value in config.items()}
    file.write_text(yaml.safe_dump({"config": keys}), encoding="utf-8")
    prepare([file], {"AWS_ENDPOINT_URL": cloud.endpoint})


def thief(cloud: Cloud, account: str, service: str) -> Any:  # noqa: ANN401 - boto3
    """Return a client with the permissions of the reader role of an account."""
    return assumed(cloud.endpoint, f"arn:aws:iam::{account}:role/{READER}", service, by=MANAGEMENT_ACCOUNT)


def decision(cloud: Cloud, account: str, action: str, resource: str) -> str:
    """Return IAM's decision on an action of the reader role of an account."""
    found = cloud.client("iam", account=account).simulate_principal_policy(
        PolicySourceArn=f"arn:aws:iam::{account}:role/{READER}", ActionNames=[action], ResourceArns=[resource]
    )
    return str(found["EvaluationResults"][0]["EvalDecision"])


def changes_of_deployer(cloud: Cloud, account: str) -> Iterator[tuple[str, str]]:
    """Yield what the deployer role of an account may do and is no read: an action, and a resource."""
    iam, role = cloud.client("iam", account=account), {"RoleName": DEPLOYER}
    for name in iam.list_role_policies(**role)["PolicyNames"]:
        for statement in iam.get_role_policy(**role, PolicyName=name)["PolicyDocument"]["Statement"]:
            listed, resources = (
                [each] if isinstance(each, str) else each
                for each in (statement["Action"], statement.get("Resource", "*"))
            )
            if statement["Effect"] == "Allow":
                changes = set(listed) - actions(TEMPLATES[account], "Reader")
                yield from itertools.product(sorted(changes), filter(None, resources))  # a parameter may be empty


@pytest.mark.parametrize("account", TEMPLATES)
def test_what_the_deployer_role_may_change_the_reader_role_may_not(cloud: Cloud, account: str) -> None:
    changes = set(changes_of_deployer(cloud, account))
    assert {"logs:PutSubscriptionFilter", "lambda:UpdateFunctionCode", "iam:PassRole"} <= dict(changes).keys()
    assert [change for change in changes if decision(cloud, account, *change) != "implicitDeny"] == []


@pytest.mark.parametrize("account", TEMPLATES)
def test_all_that_the_reader_role_may_do_is_read(account: str) -> None:
    verbs = ("Describe", "Get", "List", "Simulate")
    assert [
        each for each in actions(TEMPLATES[account], "Reader") if not each.partition(":")[2].startswith(verbs)
    ] == []


@pytest.mark.parametrize(
    ("account", "action", "resource"),
    [
        (ARCHIVE, "s3:GetObject", "arn:aws:s3:::archive-bucket-1/logs/one"),
        (ARCHIVE, "s3:GetObjectVersion", "arn:aws:s3:::archive-bucket-1/logs/one"),
        (ARCHIVE, "s3:GetObject", "arn:aws:s3:::archive-results-1/one"),
        (ARCHIVE, "kms:Decrypt", f"arn:aws:kms:{HOME}:{ARCHIVE}:key/1"),
        (ARCHIVE, "athena:StartQueryExecution", f"arn:aws:athena:{HOME}:{ARCHIVE}:workgroup/archive-analysis-1"),
        (ARCHIVE, "athena:GetQueryResults", f"arn:aws:athena:{HOME}:{ARCHIVE}:workgroup/archive-analysis-1"),
        (ARCHIVE, "lambda:InvokeFunction", f"arn:aws:lambda:{HOME}:{ARCHIVE}:function:archive-dashboard-1"),
        (ARCHIVE, "firehose:PutRecord", f"arn:aws:firehose:{HOME}:{ARCHIVE}:deliverystream/archive-stream-1"),
        (ARCHIVE, "sts:AssumeRole", f"arn:aws:iam::{ARCHIVE}:role/archive-analyst-role-1"),
        (ARCHIVE, "logs:GetLogEvents", f"arn:aws:logs:{HOME}:{ARCHIVE}:log-group:archive-delivery-errors-1:*"),
        (SHOP, "logs:GetLogEvents", f"arn:aws:logs:{HOME}:{SHOP}:log-group:aws-waf-logs-shop:*"),
        (SHOP, "logs:FilterLogEvents", f"arn:aws:logs:{HOME}:{SHOP}:log-group:aws-waf-logs-shop:*"),
        (SHOP, "logs:GetLogRecord", "*"),
        (SHOP, "logs:StartQuery", f"arn:aws:logs:{HOME}:{SHOP}:log-group:aws-waf-logs-shop:*"),
        (SHOP, "logs:StartLiveTail", f"arn:aws:logs:{HOME}:{SHOP}:log-group:aws-waf-logs-shop"),
        (SHOP, "lambda:InvokeFunction", f"arn:aws:lambda:{HOME}:{SHOP}:function:central-log-archive-subscriber"),
        (SHOP, "sqs:ReceiveMessage", f"arn:aws:sqs:{HOME}:{SHOP}:central-log-archive-subscriber"),
    ],
)
def test_no_event_can_be_read_by_whatever_way(cloud: Cloud, account: str, action: str, resource: str) -> None:
    assert decision(cloud, account, action, resource) == "implicitDeny"


def test_an_archived_object_is_neither_read_nor_deleted_nor_is_its_bucket_opened(cloud: Cloud) -> None:
    bucket, s3 = bucket_of(cloud, "archive-bucket-read"), thief(cloud, ARCHIVE, "s3")
    admitting = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*"}
    suspended = {"Status": "Suspended"}
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert refused(s3.get_object, Bucket=bucket, Key="logs/one")
    assert refused(s3.get_object, **version_of(cloud, bucket))
    assert refused(s3.put_object, Bucket=bucket, Key="logs/one", Body=b"")
    assert refused(s3.delete_object, **version_of(cloud, bucket))
    assert refused(s3.put_bucket_policy, Bucket=bucket, Policy=json.dumps({"Statement": [admitting]}))
    assert refused(s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration=suspended)


def test_no_other_role_is_gained(cloud: Cloud) -> None:
    for account in TEMPLATES:
        iam, sts = (thief(cloud, account, service) for service in ("iam", "sts"))
        everything = json.dumps({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
        assert refused(iam.put_role_policy, RoleName=READER, PolicyName="p", PolicyDocument=everything)
        for role in (DEPLOYER, "central-log-archive-verifier"):
            assert refused(sts.assume_role, RoleArn=f"arn:aws:iam::{account}:role/{role}", RoleSessionName="thief")


def test_an_application_account_goes_on_sending_and_its_events_are_not_read(cloud: Cloud) -> None:
    owner, logs = cloud.client("logs", account=SHOP), thief(cloud, SHOP, "logs")
    name = {"logGroupName": "aws-waf-logs-shop"}
    owner.create_log_group(**name)
    owner.create_log_stream(**name, logStreamName="s")
    assert logs.describe_subscription_filters(**name)["subscriptionFilters"] == []
    assert refused(logs.get_log_events, **name, logStreamName="s")
    assert refused(logs.filter_log_events, **name)
    assert refused(logs.put_subscription_filter, **name, filterName="f", filterPattern="", destinationArn="arn")
    assert refused(logs.delete_subscription_filter, **name, filterName="f")
    assert refused(logs.delete_log_group, **name)


def test_keys_that_the_archive_did_not_create_are_not_read(cloud: Cloud) -> None:
    owner, kms = cloud.client("kms", account=ARCHIVE), thief(cloud, ARCHIVE, "kms")
    tags = [{"TagKey": "managed-by", "TagValue": "central-log-archive"}]
    own, other = (owner.create_key(Tags=each)["KeyMetadata"]["KeyId"] for each in (tags, []))
    cloud.ask("settle")
    assert kms.get_key_policy(KeyId=own, PolicyName="default")["Policy"]
    with pytest.raises(ClientError, match="AccessDenied"):
        kms.get_key_policy(KeyId=other, PolicyName="default")
    assert refused(kms.encrypt, KeyId=own, Plaintext=b"")
