"""AWS as one provider sees it: an account and region of the sandbox's cloud, through a role."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from accounts.session import is_loopback
from sandbox.plugin.spelling import from_aws, to_aws
from topology.regions import PARTITIONS

Values = dict[str, Any]
"""Property values by name."""

# Error codes for a resource, or a part of its configuration, that does not exist.
_ABSENT = {
    "404", "EntityNotFoundException", "NoSuchBucket", "NoSuchBucketPolicy", "NoSuchCORSConfiguration", "NoSuchEntity",
    "NoSuchLifecycleConfiguration", "NoSuchPublicAccessBlockConfiguration", "NoSuchTagSet",
    "NoSuchWebsiteConfiguration", "NotFound", "NotFoundException", "ObjectLockConfigurationNotFoundError",
    "OwnershipControlsNotFoundError", "ReplicationConfigurationNotFoundError", "ResourceNotFound",
    "ResourceNotFoundException", "ServerSideEncryptionConfigurationNotFoundError",
}  # fmt: skip
# Athena has no code of its own: the words that the official provider looks for.
_ATHENAS_WORDS = ("is not found", "does not exist")
_session = boto3.session.Session()  # shared: it caches the service models, the costly part of a client
_session_lock = threading.Lock()


class AwsError(Exception):
    """A call failed, or the provider's arguments are invalid. The message is for the operator."""


class Aws:
    """The services of one account and region; a client is created on first use."""

    def __init__(self, region: str, credentials: Mapping[str, str], endpoint: str, account: str) -> None:
        self.region, self.account, self.partition = region, account, PARTITIONS[region]
        self._credentials, self._endpoint = credentials, endpoint
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3 has no types
        """Return the client of a service."""
        with _session_lock:
            if service not in self._clients:
                self._clients[service] = _client(service, self.region, self._credentials, self._endpoint)
            return self._clients[service]

    def call(self, service: str, operation: str, /, **parameters: Any) -> Values:  # noqa: ANN401 - property values
        """Call an operation, with parameters and response in Pulumi's spelling; None leaves a parameter out."""
        client = self.client(service)
        model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation])
        response = getattr(client, operation)(**to_aws(model.input_shape, parameters))
        return from_aws(model.output_shape, response) if model.output_shape else {}

    def find(self, service: str, operation: str, /, **parameters: Any) -> Values | None:  # noqa: ANN401 - as above
        """Call an operation as ``call`` does; return None when its resource does not exist."""
        return present(partial(self.call, service, operation), **parameters)


def connect(
    environment: Mapping[str, str],
    region: str,
    assume_roles: Sequence[Mapping[str, Any]],
    allowed_account_ids: Sequence[str],
) -> Aws:
    """Assume the roles in order, and check that the account is allowed.

    Args:
        environment: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, if any, AWS_SESSION_TOKEN.
        region: the provider's region.
        assume_roles: role ARN and session name of each role, as in the provider's arguments.
        allowed_account_ids: accounts that the provider may work in; empty: any.

    Raises:
        AwsError: the endpoint is not on this machine, a role cannot be assumed, or the account is not allowed.
    """
    endpoint = environment.get("AWS_ENDPOINT_URL", "")
    if not is_loopback(endpoint):
        raise AwsError(
            f"AWS_ENDPOINT_URL is {endpoint!r}: the sandbox's plugin connects to a cloud on this machine only; run "
            "Pulumi through sandbox/pulumi, or install the official aws plugin"
        )
    credentials: Mapping[str, str] = {
        "aws_access_key_id": environment.get("AWS_ACCESS_KEY_ID", ""),
        "aws_secret_access_key": environment.get("AWS_SECRET_ACCESS_KEY", ""),
        **({"aws_session_token": token} if (token := environment.get("AWS_SESSION_TOKEN")) else {}),
    }
    for role in assume_roles:
        with _session_lock:
            sts = _client("sts", region, credentials, endpoint)
        try:
            assumed = sts.assume_role(RoleArn=role["roleArn"], RoleSessionName=role.get("sessionName", "pulumi"))
        except ClientError as error:
            raise AwsError(f"cannot assume the role {role['roleArn']}: {error}") from None
        credentials = {
            "aws_access_key_id": assumed["Credentials"]["AccessKeyId"],
            "aws_secret_access_key": assumed["Credentials"]["SecretAccessKey"],
            "aws_session_token": assumed["Credentials"]["SessionToken"],
        }
    with _session_lock:
        sts = _client("sts", region, credentials, endpoint)
    account = sts.get_caller_identity()["Account"]
    if allowed_account_ids and account not in allowed_account_ids:
        raise AwsError(f"the credentials belong to account {account}; allowed: {', '.join(allowed_account_ids)}")
    return Aws(region, credentials, endpoint, account)


def present(call: Callable[..., Any], **arguments: Any) -> Any | None:  # noqa: ANN401 - boto3 has no types
    """Call AWS; return None when the resource does not exist."""
    try:
        return call(**arguments)
    except ClientError as error:
        code, message = (error.response["Error"].get(key, "") for key in ("Code", "Message"))
        if code in _ABSENT or (code == "InvalidRequestException" and any(word in message for word in _ATHENAS_WORDS)):
            return None
        raise


def _client(service: str, region: str, credentials: Mapping[str, str], endpoint: str) -> Any:  # noqa: ANN401
    config = Config(
        retries={"mode": "standard"},
        s3={"addressing_style": "path"},
        max_pool_connections=32,
        read_timeout=900,  # as long as a function may run
    )
    client = _session.client(service, region_name=region, endpoint_url=endpoint, config=config, **credentials)
    if service == "s3control":  # its host begins with the account
        client.meta.events.register("before-call", partial(_at, endpoint))
    return client


def _at(endpoint: str, params: Values, **_: object) -> None:
    params["url"] = f"{endpoint}/{params['url'].split('/', 3)[3]}"
