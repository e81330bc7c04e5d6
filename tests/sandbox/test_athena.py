"""Athena over the cloud's own Glue and S3: what it reads, who may ask, and what it says."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.sandbox.conftest import Cloud

REGION = "eu-west-1"
ACCOUNTS = ("111111111111", "033333333333")
DAYS = ("2026-11-01", "2026-11-02", "2026-11-03")
GROUPS = ("aws-waf-logs-a", "app")
WAF = {"webaclId": "arn:aws:wafv2:eu-west-1:1:regional/webacl/main/1", "terminatingRuleId": "rule-1", "action": "BLOCK"}
CAMEL = ("messageType", "logGroup", "logStream", "logEvents", "subscriptionFilters")
EVENTS = """
SELECT account, region, "date", loggroup AS log_group, logevents[i].id AS id,
       CAST(from_unixtime(logevents[i]."timestamp" / 1e3) AS timestamp(3)) AS time, message
FROM raw CROSS JOIN UNNEST(transform(logevents, e -> e.message)) WITH ORDINALITY AS u (message, i)
WHERE messagetype = 'DATA_MESSAGE'
"""
EVENTS_COLUMNS = {
    "account": "varchar",
    "region": "varchar",
    "date": "varchar",
    "log_group": "varchar",
    "id": "varchar",
    "time": "timestamp(3)",
    "message": "varchar",
}
BLOCKED = """
SELECT account, "date", json_extract_scalar(message, '$.terminatingRuleId') AS rule, time
FROM events WHERE log_group LIKE 'aws-waf-logs-%' AND json_extract_scalar(message, '$.action') = 'BLOCK'
"""
BLOCKED_COLUMNS = {"account": "varchar", "date": "varchar", "rule": "varchar", "time": "timestamp(3)"}

_numbers = itertools.count(1)


@dataclass
class Analysis:
    """A bucket of records, a table, views and a workgroup, each test's own."""

    cloud: Cloud
    account: str = field(default_factory=lambda: f"8{next(_numbers):011d}")

    def __post_init__(self) -> None:
        self.data, self.results = f"data-{self.account}", f"results-{self.account}"
        for bucket in (self.data, self.results):
            self.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.glue.create_database(DatabaseInput={"Name": "logs"})
        self.athena.create_work_group(Name="team", Configuration=self.configuration())

    s3 = property(lambda self: self.cloud.client("s3", account=self.account))
    glue = property(lambda self: self.cloud.client("glue", account=self.account))
    athena = property(lambda self: self.cloud.client("athena", account=self.account))
    iam = property(lambda self: self.cloud.client("iam", account=self.account))

    def configuration(self, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        location = {"OutputLocation": f"s3://{self.results}/out/"}
        return {"EnforceWorkGroupConfiguration": True, "ResultConfiguration": location, **more}

    def put(self, key: str, *lines: str) -> int:
        """Write an object, and return what it weighs."""
        body = "".join(f"{line}\n" for line in lines).encode()
        body = gzip.compress(body) if key.endswith(".gz") else body
        self.s3.put_object(Bucket=self.data, Key=key, Body=body)
        return len(body)

    def fill(self) -> dict[tuple[str, str], int]:
        """Write an object of two WAF events for each account and day; return what they weigh."""
        weights = {}
        for number, (account, day) in enumerate(itertools.product(ACCOUNTS, DAYS)):
            record = record_of(account, json.dumps(WAF), json.dumps({**WAF, "action": "ALLOW"}), at=day)
            weights[account, day] = self.put(f"logs/{account}/{REGION}/{day}/{number}.gz", record)
        return weights

    def table(self, name: str = "raw", *, injected: bool = False, ignore_malformed: bool = True) -> None:
        columns = {
            "messagetype": "string",
            "owner": "string",
            "loggroup": "string",
            "logevents": "array<struct<id:string,timestamp:bigint,message:string>>",
        }
        projections = {
            "account": {"type": "enum", "values": ",".join(ACCOUNTS)},
            "region": {"type": "injected"} if injected else {"type": "enum", "values": REGION},
            "date": {"type": "date", "format": "yyyy-MM-dd", "range": "2026-11-01,2026-12-31"},
        }
        parameters = {f"projection.{key}.{what}": v for key, of in projections.items() for what, v in of.items()}
        parameters |= {
            "projection.enabled": "true",
            "storage.location.template": f"s3://{self.data}/logs/${{account}}/${{region}}/${{date}}/",
        }
        serde = {"case.insensitive": "FALSE", "ignore.malformed.json": str(ignore_malformed).upper()}
        serde |= {f"mapping.{column.lower()}": column for column in CAMEL}
        self.glue.create_table(
            DatabaseName="logs",
            TableInput={
                "Name": name,
                "TableType": "EXTERNAL_TABLE",
                "PartitionKeys": [{"Name": key, "Type": "string"} for key in projections],
                "Parameters": parameters,
                "StorageDescriptor": {
                    "Location": f"s3://{self.data}/logs/",
                    "Columns": [{"Name": key, "Type": kind} for key, kind in columns.items()],
                    "SerdeInfo": {
                        "SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe",
                        "Parameters": serde,
                    },
                },
            },
        )

    def view(self, name: str, sql: str, columns: dict[str, str]) -> None:
        view = {
            "originalSql": sql,
            "catalog": "awsdatacatalog",
            "schema": "logs",
            "columns": [{"name": key, "type": kind} for key, kind in columns.items()],
        }
        encoded = base64.b64encode(json.dumps(view).encode()).decode()
        self.glue.create_table(
            DatabaseName="logs",
            TableInput={
                "Name": name,
                "TableType": "VIRTUAL_VIEW",
                "Parameters": {"presto_view": "true"},
                "ViewOriginalText": f"/* Presto View: {encoded} */",
                "ViewExpandedText": "/* Presto View */",
                "StorageDescriptor": {"Columns": [{"Name": key, "Type": "string"} for key in columns]},
            },
        )

    def role(self, name: str, statements: list[dict[str, Any]]) -> Any:  # noqa: ANN401 - boto3
        """Return a client of Athena with these permissions."""
        trust = {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{self.account}:root"},
            "Action": "sts:AssumeRole",
        }
        self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **each} for each in statements]}
        self.iam.put_role_policy(RoleName=name, PolicyName="only", PolicyDocument=json.dumps(policy))
        credentials = self.cloud.client("sts", account=self.account).assume_role(
            RoleArn=f"arn:aws:iam::{self.account}:role/{name}", RoleSessionName="test"
        )["Credentials"]
        return boto3.client(
            "athena",
            endpoint_url=self.cloud.endpoint,
            region_name=REGION,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
        )

    def run(self, sql: str, *parameters: str, client: Any = None, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - boto3
        """Return the execution of a query when it has ended."""
        athena = client or self.athena
        more = {"WorkGroup": "team", **({"ExecutionParameters": list(parameters)} if parameters else {}), **more}
        started = athena.start_query_execution(QueryString=sql, QueryExecutionContext={"Database": "logs"}, **more)[
            "QueryExecutionId"
        ]
        while True:
            execution: dict[str, Any] = athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]
            if execution["Status"]["State"] not in {"QUEUED", "RUNNING"}:
                return execution
            time.sleep(0.02)

    def rows(self, sql: str, *parameters: str, client: Any = None) -> list[list[str | None]]:  # noqa: ANN401 - boto3
        """Return what a query returns, with the names of its columns."""
        execution = self.run(sql, *parameters, client=client)
        assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]["StateChangeReason"]
        pages = (
            (client or self.athena)
            .get_paginator("get_query_results")
            .paginate(QueryExecutionId=execution["QueryExecutionId"], PaginationConfig={"PageSize": 3})
        )
        found = [row for page in pages for row in page["ResultSet"]["Rows"]]
        return [[cell.get("VarCharValue") for cell in row["Data"]] for row in found]

    def failure(self, sql: str, *parameters: str, client: Any = None) -> str:  # noqa: ANN401 - boto3
        status = self.run(sql, *parameters, client=client)["Status"]
        assert status["State"] == "FAILED"
        return str(status["StateChangeReason"])


