"""Transforms on the real engine, with functions that really run. The tests run in their order."""

from __future__ import annotations

import base64
import gzip
import io
import json
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.prepare import prepare
from sandbox.server import ROOT
from tests.sandbox.existing_archive import eventually
from tests.sandbox.stacks import EXAMPLES, Stacks, archived, left_behind, write
from tests.stacks import config_of

WAF = {"timestamp": 1, "action": "BLOCK", "httpRequest": {"clientIp": "192.0.2.1"}}


def test_the_bundled_transform_writes_a_line_for_each_event_to_its_partition(stacks: Stacks) -> None:
    archive = {
        **config_of("archive")["archive"],
        "delivery": {"layout": "partitioned-by-group"},
        "transform": {"code": "bundled", "backup": True},
        "key": "create",
    }
    stacks.up("archive", {"archive": archive})
    stacks.up("app-dev")
    bucket = stacks.outputs("archive")["bucket"]
    write(stacks, json.dumps(WAF))
    under = "logs/account=222222222222/region=eu-west-1/group=aws-waf-logs-shop/date="
    assert eventually(lambda: archived(stacks, bucket, under) != [])
    (line,) = archived(stacks, bucket, under)
    del line["id"], line["timestamp"]
    assert line == {
        "account": "222222222222",
        "region": "eu-west-1",
        "logGroup": "aws-waf-logs-shop",
        "logStream": "s",
        "message": WAF,
    }
    s3 = stacks.client("s3", account="111111111111")
    kept = s3.list_objects_v2(Bucket=bucket, Prefix="originals/date=")["Contents"]
    originals = b"".join(gzip.decompress(s3.get_object(Bucket=bucket, Key=o["Key"])["Body"].read()) for o in kept)
    assert originals.count(b'"messageType": "DATA_MESSAGE"') == 1
    assert originals.count(b'"messageType": "CONTROL_MESSAGE"') == 2  # one for each region
    roots = {item["Key"].split("/")[0] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert roots == {"logs", "originals"}
    stacks.pulumi(
        "refresh", "--yes", "--skip-preview", "--expect-no-changes", "-s", "archive", config={"archive": archive}
    )
    stacks.pulumi("preview", "--expect-no-changes", "-s", "archive", config={"archive": archive})


def test_what_does_not_fit_into_a_response_is_resubmitted_with_the_role_of_the_transform(stacks: Stacks) -> None:
    """Continues the previous test."""
    bucket = stacks.outputs("archive")["bucket"]
    logs = stacks.client("logs", account="222222222222")
    messages = [f"{index:02d}" + "x" * 250_000 for index in range(80)]  # 20 MB, which gzip compresses well
    for some in (messages[start : start + 4] for start in range(0, len(messages), 4)):
        events = [{"timestamp": int(time.time() * 1000), "message": message} for message in some]
        logs.put_log_events(logGroupName="aws-waf-logs-shop", logStreamName="s", logEvents=events)
    under = "logs/account=222222222222/region=eu-west-1/group=aws-waf-logs-shop/date="

    def texts() -> list[str]:
        return sorted(str(line["message"]) for line in archived(stacks, bucket, under) if line["message"] != WAF)

    assert eventually(lambda: len(texts()) >= len(messages))
    assert texts() == messages


OWN_TRANSFORM = """
import base64

def handler(event, context):
    data = base64.b64encode(b'"of our own"\\n').decode()
    return {"records": [{"recordId": r["recordId"], "result": "Ok", "data": data} for r in event["records"]]}
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Create a folder in the project, for the code of a function."""
    folder = Path(tempfile.mkdtemp(dir=ROOT, prefix=".own-"))
    yield folder
    shutil.rmtree(folder)


def test_a_transform_that_fails_loses_nothing(stacks: Stacks, folder: Path) -> None:
    """Continues the previous test: the operator's own function, from a folder, fails on every record."""
    (folder / "main.py").write_text("def handler(event, context):\n    raise RuntimeError('not today')\n")
    own = {"code": folder.name, "handler": "main.handler", "retries": 1}
    archive = {**config_of("archive")["archive"], "delivery": {"layout": "partitioned-by-group"}, "transform": own}
    warning = "The backup of the original records is disabled, which requires a new stream"
    assert warning in stacks.pulumi("preview", "-s", "archive", config={"archive": archive})
    stacks.up("archive", {"archive": archive})
    bucket = stacks.outputs("archive")["bucket"]
    write(stacks, "kept anyway")
    s3 = stacks.client("s3", account="111111111111")

    def failed() -> list[dict[str, Any]]:
        found = s3.list_objects_v2(Bucket=bucket, Prefix="errors/processing-failed/").get("Contents", [])
        bodies = [s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read() for item in found]
        return [json.loads(line) for body in bodies for line in body.splitlines()]

    def raw() -> str:
        return "".join(gzip.decompress(base64.b64decode(line["rawData"])).decode() for line in failed())

    assert eventually(lambda: "kept anyway" in raw())
    assert {(line["errorCode"], line["attemptsMade"]) for line in failed()} == {("Lambda.FunctionError", 2)}
    for stack in EXAMPLES[1::-1]:
        config = {"archive": archive} if stack == "archive" else None
        stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", stack, config=config)
    assert left_behind(stacks) == []


def test_an_own_function_from_a_folder_or_by_its_arn_decides_what_arrives(stacks: Stacks, folder: Path) -> None:
    (folder / "main.py").write_text(OWN_TRANSFORM, encoding="utf-8")
    archive = {**config_of("archive")["archive"], "transform": {"code": folder.name, "handler": "main.handler"}}
    stacks.up("archive", {"archive": archive})
    bucket = stacks.outputs("archive")["bucket"]

    def bodies() -> list[bytes]:
        s3 = stacks.client("s3", account="111111111111")
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix="logs/").get("Contents", [])]
        return [gzip.decompress(s3.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in keys]

    # The test messages of the two destinations.
    assert eventually(lambda: b"".join(bodies()).count(b'"of our own"\n') == 2)
    functions = stacks.client("lambda", account="111111111111")
    (created,) = functions.list_functions()["Functions"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive_file:
        archive_file.writestr("main.py", OWN_TRANSFORM.replace("of our own", "existing"))
    functions.create_function(
        FunctionName="mine", Role=created["Role"], Runtime="python3.13", Handler="main.handler",
        Code={"ZipFile": code.getvalue()},
    )  # fmt: skip
    existing = {**archive, "transform": "arn:aws:lambda:eu-west-1:111111111111:function:mine:$LATEST"}
    prepare([stacks.write({"archive": existing})], stacks.instance.environment())
    assert f"with FunctionArn={existing['transform']}" in stacks.up("archive", {"archive": existing})
    stacks.up("app-dev")
    write(stacks, "x")
    assert eventually(lambda: b'"existing"\n' in b"".join(bodies()))
    functions.delete_function(FunctionName="mine")
    stacks.client("logs", account="111111111111").delete_log_group(logGroupName="/aws/lambda/mine")
    for stack, config in (("app-dev", None), ("archive", {"archive": existing})):
        stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", stack, config=config)
    assert left_behind(stacks) == []
