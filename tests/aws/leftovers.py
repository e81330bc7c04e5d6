"""What carries the mark of a run: found by the tester role, service by service, and removed by the deployer role.

The mark is the tag that the program gives to all it creates, with the name of the run's stack. Two kinds of resources
have no tags; they belong to the run whose name, or whose stream, is in their body. The tagging API would be a single
call, but it knows no roles, and lists for a while what is already deleted.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from accounts.parallel import in_parallel
from accounts.session import AWS_ERRORS
from tests.aws import roles
from tests.aws.environment import PREFIX, Environment, run_of
from tests.aws.topology import STACK_TAG
from topology.patterns import CANARY
from topology.settings.archive import PIPELINE_LOG_GROUPS

_SESSION = "archive-test-sweeper"
_DAYS_UNTIL_A_KEY_IS_DELETED = 7  # the shortest that KMS accepts
_ACCOUNT_POLICY = "SUBSCRIPTION_FILTER_POLICY"
Client = Callable[[str], Any]
"""Service → client in an account and region."""
Tags = Mapping[str, str] | Iterable[Mapping[str, str]]


@dataclass(frozen=True, order=True)
class Leftover:
    """A resource that belongs to a run.

    Attributes:
        run: name of the run.
        account: ID of its account.
        region: region of the resource; of a global one, the home region.
        kind: what it is.
        name: its name, ID or ARN, as the service calls it.
    """

    run: str
    account: str
    region: str
    kind: str
    name: str


@dataclass(frozen=True)
class _Kind:
    """How resources of a kind are found, with their stack, and removed.

    Attributes:
        find: yields the name of each resource, and that of its stack or run, or an empty string.
        remove: removes one by its name.
        is_global: whether the service lists those of all regions.
        by_tester: whether the tester role removes it, and not the deployer role.
    """

    find: Callable[[Client], Iterator[tuple[str, str]]]
    remove: Callable[[Client, str], object]
    is_global: bool = False
    by_tester: bool = False


def find(environment: Environment) -> list[Leftover]:
    """Return all resources that carry the mark of any run, in the order in which they can be removed.

    Raises:
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: an account cannot be read.
    """
    searches = [
        (account, region, kind)
        for account in environment.accounts
        for region in environment.regions
        for kind in _KINDS
        if region == environment.home or not _KINDS[kind].is_global
    ]

    def search(place: tuple[str, str, str]) -> list[Leftover]:
        account, region, kind = place
        client = partial(_client, environment.tester_role, account, region)
        found = _KINDS[kind].find(client)
        return [Leftover(run, account, region, kind, name) for name, stack in found if (run := run_of(stack))]

    found = [leftover for each in in_parallel(search, searches) for leftover in each]
    order = list(_KINDS)
    return sorted(found, key=lambda leftover: (leftover.run, order.index(leftover.kind), leftover))


def remove(environment: Environment, leftover: Leftover) -> str | None:
    """Remove a resource; return None, or why it could not be removed."""
    kind = _KINDS[leftover.kind]
    role = environment.tester_role if kind.by_tester else environment.deployer_role
    try:
        kind.remove(partial(_client, role, leftover.account, leftover.region), leftover.name)
    except AWS_ERRORS as error:
        return str(error)
    return None


def collisions(environment: Environment) -> list[str]:
    """Return what is in the way of a run: names that the program fixes, and that another stack uses already."""
    found = []
    for account, region in environment.places:
        logs = _client(environment.tester_role, account, region, "logs")
        groups = logs.describe_log_groups(logGroupNamePrefix=CANARY)["logGroups"]
        found += [f"{account}, {region}: log group {group['logGroupName']}" for group in groups]
        policies = logs.describe_account_policies(policyType=_ACCOUNT_POLICY)["accountPolicies"]
        found += [f"{account}, {region}: account policy {policy['policyName']}" for policy in policies]
    watched = _client(environment.tester_role, environment.central_account, environment.home, "cloudwatch")
    name = f"archive-{environment.home}"
    dashboards = watched.list_dashboards(DashboardNamePrefix=name)["DashboardEntries"]
    return found + [
        f"{environment.central_account}: dashboard {name}" for each in dashboards if each["DashboardName"] == name
    ]


def _client(role: str, account: str, region: str, service: str) -> Any:  # noqa: ANN401 - boto3
    return roles.client(service, account=account, region=region, role=role, session=_SESSION)


def _stack(tags: Tags) -> str:
    """Return the stack in tags, in any of the shapes in which services return them."""
    if isinstance(tags, Mapping):
        return tags.get(STACK_TAG, "")
    pairs = {each.get("Key") or each.get("TagKey"): each.get("Value") or each.get("TagValue") for each in tags}
    return pairs.get(STACK_TAG) or ""


def _pages(client: Any, operation: str, key: str, **arguments: Any) -> Iterator[Any]:  # noqa: ANN401 - boto3
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from page.get(key, [])


def _account_policies(client: Client) -> Iterator[tuple[str, str]]:
    for policy in client("logs").describe_account_policies(policyType=_ACCOUNT_POLICY)["accountPolicies"]:
        pattern = json.loads(policy["policyDocument"]).get("FilterPattern", "")
        yield policy["policyName"], pattern.strip('"')


def _dashboards(client: Client) -> Iterator[tuple[str, str]]:
    watched, streams = client("cloudwatch"), dict(_streams(client))
    for each in _pages(watched, "list_dashboards", "DashboardEntries", DashboardNamePrefix="archive-"):
        body = watched.get_dashboard(DashboardName=each["DashboardName"])["DashboardBody"]
        yield each["DashboardName"], next((stack for name, stack in streams.items() if name in body), "")


def _alarms(client: Client) -> Iterator[tuple[str, str]]:
    watched = client("cloudwatch")
    for prefix in ("archive-alarm-", "central-log-archive-"):
        for each in _pages(watched, "describe_alarms", "MetricAlarms", AlarmNamePrefix=prefix):
            yield each["AlarmName"], _stack(watched.list_tags_for_resource(ResourceARN=each["AlarmArn"])["Tags"])


def _rules(client: Client) -> Iterator[tuple[str, str]]:
    events = client("events")
    for each in _pages(events, "list_rules", "Rules", NamePrefix="central-log-archive-"):
        yield each["Name"], _stack(events.list_tags_for_resource(ResourceARN=each["Arn"])["Tags"])


def _remove_rule(client: Client, name: str) -> None:
    events = client("events")
    targets = [target["Id"] for target in events.list_targets_by_rule(Rule=name)["Targets"]]
    if targets:
        events.remove_targets(Rule=name, Ids=targets)
    events.delete_rule(Name=name)


def _functions(client: Client) -> Iterator[tuple[str, str]]:
    functions = client("lambda")
    for each in _pages(functions, "list_functions", "Functions"):
        if each["FunctionName"].startswith(("archive-transform-", "central-log-archive-")):
            yield each["FunctionName"], _stack(functions.list_tags(Resource=each["FunctionArn"])["Tags"])


def _queues(client: Client) -> Iterator[tuple[str, str]]:
    queues = client("sqs")
    for url in _pages(queues, "list_queues", "QueueUrls", QueueNamePrefix="central-log-archive-"):
        yield url, _stack(queues.list_queue_tags(QueueUrl=url).get("Tags", {}))


def _log_groups(*prefixes: str) -> Callable[[Client], Iterator[tuple[str, str]]]:
    return lambda client: _tagged_log_groups(client("logs"), prefixes)


def _tagged_log_groups(logs: Any, prefixes: Iterable[str]) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - boto3
    for prefix in prefixes:
        for each in _pages(logs, "describe_log_groups", "logGroups", logGroupNamePrefix=prefix):
            arn = each["arn"].removesuffix(":*")
            yield each["logGroupName"], _stack(logs.list_tags_for_resource(resourceArn=arn)["tags"])


def _remove_log_group(client: Client, name: str) -> None:
    client("logs").delete_log_group(logGroupName=name)


def _destinations(client: Client) -> Iterator[tuple[str, str]]:
    logs = client("logs")
    for each in _pages(logs, "describe_destinations", "destinations", DestinationNamePrefix="archive-destination-"):
        yield each["destinationName"], _stack(logs.list_tags_for_resource(resourceArn=each["arn"])["tags"])


def _streams(client: Client) -> Iterator[tuple[str, str]]:
    firehose = client("firehose")
    last: dict[str, str] = {}
    while True:
        listed = firehose.list_delivery_streams(**last)
        for name in listed["DeliveryStreamNames"]:
            if name.startswith("archive-stream-"):
                yield name, _stack(firehose.list_tags_for_delivery_stream(DeliveryStreamName=name)["Tags"])
        if not listed.get("HasMoreDeliveryStreams"):
            return
        last = {"ExclusiveStartDeliveryStreamName": listed["DeliveryStreamNames"][-1]}


def _topics(client: Client) -> Iterator[tuple[str, str]]:
    topics = client("sns")
    for arn in (each["TopicArn"] for each in _pages(topics, "list_topics", "Topics")):
        if arn.rpartition(":")[2].startswith("archive-alarms-"):
            yield arn, _stack(topics.list_tags_for_resource(ResourceArn=arn)["Tags"])


def _roles(client: Client) -> Iterator[tuple[str, str]]:
    iam = client("iam")
    for name in (each["RoleName"] for each in _pages(iam, "list_roles", "Roles")):
        if name.startswith("archive-"):
            yield name, _stack(iam.list_role_tags(RoleName=name)["Tags"])


def _remove_role(client: Client, name: str) -> None:
    iam = client("iam")
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


def _buckets(client: Client) -> Iterator[tuple[str, str]]:
    s3 = client("s3")
    for name in (each["Name"] for each in s3.list_buckets()["Buckets"]):
        if name.startswith("archive-bucket-"):
            with contextlib.suppress(s3.exceptions.ClientError):  # without tags, or gone since
                yield name, _stack(s3.get_bucket_tagging(Bucket=name)["TagSet"])


def delete_versions(s3: Any, bucket: str) -> None:  # noqa: ANN401 - boto3
    """Delete every version of every object in a bucket, locked ones too."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for each in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            s3.delete_object(
                Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"], BypassGovernanceRetention=True
            )


