"""What a thief of the deployer role of an application account, or of the subscriber's role, can do with it."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

from sandbox.instance import MANAGEMENT_ACCOUNT
from sandbox.prepare import prepare
from tests.sandbox.assumed_role import assumed
from tests.sandbox.conftest import Cloud
from tests.sandbox.existing_archive import HOME, new_account
from topology import policies
from topology.changes import CHANGES
from topology.patterns import CANARY, SCHEDULED_CANARY, SUBSCRIBER
from topology.roles import FILTER_ROLE


class Account:
    """An application account with the roles of ``bootstrap/``, in the hands of a thief.

    Attributes:
        id: ID of the account.
    """

    def __init__(self, cloud: Cloud, folder: Path, region: dict[str, Any], **more: Any) -> None:  # noqa: ANN401 - as in a stack file
        self._cloud, self.id = cloud, new_account()
        self.central = new_account()
        config = {
            "archive": {"account": self.central, "region": HOME},
            "applications": [{"account": self.id, "regions": {HOME: region}}],
            **more,
        }
        file = folder / "Pulumi.thief.yaml"
        keys = {f"central-log-archive:{key}": value for key, value in config.items()}
        file.write_text(yaml.safe_dump({"config": keys}), encoding="utf-8")
        prepare([file], {"AWS_ENDPOINT_URL": cloud.endpoint})

    def owner(self, service: str) -> Any:  # noqa: ANN401 - boto3
        """Return a client of the account's owner."""
        return self._cloud.client(service, account=self.id)

    def thief(self, service: str) -> Any:  # noqa: ANN401 - boto3
        """Return a client with the permissions of the deployer role."""
        return assumed(
            self._cloud.endpoint,
            f"arn:aws:iam::{self.id}:role/central-log-archive-deployer",
            service,
            by=MANAGEMENT_ACCOUNT,
        )

    def decision(self, role: str, action: str, resource: str) -> str:
        """Return IAM's decision on an action of a role."""
        answer = self.owner("iam").simulate_principal_policy(
            PolicySourceArn=f"arn:aws:iam::{self.id}:role/{role}", ActionNames=[action], ResourceArns=[resource]
        )
        return str(answer["EvaluationResults"][0]["EvalDecision"])


def denied(call: Any, /, **parameters: Any) -> bool:  # noqa: ANN401 - any call of boto3
    """Return whether IAM denies a call; another error is none of its decisions."""
    try:
        call(**parameters)
    except ClientError as error:
        if "AccessDenied" not in error.response["Error"]["Code"]:
            raise
        return True
    return False


