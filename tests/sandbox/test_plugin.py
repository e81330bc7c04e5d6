"""The plugin's provider on the cloud, without an engine: diffs, imports, checks."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pulumi.provider.experimental import provider as rpc
from pulumi.provider.experimental.property_value import PropertyValue

from sandbox.plugin.aws import AwsError, connect
from sandbox.plugin.provider import AwsProvider
from tests.sandbox.conftest import Cloud
from tests.sandbox.existing_archive import HOME, Archive, Sender, new_account
from tests.sandbox.test_cloud import filter_role

GROUP = "aws:cloudwatch/logGroup:LogGroup"
POLICY = "aws:cloudwatch/logDestinationPolicy:LogDestinationPolicy"
STREAM = "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream"
FILTER = "aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter"


def urn(kind: str) -> str:
    return f"urn:pulumi:stack::project::Parent${kind}::name"


def values(plain: dict[str, Any]) -> dict[str, PropertyValue]:
    return {key: PropertyValue(value) for key, value in plain.items()}


def environment(cloud: Cloud, account: str) -> dict[str, str]:
    return {"AWS_ENDPOINT_URL": cloud.endpoint, "AWS_ACCESS_KEY_ID": account, "AWS_SECRET_ACCESS_KEY": "x"}


def configured(cloud: Cloud, account: str) -> AwsProvider:
    provider = AwsProvider(environment(cloud, account))
    tags = json.dumps({"tags": {"stack": "test"}})
    arguments = values({"region": HOME, "allowedAccountIds": f'["{account}"]', "defaultTags": tags})
    asyncio.run(provider.configure(rpc.ConfigureRequest({}, arguments, accept_secrets=True, accept_resources=True)))
    return provider


def diff(kind: str, state: dict[str, Any], inputs: dict[str, Any]) -> rpc.DiffResponse:
    return asyncio.run(AwsProvider({}).diff(rpc.DiffRequest(urn(kind), "id", values(state), values(inputs), [])))


def test_credentials_of_another_account_are_rejected(cloud: Cloud) -> None:
    account = new_account()
    with pytest.raises(AwsError, match=f"the credentials belong to account {account}; allowed: 222222222222"):
        connect(environment(cloud, account), HOME, [], ["222222222222"])


def test_provider_arguments_are_checked() -> None:
    roles = json.dumps([{"role_arn": "arn:aws:iam::111111111111:role/r"}])
    given = values({"region": HOME, "assumeRoles": roles, "reguin": "x", "profile": "p"})
    checked = asyncio.run(AwsProvider({}).check_config(rpc.CheckRequest("", {}, given, b"")))
    reasons = {failure.property: failure.reason for failure in checked.failures or []}
    assert reasons["assumeRoles[0].role_arn"].endswith("use its Args class, or roleArn")
    assert reasons["reguin"].startswith("unknown property")
    assert "does not implement" in reasons["profile"]


def test_a_provider_is_replaced_when_its_region_changes() -> None:
    request = rpc.DiffRequest("", "id", values({"region": HOME}), values({"region": "us-east-1"}), [])
    assert asyncio.run(AwsProvider({}).diff_config(request)).replaces == ["region"]


def test_documents_are_compared_by_meaning() -> None:
    same = {"destinationName": "d", "accessPolicy": '{"a": [1], "b": 2}'}
    assert not diff(POLICY, same, {**same, "accessPolicy": '{"b":2,"a":[1]}'}).changes
    assert diff(POLICY, same, {**same, "accessPolicy": '{"b":3,"a":[1]}'}).diffs == ["accessPolicy"]


def test_a_filter_is_replaced_when_its_destination_changes_but_not_when_its_pattern_does() -> None:
    state = {"name": "f", "logGroup": "g", "filterPattern": "", "destinationArn": "one"}
    moved = diff(FILTER, state, {**state, "destinationArn": "two"})
    assert (moved.replaces, moved.delete_before_replace) == (["destinationArn"], True)
    assert diff(FILTER, state, {**state, "filterPattern": "ERROR"}).replaces == []


def test_a_stream_is_replaced_when_partitioning_is_enabled_and_the_new_one_is_created_first() -> None:
    s3 = PropertyValue(values({"prefix": "a/"}))
    on = PropertyValue(values({"enabled": True}))
    partitioned = PropertyValue({"prefix": PropertyValue("b/"), "dynamicPartitioningConfiguration": on})
    named = {"name": PropertyValue("stream-1234567"), "__defaults": PropertyValue([PropertyValue("name")])}
    state, inputs = ({**named, "extendedS3Configuration": each} for each in (s3, partitioned))
    response = asyncio.run(AwsProvider({}).diff(rpc.DiffRequest(urn(STREAM), "id", state, inputs, [])))
    assert (response.replaces, response.delete_before_replace) == (["extendedS3Configuration"], False)


def test_an_input_that_was_removed_is_a_difference() -> None:
    state = {"name": "f", "logGroup": "g", "filterPattern": "", "destinationArn": "one", "distribution": "Random"}
    assert diff(FILTER, state, {key: state[key] for key in state if key != "distribution"}).diffs == ["distribution"]


def test_a_filter_keeps_its_role_when_the_program_no_longer_sets_one(cloud: Cloud) -> None:
    archive = Archive(cloud, [account := new_account()])
    sender, destination = Sender(cloud, account), archive.destination()
    role = filter_role(cloud, account, trusts=account)
    without = {"name": "f", "logGroup": sender.group, "filterPattern": "", "destinationArn": destination}
    provider, kind = configured(cloud, account), urn(FILTER)
    created = asyncio.run(
        provider.create(rpc.CreateRequest(kind, values({**without, "roleArn": role}), 0, preview=False))
    )
    state, filter_id = created.properties or {}, created.resource_id or ""
    assert not asyncio.run(provider.diff(rpc.DiffRequest(kind, "id", state, values(without), []))).changes
    news = values({**without, "filterPattern": "ERROR"})
    updated = asyncio.run(provider.update(rpc.UpdateRequest(kind, filter_id, state, news, 0, [], preview=False)))
    read = asyncio.run(provider.read(rpc.ReadRequest(kind, filter_id, updated.properties or {}, news)))
    assert [each["roleArn"].value for each in (updated.properties or {}, read.properties)] == [role, role]
    (described,) = sender.logs.describe_subscription_filters(logGroupName=sender.group)["subscriptionFilters"]
    assert (described["filterPattern"], described["roleArn"]) == ("ERROR", role)


def test_a_protected_log_group_is_deleted_only_after_its_protection_was_taken_off_explicitly(cloud: Cloud) -> None:
    account = new_account()
    logs, provider, kind = cloud.client("logs", account=account), configured(cloud, account), urn(GROUP)
    on, off, unset = (values({"name": "kept", **more}) for more in (
        {"deletionProtectionEnabled": True}, {"deletionProtectionEnabled": False}, {},
    ))  # fmt: skip
    created = asyncio.run(provider.create(rpc.CreateRequest(kind, on, 0, preview=False)))
    state = created.properties or {}
    delete = rpc.DeleteRequest(kind, "kept", state, 0)
    with pytest.raises(AwsError, match="Disable deletion protection first"):
        asyncio.run(provider.delete(delete))
    assert not asyncio.run(provider.diff(rpc.DiffRequest(kind, "kept", state, unset, []))).changes
    asyncio.run(provider.update(rpc.UpdateRequest(kind, "kept", state, off, 0, [], preview=False)))
    asyncio.run(provider.delete(delete))
    assert logs.describe_log_groups()["logGroups"] == []


def test_a_bucket_is_tagged_by_actions_of_s3_itself(cloud: Cloud) -> None:
    account = new_account()
    provider, kind, bucket = configured(cloud, account), urn("aws:s3/bucket:Bucket"), f"tagged-{account}"

    def inputs(**tags: str) -> dict[str, PropertyValue]:
        return {"bucket": PropertyValue(bucket), "tags": PropertyValue(values(tags))}

    created = asyncio.run(provider.create(rpc.CreateRequest(kind, inputs(team="shop", old="x"), 0, preview=False)))
    state = created.properties or {}
    asyncio.run(provider.update(rpc.UpdateRequest(kind, bucket, state, inputs(team="pay"), 0, [], preview=False)))
    found = cloud.client("s3", account=account).get_bucket_tagging(Bucket=bucket)["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in found} == {"stack": "test", "team": "pay"}


def test_a_resource_is_imported_with_its_properties(cloud: Cloud) -> None:
    account = new_account()
    logs = cloud.client("logs", account=account)
    logs.create_log_group(logGroupName="theirs", tags={"team": "shop"})
    logs.put_retention_policy(logGroupName="theirs", retentionInDays=7)
    provider = configured(cloud, account)
    read = asyncio.run(provider.read(rpc.ReadRequest(urn(GROUP), "theirs", {}, {})))
    assert {key: value.value for key, value in read.inputs.items() if key != "tags"} == {
        "name": "theirs",
        "retentionInDays": 7,
        "deletionProtectionEnabled": False,
    }
    gone = asyncio.run(provider.read(rpc.ReadRequest(urn(GROUP), "nobodys", {}, {})))
    assert gone.resource_id == ""


def test_default_tags_are_kept_apart_from_the_tags_of_a_resource(cloud: Cloud) -> None:
    account = new_account()
    provider = configured(cloud, account)
    inputs = {"name": PropertyValue("mine"), "tags": PropertyValue(values({"team": "shop", "old": "x"}))}
    created = asyncio.run(provider.create(rpc.CreateRequest(urn(GROUP), inputs, 0, preview=False)))
    news = {**inputs, "tags": PropertyValue(values({"team": "pay"}))}
    request = rpc.UpdateRequest(urn(GROUP), "mine", created.properties, news, 0, [], preview=False)
    asyncio.run(provider.update(request))
    arn = f"arn:aws:logs:{HOME}:{account}:log-group:mine"
    tags = cloud.client("logs", account=account).list_tags_for_resource(resourceArn=arn)["tags"]
    assert tags == {"stack": "test", "team": "pay"}


def test_a_resource_type_that_the_plugin_does_not_implement_is_rejected() -> None:
    with pytest.raises(AwsError, match="does not implement aws:ec2/instance:Instance; implemented: aws:"):
        diff("aws:ec2/instance:Instance", {}, {})
