"""What holds for the graph of every topology.

Mocks can prove what is registered, with which parent, provider and inputs. How it behaves is tested on the sandbox, and
in the end on AWS.
"""

from __future__ import annotations

import functools
import json
import os
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pulumi
import pytest
from hypothesis import given, seed, settings

from policy.rules import violations
from tests.graph import recorder
from tests.graph.boundary import boundary_of, exceeding, policies_of_roles, sender_role_of
from tests.graph.recorder import Graph, Resource
from tests.graph.test_policy import facts_of
from tests.graph.topologies import broken_stacks, keys_of, one_graph_stacks, organization_of, split
from topology.changes import CHANGES, CHANGES_LOG_GROUP
from topology.layouts import LAYOUTS
from topology.patterns import CANARIES, CANARY, SCHEDULED_CANARY

_EXAMPLES = settings(max_examples=40)
_SEED = 0 if os.environ.get("CI") else random.randrange(2**32)  # noqa: S311 - no secret


def topologies(test: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
    """Check a property on random topologies: the same ones for every property, so that each is recorded once."""
    return _EXAMPLES(seed(_SEED)(given(one_graph_stacks())(test)))


def record(config: dict[str, Any], *, stack: str = "test", referenced: dict[str, Any] | None = None) -> Graph:
    """Return the graph of a stack, which is recorded once."""
    return _recorded(json.dumps(config), stack, json.dumps(referenced))


@functools.lru_cache(maxsize=1000)
def _recorded(config: str, stack: str, referenced: str) -> Graph:
    return recorder.record(json.loads(config), stack=stack, referenced=json.loads(referenced))


def region_of_arn(arn: str) -> str:
    return arn.split(":")[3]


def subscribed(config: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Account, region and log group, for every log group in a config."""
    return {
        (application["account"], region, group if isinstance(group, str) else group["name"])
        for application in config["applications"]
        for region, groups in application["regions"].items()
        for group in groups["logGroups"]
    }


def filters_of(graph: Graph, component: str) -> list[Resource]:
    """The subscription filters in components of a type, without those of canaries."""
    return [f for f in graph.filters() if f.parent.split("::")[2].endswith(f":{component}")]


def filters(graph: Graph) -> set[tuple[str, str, str]]:
    subscriptions = filters_of(graph, "AppAccountSubscription")
    return {(*graph.place_of(f), f.inputs["logGroup"]) for f in subscriptions}


@topologies
def test_each_log_group_has_one_filter_to_the_destination_of_its_own_region(config: dict[str, Any]) -> None:
    graph = record(config)
    assert filters(graph) == subscribed(config)
    assert len(filters_of(graph, "AppAccountSubscription")) == len(subscribed(config))
    for subscription in filters_of(graph, "AppAccountSubscription"):
        _, region = graph.place_of(subscription)
        assert region_of_arn(subscription.inputs["destinationArn"]) == region
        assert subscription.inputs["name"].endswith(f".{region}")


@topologies
def test_a_filter_has_the_pattern_of_its_entry(config: dict[str, Any]) -> None:
    graph = record(config)
    own = {
        (application["account"], region, group["name"]): group["filterPattern"]
        for application in config["applications"]
        for region, groups in application["regions"].items()
        for group in groups["logGroups"]
        if isinstance(group, dict) and "filterPattern" in group
    }
    accounts = {application["account"]: application for application in config["applications"]}
    for subscription in filters_of(graph, "AppAccountSubscription"):
        account, region = graph.place_of(subscription)
        inherited = accounts[account].get("filterPattern", "")
        assert subscription.inputs["filterPattern"] == own.get(
            (account, region, subscription.inputs["logGroup"]), inherited
        )


@topologies
def test_every_account_and_region_has_a_canary_whose_events_take_the_path_of_all_others(config: dict[str, Any]) -> None:
    graph = record(config)
    wanted = Counter((account, region) for account, region, _ in set(subscribed(config)))
    canaries = [f for f in graph.of_type("LogSubscriptionFilter") if f.inputs["logGroup"] == CANARY]
    others = {graph.place_of(f): f.inputs for f in filters_of(graph, "AppAccountSubscription")}
    assert Counter(graph.place_of(f) for f in canaries) == Counter(wanted.keys())
    for canary in canaries:
        other = others[graph.place_of(canary)]
        assert canary.inputs["filterPattern"] == ""
        assert {key: canary.inputs.get(key) for key in ("name", "destinationArn", "roleArn")} == {
            key: other.get(key) for key in ("name", "destinationArn", "roleArn")
        }
    groups = [g for g in graph.of_type("LogGroup") if g.inputs.get("name") == CANARY]
    assert Counter(map(graph.place_of, groups)) == Counter(wanted.keys())
    assert {(group.inputs["retentionInDays"], bool(group.retain_on_delete)) for group in groups} == {(1, False)}


@topologies
def test_alarms_come_with_a_canary_that_a_schedule_writes_to_and_no_policy_of_all_forwards(
    config: dict[str, Any],
) -> None:
    graph = record(config)
    wanted = (
        {(account, region) for account, region, _ in subscribed(config)} if "alarms" in config["archive"] else set()
    )
    filters = [f for f in graph.of_type("LogSubscriptionFilter") if f.inputs["logGroup"] == SCHEDULED_CANARY]
    rules = [r for r in graph.of_type("EventRule") if r.inputs.get("name") == CANARY]
    targets = [t for t in graph.of_type("EventTarget") if t.inputs["rule"] == CANARY]
    policies = [p for p in graph.of_type("LogResourcePolicy") if p.inputs["policyName"] == CANARY]
    for made in (filters, rules, targets, policies):
        assert Counter(map(graph.place_of, made)) == Counter(wanted)
    for target in targets:
        account, region = graph.place_of(target)
        assert target.inputs["arn"].endswith(f":logs:{region}:{account}:log-group:{SCHEDULED_CANARY}")
    for policy in graph.of_type("LogAccountPolicy"):
        assert (SCHEDULED_CANARY in policy.inputs["selectionCriteria"]) is (graph.place_of(policy) in wanted)


@topologies
def test_alarms_come_with_a_rule_that_sees_in_each_place_what_anybody_else_changes_there(
    config: dict[str, Any],
) -> None:
    graph, archive = record(config), config["archive"]
    account, senders = archive["account"], {(account, region) for account, region, _ in subscribed(config)}
    own = {(account, region) for region in {archive["region"], *(region for _, region in senders)}}
    wanted = own | senders if "alarms" in archive else set()
    rules = {graph.place_of(r): r.inputs for r in graph.of_type("EventRule") if r.inputs.get("name") == CHANGES}
    targets = {graph.place_of(t): t.inputs for t in graph.of_type("EventTarget") if t.inputs["rule"] == CHANGES}
    assert rules.keys() == targets.keys() == wanted
    groups = {(graph.place_of(group), group.inputs.get("name")) for group in graph.of_type("LogGroup")}
    allowed = {graph.place_of(policy): policy.inputs["policyDocument"] for policy in graph.of_type("LogResourcePolicy")}
    kinds = ("Bucket", "FirehoseDeliveryStream", "Function", "Key", "LogDestination")
    others = ("archive-dashboard", "archive-results")
    named: dict[tuple[str, str], set[str]] = {place: set() for place in own}
    for made in (each for kind in kinds for each in graph.of_type(kind)):
        if graph.place_of(made) in own and not made.name.startswith(others):
            named[graph.place_of(made)].add(made.inputs.get("name") or f"{made.name}-1234567")
    named[account, archive["region"]] |= {key.rpartition("/")[2] for key in keys_of(config).values() if key}
    for place in wanted:
        pattern, group = rules[place]["eventPattern"], CHANGES_LOG_GROUP if place in own else SCHEDULED_CANARY
        assert targets[place]["arn"].endswith(f":log-group:{group}")
        assert (place, group) in groups
        assert f"rule/{CHANGES}" in allowed[place]
        assert len(pattern) <= 2048
        assert all(name in pattern for name in named.get(place, ())), named[place]


@topologies
def test_all_is_one_policy_that_excludes_log_groups_with_a_filter_of_their_own(config: dict[str, Any]) -> None:
    graph = record(config)
    policies = {graph.place_of(policy): policy.inputs for policy in graph.of_type("LogAccountPolicy")}
    assert len(policies) == len(graph.of_type("LogAccountPolicy"))
    wanted = {
        (application["account"], region)
        for application in config["applications"]
        for region, groups in application["regions"].items()
        if "all" in groups
    }
    assert policies.keys() == wanted
    for (account, region), policy in policies.items():
        assert region_of_arn(json.loads(policy["policyDocument"])["DestinationArn"]) == region
        own = {group for owner, place, group in subscribed(config) if (owner, place) == (account, region)}
        assert own | {CANARY} <= set(json.loads(policy["selectionCriteria"].removeprefix("LogGroupName NOT IN ")))


@topologies
def test_every_aws_resource_has_an_explicit_provider_and_every_provider_has_a_resource(config: dict[str, Any]) -> None:
    graph = record(config)
    resources = [r for r in graph.resources if r.type.startswith("aws:")]
    assert {r.provider for r in resources} == {p.urn for p in graph.of_type("aws")}


@topologies
def test_there_is_one_provider_for_each_account_and_region_in_use(config: dict[str, Any]) -> None:
    graph = record(config)
    archive = config["archive"]
    used = {(account, region) for account, region, _ in subscribed(config)}
    served = {region for _, region in used}
    expected = used | {(archive["account"], region) for region in served | {archive["region"]}}
    providers = graph.of_type("aws")
    assert Counter((json.loads(p.inputs["allowedAccountIds"])[0], p.inputs["region"]) for p in providers) == Counter(
        expected
    )
    for provider in providers:
        (account,) = json.loads(provider.inputs["allowedAccountIds"])
        (role,) = json.loads(provider.inputs["assumeRoles"])
        assert role["roleArn"] == f"arn:aws:iam::{account}:role/central-log-archive-deployer"


@topologies
def test_names_are_unique_and_every_resource_belongs_to_a_component(config: dict[str, Any]) -> None:
    graph = record(config)
    assert max(Counter((r.type, r.name) for r in graph.resources).values()) == 1
    components = {r.urn for r in graph.resources if r.type.startswith("central-log-archive:")}
    assert {r.parent for r in graph.resources if r.type.startswith("aws:")} <= components


@topologies
def test_those_who_may_subscribe_may_send_and_are_in_the_outputs(config: dict[str, Any]) -> None:
    graph = record(config)
    organization = organization_of(config)
    accounts = set() if organization else {application["account"] for application in config["applications"]}
    assert set(graph.outputs["admittedAccounts"]) == accounts
    assert graph.outputs.get("admittedOrganization") == organization
    for policy in graph.of_type("LogDestinationPolicy"):
        statements = json.loads(policy.inputs["accessPolicy"])["Statement"]
        assert {str(s["Condition"]) if "Condition" in s else frozenset(s["Principal"]["AWS"]) for s in statements} == (
            {str({"StringEquals": {"aws:PrincipalOrgID": organization}})} if organization else {frozenset(accounts)}
        )
        assert policy.inputs["forceUpdate"] is bool(organization)
    archive, *others = sender_role_of(config)["AssumeRolePolicyDocument"]["Statement"]
    sources = {arn.split(":")[4] for arn in archive["Condition"]["StringLike"]["aws:SourceArn"]}
    assert sources == accounts | {config["archive"]["account"]}
    wanted = [{"StringEquals": {"aws:SourceOrgID": organization}}] if organization else []
    assert [statement["Condition"] for statement in others] == wanted


@topologies
def test_filters_have_a_role_of_their_account_exactly_when_an_organization_is_admitted(config: dict[str, Any]) -> None:
    graph = record(config)
    for subscription in filters_of(graph, "AppAccountSubscription"):
        account, _ = graph.place_of(subscription)
        role = f"arn:aws:iam::{account}:role/central-log-archive-filters" if organization_of(config) else None
        assert subscription.inputs.get("roleArn") == role


@topologies
def test_no_role_is_created_in_an_application_account(config: dict[str, Any]) -> None:
    graph = record(config)
    places = {graph.place_of(role)[0] for kind in ("Role", "RolePolicy") for role in graph.of_type(kind)}
    assert places == {config["archive"]["account"]}


@_EXAMPLES
@given(one_graph_stacks().filter(organization_of))
def test_an_application_stack_without_required_filter_roles_is_rejected(config: dict[str, Any]) -> None:
    archive_config, applications_config = split(config)
    served = record(archive_config, stack="archive").outputs
    del applications_config["filterRoles"]
    with pytest.raises(pulumi.RunError, match=r"set filterRoles: true in Pulumi\.test\.yaml"):
        record(applications_config, referenced=served)


@topologies
def test_all_destinations_are_in_the_archive_account_and_target_the_one_stream(config: dict[str, Any]) -> None:
    graph = record(config)
    stream, archive = graph.one("FirehoseDeliveryStream"), config["archive"]
    assert graph.place_of(stream) == (archive["account"], archive["region"])
    destinations = graph.of_type("LogDestination")
    assert {graph.place_of(d) for d in destinations} == {
        (archive["account"], region) for _, region, _ in subscribed(config)
    }
    assert {d.inputs["targetArn"].split(":")[3:5] == [archive["region"], archive["account"]] for d in destinations} == {
        True
    }
    assert {region: region_of_arn(arn) for region, arn in graph.outputs["destinations"].items()} == {
        region: region for region in graph.outputs["destinations"]
    }


@topologies
def test_a_filter_depends_on_the_policy_of_its_destination(config: dict[str, Any]) -> None:
    graph = record(config)
    policies = {graph.place_of(p)[1]: p.urn for p in graph.of_type("LogDestinationPolicy")}
    for subscription in filters_of(graph, "AppAccountSubscription"):
        assert policies[graph.place_of(subscription)[1]] in subscription.dependencies


@topologies
def test_two_stacks_subscribe_the_same_as_one_graph(config: dict[str, Any]) -> None:
    archive_config, applications_config = split(config)
    archive = record(archive_config, stack="archive")
    applications = record(applications_config, referenced=archive.outputs)
    one_graph = record(config)
    assert filters(applications) == filters(one_graph)
    apart = {(r.type, r.name) for graph in (archive, applications) for r in graph.resources}
    assert apart == {(r.type, r.name) for r in one_graph.resources}


@topologies
def test_an_archive_that_serves_less_fails_the_preview_of_its_applications(config: dict[str, Any]) -> None:
    archive_config, applications_config = split(config)
    served = record(archive_config, stack="archive").outputs
    region, account = min(served["destinations"]), config["applications"][0]["account"]
    less = {
        **served,
        "destinations": {key: arn for key, arn in served["destinations"].items() if key != region},
        "admittedAccounts": [sender for sender in served["admittedAccounts"] if sender != account],
    }
    with pytest.raises(pulumi.RunError) as error:
        record(applications_config, referenced=less)
    not_admitted = f"account {account}: the archive does not admit it"
    assert (not_admitted in str(error.value)) is (organization_of(config) is None)
    assert f"add {region} to archive.destinationRegions in Pulumi.archive.yaml" in str(error.value)


@topologies
def test_only_log_groups_with_create_are_created(config: dict[str, Any]) -> None:
    graph = record(config)
    created = {
        (application["account"], region, group["name"], group["retentionDays"])
        for application in config["applications"]
        for region, groups in application["regions"].items()
        for group in groups["logGroups"]
        if isinstance(group, dict) and group.get("create")
    }
    archive = config["archive"]["account"]
    made = {
        (*graph.place_of(g), g.inputs["name"], g.inputs["retentionInDays"])
        for g in graph.of_type("LogGroup")
        if graph.place_of(g)[0] != archive and g.inputs["name"] not in CANARIES
    }
    assert made == created


@topologies
def test_the_stream_delivers_as_configured(config: dict[str, Any]) -> None:
    delivery = config["archive"].get("delivery", {})
    s3 = record(config).one("FirehoseDeliveryStream").inputs["extendedS3Configuration"]
    assert s3["bufferingSize"] == delivery.get("bufferMiB", 64)
    assert s3["bufferingInterval"] == delivery.get("bufferSeconds", 300)
    formats = {"gzip": "GZIP", "snappy": "Snappy", "none": "UNCOMPRESSED"}
    assert s3["compressionFormat"] == formats[delivery.get("compression", "gzip")]
    layout = LAYOUTS[delivery.get("layout", "dated")]
    transformed = "transform" in config["archive"]
    assert s3["prefix"] == (layout.prefix_of_transformed if transformed else layout.prefix)
    queries = [
        parameter["parameterValue"]
        for processor in s3["processingConfiguration"]["processors"]
        for parameter in processor["parameters"]
        if parameter["parameterName"] == "MetadataExtractionQuery"
    ]
    served = {region for application in config["applications"] for region in application["regions"]}
    query = layout.query(config["archive"]["account"], sorted(served | {config["archive"]["region"]}))
    assert queries == ([query] if query and not transformed else [])
    assert s3.get("dynamicPartitioningConfiguration") == ({"enabled": True} if layout.partitioned_by else None)


@topologies
def test_a_transform_gets_the_original_records_and_its_settings(config: dict[str, Any]) -> None:
    graph, given = record(config), config["archive"].get("transform")
    wanted = {"code": given} if isinstance(given, str) else given
    stream = graph.one("FirehoseDeliveryStream")
    s3 = stream.inputs["extendedS3Configuration"]
    processors = {each["type"]: each["parameters"] for each in s3["processingConfiguration"]["processors"]}
    functions = [each.inputs for each in graph.of_type("Function") if each.name == "archive-transform"]
    if wanted is None:
        assert "Lambda" not in processors
        assert not functions
        assert s3["s3BackupMode"] == "Disabled"
        first = "extendedS3Configuration.processingConfiguration.processors[0]"
        assert stream.replace_on_changes == ["extendedS3Configuration.s3BackupMode", first]
        assert next(iter(processors)) == "Decompression"
        return
    parameters = {each["parameterName"]: each["parameterValue"] for each in processors["Lambda"]}
    assert list(processors) == ["Lambda"]
    assert parameters.get("NumberOfRetries", "3") == str(wanted.get("retries", 3))
    assert not {("NumberOfRetries", "3"), ("BufferSizeInMBs", "1"), ("BufferIntervalInSeconds", "60")} & set(
        parameters.items()
    )
    assert s3["s3BackupMode"] == ("Enabled" if wanted.get("backup") else "Disabled")
    assert stream.replace_on_changes == ([] if wanted.get("backup") else ["extendedS3Configuration.s3BackupMode"])
    (delivery,) = (p for p in graph.of_type("RolePolicy") if p.name == "archive-delivery-policy")
    called = [s["Resource"] for s in json.loads(delivery.inputs["policy"])["Statement"] if s["Sid"] == "Transform"]
    assert called == [parameters["LambdaArn"]]
    if wanted["code"].startswith("arn:"):
        assert parameters["LambdaArn"] == wanted["code"]
        assert not functions
        return
    (function,) = functions
    assert parameters["LambdaArn"].endswith(":function:archive-transform-1234567:$LATEST")
    assert function["memorySize"] == wanted.get("memoryMiB", 512)
    assert function["timeout"] == wanted.get("timeoutSeconds", 60)
    layout = LAYOUTS[config["archive"].get("delivery", {}).get("layout", "dated")]
    served = {region for application in config["applications"] for region in application["regions"]}
    assert function["environment"]["variables"] == {
        "ARCHIVE_ACCOUNT": config["archive"]["account"],
        "REGIONS": ",".join(sorted(served | {config["archive"]["region"]})),
        **({"PARTITION_KEYS": ",".join(layout.partitioned_by)} if layout.partitioned_by else {}),
    }
    (sender,) = (p for p in graph.of_type("RolePolicy") if p.name == "archive-sender-policy")
    (policy,) = (p for p in graph.of_type("RolePolicy") if p.name == "archive-transform-policy")
    assert policy.urn in sender.dependencies


@topologies
def test_the_archives_own_log_groups_go_straight_to_the_stream_with_the_sender_role(config: dict[str, Any]) -> None:
    graph, archive = record(config), config["archive"]
    own = [g if isinstance(g, dict) else {"name": g} for g in archive.get("ownLogGroups", [])]
    made = filters_of(graph, "CentralLogArchive")
    assert {f.inputs["logGroup"]: f.inputs["filterPattern"] for f in made} == {
        group["name"].replace("*", "1"): group.get("filterPattern", "") for group in own
    }
    (policy,) = (p for p in graph.of_type("RolePolicy") if p.name == "archive-sender-policy")
    for subscription in made:
        assert graph.place_of(subscription) == (archive["account"], archive["region"])
        assert f":firehose:{archive['region']}:{archive['account']}:" in subscription.inputs["destinationArn"]
        assert subscription.inputs["roleArn"].endswith(":role/CWLtoKinesisFirehoseRole")
        assert policy.urn in subscription.dependencies
        assert subscription.delete_before_replace


@topologies
def test_every_account_and_region_that_sends_has_alarms_that_notify_the_topic_of_its_region(
    config: dict[str, Any],
) -> None:
    graph, archive = record(config), config["archive"]
    home = (archive["account"], archive["region"])
    senders = {(account, region) for account, region, _ in subscribed(config)}
    alarms = graph.of_type("MetricAlarm")
    assert bool(alarms) is ("alarms" in archive)
    dashboards = {"archive-dashboard": "alarms", "archive-widgets": "analysis"}
    assert {each.name for each in graph.of_type("Dashboard")} == {
        name for name, key in dashboards.items() if key in archive
    }
    if not alarms:
        assert not graph.of_type("Topic")
        return
    places = Counter(graph.place_of(alarm) for alarm in alarms)
    abroad = {(archive["account"], region) for _, region in senders} - {home}
    assert {place: number for place, number in places.items() if place != home} == {
        **dict.fromkeys(abroad, 1),
        **dict.fromkeys(senders, 4),
    }
    topics = {region: f"arn:aws:sns:{region}:{archive['account']}:archive-alarms-{region}-1234567"
              for region in {region for _, region in senders} | {archive["region"]}}  # fmt: skip
    for alarm in alarms:
        topic = (topics if archive["alarms"] == "create" else archive["alarms"])[graph.place_of(alarm)[1]]
        assert alarm.inputs["alarmActions"] == alarm.inputs["okActions"] == [topic]
    of_archive = {alarm.name.removeprefix("archive-alarm-") for alarm in alarms if graph.place_of(alarm) == home}
    transform, delivery = archive.get("transform"), archive.get("delivery", {})
    backup = isinstance(transform, dict) and transform.get("backup", False)
    assert of_archive == (
        {"late", "not-written", "throttled", "near-limit", f"changed-{archive['region']}"}
        | ({"not-transformed", "function"} if transform else {"not-unpacked"})
        | ({"too-many-partitions"} if LAYOUTS[delivery.get("layout", "dated")].partitioned_by else set())
        | ({"key"} if keys_of(config)["stream"] else set())
        | ({"no-originals"} if backup else set())
        | ({"delivery-errors", "delivery-throttling"} if "ownLogGroups" in archive else set())
    )
    for policy in graph.of_type("TopicPolicy"):
        assert policy.inputs["arn"] == topics[graph.place_of(policy)[1]]
    assert len(graph.of_type("TopicPolicy")) == (len(topics) if archive["alarms"] == "create" else 0)


@topologies
def test_queries_read_every_account_and_region_of_the_stack_and_write_their_results_elsewhere(
    config: dict[str, Any],
) -> None:
    graph, analysis = record(config), config["archive"].get("analysis")
    assert bool(graph.of_type("Workgroup")) is (analysis is not None)
    assert ("analysis" in graph.outputs) is (analysis is not None)
    if analysis is None:
        assert not graph.of_type("CatalogTable")
        return
    wanted = {} if analysis is True else analysis
    tables = {table.inputs["name"]: table.inputs for table in graph.of_type("CatalogTable")}
    layout = config["archive"].get("delivery", {}).get("layout", "dated")
    records = tables.pop(f"records_{layout.replace('-', '_')}")
    bucket = graph.one("FirehoseDeliveryStream").inputs["extendedS3Configuration"]["bucketArn"].rpartition(":")[2]
    assert records["storageDescriptor"]["location"] == f"s3://{bucket}/logs/"
    assert [key["name"] for key in records["partitionKeys"]] == list(LAYOUTS[layout].parts)
    assert tables.keys() == {"events", "waf"}
    if LAYOUTS[layout].partitioned_by:
        read = {name: records["parameters"][f"projection.{name}.values"].split(",") for name in ("account", "region")}
        senders = {application["account"] for application in config["applications"]}
        assert set(read["account"]) >= senders | set(wanted.get("accounts", [])) | {"other"}
        assert set(read["region"]) >= {region for each in config["applications"] for region in each["regions"]}
    settings = graph.one("Workgroup").inputs["configuration"]
    assert settings["enforceWorkgroupConfiguration"]
    assert settings["bytesScannedCutoffPerQuery"] == wanted.get("scanLimitGiB", 100) * 2**30
    assert settings["resultConfiguration"]["outputLocation"] == "s3://archive-results-1234567/"
    assert graph.outputs["analysis"]["reuseMinutes"] == wanted.get("reuseMinutes", 15)


@topologies
def test_an_existing_bucket_receives_events_but_no_settings(config: dict[str, Any]) -> None:
    graph, existing = record(config), config["archive"].get("existingBucket")
    made = [r for r in graph.resources if r.type.startswith("aws:s3/") and not r.name.startswith("archive-results")]
    assert bool(made) is (existing is None)
    arn = graph.one("FirehoseDeliveryStream").inputs["extendedS3Configuration"]["bucketArn"]
    assert arn == "arn:aws:s3:::" + ("archive-bucket-1234567" if existing is None else "existing-bucket")
    cross_account = isinstance(existing, dict) and existing["account"] != config["archive"]["account"]
    assert ("requiredBucketPolicy" in graph.outputs) is cross_account


@topologies
def test_each_key_encrypts_what_the_stack_file_says_and_each_role_may_use_that_of_its_own_work_only(
    config: dict[str, Any],
) -> None:
    graph, keys = record(config), keys_of(config)
    stream = graph.one("FirehoseDeliveryStream").inputs
    rules = [
        r.inputs["rules"][0]
        for r in graph.of_type("BucketServerSideEncryptionConfiguration")
        if not r.name.startswith("archive-results")
    ]
    groups = [g for g in graph.of_type("LogGroup") if g.parent.split("::")[2].endswith("CentralLogArchive")]
    assert stream["serverSideEncryption"].get("keyArn") == keys["stream"]
    assert stream["extendedS3Configuration"].get("kmsKeyArn") == keys["objects"]
    assert len(rules) == ("existingBucket" not in config["archive"])
    assert {rule["applyServerSideEncryptionByDefault"].get("kmsMasterKeyId") for rule in rules} <= {keys["objects"]}
    assert {rule["bucketKeyEnabled"] for rule in rules} <= {keys["objects"] is not None}
    encrypted = [group for group in groups if group.inputs.get("name") != CHANGES_LOG_GROUP]  # which any region has
    assert {group.inputs.get("kmsKeyId") for group in encrypted} == {keys["logGroups"]}
    used = {
        policy.name: [
            s["Resource"]
            for s in json.loads(policy.inputs["policy"])["Statement"]
            if "kms:" in str(s["Action"]) and "kms:Sign" not in s["Action"]
        ]
        for policy in graph.of_type("RolePolicy")
        if policy.name.startswith("archive-")
    }
    of_role = {
        "archive-delivery-policy": "objects",
        "archive-sender-policy": "stream",
        "archive-transform-policy": "stream",
    }
    for name, resources in used.items():
        assert set(resources) == ({key} if (key := keys[of_role.get(name, "objects")]) else set())
    made = [key for key in graph.of_type("Key") if key.name != "archive-signing-key"]
    assert len(made) == any(str(key).endswith("archive-key-1234567") for key in keys.values())
    assert all(each.inputs["enableKeyRotation"] for each in made)


@settings(max_examples=200)  # nothing is registered, so one is cheap
@given(broken=broken_stacks())
def test_a_mistake_anywhere_is_reported_with_its_path_and_nothing_is_registered(
    broken: tuple[dict[str, Any], str],
) -> None:
    config, path = broken
    graph = Graph()
    with pytest.raises(pulumi.RunError) as error:
        recorder.record(config, into=graph)
    first, *lines = str(error.value).splitlines()
    assert first.startswith("Pulumi.test.yaml has ")
    assert any(line.startswith(f"  {path}") for line in lines)
    assert not [line for line in lines if "function-" in line or "literal[" in line or "pydantic" in line]
    assert graph.resources == []


@topologies
def test_no_rule_is_violated(config: dict[str, Any]) -> None:
    assert violations(facts_of(record(config), config)) == []


@topologies
def test_the_boundary_allows_all_that_the_policies_of_the_archives_roles_allow(config: dict[str, Any]) -> None:
    graph = record(config)
    assert policies_of_roles(graph)
    assert list(exceeding(graph, boundary_of(config))) == []
