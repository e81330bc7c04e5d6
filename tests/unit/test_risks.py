"""What the gate and the report say of an update that loses, shortens or blinds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ops.review.gate import reasons, unaccepted
from ops.review.preview import read
from ops.review.report import comment, summary
from ops.review.risks import Risk, of_files, risks
from tests.unit.test_preview_reports import FILTER, POLICY, STACK, provider, state, step, written

ARCHIVE = "central-log-archive:index:CentralLogArchive"
COMPONENT = state(ARCHIVE, "shop")  # the parent in all states of these tests
A, B = "222222222222", "333333333333"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
LOCK = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
STREAM = "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream"
SENDERS = "aws:cloudwatch/logDestinationPolicy:LogDestinationPolicy"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
REPLICATION = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"
FUNCTION = "aws:lambda/function:Function"

Inputs = dict[str, Any] | None


def expiring(days: int | None, noncurrent: int | None = None) -> dict[str, Any]:
    expiration = {} if days is None else {"expiration": {"days": days}}
    old = {} if noncurrent is None else {"noncurrentVersionExpiration": {"noncurrentDays": noncurrent}}
    return {"rules": [{"id": "archive", **expiration, **old}]}


def locked(mode: str, **period: int) -> dict[str, Any]:
    return {"rule": {"defaultRetention": {"mode": mode, **period}}}


def admitting(*accounts: str, organization: str | None = None) -> dict[str, Any]:
    statements: list[dict[str, Any]] = [{"Effect": "Allow", "Principal": {"AWS": list(accounts)}}] if accounts else []
    if organization:
        condition = {"StringEquals": {"aws:PrincipalOrgID": organization}}
        statements.append({"Effect": "Allow", "Principal": {"AWS": "*"}, "Condition": condition})
    return {"accessPolicy": json.dumps({"Statement": statements})}


def invoking(*functions: str) -> dict[str, Any]:
    parameters = [{"parameterName": "LambdaArn", "parameterValue": function} for function in functions]
    processors = [{"type": "Lambda", "parameters": parameters}]
    return {"extendedS3Configuration": {"processingConfiguration": {"processors": processors}}}


def matching(pattern: str) -> dict[str, Any]:
    return {"policyDocument": json.dumps({"FilterPattern": pattern})}


def change(kind: str, before: Inputs, after: Inputs, **options: Any) -> dict[str, Any]:  # noqa: ANN401 - of the state
    """The step of a resource with these inputs before and after; None: it is not there."""
    old, new = (state(kind, "thing", parents=ARCHIVE, **(inputs or {})) | options for inputs in (before, after))
    if before is None:
        return step("create", new)
    return step("delete", old) if after is None else step("update", new, old)


def found(folder: Path, *steps: dict[str, Any]) -> list[Risk]:
    return risks(read(written(folder, step("same", COMPONENT), *steps)))


WEAKER = [
    (
        "expiration", LIFECYCLE, expiring(730), expiring(30),
        "events would expire after 30 days instead of after 730 days",
    ),
    ("expiration", LIFECYCLE, expiring(None), expiring(30), "events would expire after 30 days instead of never"),
    ("expiration", LIFECYCLE, None, expiring(30), "events would expire after 30 days instead of never"),
    (
        "expiration", LIFECYCLE, expiring(None, 400), expiring(None, 1),
        "events would expire after 1 days instead of after",
    ),
    (
        "lock", LOCK, locked("GOVERNANCE", days=365), locked("GOVERNANCE", days=1),
        "for 1 days (governance) instead of 365",
    ),
    (
        "lock", LOCK, locked("COMPLIANCE", years=1), locked("COMPLIANCE", days=364),
        "for 364 days (compliance) instead of 365",
    ),
    (
        "lock", LOCK, locked("COMPLIANCE", days=9), locked("GOVERNANCE", days=9),
        "(governance) instead of 9 days (compliance)",
    ),
    ("lock", LOCK, locked("GOVERNANCE", days=365), None, "objects would be locked for no time instead of 365 days"),
    (
        "access-logs", "aws:s3/bucketLogging:BucketLogging", {"targetBucket": "a"}, None,
        "logged to no bucket instead of a",
    ),
    (
        "access-logs", "aws:s3/bucketLogging:BucketLogging", {"targetBucket": "a"}, {"targetBucket": "b"},
        "access would be logged to b instead of a",
    ),
    ("replica", REPLICATION, {"rules": [{"status": "Enabled"}]}, None, "would no longer replicate"),
    (
        "replica", REPLICATION, {"rules": [{"status": "Enabled"}]}, {"rules": [{"status": "Disabled"}]},
        "would replicate otherwise",
    ),
    (
        "versioning", "aws:s3/bucketVersioning:BucketVersioning", {"versioningConfiguration": {"status": "Enabled"}},
        {"versioningConfiguration": {"status": "Suspended"}}, "versioning would be Suspended",
    ),
    ("bucket-settings", "aws:s3/bucketPolicy:BucketPolicy", {"policy": "{}"}, None, "would no longer be set"),
    (
        "bucket-settings", "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", {"blockPublicAcls": True}, None,
        "would no longer be set",
    ),
    ("alarms", ALARM, {"threshold": 1}, None, "would no longer alarm"),
    ("alarms", ALARM, {"threshold": 1}, {"threshold": 10**9}, "would alarm otherwise"),
    ("alarms", "aws:sns/topic:Topic", {}, None, "would no longer notify"),
    (
        "filter-pattern", FILTER, {"filterPattern": ""}, {"filterPattern": "x"},
        "that match 'x' would be archived, instead of all",
    ),
    ("filter-pattern", FILTER, {"filterPattern": "x"}, {"filterPattern": "y"}, "instead of those that match 'x'"),
    ("filter-pattern", POLICY, matching(""), matching("x"), "only events that match 'x' would be archived"),
    ("senders", SENDERS, admitting(A, B), admitting(A), f"would no longer admit account {B}"),
    ("senders", SENDERS, admitting(organization="o-a"), admitting(A), "would no longer admit organization o-a"),
    ("functions", STREAM, invoking(), invoking("arn:own"), "arn:own would decide what arrives"),
    ("functions", STREAM, invoking("arn:own"), invoking("arn:other"), "arn:other would decide what arrives"),
    ("functions", FUNCTION, None, {"code": {"hash": 1}}, "its code or settings would be new"),
    ("functions", FUNCTION, {"code": {"hash": 1}}, {"code": {"hash": 2}}, "its code or settings would change"),
]  # fmt: skip


@pytest.mark.parametrize(("allow", "kind", "before", "after", "text"), WEAKER)
def test_what_is_weakened_is_named_first_and_in_bold_and_stops_at_the_gate_until_it_is_allowed(
    tmp_path: Path, allow: str, kind: str, before: Inputs, after: Inputs, text: str
) -> None:
    file = written(tmp_path, step("same", COMPONENT), change(kind, before, after))
    preview = read(file)
    (risk,) = risks(preview)
    assert risk.allow == allow
    assert text in risk.text
    (bold,) = [line for line in comment([preview], commit="0123456789abcdef").splitlines() if line.startswith("- ")]
    assert bold == f"- **{risk.text}** (label `allow:{allow}@0123456789ab`)"
    stopped = f"{risk.text}; if this is intended, pass --allow {allow}"
    assert stopped in reasons(preview, [])
    assert stopped in reasons(preview, ["another"])
    assert stopped not in reasons(preview, [allow])


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        (LIFECYCLE, expiring(30), expiring(730)),
        (LIFECYCLE, expiring(30), None),
        (LOCK, None, locked("GOVERNANCE", days=1)),
        (LOCK, locked("GOVERNANCE", days=1), locked("COMPLIANCE", years=1)),
        ("aws:s3/bucketLogging:BucketLogging", None, {"targetBucket": "a"}),
        (REPLICATION, None, {"rules": [{"status": "Enabled"}]}),
        (ALARM, None, {"threshold": 1}),
        (ALARM, {"threshold": 1}, {"threshold": 1, "alarmDescription": "in other words"}),
        (FILTER, {"filterPattern": "x"}, {"filterPattern": ""}),
        (FILTER, None, {"filterPattern": "x", "logGroup": "new"}),
        (SENDERS, admitting(A), admitting(A, B, organization="o-a")),
        (SENDERS, admitting(A), {"accessPolicy": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"}),
        (FUNCTION, {"code": {"hash": 1}}, {"code": {"hash": 1}, "tags": {"a": "b"}}),
    ],
)
def test_what_is_as_strong_as_before_or_not_known_yet_is_no_risk(
    tmp_path: Path, kind: str, before: Inputs, after: Inputs
) -> None:
    places = step("same", provider(A, "eu-west-1"))
    made = change(kind, before, after, provider=f"{STACK}pulumi:providers:aws::{A}-eu-west-1::id")
    assert found(tmp_path, places, made) == []


@pytest.mark.parametrize(("option", "word"), [("retainOnDelete", "retained"), ("protect", "protected")])
def test_what_is_no_longer_retained_or_protected_is_a_risk(tmp_path: Path, option: str, word: str) -> None:
    bucket = state("aws:s3/bucket:Bucket", "archive-bucket", parents=ARCHIVE)
    (risk,) = found(tmp_path, step("same", bucket, bucket | {option: True}))
    assert risk == Risk("retain", f"archive-bucket: would no longer be {word}")
    assert found(tmp_path, step("same", bucket | {option: True}, bucket)) == []


def test_a_new_archive_weakens_nothing(tmp_path: Path) -> None:
    steps = [change(kind, None, after) for _, kind, before, after, _ in WEAKER if before is None]
    assert len(steps) > 1
    assert risks(read(written(tmp_path, step("create", COMPONENT), *steps))) == []


def test_whoever_leaves_the_archive_is_a_risk(tmp_path: Path) -> None:
    def subscription(group: str) -> dict[str, Any]:
        inputs = {"logGroup": group, "destinationArn": "arn"}
        parents = "central-log-archive:index:AppAccountSubscription"
        return state(FILTER, f"{group}-filter", provider=f"{A}-eu-west-1", parents=parents, **inputs)

    places = step("same", provider(A, "eu-west-1"))
    preview = read(written(tmp_path, places, step("same", subscription("stays")), step("delete", subscription("goes"))))
    assert risks(preview) == [Risk("leaves", f"`goes` of account {A}, eu-west-1 leaves the archive")]
    assert summary(preview).leaves == [f"`goes` of account {A}, eu-west-1"]


def test_each_folder_that_protects_the_archive_needs_its_own_acceptance() -> None:
    changed = [
        "ops/review/gate.py",
        "README.md",
        "bootstrap/archive-account.yaml",
        "ops/cli/gate.py",
        ".github/preview.sh",
    ]
    found = of_files(changed)
    assert [risk.allow for risk in found] == [".github", "bootstrap", "ops"]
    assert found[-1].text.startswith("ops/cli/gate.py, ops/review/gate.py changed: ")
    assert [line.rpartition(" ")[2] for line in unaccepted(found, ["ops"])] == [".github", "bootstrap"]
    assert of_files(["operations/ops/a", "docs/policy/b", "components/ops.py", "policy.md"]) == []
    (bold, *_) = [line for line in comment([], of_files(["policy/rules.py"])).splitlines() if line.startswith("- ")]
    assert bold.startswith("- **policy/rules.py changed: ")
