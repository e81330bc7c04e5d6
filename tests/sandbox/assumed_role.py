"""Clients with the permissions of a role."""

from __future__ import annotations

from typing import Any

import boto3

from sandbox.instance import root_client


def assumed(endpoint: str, role: str, service: str, *, by: str, region: str = "eu-west-1") -> Any:  # noqa: ANN401 - boto3
    """Return a client with the permissions of a role, which the root of an account assumes.

    Args:
        endpoint: the cloud.
        role: ARN of the role.
        service: as boto3 calls it.
        by: ID of the account.
        region: region of the client.
    """
    sts = root_client(endpoint, "sts", account=by, region=region)
    credentials = sts.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )
