"""AWS outside Pulumi: clients of an assumed role, with the credentials that Pulumi has."""

from __future__ import annotations

import ipaddress
import threading
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from topology.roles import session_name

AWS_ERRORS = (BotoCoreError, ClientError)
"""What any call raises where AWS, or the way to it, does not let it."""

# AWS takes few of these calls a second ("CloudWatch Logs quotas"). Adaptive retries slow down when it says so.
_CONFIG = Config(retries={"mode": "adaptive", "max_attempts": 10})
_session = boto3.Session()
_making = threading.Lock()  # a session makes one client at a time


class AssumedRole:
    """A role of an account, assumed for an hour."""

    def __init__(self, role_arn: str, region: str, stack: str) -> None:
        """Assume the role.

        Args:
            role_arn: ARN of the role.
            region: whose STS is asked.
            stack: on behalf of which stack; CloudTrail names it.

        Raises:
            botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: AWS refuses it, or cannot be reached.
        """
        self.role_arn = role_arn
        with _making:
            sts = _session.client("sts", region_name=region, config=_CONFIG)
        given = sts.assume_role(RoleArn=role_arn, RoleSessionName=session_name(stack))["Credentials"]
        self._keys = {
            "aws_access_key_id": given["AccessKeyId"],
            "aws_secret_access_key": given["SecretAccessKey"],
            "aws_session_token": given["SessionToken"],
        }

    def client(self, service: str, region: str) -> Any:  # noqa: ANN401 - boto3 has no types
        """Return a client of the role."""
        with _making:
            return _session.client(service, region_name=region, config=_CONFIG, **self._keys)


def is_loopback(url: str) -> bool:
    """Say whether an endpoint of AWS is on this machine: then it is the sandbox, and never AWS itself."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
