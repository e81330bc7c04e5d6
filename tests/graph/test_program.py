"""The program on its example stacks: recorded graphs, options of stateful resources, rejected configs."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pulumi
import pytest

from accounts.inventory import Subscription
from tests.graph.recorder import Graph, Region, record, standard
from tests.stacks import config_of
from topology.patterns import CANARY
from topology.policies import is_locked
from topology.settings import PIPELINE_LOG_GROUPS

STATEFUL = {"archive-bucket"}
RETAINED_WITH_ITS_BUFFER = {"archive-stream"}
RETAINED_WITH_THE_BUCKET = {
    "archive-bucket-encryption",
    "archive-bucket-lifecycle",
    "archive-bucket-ownership",
    "archive-bucket-policy",
    "archive-bucket-public-access-block",
    "archive-bucket-versioning",
}


@pytest.fixture(scope="module")
def archive() -> Graph:
    return record(config_of("archive"), stack="archive")


def test_the_outputs_are_the_contract_with_application_stacks(archive: Graph) -> None:
    assert archive.outputs == {
        "account": "111111111111",
        "region": "eu-west-1",
        "admittedAccounts": ["222222222222", "333333333333", "444444444444"],
        "bucket": "archive-bucket-1234567",
        "destinations": {
            region: f"arn:aws:logs:{region}:111111111111:destination:archive-destination-{region}-1234567"
            for region in ("eu-west-1", "us-east-1")
        },
        "layout": "dated",
        "originals": False,
        "stream": "archive-stream-1234567",
        "topics": {},
        "transformed": False,
    }


def test_the_bucket_is_protected_and_retained_with_its_settings(archive: Graph) -> None:
    assert {r.name for r in archive.resources if r.protect} == STATEFUL
    assert {r.name for r in archive.resources if r.retain_on_delete} == (
        STATEFUL | RETAINED_WITH_THE_BUCKET | RETAINED_WITH_ITS_BUFFER
    )
    assert archive.one("Bucket").inputs["forceDestroy"] is False


@contextlib.contextmanager
def endpoint(status: int, answer: str) -> Iterator[str]:
    """A server on this machine that gives an answer to every request."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(answer.encode())

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/secret"
        server.shutdown()


def unprotected(config: dict[str, Any], endpoint: str = "") -> bool:
    """Whether nothing of an archive is protected or retained."""
    graph = record({**config_of("archive"), **config}, environment={"AWS_ENDPOINT_URL": endpoint})
    kept = [r.name for r in graph.resources if r.protect or r.retain_on_delete]
    assert graph.one("Bucket").inputs["forceDestroy"] is not bool(kept)
    return not kept


def test_nothing_is_retained_if_the_stack_disables_it_or_on_the_sandbox() -> None:
    assert unprotected({"retain": False})
    with endpoint(200, '{"sandbox": true}') as sandbox:
        assert unprotected({}, sandbox)


@pytest.mark.parametrize(
    ("status", "answer"),
    [(403, "<Error><Code>AccessDenied</Code></Error>"), (200, "{}"), (200, "<html>"), (404, '{"sandbox": true}')],
)
def test_another_endpoint_on_this_machine_like_a_tunnel_to_aws_keeps_the_protection(status: int, answer: str) -> None:
    with endpoint(status, answer) as tunnel:
        assert not unprotected({}, tunnel)
    assert not unprotected({}, tunnel)  # and so does one that does not answer


@pytest.mark.parametrize("retain", [True, False])
def test_log_groups_that_are_retained_are_protected_from_deletion_and_no_others(*, retain: bool) -> None:
    graph = record({**config_of("app-dev"), "retain": retain}, referenced=record(config_of("archive")).outputs)
    groups = graph.of_type("LogGroup")
    assert {each.inputs["name"]: each.inputs["deletionProtectionEnabled"] for each in groups} == {
        CANARY: False,
        "/shop/dev/audit": retain,
    }
    assert {each.inputs["deletionProtectionEnabled"] == each.retain_on_delete for each in groups} == {True}


def test_the_log_groups_rejected_as_sources_are_those_that_the_archive_logs_to() -> None:
    graph = record({"archive": {**config_of("archive")["archive"], "transform": "bundled"}})
    assert {group.name for group in graph.of_type("LogGroup")} == set(PIPELINE_LOG_GROUPS)


def test_a_bucket_without_settings_only_aborts_incomplete_uploads(archive: Graph) -> None:
    (rule,) = archive.one("BucketLifecycleConfiguration").inputs["rules"]
    assert rule == {
        "id": "archive",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "transitions": [],
        "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
    }
    assert not archive.of_type("BucketObjectLockConfiguration")
    assert not archive.of_type("BucketLogging")


BUCKET = {
    "lifecycle": {
        "transitions": {"GLACIER": 90, "STANDARD_IA": 30},
        "expireDays": 730,
        "noncurrentDays": 400,
        "abortUploadsDays": 2,
    },
    "objectLock": {"mode": "governance", "days": 365},
    "accessLogs": {"bucket": "access-logs"},
    "replica": {"bucket": "vault", "account": "666666666666"},
}


GUARDED = {"breakGlassRole": "guardian"}


