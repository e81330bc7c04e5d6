"""S3 replicates the archive with the role of the bootstrap template, and nothing but the archive, and nowhere else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

from sandbox.instance import MANAGEMENT_ACCOUNT
from sandbox.prepare import prepare
from sandbox.server import ROOT
from tests.sandbox.conftest import Cloud
from tests.sandbox.test_stolen_archive_deployer import (
    ARCHIVE,
    EVERYTHING,
    HOME,
    STRANGER,
    Client,
    admit,
    refused,
    role_of_the_thief,
    session,
)
from tests.stacks import config_of
from topology import policies

VAULT, ELSEWHERE, COPY = "666666666666", "eu-central-1", "log-vault"
KEY = f"arn:aws:kms:{ELSEWHERE}:{VAULT}:key/replicas"
ROLE = f"arn:aws:iam::{ARCHIVE}:role/central-log-archive-replication"
REPLICA = {"bucket": COPY, "account": VAULT}
METRIC = "OperationsFailedReplication"


@pytest.fixture(scope="module", autouse=True)
def _bootstrap(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("stack") / "Pulumi.archive.yaml"
    # A key of the replicas decides on their region, and that the role may use keys.
    archive = {**config_of("archive")["archive"], "key": "create", "bucket": {"replica": {**REPLICA, "key": KEY}}}
    config = {"central-log-archive:archive": archive}
    file.write_text(yaml.safe_dump({"config": config}), encoding="utf-8")
    prepare([file], {"AWS_ENDPOINT_URL": cloud.endpoint})
    bucket_policy, statement = documented()
    cloud.client("s3", account=VAULT, region=ELSEWHERE).put_bucket_policy(Bucket=COPY, Policy=json.dumps(bucket_policy))
    owner = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{VAULT}:root"}, "Action": "kms:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [owner, statement]})
    cloud.client("kms", account=VAULT, region=ELSEWHERE).put_key_policy(KeyId=KEY, PolicyName="default", Policy=policy)


def documented() -> tuple[dict[str, Any], dict[str, Any]]:
    """The policy of the bucket, and the statement of the policy of its key, that the documentation tells its owner."""
    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    section = page.partition("### A copy in another region or account\n")[2].partition("\n## ")[0]
    bucket_policy, statement = (json.loads(each) for each in re.findall("```json\n(.*?)```", section, re.DOTALL))
    return bucket_policy, statement


@pytest.fixture(scope="module")
def thief(cloud: Cloud) -> Client:
    return session(cloud, MANAGEMENT_ACCOUNT, "central-log-archive-deployer")


@pytest.fixture
def vault(cloud: Cloud) -> Iterator[Any]:
    """The bucket of the replicas, as its owner; afterwards as it was, and empty."""
    s3 = cloud.client("s3", account=VAULT, region=ELSEWHERE)
    policy = s3.get_bucket_policy(Bucket=COPY)["Policy"]
    yield s3
    s3.put_bucket_policy(Bucket=COPY, Policy=policy)
    for version in s3.list_object_versions(Bucket=COPY).get("Versions", []):
        s3.delete_object(Bucket=COPY, Key=version["Key"], VersionId=version["VersionId"])


def rule(bucket: str = COPY, **destination: Any) -> dict[str, Any]:  # noqa: ANN401 - of the API
    return {
        "ID": "archive",
        "Status": "Enabled",
        "Priority": 1,
        "Filter": {"Prefix": ""},
        "DeleteMarkerReplication": {"Status": "Disabled"},
        "Destination": {"Bucket": f"arn:aws:s3:::{bucket}", "Metrics": {"Status": "Enabled"}, **destination},
    }


OF_OTHERS: dict[str, Any] = {"Account": VAULT, "AccessControlTranslation": {"Owner": "Destination"}}
WITH_KEY = {
    **rule(**OF_OTHERS, EncryptionConfiguration={"ReplicaKmsKeyID": KEY}),
    "SourceSelectionCriteria": {"SseKmsEncryptedObjects": {"Status": "Enabled"}},
}


def bucket_of(cloud: Cloud, name: str) -> str:
    s3 = cloud.client("s3", account=ARCHIVE)
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": HOME})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def replicate(s3: Any, bucket: str, *rules: dict[str, Any], role: str = ROLE) -> None:  # noqa: ANN401 - boto3
    s3.put_bucket_replication(Bucket=bucket, ReplicationConfiguration={"Role": role, "Rules": list(rules)})


def status_of_new_object(cloud: Cloud, bucket: str, **parameters: str) -> str | None:
    """Put an object as the root user; return its replication status."""
    s3 = cloud.client("s3", account=ARCHIVE)
    s3.put_object(Bucket=bucket, Key="logs/one", Body=b"event", **parameters)
    status: str | None = s3.head_object(Bucket=bucket, Key="logs/one").get("ReplicationStatus")
    return status


def failures(cloud: Cloud, bucket: str) -> list[dict[str, str]]:
    metrics = cloud.client("cloudwatch", account=ARCHIVE).list_metrics(Namespace="AWS/S3", MetricName=METRIC)["Metrics"]
    dimensions = ({each["Name"]: each["Value"] for each in metric["Dimensions"]} for metric in metrics)
    return [each for each in dimensions if each["SourceBucket"] == bucket]


def test_objects_arrive_in_a_bucket_of_another_account_and_region_and_stay_when_the_archive_loses_them(
    cloud: Cloud,
    thief: Client,
    vault: Any,  # noqa: ANN401 - boto3
) -> None:
    bucket, s3 = bucket_of(cloud, "archive-bucket-replicated"), cloud.client("s3", account=ARCHIVE)
    replicate(thief("s3"), bucket, rule(**OF_OTHERS))
    for key in ("logs/one", "errors/two", "digests/2026-05-01.0001.json"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode(), Metadata={"signature": "abc"})
    versions = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert all(s3.head_object(Bucket=bucket, Key=each["Key"])["ReplicationStatus"] == "COMPLETED" for each in versions)
    s3.delete_object(Bucket=bucket, Key="logs/one")
    for each in versions:
        s3.delete_object(Bucket=bucket, Key=each["Key"], VersionId=each["VersionId"])
    replicas = vault.list_object_versions(Bucket=COPY)
    assert "DeleteMarkers" not in replicas
    assert [(each["Key"], each["VersionId"]) for each in replicas["Versions"]] == [
        (each["Key"], each["VersionId"]) for each in versions
    ]
    digest = vault.get_object(Bucket=COPY, Key="digests/2026-05-01.0001.json")
    assert (digest["Body"].read(), digest["Metadata"]) == (b"digests/2026-05-01.0001.json", {"signature": "abc"})


def test_deletions_are_not_replicated_even_if_a_thief_asks_for_it(
    cloud: Cloud,
    thief: Client,
    vault: Any,  # noqa: ANN401 - boto3
) -> None:
    bucket = bucket_of(cloud, "archive-bucket-deleted")
    replicate(thief("s3"), bucket, {**rule(**OF_OTHERS), "DeleteMarkerReplication": {"Status": "Enabled"}})
    assert status_of_new_object(cloud, bucket) == "COMPLETED"
    cloud.client("s3", account=ARCHIVE).delete_object(Bucket=bucket, Key="logs/one")
    assert "DeleteMarkers" not in vault.list_object_versions(Bucket=COPY)


def test_encrypted_objects_are_encrypted_with_the_key_of_the_replicas(
    cloud: Cloud,
    thief: Client,
    vault: Any,  # noqa: ANN401 - boto3
) -> None:
    bucket = bucket_of(cloud, "archive-bucket-encrypted")
    policy = policies.key_policy(
        home_region=HOME,
        account=ARCHIVE,
        deployer_role="central-log-archive-deployer",
        bucket_arns=[f"arn:aws:s3:::{bucket}"],
        log_groups=[],
    )
    key = cloud.client("kms", account=ARCHIVE).create_key(Policy=policy)["KeyMetadata"]["Arn"]
    encrypted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key}
    replicate(thief("s3"), bucket, rule(**OF_OTHERS))
    assert status_of_new_object(cloud, bucket, **encrypted) is None  # S3 does not replicate it unless asked to
    replicate(thief("s3"), bucket, WITH_KEY)
    assert status_of_new_object(cloud, bucket, **encrypted) == "COMPLETED"
    assert vault.head_object(Bucket=COPY, Key="logs/one")["SSEKMSKeyId"] == KEY
    kms = cloud.client("kms", account=VAULT, region=ELSEWHERE)
    admitting = kms.get_key_policy(KeyId=KEY, PolicyName="default")["Policy"]
    kms.put_key_policy(KeyId=KEY, PolicyName="default", Policy=admitting.replace(ARCHIVE, STRANGER))
    assert status_of_new_object(cloud, bucket, **encrypted) == "FAILED"
    kms.put_key_policy(KeyId=KEY, PolicyName="default", Policy=admitting)


def test_what_the_owner_of_the_replicas_does_not_allow_fails_and_is_counted(
    cloud: Cloud,
    thief: Client,
    vault: Any,  # noqa: ANN401 - boto3
) -> None:
    bucket = bucket_of(cloud, "archive-bucket-not-allowed")
    replicate(thief("s3"), bucket, rule(**OF_OTHERS))
    assert status_of_new_object(cloud, bucket) == "COMPLETED"
    assert failures(cloud, bucket) == []
    vault.delete_bucket_policy(Bucket=COPY)
    assert status_of_new_object(cloud, bucket) == "FAILED"
    assert failures(cloud, bucket) == [{"SourceBucket": bucket, "DestinationBucket": COPY, "RuleId": "archive"}]


def test_a_locked_archive_is_replicated_only_into_a_bucket_with_object_lock(
    cloud: Cloud,
    thief: Client,
    vault: Any,  # noqa: ANN401 - boto3
) -> None:
    bucket, s3 = bucket_of(cloud, "archive-bucket-with-lock"), cloud.client("s3", account=ARCHIVE)
    s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})
    replicate(thief("s3"), bucket, rule(**OF_OTHERS))
    assert status_of_new_object(cloud, bucket) == "FAILED"
    vault.put_object_lock_configuration(Bucket=COPY, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})
    assert status_of_new_object(cloud, bucket) == "COMPLETED"


def test_s3_refuses_to_replicate_without_versioning_or_into_no_bucket_or_with_a_role_that_cannot_be_passed(
    cloud: Cloud, thief: Client
) -> None:
    bucket, root = bucket_of(cloud, "archive-bucket-refused"), cloud.client("s3", account=ARCHIVE)
    with pytest.raises(ClientError, match=r"InvalidRequest.* Destination bucket must exist"):
        replicate(root, bucket, rule("nowhere"))
    root.create_bucket(Bucket="unversioned", CreateBucketConfiguration={"LocationConstraint": HOME})
    with pytest.raises(ClientError, match=r"InvalidRequest.* Destination bucket must have versioning enabled"):
        replicate(root, bucket, rule("unversioned"))
    with pytest.raises(ClientError, match=r"InvalidRequest.* Versioning must be 'Enabled' on the bucket"):
        replicate(root, "unversioned", rule())
    with pytest.raises(ClientError, match=r"AccessDenied.* iam:PassRole"):
        replicate(thief("s3"), bucket, rule(), role=f"arn:aws:iam::{ARCHIVE}:role/administrator")


def test_a_thief_replicates_events_to_no_other_bucket(cloud: Cloud, thief: Client) -> None:
    stranger = cloud.client("s3", account=STRANGER)
    stranger.create_bucket(Bucket="loot", CreateBucketConfiguration={"LocationConstraint": HOME})
    stranger.put_bucket_versioning(Bucket="loot", VersioningConfiguration={"Status": "Enabled"})
    stranger.put_bucket_policy(Bucket="loot", Policy=admit("loot", f"arn:aws:iam::{ARCHIVE}:root"))
    bucket = bucket_of(cloud, "archive-bucket-coveted")
    replicate(thief("s3"), bucket, rule("loot"))
    assert status_of_new_object(cloud, bucket) == "FAILED"
    # A role of its own, within the boundary, which S3 may assume.
    name = role_of_the_thief(thief, "archive-delivery-role-replicating")
    trust = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    thief("iam").update_assume_role_policy(RoleName=name, PolicyDocument=document)
    replicate(thief("s3"), bucket, rule("loot"), role=f"arn:aws:iam::{ARCHIVE}:role/{name}")
    assert status_of_new_object(cloud, bucket) == "FAILED"
    assert "Versions" not in stranger.list_object_versions(Bucket="loot")


def test_the_role_can_be_neither_changed_nor_assumed_nor_used_for_another_bucket(
    cloud: Cloud,
    thief: Client,
    vault: Any,  # noqa: ANN401 - boto3
) -> None:
    role, iam = {"RoleName": "central-log-archive-replication"}, thief("iam")
    assert refused(iam.put_role_policy, **role, PolicyName="everything", PolicyDocument=EVERYTHING)
    assert refused(iam.update_assume_role_policy, **role, PolicyDocument=EVERYTHING)
    assert refused(thief("sts").assume_role, RoleArn=ROLE, RoleSessionName="thief")
    other = bucket_of(cloud, "payroll")
    replicate(cloud.client("s3", account=ARCHIVE), other, rule(**OF_OTHERS))
    assert status_of_new_object(cloud, other) == "FAILED"
    assert "Versions" not in vault.list_object_versions(Bucket=COPY)


def test_the_lock_of_the_bucket_keeps_its_replication(cloud: Cloud, thief: Client) -> None:
    bucket = bucket_of(cloud, "archive-bucket-guarded")
    lock = policies.Lock(role_arn=f"arn:aws:iam::{ARCHIVE}:role/guardian", fingerprint="0")
    replicate(thief("s3"), bucket, rule(**OF_OTHERS))
    locked = policies.bucket_policy(bucket_arn=f"arn:aws:s3:::{bucket}", key_arn=None, lock=lock)
    thief("s3").put_bucket_policy(Bucket=bucket, Policy=locked)
    assert refused(thief("s3").delete_bucket_replication, Bucket=bucket)
    assert refused(
        thief("s3").put_bucket_replication,
        Bucket=bucket,
        ReplicationConfiguration={"Role": ROLE, "Rules": [rule("loot")]},
    )
