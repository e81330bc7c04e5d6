"""AWS outside Pulumi: clients of an assumed role, with Pulumi's credentials."""

from __future__ import annotations

import http.client
import ipaddress
import json
import threading
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from topology.roles import session_name

AWS_ERRORS = (BotoCoreError, ClientError)
"""What any call raises if AWS rejects it or cannot be reached."""

# AWS allows a few of these calls per second ("CloudWatch Logs quotas"). Adaptive retries slow down when throttled.
_CONFIG = Config(retries={"mode": "adaptive", "max_attempts": 10})
_SANDBOX_SECONDS = 30.0  # that a busy machine may take to answer
_session = boto3.Session()
_client_lock = threading.Lock()  # a session is not thread-safe while it creates a client


class AssumedRole:
    """A role, assumed for an hour."""

    def __init__(self, role_arn: str, region: str, stack: str) -> None:
        """Assume the role.

        Args:
            role_arn: ARN of the role.
            region: region of the STS endpoint.
            stack: name of the stack, for CloudTrail.

        Raises:
            botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: AWS denies it, or cannot be reached.
        """
        self.role_arn = role_arn
        with _client_lock:
            sts = _session.client("sts", region_name=region, config=_CONFIG)
        credentials = sts.assume_role(RoleArn=role_arn, RoleSessionName=session_name(stack))["Credentials"]
        self._credentials = {
            "aws_access_key_id": credentials["AccessKeyId"],
            "aws_secret_access_key": credentials["SecretAccessKey"],
            "aws_session_token": credentials["SessionToken"],
        }

    def client(self, service: str, region: str) -> Any:  # noqa: ANN401 - boto3 has no types
        """Return a client with the credentials of the role."""
        with _client_lock:
            return _session.client(service, region_name=region, config=_CONFIG, **self._credentials)


def is_sandbox(endpoint: str) -> bool:
    """Return whether an endpoint is the cloud of the sandbox, which says so itself.

    An endpoint on this machine may also be a tunnel to AWS, or an emulator with data that is worth keeping.

    Args:
        endpoint: AWS_ENDPOINT_URL, or empty.
    """
    if not is_loopback(endpoint):
        return False
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{endpoint}/_sandbox/sandbox", timeout=_SANDBOX_SECONDS) as response:
            return bool(json.load(response) == {"sandbox": True})
    except (OSError, ValueError, http.client.HTTPException):
        return False


def is_loopback(url: str) -> bool:
    """Return whether an endpoint is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
