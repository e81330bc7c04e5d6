"""The deployer and reader roles in ``bootstrap/`` have the permissions that are used, and no others.

What the reader roles may do, the deployer roles may do by the same policies.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from ops.review.preview import parse
from ops.review.report import changed
from sandbox.prepare import prepare
from tests.sandbox.ops_command import coverage
from tests.sandbox.stacks import EXAMPLES, Stacks
from tests.sandbox.templates import actions
from tests.stacks import config_of

# Permissions that no change of a stack file uses, but a later version of the program may.
FOR_LATER_VERSIONS = {
    "archive-account.yaml": {
        "athena:UntagResource", "cloudwatch:UntagResource", "events:UntagResource", "firehose:UntagDeliveryStream",
        "glue:UntagResource", "glue:UpdateDatabase", "iam:UntagRole", "lambda:UntagResource", "logs:UntagResource",
        "s3:UntagResource", "sns:UntagResource",
    },
    "application-account.yaml": {
        "cloudwatch:UntagResource", "events:UntagResource", "lambda:UntagResource", "logs:UntagResource",
        "sqs:SetQueueAttributes", "sqs:UntagQueue",
    },
}  # fmt: skip
# Permissions that delete what version 0.1.0 created. An update does in test_organization.py.
FOR_FORMER_VERSIONS = {
    "archive-account.yaml": set[str](),
    "application-account.yaml": {
        "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies",
        "iam:ListInstanceProfilesForRole", "iam:ListRolePolicies",
    },
}  # fmt: skip
# Permissions that AWS requires to create resources with tags; the emulator does not.
FOR_TAGS_AT_CREATION = {
    "athena:TagResource", "cloudwatch:TagResource", "events:TagResource", "firehose:TagDeliveryStream",
    "glue:TagResource", "iam:TagRole", "kms:TagResource", "lambda:TagResource", "logs:TagResource", "sns:TagResource",
    "sqs:TagQueue",
}  # fmt: skip
# Where S3 Control denies or lacks the tags of buckets, the provider uses these.
FOR_FALLBACKS = {"s3:GetBucketTagging", "s3:PutBucketTagging"}
# Log groups are protected if they are retained, which nothing is on the sandbox.
FOR_RETAINED = {"logs:PutLogGroupDeletionProtection"}
# What ops retire looks for once an archive has been adopted, in test_adoptions.py.
FOR_ADOPTIONS = {"firehose:ListDeliveryStreams"}
ACCOUNTS = {
    "archive-account.yaml": {"111111111111"},
    "application-account.yaml": {"222222222222", "333333333333", "444444444444"},
}
DEPLOYER, READER = "central-log-archive-deployer", "central-log-archive-reader"
Call = tuple[str, str, str, bool]  # account, role, action, allowed


def compare(stacks: Stacks, stack: str, config: dict[str, Any]) -> list[str]:
    """Compare a stack with its accounts as ``.github/drift.sh`` does; return the types of what differs."""
    refresh = ("preview", "--refresh", "--run-program", "--json", "--show-sames", "-s", stack)
    printed = stacks.pulumi(*refresh, config={**config, "previewRole": READER})
    return [each.resource.type_name for each in changed(parse(printed, "the comparison", stack))]


_REPLICAS = "arn:aws:kms:eu-central-1:666666666666:key/replicas"


@pytest.fixture(scope="module")
def calls(stacks: Stacks) -> set[Call]:
    """Deploy, change, compare and destroy the example stacks; return the decisions on all calls of both roles."""
    for stack in EXAMPLES:
        stacks.up(stack)
    archive = config_of("archive")["archive"]
    senders = {"accounts": [*archive["senders"]["accounts"], "555555555555"]}
    own = ["aws-waf-logs-central"]
    replica = {"replica": {"bucket": "vault", "account": "666666666666", "key": _REPLICAS}}
    wanted = {"ownLogGroups": own, "key": "create", "bucket": replica}
    admitting = {**archive, "senders": {**senders, "organization": "o-exampleorg1"}, **wanted}
    prepare([stacks.write({"archive": admitting})], stacks.instance.environment())
    s3 = stacks.client("s3", account="111111111111")
    s3.create_bucket(Bucket="access-logs", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    kept = {"objectLock": {"mode": "governance", "days": 1}, "accessLogs": {"bucket": "access-logs"}, **replica}
    rich = {**archive, "senders": senders, "ownLogGroups": own, "bucket": kept, "key": "create", "alarms": "create"}
    analysis = {"readers": ["arn:aws:iam::222222222222:root"], "scanLimitGiB": 1, "since": "2026-01-01"}
    stacks.up("archive", {"archive": {**rich, "transform": "bundled", "analysis": True, "integrity": True}})
    coverage(stacks, config={"archive": rich})
    transform = {"code": "bundled", "memoryMiB": 256}
    richest = {"archive": {**rich, "transform": transform, "analysis": analysis, "integrity": {"graceHours": 5}}}
    stacks.up("archive", richest)
    stacks.ask("settle")  # the tags of the keys
    assert compare(stacks, "archive", richest) == []
    bucket = stacks.outputs("archive")["bucket"]
    s3.delete_bucket_policy(Bucket=bucket)
    assert compare(stacks, "archive", richest) == ["BucketPolicy"]
    # The lock goes first: a new stream gets test messages, and what was locked could not be deleted in the end.
    stacks.up("archive", {"archive": {**archive, "transform": "bundled"}})
    stacks.up("archive")
    s3.put_object(Bucket=stacks.outputs("archive")["bucket"], Key="logs/one", Body=b"")
    existing = {"archive": {**archive, "existingBucket": "access-logs"}}
    prepare([stacks.write(existing)], stacks.instance.environment())
    compare(stacks, "archive", existing)
    stacks.up("archive", {"archive": {**archive, "alarms": "create"}})
    with_roles = {**config_of("app-dev"), "filterRoles": True, "alarms": True}
    shop = with_roles["applications"][0]
    everything = {"eu-west-1": {"all": True}}
    auto: dict[str, dict[str, Any]] = {
        "eu-west-1": {"logGroups": ["aws-waf-logs-*"], "autoSubscribe": True},
        "us-east-1": {"all": True},
    }
    subscribing = {**with_roles, "applications": [{**shop, "regions": auto}]}
    needed = {**shop, "regions": {**shop["regions"], **auto, "us-west-2": {"all": True}}}
    served = {"destinationRegions": [*archive["destinationRegions"], "us-west-2"]}
    together = {"archive": {**archive, **served, "alarms": "create"}, "filterRoles": True, "applications": [needed]}
    prepare([stacks.write(together)], stacks.instance.environment())
    stacks.up("app-dev", with_roles)
    stacks.up("app-dev", {**with_roles, "applications": [{**shop, "regions": everything}]})
    stacks.up("app-dev", subscribing)
    auto["eu-west-1"]["logGroups"] = ["aws-waf-*"]
    stacks.up("app-dev", subscribing)
    assert compare(stacks, "app-dev", subscribing) == []
    stacks.up("app-dev", with_roles)
    organization = {**archive, "alarms": "create", "senders": {"organization": "o-exampleorg1"}}
    stacks.up("archive", {"archive": organization})
    for stack in reversed(EXAMPLES):
        stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", stack)
    return {
        (account, role, call["action"], call["allowed"])
        for call in stacks.ask("calls")
        for account, role in [principal(call["principal"])]
        if role in (DEPLOYER, READER)
    }


def principal(arn: str) -> tuple[str, str]:
    """Return account and role of a session; of anybody else, no role."""
    _, _, _, _, account, resource = arn.split(":")
    kind, _, rest = resource.partition("/")
    return account, rest.partition("/")[0] if kind == "assumed-role" else ""


@pytest.mark.parametrize("template", ACCOUNTS)
def test_a_deployer_role_has_no_permission_that_no_deployment_uses(calls: set[Call], template: str) -> None:
    used = {action for account, _, action, _ in calls if account in ACCOUNTS[template]}
    unused = (
        FOR_LATER_VERSIONS[template]
        | FOR_FORMER_VERSIONS[template]
        | FOR_TAGS_AT_CREATION
        | FOR_FALLBACKS
        | FOR_RETAINED
        | FOR_ADOPTIONS
    )
    assert actions(template) - used <= unused


@pytest.mark.parametrize("template", ACCOUNTS)
def test_a_reader_role_has_no_permission_that_no_comparison_uses(calls: set[Call], template: str) -> None:
    used = {action for account, role, action, _ in calls if role == READER and account in ACCOUNTS[template]}
    assert actions(template, "Reader") - used <= FOR_FALLBACKS


def test_every_permission_that_deployments_need_not_use_exists() -> None:
    permitted = {template: actions(template) for template in ACCOUNTS}
    assert all(permitted[each] >= FOR_LATER_VERSIONS[each] | FOR_FORMER_VERSIONS[each] for each in ACCOUNTS)
    assert set.union(*permitted.values()) >= (FOR_TAGS_AT_CREATION | FOR_FALLBACKS | FOR_RETAINED | FOR_ADOPTIONS)


def test_no_call_of_a_deployment_or_comparison_is_denied(calls: set[Call]) -> None:
    assert [call for call in sorted(calls) if not call[-1]] == []


def test_a_deployment_fails_without_a_permission_and_names_it(stacks: Stacks, calls: set[Call]) -> None:
    def fails(stack: str, account: str, policy: str, action: str) -> bool:
        assert (account, DEPLOYER, action, True) in calls
        iam, role = stacks.client("iam", account=account), {"RoleName": "central-log-archive-deployer"}
        document = iam.get_role_policy(**role, PolicyName=policy)["PolicyDocument"]
        iam.put_role_policy(**role, PolicyName=policy, PolicyDocument=json.dumps(without(document, action)))
        printed = stacks.up(stack, ok=False)
        iam.put_role_policy(**role, PolicyName=policy, PolicyDocument=json.dumps(document))
        return action in printed

    # Each goes on where the one before it failed.
    for action in ("s3:PutBucketPolicy", "iam:PassRole", "logs:PutDestinationPolicy"):
        assert fails("archive", "111111111111", "deploy-archive", action), action
    stacks.up("archive")
    for action in ("logs:CreateLogGroup", "logs:PutSubscriptionFilter"):
        assert fails("app-dev", "222222222222", "subscribe-log-groups", action), action
    for stack in ("app-dev", "archive"):
        stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", stack)


def without(document: dict[str, Any], action: str) -> dict[str, Any]:
    """Return a policy document without an action."""
    statements = []
    for statement in document["Statement"]:
        listed = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        kept = [each for each in listed if each != action]
        if kept:
            statements.append({**statement, "Action": kept})
    return {**document, "Statement": statements}


def test_another_account_may_not_assume_a_deployer_role(stacks: Stacks) -> None:
    sts = stacks.client("sts", account="777777777777")
    with pytest.raises(sts.exceptions.ClientError, match="AccessDenied"):
        sts.assume_role(
            RoleArn="arn:aws:iam::111111111111:role/central-log-archive-deployer", RoleSessionName="stranger"
        )
