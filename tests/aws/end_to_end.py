"""What the sandbox cannot show: that AWS does what the program relies on. ``make test-aws`` runs this file.

Its name keeps it out of what pytest collects by itself. Each test brings the topology to the state that it needs, from
any other, so each can run alone (``-k``). The text of a test says which question it settles.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NoReturn

import pytest

from accounts.session import AWS_ERRORS
from tests.aws.environment import VariablesError, new_run, read
from tests.aws.leftovers import collisions, delete_versions, find, remove
from tests.aws.progress import report, wait_for
from tests.aws.topology import STACK_TAG, Source, Topology, delivery
from topology.names import auto_filter_name, filter_name

EVERYTHING = {
    "key": "create",
    "alarms": "create",
    "transform": {"code": "bundled", "backup": True},
    "delivery": delivery("partitioned-by-group"),
}
"""Every option of an archive that costs no more than cents for an hour."""


@pytest.fixture(scope="module")
def topology(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Topology]:
    """The stacks of this run. At the end they are destroyed, and nothing may be left."""
    try:
        environment = read(os.environ)
        if shutil.which("pulumi") is None:
            refuse("there is no pulumi on PATH; install it (https://www.pulumi.com/docs/install)")
        if in_the_way := collisions(environment):
            refuse(
                "another stack, or an aborted run (make sweep-aws), uses names that the program fixes; choose other "
                "regions",
                *in_the_way,
            )
    except (VariablesError, *AWS_ERRORS) as error:
        refuse(str(error))
    run = new_run(environment, datetime.now(UTC))
    report(f"run {run}")
    running = Topology(environment, run, tmp_path_factory.mktemp("aws"))
    failure = ""
    try:
        for source in [*running.senders, running.central]:
            running.create_log_group(source)
        yield running
    finally:
        try:
            running.destroy()
        except AssertionError as error:
            failure = str(error)
        for source in [*running.senders, running.central]:
            running.delete_log_group(source)
        left = [each for each in find(environment) if each.run == run]
        report(f"{len(left)} resources of {run} are left")
    listed = "\n  ".join(f"{each.account}, {each.region}: {each.kind} {each.name}" for each in left)
    if left or failure:
        pytest.fail(
            f"left by the run; to remove it: make sweep-aws ARGS='--run {run} --remove'\n  {listed}\n{failure}",
            pytrace=False,
        )


def refuse(*lines: str) -> NoReturn:
    """End the session before anything is created."""
    pytest.exit("\n  ".join(["the tests on AWS cannot run, and nothing was touched:", *lines]), returncode=2)


def test_every_account_and_region_delivers(topology: Topology) -> None:
    """Does the smallest topology work, with the permissions of the bootstrap?

    Settles the conditions of ``iam:PassRole`` (that Firehose names itself, and CloudWatch Logs itself or nothing),
    delivery between regions, and the trust policy of the sender role, without which nothing can be created or
    delivered.
    """
    topology.up()
    patience = str(topology.environment.patience_seconds)
    topology.ops("verify", "--stack", topology.stacks[1], "--timeout", patience)
    sources = [*topology.senders, topology.central]
    topology.expect([topology.write(source) for source in sources], "an event of each log group arrives")


def test_every_option_delivers_and_a_refresh_finds_no_difference(topology: Topology) -> None:
    """Do the options work on AWS, and does AWS return what the program gave it?

    Settles ``kms:ViaService`` where the sender role puts records into a stream with a key, a new key's permissions by
    tag right after CreateKey, DescribeAlarms on ``*``, the invocation with a qualifier by ``autoSubscribe``, and that a
    transform's partitions become prefixes.
    """
    topology.up(EVERYTHING, {"logGroups": [topology.group("app"), topology.group("c*")], "autoSubscribe": True})
    tokens = {topology.write(source): source for source in topology.senders}
    arrived = topology.expect(list(tokens), "an event of each log group arrives, encrypted and transformed")
    for token, (account, region, group) in tokens.items():
        assert f"account={account}/region={region}/group={group.replace('/', '_')}/" in arrived[token]
    for stack in topology.stacks:
        topology.pulumi("preview", "--refresh", "--expect-no-changes", "--diff", "--stack", stack)


def test_the_function_subscribes_what_matches_and_unsubscribes_it_when_it_goes(topology: Topology) -> None:
    """Does the function of ``autoSubscribe`` run at the first ``up`` and at the last?

    Log groups that are created later are not tested: AWS reports them where a CloudTrail trail exists, which the test's
    accounts need not have.
    """
    later = [(account, region, topology.group("later")) for account, region in topology.environment.places]
    for source in later:
        topology.create_log_group(source)
    try:
        topology.up(region={"logGroups": [topology.group("l*")], "autoSubscribe": True})
        assert [filters(topology, source) for source in later] == [[auto_filter_name(region)] for _, region, _ in later]
        topology.expect([topology.write(source) for source in later], "an event of each new log group arrives")
        topology.up()
        assert [filters(topology, source) for source in later] == [[]] * len(later)
    finally:
        for source in later:
            topology.delete_log_group(source)


def test_no_event_is_lost_while_the_layout_changes_to_another_stream_and_back(topology: Topology) -> None:
    """Does CloudWatch Logs find a stream that it may write to at every moment of a replacement, and deliver all events?

    Firehose can neither start nor stop to partition an existing stream, so each change replaces it under load. What a
    replaced stream has buffered arrives only if the stream is retained, as it is by default. The central account's own
    log groups are left out: their filters lead to the stream itself and are replaced with it, which leaves a gap.
    """
    topology.up(retain=True)
    sources = topology.senders
    topology.expect([topology.write(source) for source in sources], "an event of each log group arrives before")
    for layout in ("partitioned", "dated"):
        with topology.writing(sources) as written:
            wait_for("the first events", lambda: len(written) > len(sources), seconds=60)
            topology.up({"delivery": delivery(layout)}, retain=True)
        topology.expect(written, f"all that was written while the layout became {layout} arrives")
    topology.up()
    for each in find(topology.environment):
        if (each.run, each.kind) == (topology.run, "stream") and each.name != topology.output("stream"):
            assert remove(topology.environment, each) is None


def test_events_of_an_account_that_is_turned_out_stop_and_those_of_others_do_not(topology: Topology) -> None:
    """Does the archive alone decide who may send, also while the sender's filters are still there?

    Settles whether CloudWatch Logs checks the destination's policy and the sender role's trust at delivery, and not
    only when a filter is created; and whether it counts what is denied in the metric of the sender's alarm.
    """
    watched_archive = {"alarms": "create"}
    topology.up(watched_archive)
    out, *others = topology.environment.application_accounts
    leaves, stays = (next(source for source in topology.senders if source[0] == each) for each in (out, others[0]))
    topology.expect([topology.write(leaves), topology.write(stays)], "an event of each account arrives before")
    topology.up_archive({**watched_archive, "senders": {"accounts": others}})
    patience = topology.environment.patience_seconds

    def is_kept_out() -> bool:
        """Whether an event is still not there when two later ones of the other account are: the stream is the same."""
        refused = topology.write(leaves)
        for _ in range(2):
            topology.expect([topology.write(stays)], "an event of the account that may still send arrives")
        return refused not in topology.arrived()

    wait_for("an event of the account that was turned out to be kept out", is_kept_out, seconds=patience)
    account, region, _ = leaves
    watched = topology.client("cloudwatch", account, region)

    def rings() -> bool:
        alarms = watched.describe_alarms(AlarmNames=["central-log-archive-delivery-errors"])["MetricAlarms"]
        return [alarm["StateValue"] for alarm in alarms] == ["ALARM"]

    wait_for("the alarm of the account that was turned out", rings, seconds=patience)
    topology.up(watched_archive)
    written: list[str] = []

    def is_back() -> bool:
        written.append(topology.write(leaves))
        return not topology.arrived().keys().isdisjoint(written)

    wait_for("an event of the account, admitted again", is_back, seconds=patience)


def test_a_policy_for_all_log_groups_delivers_under_the_name_that_alarms_watch(topology: Topology) -> None:
    """Does an account policy subscribe log groups that are created later, and which ``FilterName`` do its metrics have?

    The pattern of the policy keeps out all events but those of the run: nothing else in the account is archived.
    """
    topology.up(region={"logGroups": [topology.group("app")], "all": {"filterPattern": f'"{topology.run}"'}})
    account, region = topology.environment.places[0]
    source = account, region, topology.group("future")
    topology.create_log_group(source)
    patience = topology.environment.patience_seconds
    written: list[str] = []
    watched = topology.client("cloudwatch", account, region)

    def arrives() -> bool:
        written.append(topology.write(source))
        return not topology.arrived().keys().isdisjoint(written)

    def metrics() -> list[dict[str, str]]:
        found = watched.list_metrics(
            Namespace="AWS/Logs",
            MetricName="ForwardedLogEvents",
            Dimensions=[{"Name": "FilterName", "Value": filter_name(region)}],
        )["Metrics"]
        dimensions = [{each["Name"]: each["Value"] for each in metric["Dimensions"]} for metric in found]
        return [each for each in dimensions if each.get("LogGroupName") != topology.group("app")]

    try:
        wait_for("an event of a log group that was created after the policy", arrives, seconds=patience)
        wait_for("a metric of the policy with the FilterName that alarms watch", metrics, seconds=patience)
    finally:
        topology.delete_log_group(source)


def test_decompression_cannot_be_enabled_on_a_stream_that_has_no_function(topology: Topology) -> None:
    """Does UpdateDestination reject what the Firehose guide has in several steps?

    "Enable decompression on an existing stream" has Lambda processing enabled first. If this test fails, AWS accepts it
    in one call, and adoption of a stream without a function can be simpler.
    """
    topology.up()
    firehose = topology.client(
        "firehose",
        topology.environment.central_account,
        topology.environment.home,
        role=topology.environment.deployer_role,
    )
    described = firehose.describe_delivery_stream(DeliveryStreamName=topology.output("stream"))
    (current,) = described["DeliveryStreamDescription"]["Destinations"]
    settings = current["ExtendedS3DestinationDescription"]
    plain = {"Name": f"archive-stream-{topology.run}", "Tags": [{"Key": STACK_TAG, "Value": topology.run}]}
    firehose.create_delivery_stream(
        DeliveryStreamName=plain["Name"],
        ExtendedS3DestinationConfiguration={key: settings[key] for key in ("RoleARN", "BucketARN")},
        Tags=plain["Tags"],
    )

    def active() -> dict[str, Any] | None:
        stream: dict[str, Any] = firehose.describe_delivery_stream(DeliveryStreamName=plain["Name"])[
            "DeliveryStreamDescription"
        ]
        return stream if stream["DeliveryStreamStatus"] == "ACTIVE" else None

    try:
        stream = wait_for("a stream without processing", active, seconds=topology.environment.patience_seconds)
        assert stream is not None
        with pytest.raises(firehose.exceptions.InvalidArgumentException):
            firehose.update_destination(
                DeliveryStreamName=plain["Name"],
                CurrentDeliveryStreamVersionId=stream["VersionId"],
                DestinationId=stream["Destinations"][0]["DestinationId"],
                ExtendedS3DestinationUpdate={"ProcessingConfiguration": settings["ProcessingConfiguration"]},
            )
    finally:
        firehose.delete_delivery_stream(DeliveryStreamName=plain["Name"])


def test_events_arrive_in_a_bucket_whose_objects_are_locked(topology: Topology) -> None:
    """Does Firehose put objects where Object Lock requires a checksum of each?

    The lock is set beside the program, which rejects one in a stack that leaves nothing behind.
    """
    topology.up()
    s3 = topology.client("s3", topology.environment.central_account, topology.environment.home)
    lock: dict[str, Any] = {"ObjectLockEnabled": "Enabled"}
    retention = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    s3.put_object_lock_configuration(Bucket=topology.bucket, ObjectLockConfiguration={**lock, "Rule": retention})
    try:
        sources = [*topology.senders, topology.central]
        topology.expect([topology.write(source) for source in sources], "an event of each log group is locked")
    finally:
        s3.put_object_lock_configuration(Bucket=topology.bucket, ObjectLockConfiguration=lock)
        delete_versions(s3, topology.bucket)


def filters(topology: Topology, source: Source) -> list[str]:
    """Return the names of the subscription filters of a log group."""
    account, region, group = source
    found = topology.client("logs", account, region).describe_subscription_filters(logGroupName=group)
    return [each["filterName"] for each in found["subscriptionFilters"]]
