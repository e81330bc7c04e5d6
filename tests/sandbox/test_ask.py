"""``python -m ops ask`` on a deployed archive, with events that were sent and with random ones. Tests run in order."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from queries import QUERIES, Scope
from queries.athena import Workgroup, run
from sandbox.instance import MANAGEMENT_ACCOUNT
from sandbox.prepare import prepare
from tests.archived_events import BEGIN, END, delivered, events, objects
from tests.sandbox.ops_command import ops
from tests.sandbox.stacks import Stacks, write
from tests.stacks import config_of

CENTRAL, SHOP, GROUPS = "111111111111", "222222222222", ["aws-waf-logs-shop", "/aws/lambda/checkout"]
CONFIG: dict[str, Any] = {
    "archive": {
        **config_of("archive")["archive"],
        "delivery": {"layout": "partitioned"},
        "analysis": {"readers": [f"arn:aws:iam::{MANAGEMENT_ACCOUNT}:root"]},
    },
    "applications": [{"account": SHOP, "regions": {"eu-west-1": {"logGroups": GROUPS}}}],
}
LAST_DAY = ("--from", f"{END - timedelta(hours=23):%Y-%m-%dT%H:%M}", "--to", f"{END:%Y-%m-%d}")
SENT = 7
EVENTS = events(seed=7, count=300)


def ask(stacks: Stacks, name: str, *arguments: str, status: int = 0) -> Any:  # noqa: ANN401 - JSON
    return json.loads(ops(stacks, "ask", name, "-s", "whole", *arguments, "--json", config=CONFIG, status=status))


@pytest.fixture(scope="module")
def deployed(stacks: Stacks) -> Stacks:
    prepare([stacks.write(CONFIG)], stacks.instance.environment())
    stacks.up("whole", CONFIG)
    for number in range(SENT):
        acl = f"arn:aws:wafv2:eu-west-1:{SHOP}:regional/webacl/shop/0"
        write(stacks, json.dumps({"webaclId": acl, "action": "BLOCK", "httpRequest": {"requestId": f"r{number}"}}))
    s3, bucket = stacks.client("s3", account=CENTRAL), stacks.outputs("whole")["bucket"]
    for key, body in objects(delivered(EVENTS), "partitioned", transformed=False):
        for each in (key, f"errors/processing-failed/{key}", f"originals/{key}"):
            s3.put_object(Bucket=bucket, Key=each, Body=body)
    return stacks


def test_what_was_sent_is_what_is_counted(deployed: Stacks) -> None:
    deadline = time.monotonic() + 30
    while sum(row["events"] for row in ask(deployed, "volume")["rows"]) < SENT and time.monotonic() < deadline:
        time.sleep(0.5)
    rows = ask(deployed, "waf-overview", "--account", SHOP, "--region", "eu-west-1")["rows"]
    assert [(row["requests"], row["blocked"]) for row in rows if row["panel"] == "all"] == [(SENT, SENT)]
    (request,) = ask(deployed, "waf-request", "--set", "request_id=r3")["rows"]
    assert (request["account"], json.loads(request["message"])["action"]) == (SHOP, "BLOCK")


def test_silence_names_the_log_group_that_wrote_nothing_and_no_other(deployed: Stacks) -> None:
    found = ops(deployed, "ask", "silence", "-s", "whole", config=CONFIG, status=1)
    (silent,) = [line for line in found.splitlines() if "silent" in line]
    assert GROUPS[1] in silent


def test_an_account_and_a_day_is_all_that_is_read_and_the_same_again_is_not(deployed: Stacks) -> None:
    first = ask(deployed, "volume", "--account", SHOP, *LAST_DAY)
    assert first["bytesRead"] == first["reads"]["size"] > 0
    assert first["reads"]["accounts"] == [SHOP]
    expected = [each for each in EVENTS if each.account == SHOP and END - timedelta(hours=23) <= each.time < END]
    assert sum(row["events"] for row in first["rows"]) == len(expected)
    again = ask(deployed, "volume", "--account", SHOP, *LAST_DAY)
    assert (again["reused"], again["rows"]) == (True, first["rows"])


def test_the_analyst_finds_the_queries_in_the_workgroup_and_runs_them_as_they_are(deployed: Stacks) -> None:
    analysis = deployed.outputs("whole")["analysis"]
    sts = deployed.client("sts", account=MANAGEMENT_ACCOUNT)
    given = sts.assume_role(RoleArn=analysis["analystRole"], RoleSessionName="test")["Credentials"]
    athena = boto3.client(
        "athena",
        region_name="eu-west-1",
        endpoint_url=deployed.instance.environment()["AWS_ENDPOINT_URL"],
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )
    ids = athena.list_named_queries(WorkGroup=analysis["workgroup"])["NamedQueryIds"]
    saved = {each["Name"]: each for each in athena.batch_get_named_query(NamedQueryIds=ids)["NamedQueries"]}
    assert {name: each["QueryString"] for name, each in saved.items()} == {
        name: query.sql for name, query in QUERIES.items()
    }
    assert all(QUERIES[name].purpose in each["Description"] for name, each in saved.items())
    scope = Scope(since=BEGIN, until=datetime.now(UTC))
    answer = run(athena, QUERIES["silence"].bind(scope), Workgroup.of(analysis), seconds=60)
    assert sum(int(str(row[3])) for row in answer.rows) == len(EVENTS) + SENT
