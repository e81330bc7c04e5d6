"""How an existing archive is adopted: its stack file, what the first update changes, and what is imported."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.inventory import Subscription
from accounts.stream import Stream
from ops.adopt.bootstrap import OWN_ROLE, commands, needed
from ops.adopt.existing_archive import Destination, ExistingArchive
from ops.adopt.leftovers import Leftover
from ops.adopt.plan import changes, import_ids, left, leftovers, stack_config
from ops.errors import OperatorError
from topology.settings import Archive, load

CENTRAL, SHOP, BANK = "111111111111", "222222222222", "333333333333"
FUNCTION = f"arn:aws:lambda:eu-west-1:{CENTRAL}:function:mine"
STREAM = Stream(
    name="waf-logs",
    arn=f"arn:aws:firehose:eu-west-1:{CENTRAL}:deliverystream/waf-logs",
    bucket="company-logs",
    role=f"arn:aws:iam::{CENTRAL}:role/FirehosetoS3Role",
    prefix="",
    extension="",
    time_zone="UTC",
    compression="UNCOMPRESSED",
    buffer_mib=5,
    buffer_seconds=300,
    processors={"Decompression": {}},
    partitioned=False,
    backup=False,
    converts=False,
    object_key=None,
    key=None,
    error_log_group=None,
)


def policy(*accounts: str, organization: str | None = None) -> str:
    statements: list[dict[str, Any]] = []
    if accounts:
        statements.append({"Effect": "Allow", "Principal": {"AWS": list(accounts)}})
    if organization:
        condition = {"StringEquals": {"aws:PrincipalOrgID": organization}}
        statements.append({"Effect": "Allow", "Principal": {"AWS": "*"}, "Condition": condition})
    return json.dumps({"Statement": statements})


def destination(region: str, admits: str, role: str = "role/CWLtoFirehose") -> Destination:
    arn = f"arn:aws:logs:{region}:{CENTRAL}:destination:waf"
    return Destination("waf", arn, STREAM.arn, f"arn:aws:iam::{CENTRAL}:{role}", admits)


def to(region: str, name: str = "MyFilter", pattern: str = "", **more: Any) -> Subscription:  # noqa: ANN401
    return Subscription(name, f"arn:aws:logs:{region}:{CENTRAL}:destination:waf", filter_pattern=pattern, **more)


FOUND = ExistingArchive(
    account=CENTRAL,
    region="eu-west-1",
    deployer_role="central-log-archive-deployer",
    stream=STREAM,
    destinations={"eu-west-1": destination("eu-west-1", policy(SHOP))},
    own_filters={},
    filters={SHOP: {"eu-west-1": {"waf": [to("eu-west-1")]}}},
)


def archive_of(found: ExistingArchive) -> dict[str, Any]:
    archive: dict[str, Any] = stack_config(found)["archive"]
    return archive


def settings_of(found: ExistingArchive, **edited: Any) -> Archive:  # noqa: ANN401 - keys of a stack file
    """The archive as the stack file describes it, which may have been edited; a key that is None is removed."""
    config = stack_config(found)
    archive = {key: value for key, value in {**config["archive"], **edited}.items() if value is not None}
    loaded = load({key: json.dumps(value) for key, value in {**config, "archive": archive}.items()}, "test").archive
    assert loaded is not None
    return loaded


def changes_of(found: ExistingArchive, **edited: Any) -> list[str]:  # noqa: ANN401 - keys of a stack file
    return list(changes(found, settings_of(found, **edited)))


def left_of(found: ExistingArchive, **edited: Any) -> list[str]:  # noqa: ANN401 - keys of a stack file
    return list(left(found, settings_of(found, **edited)))


def with_stream(**changed: Any) -> ExistingArchive:  # noqa: ANN401 - fields of a stream
    return replace(FOUND, stream=replace(STREAM, **changed))


def test_the_stack_file_has_the_names_and_delivery_settings_of_the_archive() -> None:
    assert stack_config(FOUND) == {
        "archive": {
            "account": CENTRAL,
            "region": "eu-west-1",
            "destinationRegions": ["eu-west-1"],
            "senders": {"accounts": [SHOP]},
            "senderRoleName": OWN_ROLE,
            "streamName": "waf-logs",
            "destinationNames": {"eu-west-1": "waf"},
            "existingBucket": "company-logs",
            "delivery": {"bufferMiB": 5, "bufferSeconds": 300, "compression": "none", "layout": "dated"},
        },
        "applications": [{"account": SHOP, "regions": {"eu-west-1": {"logGroups": ["waf"]}}}],
    }


@pytest.mark.parametrize(
    ("filters", "entry"),
    [
        ([to("eu-west-1")], "waf"),
        ([to("eu-west-1", pattern="ERROR")], {"name": "waf", "filterPattern": "ERROR"}),
        (
            [to("eu-west-1", emit_system_fields=("@aws.region", "@aws.account"))],
            {"name": "waf", "emitSystemFields": ["@aws.account", "@aws.region"]},
        ),
        ([to("eu-west-1", "a", "ERROR"), to("eu-west-1", "b")], "waf"),
        ([to("eu-west-1", "b", "WARN"), to("eu-west-1", "a", "ERROR")], {"name": "waf", "filterPattern": "ERROR"}),
    ],
)
def test_an_entry_matches_the_same_events_as_the_filter(filters: list[Subscription], entry: object) -> None:
    found = replace(FOUND, filters={SHOP: {"eu-west-1": {"waf": filters}}}, own_filters={"waf": filters})
    assert stack_config(found)["applications"][0]["regions"]["eu-west-1"]["logGroups"] == [entry]
    assert archive_of(found)["ownLogGroups"] == [entry]


@pytest.mark.parametrize(
    ("compression", "processors", "taken"),
    [
        ("UNCOMPRESSED", {}, "gzip"),
        ("UNCOMPRESSED", {"Decompression": {}}, "none"),
        ("UNCOMPRESSED", {"Lambda": {"LambdaArn": FUNCTION}}, "none"),
        ("GZIP", {}, "gzip"),
        ("Snappy", {"Decompression": {}}, "snappy"),
        ("ZIP", {}, "gzip"),
        ("HADOOP_SNAPPY", {"Decompression": {}}, "gzip"),
    ],
)
def test_objects_stay_as_small_as_they_are(compression: str, processors: dict[str, Any], taken: str) -> None:
    found = with_stream(compression=compression, processors=processors)
    assert archive_of(found)["delivery"]["compression"] == taken


@pytest.mark.parametrize(
    ("parameters", "backup", "taken"),
    [
        ({"LambdaArn": FUNCTION}, False, {"code": f"{FUNCTION}:$LATEST"}),
        ({"LambdaArn": f"{FUNCTION}:7"}, True, {"code": f"{FUNCTION}:7", "backup": True}),
        ({"LambdaArn": f"{FUNCTION}:live", "NumberOfRetries": "0"}, False, {"code": f"{FUNCTION}:live", "retries": 0}),
    ],
)
def test_a_function_stays_the_transform(parameters: dict[str, str], taken: dict[str, Any], *, backup: bool) -> None:
    found = with_stream(processors={"Lambda": parameters}, backup=backup)
    assert archive_of(found)["transform"] == taken
    assert archive_of(found)["streamName"] == "waf-logs"


@pytest.mark.parametrize("processors", [{"Decompression": {}}, {"Lambda": {"LambdaArn": FUNCTION}}])
def test_a_partitioned_stream_stays_partitioned(processors: dict[str, Any]) -> None:
    found = with_stream(partitioned=True, processors=processors, buffer_mib=64)
    assert archive_of(found)["delivery"]["layout"] == "partitioned"
    by = "Lambda" if "Lambda" in processors else "Query"
    assert any(f"!{{partitionKeyFrom{by}:account}}" in line for line in changes_of(found))


def test_another_deployer_role_is_that_of_every_account() -> None:
    config = stack_config(replace(FOUND, deployer_role="deployer"))
    assert [each["deployerRole"] for each in (config["archive"], *config["applications"])] == ["deployer"] * 2


SAYS_WHEN = "python -m ops retire says when nothing uses it, and how to delete it"


@pytest.mark.parametrize("changed", [{"backup": True}, {"converts": True}, {"processors": {}}])
def test_a_stream_that_cannot_be_updated_in_place_is_replaced_by_a_new_one(changed: dict[str, Any]) -> None:
    found = with_stream(**changed)
    assert "streamName" not in archive_of(found)
    assert f"the stream {STREAM.arn}: {SAYS_WHEN}" in left_of(found)
    assert "archive-stream" not in adopted(found)


@pytest.mark.parametrize(
    ("stream", "archive", "why"),
    [
        ({"processors": {}}, {}, "does not decompress records"),
        ({"processors": {"Lambda": {"LambdaArn": FUNCTION}}}, {}, "does not decompress records"),
        ({"backup": True}, {}, "has a backup without a transform"),
        ({"converts": True}, {"transform": "bundled"}, "converts records"),
        ({}, {"delivery": {"layout": "partitioned"}}, "does not partition records, unlike the layout"),
        ({"partitioned": True}, {}, "partitions records, unlike the layout"),
        ({"processors": {}}, {"transform": "bundled"}, None),
        ({"backup": True}, {"transform": {"code": "bundled", "backup": True}}, None),
    ],
)
def test_a_stack_file_that_names_a_stream_which_cannot_be_updated_in_place_is_rejected(
    stream: dict[str, Any], archive: dict[str, Any], why: str | None
) -> None:
    found = with_stream(**stream)
    config = {key: value for key, value in archive_of(FOUND).items() if key != "transform"}
    edited = load({"archive": json.dumps({**config, **archive})}, "test").archive
    assert edited is not None
    if why is None:
        assert import_ids(found, edited)["archive-stream"] == STREAM.arn
        return
    with pytest.raises(OperatorError, match=f"the stream waf-logs {why}, which requires a new .*; remove archive.str"):
        import_ids(found, edited)


def test_destinations_get_a_role_of_their_own_and_the_old_ones_stay_as_they_are() -> None:
    found = replace(
        FOUND,
        destinations={
            "ap-south-1": destination("ap-south-1", policy(SHOP), "role/Other"),
            "eu-west-1": destination("eu-west-1", policy(SHOP), "role/service-role/CWLtoFirehose"),
        },
    )
    assert archive_of(found)["senderRoleName"] == OWN_ROLE
    iam = f"arn:aws:iam::{CENTRAL}:role"
    old = [f"{iam}/Other", f"{iam}/service-role/CWLtoFirehose"]
    assert f"destinations use the role {iam}/{OWN_ROLE} instead of {', '.join(old)}" in changes_of(found)
    assert [f"the role {each}: {SAYS_WHEN}" for each in old] == [
        line for line in left_of(found) if "CWL" in line or "Oth" in line
    ]
    assert "archive-sender-role" not in adopted(found)


def test_a_role_that_other_destinations_use_too_is_not_taken_away_from_them() -> None:
    shared = f"arn:aws:iam::{CENTRAL}:role/CWLtoFirehose"
    found = replace(FOUND, others={("us-east-1", "siem"): shared, ("us-west-2", "lake"): f"{shared}2"})
    with pytest.raises(OperatorError, match=r"use the role CWLtoFirehose too, .*: siem in us-east-1; use central-log-"):
        import_ids(found, settings_of(found, senderRoleName="CWLtoFirehose"))
    assert import_ids(found, settings_of(found))
    assert import_ids(FOUND, settings_of(FOUND, senderRoleName="CWLtoFirehose"))


@pytest.mark.parametrize(
    ("policies", "senders", "change"),
    [
        ((policy(SHOP), policy(SHOP)), {"accounts": [SHOP]}, None),
        ((policy(SHOP), policy(BANK)), {"accounts": [SHOP, BANK]}, f"every destination admits {SHOP}, {BANK}"),
        (
            (policy(SHOP, organization="o-exampleorg1"), policy(SHOP, organization="o-exampleorg1")),
            {"accounts": [SHOP], "organization": "o-exampleorg1"},
            None,
        ),
        ((policy(SHOP, CENTRAL), policy(SHOP)), {"accounts": [SHOP]}, None),
        (
            (policy(organization="o-exampleorg1"), policy(organization="o-exampleorg1")),
            {"organization": "o-exampleorg1"},
            None,
        ),
        ((policy("*"), policy("*")), {"accounts": [SHOP]}, f"only {SHOP} can subscribe instead of every AWS account"),
        (
            (policy(SHOP), '{"Statement": {"Effect": "Allow", "Principal": "*"}}'),
            {"accounts": [SHOP]},
            f"only {SHOP} can",
        ),
        (("", ""), {"accounts": [SHOP]}, f"every destination admits {SHOP}"),
    ],
)
def test_the_archive_admits_whom_its_destinations_admit(
    policies: tuple[str, str], senders: dict[str, Any], change: str | None
) -> None:
    regions = ("eu-west-1", "us-east-1")
    made = {region: destination(region, admits) for region, admits in zip(regions, policies, strict=True)}
    found = replace(FOUND, destinations=made)
    assert archive_of(found)["senders"] == senders
    assert [line for line in changes_of(found) if "admits" in line or "can subscribe" in line] == (
        [line for line in changes_of(found) if line.startswith(change)] if change else []
    )
    assert change is None or any(line.startswith(change) for line in changes_of(found))


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (
            replace(FOUND, destinations={
                "eu-west-1": destination("eu-west-1", policy(organization="o-exampleorg1")),
                "us-east-1": destination("us-east-1", policy(organization="o-exampleorg2")),
            }),
            "the destinations admit several organizations, and the program supports one: o-exampleorg1, o-exampleorg2",
        ),
        (
            replace(FOUND, destinations={"eu-west-1": destination("eu-west-1", "")}, filters={SHOP: {}}),
            "the destinations admit no account; name the sending accounts with --application",
        ),
    ],
)  # fmt: skip
def test_an_archive_whose_senders_no_stack_file_can_describe_is_rejected(found: ExistingArchive, why: str) -> None:
    with pytest.raises(OperatorError, match=f"^{why}"):
        stack_config(found)


def test_what_the_program_does_not_adopt_is_reported() -> None:
    found = replace(
        with_stream(error_log_group="/aws/kinesisfirehose/waf-logs", prefix="mine/"),
        account_policies=(f"account {SHOP}, region eu-west-1: the policy everything",),
        unread=("me-south-1 of the central account",),
    )
    assert left_of(found) == [
        "subscription filters, 1: events are archived twice until python -m ops retire deletes them",
        f"account {SHOP}, region eu-west-1: the policy everything, which subscribes all log groups there; delete it "
        "before you use all: true",
        f"the role {FOUND.destinations['eu-west-1'].role}: {SAYS_WHEN}",
        f"the role {STREAM.role}: {SAYS_WHEN}",
        f"the log group /aws/kinesisfirehose/waf-logs: {SAYS_WHEN}",
        "whatever is in me-south-1 of the central account: it could not be read",
    ]
    assert any(line.endswith("instead of mine/") for line in changes_of(found))


KEYS = [f"arn:aws:kms:eu-west-1:{CENTRAL}:key/{name}" for name in ("one", "two")]
PREFIX = (
    "the prefix of new objects is logs/date=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/ instead of YYYY/MM/DD/HH/"
)
NEW_ROLE = (
    f"the stream writes with a new role instead of {STREAM.role}: if a policy of the bucket names that role, allow "
    "archive-delivery-role-… there too"
)
OWN = (
    f"destinations use the role arn:aws:iam::{CENTRAL}:role/{OWN_ROLE} instead of "
    f"{FOUND.destinations['eu-west-1'].role}"
)
DECOMPRESSED = "objects hold decompressed records, one per line, instead of concatenated compressed ones"
BY_ACCOUNT = (
    "the prefix of new objects is logs/account=!{partitionKeyFromLambda:account}/"
    "region=!{partitionKeyFromLambda:region}/date=!{timestamp:yyyy-MM-dd}/ instead of mine/"
)


@pytest.mark.parametrize(
    ("stream", "changes"),
    [
        ({}, [PREFIX, NEW_ROLE]),
        ({"prefix": "logs/date=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/"}, [NEW_ROLE]),
        ({"key": KEYS[0]}, [PREFIX, NEW_ROLE]),
        ({"object_key": KEYS[0]}, [PREFIX, NEW_ROLE.replace("the bucket", "the bucket or of its key")]),
        (
            {"extension": ".json", "time_zone": "Europe/Berlin"},
            [
                PREFIX,
                "the times in prefixes are UTC instead of Europe/Berlin",
                "new objects have the extension of their compression instead of .json",
                NEW_ROLE,
            ],
        ),
        ({"compression": "ZIP"}, [PREFIX, "new objects are compressed as gzip instead of ZIP", NEW_ROLE]),
        (
            {"processors": {}},
            [
                "a new stream replaces waf-logs, which does not decompress records; all destinations are pointed at it",
                "to keep waf-logs instead, let it decompress records first, in AWS's order, and run this command again:"
                " add a function to it, enable decompression, remove the function",
                PREFIX,
                DECOMPRESSED,
                NEW_ROLE,
            ],
        ),
        ({"processors": {"Lambda": {"LambdaArn": FUNCTION}}, "backup": True}, [PREFIX, NEW_ROLE]),
        (
            {"processors": {"Decompression": {}, "CloudWatchLogProcessing": {}}},
            [
                PREFIX,
                "each line of an object is a record with its owner, log group and stream instead of a bare message",
                NEW_ROLE,
            ],
        ),
        (
            {"partitioned": True, "buffer_mib": 64, "prefix": "mine/"},
            [BY_ACCOUNT.replace("FromLambda", "FromQuery").replace("logs/", "!{partitionKeyFromQuery:root}/"),
             "old filters do not have their region in their name: what they send is under region=other, until python -m"
             " ops retire deletes them", NEW_ROLE],
        ),
        (
            {"processors": {"Lambda": {"LambdaArn": FUNCTION}}, "partitioned": True, "buffer_mib": 64,
             "prefix": "mine/"},
            [BY_ACCOUNT, NEW_ROLE, "the function has to return the partition keys account, region"],
        ),
        (
            {"converts": True, "backup": True, "processors": {}},
            [
                "a new stream replaces waf-logs, which converts records; all destinations are pointed at it",
                PREFIX,
                DECOMPRESSED,
                NEW_ROLE,
            ],
        ),
        (
            {"backup": True, "processors": {}},
            [
                "a new stream replaces waf-logs, which has a backup without a transform; all destinations are pointed "
                "at it",
                PREFIX,
                DECOMPRESSED,
                NEW_ROLE,
            ],
        ),
    ],
)  # fmt: skip
def test_what_the_first_update_changes_is_reported(stream: dict[str, Any], changes: list[str]) -> None:
    assert changes_of(with_stream(**stream)) == [*changes, OWN]


def test_the_report_follows_an_edited_stack_file() -> None:
    lines = changes_of(
        FOUND,
        streamName=None,
        delivery={"layout": "partitioned", "bufferMiB": 64, "compression": "snappy"},
        senders={"accounts": [SHOP, BANK]},
        senderRoleName="mine",
    )
    assert "a new stream replaces waf-logs; all destinations are pointed at it" in lines
    assert "new objects are compressed as snappy instead of UNCOMPRESSED" in lines
    assert f"every destination admits {SHOP}, {BANK}" in lines
    assert any(line.startswith("the prefix of new objects is !{partitionKeyFromQuery:root}/account=") for line in lines)
    assert any(line.startswith(f"destinations use the role arn:aws:iam::{CENTRAL}:role/mine") for line in lines)
    assert f"the stream {STREAM.arn}: {SAYS_WHEN}" in left_of(FOUND, streamName=None)
    assert f"the stream {STREAM.arn}: {SAYS_WHEN}" not in left_of(FOUND)


def test_after_the_update_nothing_of_the_program_is_a_change_or_left_over() -> None:
    own = f"arn:aws:iam::{CENTRAL}:role/archive-delivery-role-1234567"
    layout = "logs/date=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/"
    found = replace(
        with_stream(
            name="archive-stream-1234567", role=own, prefix=layout, error_log_group="archive-delivery-errors-1"
        ),
        destinations={"eu-west-1": destination("eu-west-1", policy(SHOP), f"role/{OWN_ROLE}")},
        filters={},
    )
    edited = settings_of(found, streamName=None)
    assert list(changes(found, edited)) == list(left(found, edited)) == []
    assert leftovers(found, edited) == []


def test_a_log_group_without_room_for_another_filter_keeps_its_own_and_is_left_out() -> None:
    groups = {"waf": [to("eu-west-1")], "app": [to("eu-west-1")]}
    found = replace(
        FOUND,
        filters={SHOP: {"eu-west-1": groups}, BANK: {"eu-west-1": {"app": [to("eu-west-1")]}}},
        own_filters=groups,
        full=frozenset({(SHOP, "eu-west-1", "waf"), (BANK, "eu-west-1", "app"), (CENTRAL, "eu-west-1", "app")}),
    )
    config = stack_config(found)
    assert config["archive"]["ownLogGroups"] == ["waf"]
    assert config["applications"] == [{"account": SHOP, "regions": {"eu-west-1": {"logGroups": ["app"]}}}]
    full = [line.partition(": the log group ") for line in left_of(found) if "AWS allows no more" in line]
    assert [(place, text.split()[0]) for place, _, text in full] == [
        (f"account {SHOP}, region eu-west-1", "waf"),
        (f"account {BANK}, region eu-west-1", "app"),
        ("the central account", "app"),
    ]
    assert all("docs/adopting.md#log-groups-without-room" in text for _, _, text in full)


def test_what_can_be_deleted_later_is_known_before_the_update() -> None:
    found = with_stream(processors={}, error_log_group="errors")
    assert leftovers(found, settings_of(found)) == [
        Leftover("stream", STREAM.arn),
        Leftover("role", FOUND.destinations["eu-west-1"].role),
        Leftover("role", STREAM.role),
        Leftover("log group", "errors"),
    ]


@pytest.mark.parametrize(
    ("stream", "bucket_key", "keys"),
    [
        ({}, None, None),
        ({"key": KEYS[0]}, None, {"stream": KEYS[0]}),
        ({"object_key": KEYS[0]}, None, {"objects": KEYS[0]}),
        ({}, KEYS[0], {"objects": KEYS[0]}),
        ({}, "one", {"objects": KEYS[0]}),  # a bucket may name its key by the ID
        ({"key": KEYS[0]}, KEYS[1], {"objects": KEYS[1], "stream": KEYS[0]}),
        ({"object_key": KEYS[0]}, KEYS[1], {"objects": KEYS[0]}),  # the stream's choice wins in S3, too
    ],
)
def test_the_keys_of_objects_and_of_the_stream_stay_what_they_are(
    stream: dict[str, Any], bucket_key: str | None, keys: dict[str, str] | None
) -> None:
    assert archive_of(replace(with_stream(**stream), bucket_key=bucket_key)).get("key") == keys


def test_a_stack_file_that_does_not_name_the_default_key_of_the_bucket_is_rejected() -> None:
    found = replace(FOUND, bucket_key=KEYS[0])
    without = Archive.model_validate({key: value for key, value in archive_of(found).items() if key != "key"})
    with pytest.raises(OperatorError, match=f"archive.key: the default key of the bucket .* is {KEYS[0]}.*as objects"):
        import_ids(found, without)
    assert import_ids(found, Archive.model_validate({**archive_of(found), "key": {"objects": KEYS[1]}}))


@pytest.mark.parametrize("alias", ["alias/logs", "arn:aws:kms:eu-west-1:111111111111:alias/logs"])
def test_a_default_key_known_by_an_alias_only_has_to_be_added_to_the_stack_file(alias: str) -> None:
    found = replace(FOUND, bucket_key=alias)
    config = archive_of(found)
    assert "key" not in config  # a stack file takes no alias: another key can take its place
    with pytest.raises(OperatorError, match=r"alias/logs, .*; add the ARN of the key behind this alias as objects"):
        import_ids(found, Archive.model_validate(config))


def test_a_bucket_of_another_account_whose_encryption_cannot_be_read_is_reported_with_what_to_do() -> None:
    found = replace(FOUND, bucket_account=BANK, bucket_problem="denied")
    assert archive_of(found)["existingBucket"] == {"name": "company-logs", "account": BANK}
    assert settings_of(found).bootstrap_parameters["BucketOfAnotherAccount"] == "company-logs"
    (line,) = [line for line in changes_of(found) if "(denied)" in line]
    assert line.startswith(f"the default encryption of the bucket company-logs of account {BANK} cannot be read")
    assert line.endswith("unless archive.key.objects names that key")


def test_filters_that_the_stack_file_does_not_describe_are_reported() -> None:
    several = {"waf": [to("eu-west-1", "b", "WARN"), to("eu-west-1", "a", "ERROR")]}
    found = replace(
        FOUND,
        destinations={region: destination(region, policy(SHOP, BANK)) for region in ("eu-west-1", "us-east-1")},
        filters={SHOP: {"eu-west-1": several}, BANK: {"us-east-1": {"one": [to("us-east-1", pattern="ERROR")]}}},
        own_filters=several,
    )
    text = "filters of the log group waf with other patterns than a, whose pattern the stack file uses"
    assert left_of(found) == [
        "subscription filters, 5: events are archived twice until python -m ops retire deletes them",
        f"account {SHOP}, region eu-west-1: {text}",
        f"the central account: {text}",
        f"the role {FOUND.destinations['eu-west-1'].role}: {SAYS_WHEN}",
        f"the role {STREAM.role}: {SAYS_WHEN}",
    ]


def adopted(found: ExistingArchive) -> dict[str, str]:
    return import_ids(found, settings_of(found))


def test_everything_is_imported_but_a_policy_that_does_not_exist() -> None:
    found = replace(FOUND, destinations={
        **FOUND.destinations, "us-east-1": destination("us-east-1", ""),
    })  # fmt: skip
    assert adopted(found) == {
        "archive-stream": STREAM.arn,
        "archive-destination-eu-west-1": "waf",
        "archive-destination-policy-eu-west-1": "waf",
        "archive-destination-us-east-1": "waf",
    }


def test_an_edited_stack_file_decides_what_is_imported() -> None:
    config = stack_config(FOUND)["archive"]
    config = {key: value for key, value in config.items() if key not in ("streamName", "destinationNames")}
    archive = load({"archive": json.dumps({**config, "senderRoleName": "another"})}, "test").archive
    assert archive is not None
    assert import_ids(FOUND, archive) == {}


REGIONS = st.sampled_from(["eu-west-1", "us-east-1", "ap-south-1"])
STREAMS = st.builds(
    replace,
    st.just(STREAM),
    prefix=st.sampled_from(["", "mine/"]),
    compression=st.sampled_from(["UNCOMPRESSED", "GZIP", "ZIP", "Snappy", "HADOOP_SNAPPY"]),
    buffer_mib=st.integers(64, 128),
    extension=st.sampled_from(["", ".json"]),
    buffer_seconds=st.integers(60, 900),
    partitioned=st.booleans(),
    backup=st.booleans(),
    converts=st.booleans(),
    processors=st.dictionaries(
        st.sampled_from(["Decompression", "Lambda", "CloudWatchLogProcessing", "MetadataExtraction"]),
        st.just({"LambdaArn": FUNCTION}),
    ),
    object_key=st.sampled_from([None, KEYS[0]]),
    key=st.sampled_from([None, KEYS[1]]),
)
FILTER = st.builds(to, REGIONS, st.sampled_from(["a", "b"]), st.sampled_from(["", "ERROR"]))
FILTERS = st.dictionaries(st.sampled_from(["waf", "/app/a"]), st.lists(FILTER, min_size=1, max_size=3), min_size=1)


@given(st.data())
def test_the_stack_file_of_any_archive_is_valid(data: st.DataObject) -> None:
    regions = data.draw(st.lists(REGIONS, min_size=1, unique=True))
    admits = policy(SHOP, BANK, organization=data.draw(st.sampled_from([None, "o-exampleorg1"])))
    found = replace(
        FOUND,
        stream=data.draw(STREAMS),
        destinations={region: destination(region, admits) for region in regions},
        own_filters=data.draw(st.just({}) | FILTERS),
        filters=data.draw(st.dictionaries(
            st.sampled_from([SHOP, BANK]), st.dictionaries(st.sampled_from(regions), FILTERS)
        )),
    )  # fmt: skip
    processors = found.stream.processors.keys()
    in_place = "Lambda" in processors or ("Decompression" in processors and not found.stream.backup)
    adoptable = in_place and not found.stream.converts
    assert adopted(found).keys() >= {f"archive-destination-{region}" for region in regions}
    assert ("archive-stream" in adopted(found)) is adoptable


def test_a_shell_changes_nothing_in_what_is_printed() -> None:
    archive = settings_of(with_stream(processors={"Lambda": {"LambdaArn": FUNCTION}}))
    first, _ = commands(needed(archive, [], stream="waf-logs"))
    done = subprocess.run(["sh", "-c", f"printf '%s\\n' {first}"], capture_output=True, text=True, check=True)
    assert f"FunctionArn={FUNCTION}:$LATEST" in done.stdout.splitlines()