@pytest.fixture(scope="module")
def subscribed(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Account:
    """An account with a subscriber, whose function the thief has created with code of its own."""
    account = Account(cloud, tmp_path_factory.mktemp("stack"), {"logGroups": ["/app/*"], "autoSubscribe": True})
    account.owner("logs").create_log_group(logGroupName="/payroll")
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as packed:
        packed.writestr("code.py", "def handler(event, _): return event")
    account.thief("lambda").create_function(
        FunctionName=SUBSCRIBER, Role=f"arn:aws:iam::{account.id}:role/{SUBSCRIBER}", Runtime="python3.13",
        Handler="code.handler", Code={"ZipFile": code.getvalue()},
    )  # fmt: skip
    return account


@pytest.mark.parametrize(
    "admitted",
    [
        {"Principal": "logs.amazonaws.com", "Action": "lambda:InvokeFunction"},
        {"Principal": "s3.amazonaws.com", "Action": "lambda:InvokeFunction"},
        {"Principal": "999999999999", "Action": "lambda:InvokeFunction"},
        {"Principal": "*", "Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"},
        {"Principal": "events.amazonaws.com", "Action": "lambda:InvokeFunction", "FunctionName": "another"},
    ],
    ids=str,
)
def test_nobody_but_eventbridge_can_be_let_invoke_the_function(subscribed: Account, admitted: dict[str, str]) -> None:
    add = subscribed.thief("lambda").add_permission
    assert denied(add, **{"FunctionName": SUBSCRIBER, "StatementId": "thief", **admitted})


def test_code_of_a_thief_in_the_function_reads_no_events(subscribed: Account) -> None:
    function = f"arn:aws:lambda:{HOME}:{subscribed.id}:function:{SUBSCRIBER}"
    subscribed.thief("lambda").add_permission(
        FunctionName=SUBSCRIBER, StatementId="rule", Action="lambda:InvokeFunction", Principal="events.amazonaws.com"
    )
    with pytest.raises(ClientError, match="given CloudWatch Logs permission to execute your function"):
        subscribed.thief("logs").put_subscription_filter(
            logGroupName="/payroll", filterName="thief", filterPattern="", destinationArn=function
        )
    payroll = f"arn:aws:logs:{HOME}:{subscribed.id}:log-group:/payroll:*"
    bucket, anywhere = "arn:aws:s3:::archive-bucket-1234567/logs/a", f"arn:aws:logs:{HOME}:999999999999:destination:d"
    for action, resource in (
        ("logs:GetLogEvents", payroll), ("logs:FilterLogEvents", payroll), ("logs:StartQuery", payroll),
        ("logs:GetLogRecord", payroll), ("logs:StartLiveTail", payroll), ("logs:PutSubscriptionFilter", anywhere),
        ("logs:CreateExportTask", payroll), ("s3:GetObject", bucket), ("sqs:ReceiveMessage", "*"),
        ("sts:AssumeRole", f"arn:aws:iam::{subscribed.id}:role/central-log-archive-deployer"),
    ):  # fmt: skip
        assert subscribed.decision(SUBSCRIBER, action, resource) == "implicitDeny", action


@pytest.mark.parametrize(
    "rule",
    [
        {"EventPattern": json.dumps({"source": [{"prefix": ""}]})},
        {"EventPattern": json.dumps({"source": ["aws.logs", "aws.secretsmanager"]})},
        {
            "EventPattern": json.dumps(
                {"source": ["aws.secretsmanager"], "detail-type": ["AWS API Call via CloudTrail"]}
            )
        },
        {"EventPattern": json.dumps({"account": ["222222222222"]})},
        {"ScheduleExpression": "rate(1 minute)"},
    ],
    ids=str,
)
def test_the_rule_tells_the_function_of_nothing_but_log_groups(subscribed: Account, rule: dict[str, str]) -> None:
    put = subscribed.thief("events").put_rule
    assert denied(put, Name=SUBSCRIBER, **rule)
    put(Name=SUBSCRIBER, EventPattern=policies.log_group_created(), ScheduleExpression="rate(1 hour)")


def test_the_function_can_have_no_other_caller_and_no_other_role(subscribed: Account) -> None:
    functions, name = subscribed.thief("lambda"), {"FunctionName": SUBSCRIBER}
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    admin = subscribed.owner("iam").create_role(
        RoleName="admin", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )["Role"]["Arn"]
    queue = f"arn:aws:sqs:{HOME}:{subscribed.id}:orders"
    assert denied(functions.update_function_configuration, **name, Role=admin)
    assert denied(functions.create_function_url_config, **name, AuthType="NONE")
    assert denied(functions.create_event_source_mapping, **name, EventSourceArn=queue)
    function = f"arn:aws:lambda:{HOME}:{subscribed.id}:function:{SUBSCRIBER}"
    # The emulator takes this call for another one.
    decision = subscribed.decision("central-log-archive-deployer", "lambda:PutFunctionEventInvokeConfig", function)
    assert decision == "implicitDeny"


def test_the_rules_of_the_canary_have_no_other_target(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> None:
    archive = {"account": new_account(), "region": HOME, "alarms": "create"}
    account = Account(cloud, tmp_path_factory.mktemp("stack"), {"logGroups": ["/payroll"]}, archive=archive)
    events = account.thief("events")
    for rule in (CANARY, CHANGES):
        events.put_rule(Name=rule, EventPattern=json.dumps({"account": [account.id]}))
        for target in (
            f"arn:aws:lambda:{HOME}:{account.id}:function:thief",
            f"arn:aws:logs:{HOME}:{account.id}:log-group:/aws/events/thief",
            f"arn:aws:logs:{HOME}:999999999999:log-group:{SCHEDULED_CANARY}",
            f"arn:aws:sns:{HOME}:999999999999:thief",
        ):
            assert denied(events.put_targets, Rule=rule, Targets=[{"Id": rule, "Arn": target}]), target
            written = {"Id": rule, "Arn": policies.log_group_arn(HOME, account.id, SCHEDULED_CANARY)}
            assert denied(events.put_targets, Rule=rule, Targets=[written, {"Id": "thief", "Arn": target}]), target
        events.put_targets(Rule=rule, Targets=[written])


WANTED = {"logGroups": [{"name": "/shop/audit", "create": True, "retentionDays": 30}, "/payroll"]}


@pytest.fixture(scope="module")
def shop(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Account:
    """An account whose filters have a role, and of whose log groups the program creates one."""
    account = Account(cloud, tmp_path_factory.mktemp("stack"), WANTED, filterRoles=True)
    for name in ("central-log-archive-canary2", "/shop/audit-2", "/shop"):
        account.owner("logs").create_log_group(logGroupName=name)
    return account


FOREIGN = ["/payroll", "/shop", "/shop/audit-2", "central-log-archive-canary2"]
OWN = ["/shop/audit", CANARY, SUBSCRIBER]


def on_log_group(account: Account, name: str) -> list[bool]:
    """Return of each change of a log group whether a thief is denied it."""
    logs, arn = account.thief("logs"), f"arn:aws:logs:{HOME}:{account.id}:log-group:{name}"
    tags = {"managed-by": "central-log-archive"}
    return [
        denied(logs.put_retention_policy, logGroupName=name, retentionInDays=1),
        denied(logs.put_log_group_deletion_protection, logGroupIdentifier=arn, deletionProtectionEnabled=False),
        denied(logs.tag_resource, resourceArn=arn, tags=tags),
        denied(logs.untag_resource, resourceArn=arn, tagKeys=list(tags)),
        denied(logs.delete_log_group, logGroupName=name),
    ]


@pytest.mark.parametrize("name", FOREIGN)
def test_log_groups_that_the_program_did_not_create_keep_events_retention_protection_and_tags(
    shop: Account, name: str
) -> None:
    assert all(on_log_group(shop, name))
    arn = f"arn:aws:logs:{HOME}:{shop.id}:log-group:{name}:*"
    for action in ("AssociateKmsKey", "DeleteRetentionPolicy", "DisassociateKmsKey", "PutDataProtectionPolicy"):
        assert shop.decision("central-log-archive-deployer", f"logs:{action}", arn) == "implicitDeny"


@pytest.mark.parametrize("name", OWN)
def test_log_groups_of_the_program_are_created_changed_and_deleted(shop: Account, name: str) -> None:
    shop.thief("logs").create_log_group(logGroupName=name, tags={"stack": "app"})
    assert not any(on_log_group(shop, name))


def test_no_role_can_be_created_or_changed(shop: Account) -> None:
    iam = shop.thief("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": MANAGEMENT_ACCOUNT}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    everything = json.dumps({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    shop.owner("iam").create_role(RoleName="archive-filters-old", AssumeRolePolicyDocument=document)
    for role in ("archive-filters-new", "archive-filters-old", FILTER_ROLE, SUBSCRIBER, "central-log-archive-deployer"):
        name = {"RoleName": role}
        assert denied(iam.create_role, **name, AssumeRolePolicyDocument=document)
        assert denied(iam.put_role_policy, **name, PolicyName="put-events", PolicyDocument=everything)
        assert denied(iam.attach_role_policy, **name, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
        assert denied(iam.update_assume_role_policy, **name, PolicyDocument=document)
        assert denied(iam.delete_role_permissions_boundary, **name)


def test_the_role_of_filters_is_for_cloudwatch_logs_on_behalf_of_its_account_and_puts_events_only(
    shop: Account,
) -> None:
    iam = shop.owner("iam")
    assert iam.get_role(RoleName=FILTER_ROLE)["Role"]["AssumeRolePolicyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "logs.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringLike": {"aws:SourceArn": f"arn:aws:logs:*:{shop.id}:*"}},
        }
    ]
    assert iam.list_role_policies(RoleName=FILTER_ROLE)["PolicyNames"] == ["put-events"]
    assert iam.get_role_policy(RoleName=FILTER_ROLE, PolicyName="put-events")["PolicyDocument"]["Statement"] == [
        {
            "Sid": "PutEvents",
            "Effect": "Allow",
            "Action": "logs:PutLogEvents",
            "Resource": f"arn:aws:logs:*:{shop.id}:log-group:*",
        }
    ]


def test_no_policy_of_the_account_can_be_put_or_deleted_without_the_parameter(shop: Account) -> None:
    logs, policy = shop.thief("logs"), {"policyName": "p", "policyType": "SUBSCRIPTION_FILTER_POLICY"}
    assert denied(logs.put_account_policy, **policy, policyDocument="{}")
    assert denied(logs.delete_account_policy, **policy)


def test_the_role_of_filters_cannot_be_passed_to_anything_else(shop: Account) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        shop.thief("lambda").create_function(
            FunctionName=SUBSCRIBER, Role=f"arn:aws:iam::{shop.id}:role/{FILTER_ROLE}", Runtime="python3.13",
            Handler="code.handler", Code={"ZipFile": b""},
        )  # fmt: skip
