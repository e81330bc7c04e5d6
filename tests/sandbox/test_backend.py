"""The state in a bucket with KMS, with the permissions that docs/operations.md lists."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from sandbox.instance import MANAGEMENT_ACCOUNT
from tests.sandbox.checkout import copy_project
from tests.sandbox.stacks import Stacks

_BUCKET = "pulumi-state"


@pytest.fixture(scope="module")
def key(stacks: Stacks) -> str:
    """Create the bucket of the state and a key in the same account; return the key's ARN."""
    s3 = stacks.client("s3", account=MANAGEMENT_ACCOUNT)
    s3.create_bucket(Bucket=_BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    created = stacks.client("kms", account=MANAGEMENT_ACCOUNT).create_key()
    return str(created["KeyMetadata"]["Arn"])


def credentials(stacks: Stacks, key: str, name: str, objects: list[str], key_actions: list[str]) -> dict[str, str]:
    """Return the variables of a role with these permissions only, which may assume the roles of ``bootstrap/``."""
    iam = stacks.client("iam", account=MANAGEMENT_ACCOUNT)
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{MANAGEMENT_ACCOUNT}:root"},
        "Action": "sts:AssumeRole",
    }
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": trust}))
    permissions = [
        ("s3:ListBucket", f"arn:aws:s3:::{_BUCKET}"),
        (objects, f"arn:aws:s3:::{_BUCKET}/*"),
        (key_actions, key),
        ("sts:AssumeRole", "arn:aws:iam::*:role/central-log-archive-*"),
    ]
    statements = [{"Effect": "Allow", "Action": actions, "Resource": resource} for actions, resource in permissions]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_role_policy(RoleName=name, PolicyName="only", PolicyDocument=policy)
    sts = stacks.client("sts", account=MANAGEMENT_ACCOUNT)
    arn = f"arn:aws:iam::{MANAGEMENT_ACCOUNT}:role/{name}"
    assumed = sts.assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": assumed["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": assumed["SecretAccessKey"],
        "AWS_SESSION_TOKEN": assumed["SessionToken"],
    }


def test_the_archive_is_deployed_and_previewed_with_the_permissions_on_the_page(
    stacks: Stacks, key: str, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    copy_project(project)
    environment = {
        **stacks.environment,
        # The sandbox's S3 does not support virtual-hosted-style requests.
        "PULUMI_BACKEND_URL": f"s3://{_BUCKET}?region=eu-west-1&s3ForcePathStyle=true",
    }
    del environment["PULUMI_CONFIG_PASSPHRASE"]

    def pulumi(who: dict[str, str], *arguments: str, ok: bool = True) -> str:
        done = subprocess.run(
            ["pulumi", *arguments, "--color", "never"],
            cwd=project, env={**environment, **who}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode == 0) is ok, done.stdout + done.stderr
        return done.stdout + done.stderr

    updates = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    updater = credentials(stacks, key, "updater", updates, ["kms:Encrypt", "kms:Decrypt"])
    previewer = credentials(stacks, key, "previewer", ["s3:GetObject"], ["kms:Decrypt"])
    pulumi(updater, "stack", "init", "archive", "--secrets-provider", f"awskms:///{key}?region=eu-west-1")
    committed = (project / "Pulumi.archive.yaml").read_text(encoding="utf-8")
    assert f"secretsprovider: awskms:///{key}" in committed
    assert "encryptedkey: " in committed
    pulumi(updater, "up", "--yes", "--skip-preview", "-s", "archive")

    role = ("--config", "central-log-archive:previewRole=central-log-archive-previewer")
    previewed = pulumi(previewer, "preview", "--json", "--show-sames", "-s", "archive", *role)
    assert set(json.loads(previewed[previewed.index("{") :])["changeSummary"]) <= {"same", "update"}  # of providers
    denied = pulumi(previewer, "up", "--yes", "--skip-preview", "-s", "archive", ok=False)
    assert "AccessDenied" in denied
    pulumi(updater, "destroy", "--yes", "--skip-preview", "-s", "archive")
