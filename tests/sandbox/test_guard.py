"""What a web page can make the sandbox do: nothing."""

from __future__ import annotations

import contextlib
import http.client
import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError

from sandbox.instance import Instance
from sandbox.server import ROOT
from tests.sandbox.conftest import Cloud

CREATE_FUNCTION = "/2015-03-31/functions"
ROOT_USER = (
    "AWS4-HMAC-SHA256 Credential=111111111111/20260101/eu-west-1/lambda/aws4_request, SignedHeaders=host, Signature=0"
)


def requested(cloud: Cloud, path: str, body: bytes = b"", **headers: str) -> int:
    """Send a request as a page can, and return its status."""
    url = urlsplit(cloud.endpoint)
    sent = {"Host": url.netloc, "Authorization": ROOT_USER, **{k.replace("_", "-"): v for k, v in headers.items()}}
    with contextlib.closing(http.client.HTTPConnection(url.netloc)) as connection:
        connection.putrequest("POST" if body else "GET", path, skip_host=True)
        for name, value in sent.items():
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        return connection.getresponse().status


def secret(cloud: Cloud) -> str:
    return urlsplit(cloud.endpoint).path


@pytest.mark.parametrize("with_secret", [True, False])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://attacker.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-origin"},
        {"Host": "attacker.example"},
        {"Host": "attacker.example:80"},
        {"Host": "127.0.0.1.attacker.example"},
    ],
)
def test_a_page_creates_no_function_even_if_it_knew_the_secret(
    cloud: Cloud, headers: dict[str, str], *, with_secret: bool
) -> None:
    function = {"FunctionName": "attack", "Runtime": "python3.13", "Role": "arn:aws:iam::111111111111:role/x",
                "Handler": "x.x", "Code": {"ZipFile": "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="}}  # fmt: skip
    prefix = secret(cloud) if with_secret else ""
    assert requested(cloud, prefix + CREATE_FUNCTION, json.dumps(function).encode(), **headers) == 403
    functions = cloud.client("lambda", account="111111111111").list_functions()["Functions"]
    assert "attack" not in [each["FunctionName"] for each in functions]


@pytest.mark.parametrize(
    "path", ["/", "/_sandbox/idle", "/_sandbox/join/111111111111/o-exampleorg1", "/x/_sandbox/idle"]
)
def test_nothing_is_answered_without_the_secret(cloud: Cloud, path: str) -> None:
    assert requested(cloud, path) == 403
    assert requested(cloud, f"{secret(cloud)}x{path}") == 403
    assert requested(cloud, f"{secret(cloud)[:-1]}{path}") == 403


def test_a_page_opens_no_websocket(cloud: Cloud) -> None:
    upgrade = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": "x3JJHMbDL1EzLkh9GBhXDw==",
    }  # fmt: skip
    assert requested(cloud, secret(cloud) + "/", b"", **upgrade) == 403


def test_clients_of_aws_are_answered_and_their_signatures_are_verified(cloud: Cloud) -> None:
    iam = cloud.client("iam", account="111111111111")
    iam.create_user(UserName="guarded")
    everything = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    iam.put_user_policy(UserName="guarded", PolicyName="all", PolicyDocument=json.dumps(everything))
    key = iam.create_access_key(UserName="guarded")["AccessKey"]

    def caller(secret_key: str) -> Any:  # noqa: ANN401 - boto3 has no types
        return boto3.client(
            "sts", endpoint_url=cloud.endpoint, region_name="eu-west-1",
            aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=secret_key,
        ).get_caller_identity()  # fmt: skip

    assert caller(key["SecretAccessKey"])["Arn"].endswith("user/guarded")
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        caller("another")


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    folder = tmp_path_factory.mktemp("guarded")
    folder.chmod(0o755)
    running = Instance(folder, detached=False)
    running.up()
    yield running
    running.down()


def test_no_other_user_reads_the_files_of_a_sandbox(instance: Instance) -> None:
    modes = {file: stat.S_IMODE(file.lstat().st_mode) for file in (instance.folder, *instance.folder.rglob("*"))}
    assert not {str(file): oct(mode) for file, mode in modes.items() if mode & 0o077}


def test_the_hosts_of_plugin_and_programs_listen_on_no_port(instance: Instance) -> None:
    for name in ("plugin", "program"):
        file: Path = instance.folder / f"{name}.json"
        assert json.loads(file.read_text(encoding="utf-8"))["port"] == 0
        assert stat.S_ISSOCK(file.with_suffix(".sock").stat().st_mode)


def test_status_keeps_the_secret_and_env_prints_it(instance: Instance) -> None:
    printed = {
        command: subprocess.run(
            [sys.executable, "-m", "sandbox", *command.split()], cwd=ROOT, capture_output=True, text=True, check=True,
            env={"SANDBOX_HOME": str(instance.folder), "PATH": ""},
        ).stdout
        for command in ("status", "status --json", "env")
    }  # fmt: skip
    running = instance.cloud()
    assert running is not None
    assert {command: running.secret in text for command, text in printed.items()} == {
        "status": False, "status --json": False, "env": True,
    }  # fmt: skip