def record_of(account: str, *messages: str, at: str = "2026-11-01") -> str:
    millis = int(time.mktime(time.strptime(f"{at} UTC", "%Y-%m-%d %Z"))) * 1000
    events = [{"id": f"{at}-{n}", "timestamp": millis + n, "message": each} for n, each in enumerate(messages)]
    return json.dumps({"messageType": "DATA_MESSAGE", "owner": account, "logGroup": GROUPS[0], "logEvents": events})


@pytest.fixture
def analysis(cloud: Cloud) -> Analysis:
    """A filled table with two views, one over the other."""
    made = Analysis(cloud)
    made.weights = made.fill()  # type: ignore[attr-defined]
    made.table()
    made.view("events", EVENTS, EVENTS_COLUMNS)
    made.view("blocked", BLOCKED, BLOCKED_COLUMNS)
    return made


def test_a_query_over_nested_views_returns_text_as_athena_prints_it(analysis: Analysis) -> None:
    assert analysis.rows("""SELECT account, min(time) AS first, count(*) AS n, max(time) > min(time) AS more
                            FROM blocked GROUP BY account ORDER BY account""") == [
        ["account", "first", "n", "more"],
        ["033333333333", "2026-11-01 00:00:00.000", "3", "true"],
        ["111111111111", "2026-11-01 00:00:00.000", "3", "true"],
    ]
