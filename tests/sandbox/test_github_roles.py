"""Which jobs of GitHub Actions may assume the roles of ``bootstrap/github-actions-role.yaml``."""

from __future__ import annotations

import base64
import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sandbox.server import ROOT
from tests.sandbox.conftest import Cloud

MANAGEMENT, SHOP = "555555555555", "666666666666"
MAIN, PULL_REQUEST = "refs/heads/main", "refs/pull/7/merge"
JOBS = {"preview": "preview.yml", "drift": "drift.yml", "app-dev": "promote.yml", "app-prod": "promote.yml"}
DEPLOYER = f"arn:aws:iam::{SHOP}:role/deployer"


def role(environment: str) -> str:
    return f"arn:aws:iam::{MANAGEMENT}:role/archive-{environment}"


@pytest.fixture(scope="module")
def github(cloud: Cloud) -> Cloud:
    formation = cloud.client("cloudformation", account=MANAGEMENT)
    template = (ROOT / "bootstrap/github-actions-role.yaml").read_text(encoding="utf-8")
    for environment, workflow in JOBS.items():
        parameters = {
            "RoleName": f"archive-{environment}",
            "Repository": "example/archive",
            "RepositoryId": "42",
            "Environment": environment,
            "Workflow": "" if environment == "preview" else workflow,
            "AssumableRoles": DEPLOYER,
        }
        formation.create_stack(
            StackName=f"role-{environment}",
            TemplateBody=template,
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        )
        formation.get_waiter("stack_create_complete").wait(
            StackName=f"role-{environment}", WaiterConfig={"Delay": 0.05, "MaxAttempts": 1200}
        )
    iam = cloud.client("iam", account=SHOP)
    trust = {"Effect": "Allow", "Principal": {"AWS": role("app-dev")}, "Action": "sts:AssumeRole"}
    for name in ("deployer", "administrator"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    return cloud


def token(environment: str, **claims: str) -> str:
    """A token of GitHub for a job in an environment, on main unless other claims say otherwise."""
    ref = claims.get("ref", MAIN)
    repository = claims.get("repository", "example/archive")
    body = {
        "iss": "https://token.actions.githubusercontent.com",
        "aud": "sts.amazonaws.com",
        "sub": f"repo:{repository}:environment:{environment}",
        "environment": environment,
        "ref": ref,
        "repository": repository,
        "repository_id": "42",
        "job_workflow_ref": f"{repository}/.github/workflows/{claims.pop('workflow', JOBS[environment])}@{ref}",
        **claims,
    }
    parts = ({"alg": "RS256", "typ": "JWT"}, body)
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, "signature"])


def assume(cloud: Cloud, environment: str, given: str) -> dict[str, Any]:
    sts = cloud.client("sts", account=MANAGEMENT)
    answer: dict[str, Any] = sts.assume_role_with_web_identity(
        RoleArn=role(environment), RoleSessionName="job", WebIdentityToken=given
    )["Credentials"]
    return answer


@pytest.mark.parametrize("environment", JOBS)
def test_a_job_of_the_main_branch_gets_the_role_of_its_environment_and_no_other(
    github: Cloud, environment: str
) -> None:
    assert assume(github, environment, token(environment))["AccessKeyId"]
    for other in JOBS.keys() - {environment}:
        with pytest.raises(ClientError, match="AccessDenied"):
            assume(github, other, token(environment))


def test_a_pull_request_gets_the_role_of_previews(github: Cloud) -> None:
    assert assume(github, "preview", token("preview", ref=PULL_REQUEST))["AccessKeyId"]


@pytest.mark.parametrize("environment", [name for name in JOBS if name != "preview"])
@pytest.mark.parametrize(
    "claims",
    [
        {"ref": PULL_REQUEST},  # a workflow that a pull request changed to name the environment
        {"ref": "refs/heads/feature"},
        {"ref": "refs/tags/main"},
        {"workflow": "preview.yml"},  # on main, but not what deploys
        {"repository_id": "43"},  # a new repository with the name of one that was renamed or deleted
        {"repository": "stranger/archive"},
        {"aud": "somebody-else"},
    ],
)  # fmt: skip
def test_a_job_that_names_an_environment_but_is_not_its_workflow_on_main_is_denied(
    github: Cloud, environment: str, claims: dict[str, str]
) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        assume(github, environment, token(environment, **claims))


def test_a_stranger_s_repository_gets_no_role_of_previews(github: Cloud) -> None:
    for claims in ({"repository_id": "43"}, {"repository": "stranger/archive"}):
        with pytest.raises(ClientError, match="AccessDenied"):
            assume(github, "preview", token("preview", **claims))


def test_the_role_assumes_the_roles_that_it_names_and_no_others(github: Cloud) -> None:
    given = assume(github, "app-dev", token("app-dev"))
    sts = boto3.client(
        "sts", endpoint_url=github.endpoint, region_name="eu-west-1", aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"], aws_session_token=given["SessionToken"],
    )  # fmt: skip
    assert sts.assume_role(RoleArn=DEPLOYER, RoleSessionName="job")["Credentials"]
    with pytest.raises(ClientError, match="AccessDenied"):
        sts.assume_role(RoleArn=DEPLOYER.replace("deployer", "administrator"), RoleSessionName="job")
