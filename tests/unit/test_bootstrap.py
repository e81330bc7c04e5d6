"""The templates of ``bootstrap/`` as CloudFormation takes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox.server import ROOT
from tests.bootstrap import resources

# Larger ones have to be uploaded to S3 first (CloudFormation User Guide, "Understand CloudFormation quotas").
MAX_BYTES = 51_200


@pytest.mark.parametrize("template", sorted((ROOT / "bootstrap").glob("*.yaml")), ids=lambda file: file.name)
def test_a_template_can_be_deployed_without_a_bucket_of_its_own(template: Path) -> None:
    assert template.stat().st_size <= MAX_BYTES


MAX_INLINE_CHARACTERS = 10_240
MAX_MANAGED_CHARACTERS = 6_144
KEYS = ",".join(f"arn:aws-us-gov:kms:us-gov-east-1:111111111111:key/{'k' * 36}" for _ in range(3))
LONGEST = {
    "KeyArn": KEYS, "ReplicaBucket": "r" * 63, "ReplicaKeyArn": KEYS.partition(",")[0], "SenderRoleName": "s" * 64,
    "StreamName": "t" * 64, "DestinationName": "d" * 64, "ExistingBucket": "b" * 63, "Readers": "arn",
    "Previewers": "arn", "Verifiers": "arn", "Redrivers": "arn",
}  # fmt: skip


def characters(document: object) -> int:
    """The size of a policy as IAM counts it: without white space ("IAM and STS quotas")."""
    return len(json.dumps(document, separators=(",", ":")).replace("arn:aws:", "arn:aws-us-gov:"))


def test_the_policies_of_every_role_fit_into_the_quotas_of_iam_whatever_the_parameters_are() -> None:
    template = resources("archive-account.yaml", LONGEST)
    roles = [name for name, each in template.items() if each["Type"] == "AWS::IAM::Role"]
    assert {"Deployer", "Previewer", "Reader", "Redriver", "Replication", "Sender", "Verifier"} == {*roles}
    for role in roles:
        inline = [each["PolicyDocument"] for each in template[role]["Properties"].get("Policies", [])]
        inline += [
            each["Properties"]["PolicyDocument"]
            for each in template.values()
            if each["Type"] == "AWS::IAM::Policy" and role in each["Properties"]["Roles"]
        ]
        assert sum(map(characters, inline)) <= MAX_INLINE_CHARACTERS
    managed = [each["Properties"] for each in template.values() if each["Type"] == "AWS::IAM::ManagedPolicy"]
    assert managed
    assert all(characters(each["PolicyDocument"]) <= MAX_MANAGED_CHARACTERS for each in managed)