def test_the_bucket_has_the_settings_of_the_stack_file() -> None:
    graph = record({"archive": {**config_of("archive")["archive"], "bucket": BUCKET}})
    (rule,) = graph.one("BucketLifecycleConfiguration").inputs["rules"]
    assert rule["transitions"] == [{"storageClass": "STANDARD_IA", "days": 30}, {"storageClass": "GLACIER", "days": 90}]
    assert rule["expiration"] == {"days": 730}
    assert rule["noncurrentVersionExpiration"] == {"noncurrentDays": 400}
    assert rule["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 2}
    lock = graph.one("BucketObjectLockConfiguration")
    assert lock.inputs["rule"] == {"defaultRetention": {"mode": "GOVERNANCE", "days": 365}}
    assert graph.one("BucketVersioning").urn in lock.dependencies
    logging = graph.one("BucketLogging").inputs
    assert (logging["targetBucket"], logging["targetPrefix"]) == ("access-logs", "central-log-archive/")
    parts = ("BucketObjectLockConfiguration", "BucketLogging", "BucketReplicationConfig")
    assert all(graph.one(part).retain_on_delete for part in parts)


def replication_of(**archive: Any) -> dict[str, Any]:  # noqa: ANN401 - of the stack file
    """The rule by which an archive with these settings is replicated."""
    graph = record({"archive": {**config_of("archive")["archive"], **archive}})
    replication = graph.one("BucketReplicationConfig")
    assert replication.inputs["role"] == "arn:aws:iam::111111111111:role/central-log-archive-replication"
    assert graph.one("BucketVersioning").urn in replication.dependencies
    (rule,) = replication.inputs["rules"]
    return dict(rule)


def test_the_whole_bucket_is_replicated_but_no_deletion() -> None:
    assert replication_of(bucket={"replica": {"bucket": "vault"}}) == {
        "id": "archive",
        "status": "Enabled",
        "priority": 1,
        "filter": {"prefix": ""},
        "deleteMarkerReplication": {"status": "Disabled"},
        "destination": {"bucket": "arn:aws:s3:::vault", "metrics": {"status": "Enabled"}},
    }


def test_replicas_in_another_account_belong_to_it() -> None:
    destination = replication_of(bucket={"replica": {"bucket": "vault", "account": "666666666666"}})["destination"]
    assert (destination["account"], destination["accessControlTranslation"]) == (
        "666666666666",
        {"owner": "Destination"},
    )
    own = replication_of(bucket={"replica": {"bucket": "vault", "account": "111111111111"}})["destination"]
    assert own.keys() == {"bucket", "metrics"}


def test_replicas_of_encrypted_objects_have_a_key_of_their_own() -> None:
    key = "arn:aws:kms:us-east-1:111111111111:key/1"
    rule = replication_of(key="create", bucket={"replica": {"bucket": "vault", "key": key}})
    assert rule["sourceSelectionCriteria"] == {"sseKmsEncryptedObjects": {"status": "Enabled"}}
    assert rule["destination"]["encryptionConfiguration"] == {"replicaKmsKeyId": key}


def test_an_alarm_says_that_objects_are_not_replicated() -> None:
    archive = {**config_of("archive")["archive"], "alarms": "create"}
    graph = record({"archive": {**archive, "bucket": {"replica": {"bucket": "vault"}}}})
    (alarm,) = (each for each in graph.of_type("MetricAlarm") if each.name == "archive-alarm-not-replicated")
    (metric, _) = sorted(alarm.inputs["metricQueries"], key=lambda query: "metric" not in query)
    assert metric["metric"]["metricName"] == "OperationsFailedReplication"
    assert metric["metric"]["dimensions"] == {
        "SourceBucket": "archive-bucket-1234567",
        "DestinationBucket": "vault",
        "RuleId": "archive",
    }
    assert not [each for each in record({"archive": archive}).of_type("MetricAlarm") if "replicated" in each.name]


def test_without_a_break_glass_role_a_preview_warns_that_the_deployer_role_can_shorten_the_archive(
    caplog: pytest.LogCaptureFixture,
) -> None:
    archive = config_of("archive")["archive"]
    record({"archive": {**archive, "bucket": {"objectLock": BUCKET["objectLock"]}}})
    assert "whoever has the deployer role can shorten how long events are kept" in caplog.text


def test_without_object_lock_a_preview_asks_for_it_unless_events_are_not_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    archive = config_of("archive")["archive"]
    record({"archive": archive, "retain": False})
    assert caplog.records == []
    record({"archive": {**archive, "bucket": GUARDED}})
    (warning,) = caplog.records
    assert warning.getMessage().startswith("archive.bucket.objectLock: is not set, so whoever may delete objects can")


def test_the_policy_that_locks_the_bucket_comes_after_all_its_other_settings() -> None:
    graph = record({"archive": {**config_of("archive")["archive"], "bucket": {**BUCKET, **GUARDED}}})
    policy = graph.one("BucketPolicy")
    others = {each.urn for each in graph.resources if each.type.startswith("aws:s3/bucket") and each is not policy}
    first = graph.one("BucketOwnershipControls").urn  # before the public access block
    assert len(others) == 9
    assert first in graph.one("BucketPublicAccessBlock").dependencies
    assert policy.dependencies >= others - {first}
    assert is_locked(policy.inputs["policy"])
    assert not is_locked(record({"archive": config_of("archive")["archive"]}).one("BucketPolicy").inputs["policy"])


LOCKED = {"archive": {**config_of("archive")["archive"], "bucket": GUARDED}}


@pytest.mark.parametrize(
    ("bucket", "changes"),
    [
        (GUARDED, False),
        ({}, True),
        ({"breakGlassRole": "other"}, True),
        ({**GUARDED, "lifecycle": {"expireDays": 1}}, True),
        ({**GUARDED, "accessLogs": {"bucket": "access-logs"}}, True),
    ],
)
def test_a_preview_rejects_what_changes_a_locked_bucket(bucket: dict[str, Any], *, changes: bool) -> None:
    policy = record(LOCKED).one("BucketPolicy").inputs["policy"]
    changed = {"archive": {**config_of("archive")["archive"], "bucket": bucket}}
    graph = Graph()
    if not changes:
        record(changed, bucket_policy=policy)
        return
    with pytest.raises(pulumi.RunError, match=r"bucket archive-bucket-1234567 is locked .* delete-bucket-policy"):
        record(changed, bucket_policy=policy, into=graph)
    assert not graph.of_type("BucketLifecycleConfiguration")


def test_a_lock_causes_a_warning_that_delivery_to_it_is_not_verified(caplog: pytest.LogCaptureFixture) -> None:
    archive = config_of("archive")["archive"]
    record({"archive": {**archive, "bucket": {**BUCKET, **GUARDED}}})
    (warning,) = caplog.records
    assert warning.getMessage().startswith("archive.bucket.objectLock: AWS does not document that Firehose can deliver")


def test_what_an_existing_bucket_lacks_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    record({"archive": {**config_of("archive")["archive"], "existingBucket": "existing-bucket"}})
    warnings = [each.getMessage() for each in caplog.records]
    assert len(warnings) == 5
    assert "The bucket existing-bucket has no versioning, and its settings are not changed: enable it" in caplog.text


def test_the_policy_that_a_bucket_in_another_account_requires_is_an_output(caplog: pytest.LogCaptureFixture) -> None:
    existing = {"name": "existing-bucket", "account": "999999999999"}
    graph = record({"archive": {**config_of("archive")["archive"], "existingBucket": existing}})
    assert "belongs to account 999999999999, so none of its settings are read" in caplog.text
    assert "deploy bootstrap/archive-account.yaml with BucketOfAnotherAccount=existing-bucket" in caplog.text
    assert "archive-delivery-role-1234567" in graph.outputs["requiredBucketPolicy"]


def test_the_key_is_protected_and_retained_like_the_bucket() -> None:
    archive = {**config_of("archive")["archive"], "key": "create"}
    key = record({"archive": archive}).one("Key")
    assert (key.protect, key.retain_on_delete) == (True, True)
    key = record({"archive": archive, "retain": False}).one("Key")
    assert (key.protect, key.retain_on_delete) == (False, False)


def test_objects_stream_and_log_groups_may_have_keys_of_their_own() -> None:
    objects, stream = (f"arn:aws:kms:eu-west-1:111111111111:key/{name}" for name in ("objects", "stream"))
    keys = {"objects": objects, "stream": stream, "logGroups": "create"}
    graph = record({"archive": {**config_of("archive")["archive"], "key": keys, "transform": "bundled"}})
    inputs = graph.one("FirehoseDeliveryStream").inputs
    assert inputs["extendedS3Configuration"]["kmsKeyArn"] == objects
    assert inputs["serverSideEncryption"]["keyArn"] == stream
    created = "arn:aws:kms:eu-west-1:111111111111:key/archive-key-1234567"
    assert {group.inputs["kmsKeyId"] for group in graph.of_type("LogGroup")} == {created}
    policies = {each.name: each.inputs["policy"] for each in graph.of_type("RolePolicy")}
    named = {name: {key for key in (objects, stream, created) if key in policy} for name, policy in policies.items()}
    assert named == {
        "archive-delivery-policy": {objects}, "archive-sender-policy": {stream}, "archive-transform-policy": {stream},
    }  # fmt: skip
    assert objects in graph.one("BucketPolicy").inputs["policy"]


def test_the_key_names_the_deployer_role_in_previews_with_another_role_too() -> None:
    archive = {**config_of("archive")["archive"], "key": "create", "deployerRole": "mine"}
    key, previewed = (record({"archive": archive, **more}).one("Key") for more in ({}, {"previewRole": "previewer"}))
    assert key.inputs == previewed.inputs
    assert "arn:aws:iam::111111111111:role/mine" in key.inputs["policy"]


def test_a_log_group_created_here_is_retained_when_it_leaves_the_stack(archive: Graph) -> None:
    graph = record(config_of("app-dev"), referenced=archive.outputs)
    retained = {group.inputs["name"] for group in graph.of_type("LogGroup") if group.retain_on_delete}
    assert retained == {"/shop/dev/audit"}


def test_a_pattern_becomes_a_filter_for_each_log_group_that_matches(archive: Graph) -> None:
    app = config_of("app-dev")
    (shop,) = app["applications"]
    shop["regions"] = {"eu-west-1": {"logGroups": ["/aws/lambda/*"], "exclude": ["*noisy*"]}}
    existing = {("222222222222", "eu-west-1"): standard("/aws/lambda/cart", "/aws/lambda/noisy", "other")}
    graph = record(app, referenced=archive.outputs, existing=existing)
    assert [f.name for f in graph.filters()] == ["shop-dev-filter-/aws/lambda/cart-eu-west-1"]


def test_filters_have_the_settings_of_defaults_account_and_entry(archive: Graph) -> None:
    app = {
        "archiveStack": "archive",
        "defaults": {"emitSystemFields": ["@source.log", "@aws.region"]},
        "applications": [
            {
                "account": "222222222222",
                "filterPattern": "ERROR",
                "regions": {
                    "eu-west-1": {"logGroups": ["a", {"name": "b", "filterPattern": "", "emitSystemFields": None}]}
                },
            }
        ],
    }
    filters = record(app, referenced=archive.outputs).filters()
    a, b = sorted(filters, key=lambda each: each.name)
    keys = ("filterPattern", "emitSystemFields")
    assert [a.inputs[key] for key in keys] == ["ERROR", ["@aws.region", "@source.log"]]
    assert [b.inputs[key] for key in keys] == ["", []]


@pytest.mark.parametrize("organization", [None, "o-exampleorg1"])
def test_all_is_one_policy_of_the_account_and_region_in_addition_to_the_filters_of_entries(
    archive: Graph, organization: str | None
) -> None:
    app = {**config_of("app-dev"), "filterRoles": organization is not None}
    (shop,) = app["applications"]
    shop["regions"] = {"eu-west-1": {"all": True, "logGroups": ["named"], "exclude": ["*noisy*"]}}
    existing = {("222222222222", "eu-west-1"): standard("named", "noisy", "other")}
    graph = record(app, referenced={**archive.outputs, "admittedOrganization": organization}, existing=existing)
    policy = graph.one("LogAccountPolicy")
    assert graph.place_of(policy) == ("222222222222", "eu-west-1")
    assert policy.inputs["policyName"] == "central-log-archive.eu-west-1"
    assert policy.inputs["selectionCriteria"] == 'LogGroupName NOT IN ["central-log-archive-canary", "named", "noisy"]'
    assert policy.delete_before_replace
    document = json.loads(policy.inputs["policyDocument"])
    assert document["DestinationArn"] == archive.outputs["destinations"]["eu-west-1"]
    assert ("RoleArn" in document) is (organization is not None)
    assert [f.inputs["logGroup"] for f in graph.filters()] == ["named"]


def test_entries_that_select_nothing_are_rejected_before_anything_is_registered(archive: Graph) -> None:
    one_graph = {"archive": config_of("archive")["archive"], "applications": config_of("app-dev")["applications"]}
    empty = {("222222222222", region): standard() for region in ("eu-west-1", "us-east-1")}
    graph = Graph()
    with pytest.raises(pulumi.RunError, match=r"Pulumi\.test\.yaml has 3 problems:") as error:
        record(one_graph, referenced=archive.outputs, existing=empty, into=graph)
    assert "account 222222222222, region us-east-1: the log group aws-waf-logs-cdn does not exist;" in str(error.value)
    assert graph.resources == []


@pytest.mark.parametrize("organization", [None, "o-exampleorg1"])
def test_a_function_has_fixed_names_the_role_of_the_bootstrap_and_one_rule_that_may_invoke_it(
    archive: Graph, organization: str | None
) -> None:
    app = {**config_of("app-dev"), "filterRoles": organization is not None}
    (shop,) = app["applications"]
    shop["regions"] = {"eu-west-1": {"logGroups": ["/aws/*", "named"], "autoSubscribe": True}}
    existing = {("222222222222", "eu-west-1"): standard("named", "/aws/cart")}
    graph = record(app, referenced={**archive.outputs, "admittedOrganization": organization}, existing=existing)
    function, rule, permission = graph.one("Function"), graph.one("EventRule"), graph.one("Permission")
    name = "central-log-archive-subscriber"
    assert function.inputs["name"] == rule.inputs["name"] == graph.one("Queue").inputs["name"] == name
    assert function.inputs["role"] == f"arn:aws:iam::222222222222:role/{name}"
    variables = function.inputs["environment"]["variables"]
    assert variables["DESTINATION_ARN"] == archive.outputs["destinations"]["eu-west-1"]
    assert ("ROLE_ARN" in variables) is (organization is not None)
    assert function.inputs["deadLetterConfig"]["targetArn"].endswith(f":{name}")
    assert rule.inputs["scheduleExpression"] == "rate(1 hour)"
    detail = json.loads(rule.inputs["eventPattern"])["detail"]
    assert detail["eventName"] == ["CreateLogGroup"]
    assert detail["errorCode"] == [{"exists": False}]
    assert permission.inputs["principal"] == "events.amazonaws.com"
    assert permission.inputs["sourceArn"].endswith(f":rule/{name}")
    end, run = sorted(graph.of_type("Invocation"), key=lambda each: each.name)
    assert [each.inputs["lifecycleScope"] for each in (end, run)] == ["CRUD", "CRUD"]
    assert {permission.urn, graph.one("EventTarget").urn, function.urn} <= run.dependencies
    # Filters are deleted by the run that is deleted after the rule.
    assert function.urn in end.dependencies
    assert end.urn in rule.dependencies
    assert [f.inputs["logGroup"] for f in graph.filters()] == ["named"]
    assert {graph.place_of(r) for r in graph.resources if r.type.startswith("aws:")} == {("222222222222", "eu-west-1")}


def test_a_function_has_alarms_if_the_stack_has_alarms(archive: Graph) -> None:
    app = {**config_of("app-dev"), "alarms": True}
    (shop,) = app["applications"]
    shop["regions"] = {"eu-west-1": {"logGroups": ["/aws/*"], "autoSubscribe": True}, "us-east-1": {"logGroups": ["a"]}}
    existing = {("222222222222", "eu-west-1"): standard(), ("222222222222", "us-east-1"): standard("a")}
    topics = {region: f"arn:aws:sns:{region}:111111111111:oncall" for region in ("eu-west-1", "us-east-1")}
    alarms = record(app, referenced={**archive.outputs, "topics": topics}, existing=existing).of_type("MetricAlarm")
    names = [
        "auto-delivery-errors",
        "auto-delivery-throttling",
        "changed",
        "delivery-errors",
        "delivery-throttling",
        "not-subscribed",
        "silent",
    ]
    assert sorted(each.name for each in alarms if each.name.endswith("eu-west-1")) == [
        f"shop-dev-alarm-{name}-eu-west-1" for name in names
    ]
    assert len([each for each in alarms if each.name.endswith("us-east-1")]) == 4
    (letters,) = [each for each in alarms if "not-subscribed" in each.name]
    (metric,) = [query["metric"] for query in letters.inputs["metricQueries"] if "metric" in query]
    assert metric["dimensions"] == {"QueueName": "central-log-archive-subscriber"}


OURS = "central-log-archive.eu-west-1"
PLACE = "applications, account 222222222222, region eu-west-1"
HERE = "arn:aws:logs:eu-west-1:111111111111:destination:archive-destination-eu-west-1-1234567"
ROLE = "arn:aws:iam::222222222222:role/central-log-archive-filters"
FILTERS_FIRST = (
    "and would stop when the archive admits the organization o-exampleorg1; set filterRoles: true and remove "
    "archive.senders.organization, run pulumi up, then add it again"
)
KEEP_ROLES = "which the provider cannot take away, and would stop when it is deleted; set filterRoles: true"


def of_shop(archive: Graph, wanted: dict[str, Any], existing: Region) -> Graph:
    """The graph of an application account with one region."""
    app = {"archiveStack": "archive", "applications": [{"account": "222222222222", "regions": {"eu-west-1": wanted}}]}
    return record(app, referenced=archive.outputs, existing={("222222222222", "eu-west-1"): existing})


def filters(*names: str, destination: str = HERE) -> list[Subscription]:
    return [Subscription(name, destination) for name in names]


@pytest.mark.parametrize(
    ("wanted", "existing", "problem"),
    [
        (
            {"logGroups": ["a"]},
            Region({"a": "DELIVERY"}),
            "the log group a is of class DELIVERY, and only STANDARD supports subscription filters; a class cannot be "
            "changed, so remove the entry",
        ),
        (
            {"logGroups": ["a"]},
            Region({"a": "STANDARD"}, {"a": filters("b", "c", "d", "e", "f")}),
            "the log group a has 5 other subscription filters, and AWS allows 5 in total: b, c, d, e, f; delete one of "
            "them, or remove the entry",
        ),
        (
            {"all": True},
            Region({"a": "STANDARD"}, policies=filters("siem", destination="arn:siem")),
            "all: the account already has the policy siem, to arn:siem, and AWS allows one for each account and "
            "region; list the log groups to archive, or delete that policy",
        ),
        (
            {"all": True},
            Region({CANARY: "STANDARD"}, {CANARY: [Subscription(OURS, HERE, role=ROLE)]}),
            f"subscription filters have a role, like that of {CANARY}, {KEEP_ROLES}",
        ),
    ],
)
def test_existing_log_groups_filters_and_policies_can_prevent_a_subscription(
    archive: Graph, wanted: dict[str, Any], existing: Region, problem: str
) -> None:
    with pytest.raises(pulumi.RunError) as error:
        of_shop(archive, wanted, existing)
    assert str(error.value) == f"Pulumi.test.yaml has a problem:\n  {PLACE}: {problem}"


MISSING = "which its deployer role central-log-archive-deployer is not allowed; deploy bootstrap/"
GROUPS = "arn:aws:logs:eu-west-1:222222222222:log-group:"


@pytest.mark.parametrize(
    ("wanted", "action", "problem"),
    [
        ({"all": True}, "logs:PutAccountPolicy", ("all", "*", "AccountPolicies=true")),
        (
            {"logGroups": [{"name": name, "create": True, "retentionDays": 1} for name in ("b", "/a")]},
            "logs:CreateLogGroup",
            ("create", f"{GROUPS}b:*, {GROUPS}/a:*", "CreatedLogGroups=/a,b"),
        ),
        (
            {"logGroups": ["a*"], "autoSubscribe": True},
            "lambda:CreateFunction",
            (
                "autoSubscribe",
                "arn:aws:lambda:eu-west-1:222222222222:function:central-log-archive-subscriber",
                "Subscriber=true",
            ),
        ),
    ],
)
def test_a_parameter_of_the_template_that_is_missing_is_named_before_anything_is_created(
    archive: Graph, wanted: dict[str, Any], action: str, problem: tuple[str, str, str]
) -> None:
    key, resources, parameter = problem
    graph = Graph()
    app = {"archiveStack": "archive", "applications": [{"account": "222222222222", "regions": {"eu-west-1": wanted}}]}
    existing = {("222222222222", "eu-west-1"): Region({}, denied=(action,))}
    with pytest.raises(pulumi.RunError) as error:
        record(app, referenced=archive.outputs, existing=existing, into=graph)
    assert str(error.value) == (
        f"Pulumi.test.yaml has a problem:\n  applications, account 222222222222: {key} needs {action} on {resources}, "
        f"{MISSING}application-account.yaml there again with {parameter}"
    )
    assert graph.resources == []


def test_alarms_need_permission_to_let_eventbridge_write_to_the_canary(archive: Graph) -> None:
    app = {**config_of("app-dev"), "alarms": True}
    topics = {region: f"arn:aws:sns:{region}:111111111111:oncall" for region in ("eu-west-1", "us-east-1")}
    denying = Region({}, denied=("logs:PutResourcePolicy",))
    existing = {("222222222222", region): denying for region in topics}
    with pytest.raises(pulumi.RunError) as error:
        record(app, referenced={**archive.outputs, "topics": topics}, existing=existing)
    assert (
        f"alarms needs logs:PutResourcePolicy on *, {MISSING}application-account.yaml there again with Alarms=true"
        in (str(error.value))
    )


@pytest.mark.parametrize(("organization", "roles"), [(True, False), (False, True)])
def test_filters_need_the_role_of_the_template(*, organization: bool, roles: bool) -> None:
    existing = Region({"a": "STANDARD"}, denied=("iam:PassRole",))
    with pytest.raises(pulumi.RunError) as error:
        together(organization=organization, roles=roles, existing=existing)
    assert str(error.value).endswith(
        "applications, account 222222222222: filterRoles needs iam:PassRole on "
        "arn:aws:iam::222222222222:role/central-log-archive-filters, "
        f"{MISSING}application-account.yaml there again with FilterRoles=true"
    )


def role_of_filters(*roles: str) -> Region:
    """The canary and a log group, whose filters have these roles; empty: none."""
    found = {name: [Subscription(OURS, HERE, role=role)] for name, role in zip((CANARY, "a"), roles, strict=True)}
    return Region(dict.fromkeys(found, "STANDARD"), found)


def together(*, organization: bool, roles: bool, existing: Region) -> Graph:
    """The graph of a stack with an archive and an account."""
    archive = {**config_of("archive")["archive"], "destinationRegions": ["eu-west-1"]}
    archive["senders"] = {"organization": "o-exampleorg1"} if organization else {"accounts": ["222222222222"]}
    application = {"account": "222222222222", "regions": {"eu-west-1": {"logGroups": ["a"]}}}
    config = {"archive": archive, "applications": [application], "filterRoles": roles}
    return record(config, existing={("222222222222", "eu-west-1"): existing})


@pytest.mark.parametrize(
    ("organization", "filter_roles", "existing", "problem"),
    [
        (True, False, ("", ""), f"subscription filters have no role yet, like that of a, {FILTERS_FIRST}"),
        (True, True, ("", ""), f"subscription filters have no role yet, like that of a, {FILTERS_FIRST}"),
        (True, True, ("", ROLE), f"subscription filters have no role yet, like that of {CANARY}, {FILTERS_FIRST}"),
        (False, False, (ROLE, ROLE), f"subscription filters have a role, like that of a, {KEEP_ROLES}"),
        (False, False, (ROLE, ""), f"subscription filters have a role, like that of {CANARY}, {KEEP_ROLES}"),
    ],
)
def test_filters_get_roles_before_an_organization_is_admitted_and_keep_them(
    *, organization: bool, filter_roles: bool, existing: tuple[str, str], problem: str
) -> None:
    with pytest.raises(pulumi.RunError) as error:
        together(organization=organization, roles=filter_roles, existing=role_of_filters(*existing))
    assert str(error.value) == f"Pulumi.test.yaml has a problem:\n  {PLACE}: {problem}"


@pytest.mark.parametrize(
    ("organization", "filter_roles", "existing"),
    [
        (True, False, standard("a")),  # nothing is deployed yet
        (False, True, role_of_filters("", "")),
        (True, True, role_of_filters(ROLE, ROLE)),
        (True, False, role_of_filters(ROLE, ROLE)),
        (False, True, role_of_filters(ROLE, ROLE)),
    ],
)
def test_each_step_between_accounts_and_an_organization_is_accepted_in_its_turn(
    *, organization: bool, filter_roles: bool, existing: Region
) -> None:
    graph = together(organization=organization, roles=filter_roles, existing=existing)
    assert {"roleArn" in each.inputs for each in graph.of_type("LogSubscriptionFilter")} == {True}


def unlike_protection(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The warnings but those of what protects a bucket."""
    return [text for each in caplog.records if not (text := each.getMessage()).startswith("archive.bucket.")]


def test_an_archive_that_starts_to_admit_an_organization_warns_of_filters_in_other_stacks(
    archive: Graph, caplog: pytest.LogCaptureFixture
) -> None:
    config = {**config_of("archive")["archive"], "senders": {"organization": "o-exampleorg1"}, "bucket": GUARDED}
    admitting = record({"archive": config}, referenced=archive.outputs)
    assert unlike_protection(caplog) == [
        "The archive starts to admit the organization o-exampleorg1. Subscription filters of other stacks that have no "
        "role yet stop then, and their events are lost: first deploy every stack that sends to this archive with "
        "filterRoles: true. It admits the accounts 222222222222, 333333333333, 444444444444."
    ]
    caplog.clear()
    record({"archive": config}, referenced=admitting.outputs)
    assert unlike_protection(caplog) == []


MANY = (
    "has 2 other subscription filters; AWS documents both 2 and 5 as the quota of a log group, so AWS may reject "
    "another one"
)


@pytest.mark.parametrize(
    ("wanted", "existing", "warnings"),
    [
        ({"logGroups": ["a"]}, Region({"a": "STANDARD"}, {"a": filters(OURS, "b")}), []),
        (
            {"logGroups": ["a"]},
            Region({"a": "STANDARD"}, {"a": filters(OURS, "b", "c")}),
            [f"{PLACE}: the log group a {MANY}"],
        ),
        (
            {"all": True},
            Region({"a": "STANDARD", "b": "DELIVERY", "c": "INFREQUENT_ACCESS"}),
            [f"{PLACE}: not archived, because only log groups of class STANDARD support subscription filters: b, c"],
        ),
        (
            {"all": True},
            Region({"a": "STANDARD"}, policies=[Subscription(OURS, HERE, f'LogGroupName NOT IN ["{CANARY}"]')]),
            [],
        ),
        (
            {"all": True, "exclude": ["a"]},
            Region({"a": "STANDARD"}, policies=filters(OURS)),
            [
                f"{PLACE}: all: the excluded log groups change, so the provider deletes and immediately recreates the "
                "policy; events written in between are not archived"
            ],
        ),
        (
            {"logGroups": ["a"]},
            Region({"a": "STANDARD"}, {"a": filters(OURS, destination="arn:old")}),
            [
                f"account 222222222222, region eu-west-1: filters change from arn:old to {HERE}. Each is deleted and "
                "immediately recreated; events written in between are not archived."
            ],
        ),
    ],
)
def test_existing_log_groups_filters_and_policies_can_cause_warnings(
    archive: Graph, wanted: dict[str, Any], existing: Region, warnings: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    of_shop(archive, wanted, existing)
    assert [each.getMessage() for each in caplog.records] == warnings


def test_a_filter_is_replaced_by_deleting_it_first(archive: Graph) -> None:
    graph = record(config_of("app-dev"), referenced=archive.outputs)
    assert all(f.delete_before_replace for f in graph.of_type("LogSubscriptionFilter"))


def test_the_stream_decompresses_records_keeps_them_whole_and_compresses_once(archive: Graph) -> None:
    stream = archive.one("FirehoseDeliveryStream").inputs
    s3 = stream["extendedS3Configuration"]
    assert s3["processingConfiguration"] == {
        "enabled": True,
        "processors": [
            {
                "type": "Decompression",
                "parameters": [{"parameterName": "CompressionFormat", "parameterValue": "GZIP"}],
            },
            {
                "type": "AppendDelimiterToRecord",
                "parameters": [{"parameterName": "Delimiter", "parameterValue": r"\n"}],
            },
        ],
    }
    assert s3["compressionFormat"] == "GZIP"
    assert s3["prefix"].startswith("logs/")
    assert s3["errorOutputPrefix"].startswith("errors/")
    assert "!{firehose:error-output-type}" in s3["errorOutputPrefix"]
    assert stream["serverSideEncryption"] == {"enabled": True, "keyType": "AWS_OWNED_CMK"}
    assert s3["cloudwatchLoggingOptions"]["enabled"] is True


def test_a_provider_uses_the_sts_endpoint_of_its_own_region_as_opt_in_regions_require(archive: Graph) -> None:
    for provider in archive.of_type("aws"):
        assert provider.inputs["stsRegion"] == provider.inputs["region"]


def test_a_provider_names_the_stack_in_its_session_and_tags(archive: Graph) -> None:
    for provider in archive.of_type("aws"):
        (role,) = json.loads(provider.inputs["assumeRoles"])
        assert role["sessionName"] == "central-log-archive-archive"
        tags = json.loads(provider.inputs["defaultTags"])["tags"]
        assert tags == {"central-log-archive:stack": "archive", "managed-by": "central-log-archive"}


@pytest.mark.parametrize(
    "config",
    [{}, {"archive": {"account": "1"}}, {**config_of("archive"), "archiveStack": "archive"}],
    ids=["nothing", "a bad account", "two archives"],
)
def test_a_rejected_config_registers_nothing(config: dict[str, Any]) -> None:
    graph = Graph()
    with pytest.raises(pulumi.RunError, match=r"Pulumi\.test\.yaml has .*problem"):
        record(config, into=graph)
    assert graph.resources == []


@pytest.mark.parametrize(
    ("before", "after", "warned"),
    [
        ("dated", "partitioned", True),
        ("partitioned-by-group", "dated", True),
        ("partitioned", "partitioned-by-group", False),
        ("dated", "dated", False),
    ],
)
def test_a_change_of_layout_that_replaces_the_stream_causes_a_warning(
    archive: Graph, before: str, after: str, *, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    config = {**config_of("archive")["archive"], "delivery": {"layout": after}}
    graph = record({"archive": config}, referenced={**archive.outputs, "layout": before})
    assert graph.outputs["layout"] == after
    assert (f"The layout changes from {before} to {after}" in caplog.text) is warned
    assert ("leaves the old stream in the account" in caplog.text) is warned


@pytest.mark.parametrize(
    ("before", "after", "warned"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_disabling_the_backup_replaces_the_stream_and_causes_a_warning(
    archive: Graph, *, before: bool, after: bool, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    transform = {"code": "bundled", "backup": after}
    config = {**config_of("archive")["archive"], "transform": transform}
    graph = record({"archive": config}, referenced={**archive.outputs, "layout": "dated", "originals": before})
    assert graph.outputs["originals"] is after
    assert ("The backup of the original records is disabled" in caplog.text) is warned


@pytest.mark.parametrize(
    ("before", "after", "warned"),
    [
        ({"transformed": True}, None, True),
        ({"transformed": True, "originals": True}, None, True),
        ({"transformed": True}, "bundled", False),
        ({"transformed": False}, "bundled", False),
        ({"transformed": False}, None, False),
    ],
)
def test_removing_the_transform_replaces_the_stream_and_causes_a_warning(
    archive: Graph, before: dict[str, bool], after: str | None, *, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    config = {**config_of("archive")["archive"], **({"transform": after} if after else {})}
    graph = record({"archive": config}, referenced={**archive.outputs, **before})
    assert graph.outputs["transformed"] is (after is not None)
    text = "The transform is removed, and what has not passed it by the end of the update goes to errors/"
    assert (text in caplog.text) is warned


@pytest.mark.parametrize("originals", [True, False])
def test_outputs_from_before_the_program_wrote_whether_there_is_a_transform_tell_it_by_the_backup(
    archive: Graph, *, originals: bool, caplog: pytest.LogCaptureFixture
) -> None:
    older = {key: value for key, value in archive.outputs.items() if key != "transformed"}
    record({"archive": config_of("archive")["archive"]}, referenced={**older, "originals": originals})
    assert ("The transform is removed" in caplog.text) is originals


@pytest.mark.parametrize(("layout", "warned"), [("partitioned", True), ("dated", False)])
def test_a_replaced_stream_causes_a_warning_of_the_gap_in_the_central_accounts_own_log_groups(
    archive: Graph, layout: str, *, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    config = {**config_of("archive")["archive"], "delivery": {"layout": layout}, "ownLogGroups": ["own"]}
    record({"archive": config}, referenced=archive.outputs)
    assert ("own log groups are deleted and immediately recreated" in caplog.text) is warned


def of_archive(existing: Region, *entries: str, **archive: Any) -> Graph:  # noqa: ANN401 - as in a stack file
    """The graph of an archive with log groups of its own."""
    config = {**config_of("archive")["archive"], "ownLogGroups": entries, **archive}
    return record({"archive": config}, existing={("111111111111", "eu-west-1"): existing})


def test_a_pattern_of_own_log_groups_subscribes_what_matches_with_the_sender_role() -> None:
    sender = Subscription("central-log-archive.eu-west-1", "arn:stream", role="arn:sender")
    existing = Region({"/a": "STANDARD", "/b": "STANDARD", "/c": "INFREQUENT_ACCESS"}, {"/a": [sender]})
    graph = of_archive(existing, "/*", exclude=["/b"])
    (subscription,) = graph.filters()
    assert (subscription.name, subscription.inputs["logGroup"]) == ("archive-filter-/a", "/a")


def test_own_log_groups_are_checked_like_those_of_applications(caplog: pytest.LogCaptureFixture) -> None:
    others = [Subscription(name, "arn:siem") for name in ("b", "c", "d", "e", "f")]
    place = "archive.ownLogGroups, account 111111111111, region eu-west-1"
    with pytest.raises(pulumi.RunError) as error:
        of_archive(Region({"/a": "STANDARD"}, {"/a": others}), "/a", "/b", "c*")
    problems = str(error.value).splitlines()[1:]
    assert [problem.split(";")[0] for problem in problems] == [
        f"  {place}: the log group /b does not exist",
        f"  {place}: the pattern c* matches no log group",
        f"  {place}: the log group /a has 5 other subscription filters, and AWS allows 5 in total: b, c, d, e, f",
    ]
    of_archive(Region({"/a": "STANDARD", "/b": "DELIVERY"}), "/*")
    assert unlike_protection(caplog) == [
        f"{place}: not archived, because only log groups of class STANDARD support subscription filters: /b"
    ]


def test_a_changed_policy_of_a_role_replaces_the_old_one_which_is_auto_named() -> None:
    graph = record({"archive": {**config_of("archive")["archive"], "transform": "bundled"}})
    policies = {each.name: each for each in graph.of_type("RolePolicy")}
    assert policies.keys() == {"archive-sender-policy", "archive-delivery-policy", "archive-transform-policy"}
    for each in policies.values():
        assert each.replace_on_changes == ["policy"]
        assert not each.delete_before_replace
        assert "name" not in each.inputs


def test_names_of_adopted_resources_are_kept_and_others_are_auto_named() -> None:
    names = {"streamName": "waf-logs", "destinationNames": {"us-east-1": "waf"}}
    graph = record({"archive": {**config_of("archive")["archive"], **names}})
    assert graph.one("FirehoseDeliveryStream").inputs["name"] == "waf-logs"
    given = {each.name: each.inputs.get("name") for each in graph.of_type("LogDestination")}
    assert given == {"archive-destination-eu-west-1": None, "archive-destination-us-east-1": "waf"}


def test_the_warning_of_a_replaced_stream_that_is_not_retained_mentions_the_loss_of_buffered_events(
    archive: Graph,
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = {**config_of("archive")["archive"], "delivery": {"layout": "partitioned"}}
    record({"archive": config, "retain": False}, referenced={**archive.outputs, "layout": "dated"})
    assert "deletes the old stream with all that it has buffered but not delivered" in caplog.text


@pytest.mark.parametrize(
    ("later", "earlier"),
    [
        ("archive-stream", "archive-delivery-policy"),
        ("archive-destination-eu-west-1", "archive-sender-policy"),
        ("archive-destination-us-east-1", "archive-sender-policy"),
        ("archive-bucket-policy", "archive-bucket-public-access-block"),
    ],
)
def test_an_order_that_no_reference_implies_is_explicit(archive: Graph, later: str, earlier: str) -> None:
    by_name = {resource.name: resource for resource in archive.resources}
    assert by_name[earlier].urn in by_name[later].dependencies