def _remove_bucket(client: Client, name: str) -> None:
    s3 = client("s3")
    delete_versions(s3, name)
    s3.delete_bucket(Bucket=name)


def _keys(client: Client) -> Iterator[tuple[str, str]]:
    kms = client("kms")
    for key in (each["KeyId"] for each in _pages(kms, "list_keys", "Keys")):
        try:
            stack = _stack(kms.list_resource_tags(KeyId=key)["Tags"])
            # A key cannot be deleted at once. One that waits for its deletion costs nothing, and is not left over.
            if run_of(stack) and kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] != "PendingDeletion":
                yield key, stack
        except kms.exceptions.ClientError as error:  # a key of others, whose policy does not admit the account
            if error.response["Error"]["Code"] != "AccessDeniedException":
                raise


# What leads to something else comes before it, so that nothing is sent to what is already gone.
_KINDS = {
    "account policy": _Kind(
        _account_policies,
        lambda client, name: client("logs").delete_account_policy(policyName=name, policyType=_ACCOUNT_POLICY),
    ),
    "dashboard": _Kind(
        _dashboards,
        lambda client, name: client("cloudwatch").delete_dashboards(DashboardNames=[name]),
        is_global=True,
    ),
    "alarm": _Kind(_alarms, lambda client, name: client("cloudwatch").delete_alarms(AlarmNames=[name])),
    "rule": _Kind(_rules, _remove_rule),
    "function": _Kind(_functions, lambda client, name: client("lambda").delete_function(FunctionName=name)),
    "queue": _Kind(_queues, lambda client, name: client("sqs").delete_queue(QueueUrl=name)),
    "log group of the tests": _Kind(_log_groups(PREFIX), _remove_log_group, by_tester=True),
    "log group": _Kind(
        _log_groups(*PIPELINE_LOG_GROUPS, "central-log-archive-", "/aws/events/central-log-archive-"), _remove_log_group
    ),
    "destination": _Kind(_destinations, lambda client, name: client("logs").delete_destination(destinationName=name)),
    "stream": _Kind(_streams, lambda client, name: client("firehose").delete_delivery_stream(DeliveryStreamName=name)),
    "topic": _Kind(_topics, lambda client, name: client("sns").delete_topic(TopicArn=name)),
    "role": _Kind(_roles, _remove_role, is_global=True),
    "bucket": _Kind(_buckets, _remove_bucket, is_global=True, by_tester=True),
    "key": _Kind(
        _keys,
        lambda client, name: client("kms").schedule_key_deletion(
            KeyId=name, PendingWindowInDays=_DAYS_UNTIL_A_KEY_IS_DELETED
        ),
    ),
}
