"""The signed digests on the cloud: what the roles of an archive may do with its signing key, and ``ops integrity``."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.sandbox.ops_command import ops
from tests.sandbox.stacks import Stacks
from tests.stacks import config_of

HOME = "111111111111"
CONFIG = {"archive": {**config_of("archive")["archive"], "key": "create", "integrity": True}}
YESTERDAY = (datetime.now(UTC) - timedelta(hours=7)).date() - timedelta(days=1)


@pytest.fixture(scope="module")
def digested(stacks: Stacks) -> Stacks:
    """Deploy an archive, and let its function write the digest of yesterday, when nothing arrived."""
    stacks.up("archive", CONFIG)
    functions = stacks.client("lambda", account=HOME)
    (name,) = [
        each["FunctionName"]
        for each in functions.list_functions()["Functions"]
        if each["FunctionName"].startswith("archive-digest-")
    ]
    answer = functions.invoke(FunctionName=name, Payload=b"{}")
    assert json.loads(answer["Payload"].read()) == {"digests": [f"digests/{YESTERDAY}.0001.json"]}
    return stacks


def integrity(stacks: Stacks, status: int) -> dict[str, Any]:
    day = str(YESTERDAY)
    printed = ops(
        stacks, "integrity", "-s", "archive", "--from", day, "--to", day, "--json", config=CONFIG, status=status
    )
    found: dict[str, Any] = json.loads(printed)
    return found


def test_a_digest_is_signed_on_schedule_and_verified(digested: Stacks) -> None:
    found = integrity(digested, 0)
    assert (found["intact"], found["digests"], found["findings"]) == (True, 1, [])
    events = digested.client("events", account=HOME)
    (rule,) = events.list_rules(NamePrefix="archive-digest-rule")["Rules"]
    assert rule["ScheduleExpression"] == "cron(15 6 * * ? *)"
    assert len(events.list_targets_by_rule(Rule=rule["Name"])["Targets"]) == 1


def kms_of(stacks: Stacks, role: str) -> Any:  # noqa: ANN401 - boto3
    """Assume a role of the archive's account; return its client of KMS."""
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{HOME}:root"}, "Action": "sts:AssumeRole"}
    iam = stacks.client("iam", account=HOME)
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps({"Statement": [trust]}))
    arn = f"arn:aws:iam::{HOME}:role/{role}"
    given = stacks.client("sts", account=HOME).assume_role(RoleArn=arn, RoleSessionName="thief")["Credentials"]
    return boto3.client(
        "kms",
        endpoint_url=stacks.instance.environment()["AWS_ENDPOINT_URL"],
        region_name="eu-west-1",
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )


def test_nobody_but_the_function_signs_neither_an_administrator_nor_who_assumes_its_role(digested: Stacks) -> None:
    key, iam = digested.outputs("archive")["integrity"]["signingKey"], digested.client("iam", account=HOME)
    trust = json.dumps({"Statement": []})
    everything = json.dumps({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    iam.create_role(RoleName="administrator", AssumeRolePolicyDocument=trust)
    iam.put_role_policy(RoleName="administrator", PolicyName="all", PolicyDocument=everything)
    roles = [each["RoleName"] for each in iam.list_roles()["Roles"]]
    (digest_role,) = [each for each in roles if each.startswith("archive-digest-role-")]
    forged = {"KeyId": key, "Message": b"forged", "SigningAlgorithm": "ECDSA_SHA_256"}
    administrator = kms_of(digested, "administrator")
    for kms in (administrator, kms_of(digested, digest_role)):
        with pytest.raises(ClientError, match="AccessDenied"):
            kms.sign(**forged)
    assert administrator.get_public_key(KeyId=key)["KeySpec"] == "ECC_NIST_P256"


def test_a_forged_object_of_a_day_with_a_digest_is_seen(digested: Stacks) -> None:
    s3, bucket = digested.client("s3", account=HOME), digested.outputs("archive")["bucket"]
    key = f"logs/date={YESTERDAY - timedelta(days=2)}/hour=00/forged"
    late = f"logs/date={YESTERDAY}/hour=00/late"
    for each in (key, late):
        s3.put_object(
            Bucket=bucket, Key=each, Body=b"{}", ServerSideEncryption="aws:kms",
            SSEKMSKeyId=s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0][
                "ApplyServerSideEncryptionByDefault"
            ]["KMSMasterKeyID"],
        )  # fmt: skip
    assert integrity(digested, 0)["pending"] == 1  # what is late is in the digest of today
    digest = f"digests/{YESTERDAY}.0001.json"
    s3.delete_object(Bucket=bucket, Key=digest)
    assert [each["problem"] for each in integrity(digested, 1)["findings"]] == ["no digest"]
