"""Athena over the cloud's own Glue and S3: what it reads, who may ask, and what it says."""

from __future__ import annotations

import base64
import calendar
import gzip
import itertools
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.assumed_role import assumed
from tests.sandbox.conftest import Cloud
from topology import policies

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
    weights: dict[tuple[str, str], int] = field(default_factory=dict)

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

    def fill(self) -> None:
        """Write an object of two WAF events for each account and day, and note what they weigh."""
        for number, (account, day) in enumerate(itertools.product(ACCOUNTS, DAYS)):
            record = record_of(account, json.dumps(WAF), json.dumps({**WAF, "action": "ALLOW"}), at=day)
            self.weights[account, day] = self.put(f"logs/{account}/{REGION}/{day}/{number}.gz", record)

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

    def role(self, name: str, statements: list[dict[str, Any]], service: str = "athena") -> Any:  # noqa: ANN401 - boto3
        """Return a client of a service with these permissions."""
        trust = {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{self.account}:root"},
            "Action": "sts:AssumeRole",
        }
        self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **each} for each in statements]}
        self.iam.put_role_policy(RoleName=name, PolicyName="only", PolicyDocument=json.dumps(policy))
        return assumed(
            self.cloud.endpoint, f"arn:aws:iam::{self.account}:role/{name}", service, by=self.account, region=REGION
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
    millis = calendar.timegm(time.strptime(at, "%Y-%m-%d")) * 1000
    events = [{"id": f"{at}-{n}", "timestamp": millis + n, "message": each} for n, each in enumerate(messages)]
    return json.dumps({"messageType": "DATA_MESSAGE", "owner": account, "logGroup": GROUPS[0], "logEvents": events})


@pytest.fixture
def analysis(cloud: Cloud) -> Analysis:
    """A filled table with two views, one over the other."""
    made = Analysis(cloud)
    made.fill()
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


def test_a_day_of_an_account_costs_what_its_objects_weigh(analysis: Analysis) -> None:
    meant = analysis.weights[ACCOUNTS[0], "2026-11-02"]
    for table in ("blocked", "events", "raw"):
        query = f'SELECT count(*) FROM {table} WHERE account = ? AND "date" = ?'
        statistics = analysis.run(query, f"'{ACCOUNTS[0]}'", "'2026-11-02'")["Statistics"]
        assert statistics["DataScannedInBytes"] <= 1.05 * meant


def test_a_row_knows_its_object_but_only_if_asked(analysis: Analysis) -> None:
    pinned = f"account = '{ACCOUNTS[0]}' AND \"date\" = '2026-11-02'"
    rows = analysis.rows(f'SELECT "$path", owner FROM raw WHERE {pinned}')
    assert rows[1:] == [[f"s3://{analysis.data}/logs/{ACCOUNTS[0]}/{REGION}/2026-11-02/1.gz", ACCOUNTS[0]]]
    assert "$path" not in analysis.rows(f"SELECT * FROM raw WHERE {pinned}")[0]


def test_what_is_outside_the_projection_or_in_glacier_is_invisible(analysis: Analysis) -> None:
    analysis.put(f"logs/999999999999/{REGION}/2026-11-01/x.gz", record_of("999999999999", "unknown account"))
    analysis.put(f"logs/{ACCOUNTS[0]}/{REGION}/2026-10-31/x.gz", record_of(ACCOUNTS[0], "before"))
    analysis.s3.put_object(
        Bucket=analysis.data, Key=f"logs/{ACCOUNTS[0]}/{REGION}/2026-11-01/y", Body=b"{}", StorageClass="DEEP_ARCHIVE"
    )
    analysis.put(f"logs/{ACCOUNTS[0]}/{REGION}/2026-11-01/_hidden", "{}")
    assert analysis.rows("SELECT count(*) FROM raw")[1] == ["6"]


def test_a_malformed_line_is_a_row_of_nulls_or_fails_the_query(analysis: Analysis) -> None:
    analysis.put(f"logs/{ACCOUNTS[0]}/{REGION}/2026-12-01/x", '{"messageType": "DATA', record_of(ACCOUNTS[0], "fine"))
    analysis.table("strict", ignore_malformed=False)
    query = "SELECT messagetype, owner FROM {} WHERE \"date\" = '2026-12-01' ORDER BY owner"
    assert analysis.rows(query.format("raw"))[1:] == [["DATA_MESSAGE", ACCOUNTS[0]], [None, None]]
    assert "HIVE_CURSOR_ERROR: Row is not a valid JSON Object" in analysis.failure(query.format("strict"))


def test_an_injected_key_needs_its_value_in_the_query(analysis: Analysis) -> None:
    analysis.table("by_region", injected=True)
    count = "SELECT count(*) FROM by_region"
    assert analysis.failure(count).startswith(
        "CONSTRAINT_VIOLATION: For the injected projected partition column region, the WHERE clause must contain only"
    )
    for condition in (
        "region LIKE 'eu-%'",
        "region = 'eu-west-1' OR account = '1'",
        "region IN (SELECT region FROM raw)",
    ):
        assert "CONSTRAINT_VIOLATION" in analysis.failure(f"{count} WHERE {condition}")
    for condition in ("region = 'eu-west-1'", "region IN ('eu-west-1', 'x')", "(region = 'x' OR region = 'eu-west-1')"):
        assert analysis.rows(f"{count} WHERE {condition}")[1:] == [["6"]]


def test_parameters_are_constants_in_sql_and_as_many_as_question_marks(analysis: Analysis) -> None:
    echo = "SELECT ? AS a, ? AS b"
    assert analysis.rows(echo, "'it''s' ", "5")[1] == ["it's", "5"]
    assert analysis.run(echo, "1", "2")["ExecutionParameters"] == ["1", "2"]
    assert "Incorrect number of parameters: expected 2 but found 1" in analysis.failure(echo, "1")
    assert "Incorrect number of parameters: expected 0 but found 1" in analysis.failure("SELECT 1", "1")
    assert "Column 'unquoted' cannot be resolved" in analysis.failure(echo, "unquoted", "1")
    with pytest.raises(ClientError, match="is no constant"):
        analysis.run(echo, "1", "(SELECT max(message) FROM events)")


def test_a_query_that_reads_more_than_its_workgroup_allows_is_canceled(analysis: Analysis) -> None:
    configuration = {"BytesScannedCutoffPerQuery": 10_000_000}
    analysis.athena.update_work_group(WorkGroup="team", ConfigurationUpdates=configuration)
    analysis.put(f"logs/{ACCOUNTS[0]}/{REGION}/2026-12-01/x", " " * 10_000_001)
    status = analysis.run("SELECT count(*) FROM raw")["Status"]
    assert (status["State"], status["StateChangeReason"]) == ("CANCELLED", "Bytes scanned limit was exceeded")
    assert analysis.rows("SELECT count(*) FROM raw WHERE \"date\" = '2026-11-01'")[1] == ["2"]
    analysis.athena.update_work_group(WorkGroup="team", ConfigurationUpdates={"RemoveBytesScannedCutoffPerQuery": True})
    assert analysis.rows("SELECT count(*) FROM raw")[1] == ["7"]


def test_an_enforced_workgroup_decides_where_results_go(analysis: Analysis) -> None:
    mine = {"OutputLocation": f"s3://{analysis.data}/mine"}
    execution = analysis.run("SELECT NULL AS n, 'a \"b\"' AS t, ARRAY[1, NULL] AS l", ResultConfiguration=mine)
    location = execution["ResultConfiguration"]["OutputLocation"]
    assert location == f"s3://{analysis.results}/out/{execution['QueryExecutionId']}.csv"
    key = location.partition(f"{analysis.results}/")[2]
    body = analysis.s3.get_object(Bucket=analysis.results, Key=key)["Body"].read()
    assert body == b'"n","t","l"\n,"a ""b""","[1, null]"\n'
    assert {each["Key"] for each in analysis.s3.list_objects_v2(Bucket=analysis.results)["Contents"]} == {
        key,
        f"{key}.metadata",
    }
    analysis.athena.update_work_group(WorkGroup="team", ConfigurationUpdates={"EnforceWorkGroupConfiguration": False})
    execution = analysis.run("SELECT 1", ResultConfiguration=mine)
    assert execution["ResultConfiguration"]["OutputLocation"].startswith(f"s3://{analysis.data}/mine/")


def test_a_result_is_reused_until_it_is_too_old_or_the_question_differs(analysis: Analysis) -> None:
    reuse = {"ResultReuseByAgeConfiguration": {"Enabled": True, "MaxAgeInMinutes": 5}}

    def reused(sql: str, *parameters: str, **more: Any) -> bool:  # noqa: ANN401 - arguments of boto3
        statistics = analysis.run(sql, *parameters, **more)["Statistics"]
        found = statistics["ResultReuseInformation"]["ReusedPreviousResult"]
        assert (statistics["DataScannedInBytes"] == 0) is found
        return bool(found)

    sql = "SELECT count(*) FROM raw WHERE account = ?"
    assert not reused(sql, f"'{ACCOUNTS[0]}'", ResultReuseConfiguration=reuse)
    assert reused(sql, f"'{ACCOUNTS[0]}'", ResultReuseConfiguration=reuse)
    assert not reused(sql, f"'{ACCOUNTS[1]}'", ResultReuseConfiguration=reuse)
    assert not reused(sql, f"'{ACCOUNTS[0]}'")
    reuse = {"ResultReuseByAgeConfiguration": {"Enabled": True, "MaxAgeInMinutes": 0}}
    assert not reused(sql, f"'{ACCOUNTS[0]}'", ResultReuseConfiguration=reuse)


@pytest.mark.parametrize("sql", ["SELECT count(*) FROM raw", "SELECT 1 FROM nothing"])
def test_a_token_stands_for_one_query_whoever_asks_and_whatever_came_of_it(analysis: Analysis, sql: str) -> None:
    token, needed = sql.ljust(32), reader(analysis)
    starter = analysis.role("starter", [needed[each] for each in ("start", "follow", "location")])  # nothing on tables
    ids = [
        analysis.run(sql, client=client, ClientRequestToken=token)["QueryExecutionId"]
        for client in (analysis.athena, analysis.athena, starter)
    ]
    assert len(set(ids)) == 1
    assert analysis.run(sql)["QueryExecutionId"] not in ids
    reuse = {"ResultReuseByAgeConfiguration": {"Enabled": True, "MaxAgeInMinutes": 5}}
    for other, more in ((f"{sql} ", {}), (sql, {"ResultReuseConfiguration": reuse})):
        with pytest.raises(ClientError, match="Idempotent parameters do not match"):
            analysis.run(other, ClientRequestToken=token, **more)


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("SELECT nothing FROM raw", "COLUMN_NOT_FOUND"),
        ("SELECT 1 FROM nothing", "TABLE_NOT_FOUND"),
        ("SELECT 1 FROM nowhere.raw", "SCHEMA_NOT_FOUND"),
        ("SELECT json_extract_string(owner, '$') FROM raw", "FUNCTION_NOT_FOUND"),
        ("SELECT 1 FROM raw WHERE account = 5", "TYPE_MISMATCH"),
        ("SELECT account AS a FROM raw GROUP BY a", "COLUMN_NOT_FOUND"),
        ("SELECT CAST('x' AS bigint)", "GENERIC_INTERNAL_ERROR"),
        ("INSERT INTO raw SELECT * FROM raw", "NOT_SUPPORTED"),
    ],
)
def test_a_query_that_athena_does_not_run_fails(analysis: Analysis, sql: str, problem: str) -> None:
    assert analysis.failure(sql).startswith(problem)


def test_sql_that_cannot_be_read_is_refused_at_once(analysis: Analysis) -> None:
    with pytest.raises(ClientError, match="InvalidRequestException"):
        analysis.run("SELECT FROM WHERE")


def test_a_view_that_does_not_return_what_it_declares_is_stale(analysis: Analysis) -> None:
    analysis.view("stale", "SELECT account, time FROM events", {"account": "varchar", "time": "timestamp(6)"})
    assert "column [time] of type timestamp(3) projected from query view at position 1" in analysis.failure(
        "SELECT account FROM stale"
    )


def test_a_result_says_the_types_of_its_columns(analysis: Analysis) -> None:
    execution = analysis.run("""SELECT account, time, count(*) AS n, 1.5e0 AS d, true AS b, ARRAY[1] AS a,
                                       DATE '2026-11-01' AS day, now() AS now FROM events GROUP BY 1, 2""")
    results = analysis.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])["ResultSet"]
    types = {each["Name"]: each["Type"] for each in results["ResultSetMetadata"]["ColumnInfo"]}
    assert types == {
        "account": "varchar",
        "time": "timestamp",
        "n": "bigint",
        "d": "double",
        "b": "boolean",
        "a": "array",
        "day": "date",
        "now": "timestamp with time zone",
    }


@pytest.mark.parametrize(
    ("operation", "of", "words"),
    [
        ("get_work_group", {"WorkGroup": "x"}, "WorkGroup x is not found."),
        ("update_work_group", {"WorkGroup": "x"}, "WorkGroup x is not found."),
        ("get_named_query", {"NamedQueryId": "x"}, "NamedQuery x does not exist."),
        ("get_query_execution", {"QueryExecutionId": "x"}, "QueryExecution x was not found"),
    ],
)
def test_what_does_not_exist_is_refused_in_the_words_that_clients_look_for(
    analysis: Analysis, operation: str, of: dict[str, str], words: str
) -> None:
    with pytest.raises(ClientError, match=rf"InvalidRequestException.*{re.escape(words)}$"):
        getattr(analysis.athena, operation)(**of)


def test_a_disabled_workgroup_and_one_that_holds_queries_refuse(analysis: Analysis) -> None:
    athena = analysis.athena
    athena.create_named_query(Name="n", Database="logs", QueryString="SELECT 1", WorkGroup="team")
    with pytest.raises(ClientError, match="is not empty"):
        athena.delete_work_group(WorkGroup="team")
    athena.update_work_group(WorkGroup="team", State="DISABLED")
    with pytest.raises(ClientError, match="WorkGroup team is disabled"):
        analysis.run("SELECT 1")
    athena.delete_work_group(WorkGroup="team", RecursiveDeleteOption=True)
    with pytest.raises(ClientError, match="WorkGroup team is not found"):
        analysis.run("SELECT 1")
    assert athena.list_named_queries(WorkGroup="team")["NamedQueryIds"] == []


def reader(analysis: Analysis) -> dict[str, dict[str, Any]]:
    """Return what a reader of the views needs, by what it is for."""
    glue = f"arn:aws:glue:{REGION}:{analysis.account}"
    workgroup = f"arn:aws:athena:{REGION}:{analysis.account}:workgroup/team"
    tables = [f"{glue}:table/logs/{name}" for name in ("raw", "events", "blocked")]
    return {
        "start": {"Action": "athena:StartQueryExecution", "Resource": workgroup},
        "follow": {"Action": "athena:GetQueryExecution", "Resource": workgroup},
        "results": {"Action": "athena:GetQueryResults", "Resource": workgroup},
        "database": {"Action": "glue:GetDatabase", "Resource": [f"{glue}:catalog", f"{glue}:database/logs"]},
        "table": {"Action": "glue:GetTable", "Resource": [f"{glue}:catalog", f"{glue}:database/logs", *tables]},
        "list": {
            "Action": "s3:ListBucket",
            "Resource": f"arn:aws:s3:::{analysis.data}",
            "Condition": {"StringLike": {"s3:prefix": "logs/*"}},
        },
        "read": {"Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{analysis.data}/logs/*"},
        "location": {"Action": "s3:GetBucketLocation", "Resource": f"arn:aws:s3:::{analysis.results}"},
        "write": {"Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{analysis.results}/out/*"},
        "fetch": {"Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{analysis.results}/out/*"},
    }


COUNT = "SELECT count(*) FROM blocked WHERE account = '111111111111'"


def problem_of(analysis: Analysis, client: Any) -> str:  # noqa: ANN401 - boto3
    """Return why a client gets no result; empty if it does."""
    try:
        status = analysis.run(COUNT, client=client)["Status"]
        if status["State"] == "SUCCEEDED":
            analysis.rows(COUNT, client=client)
        return str(status.get("StateChangeReason", ""))
    except ClientError as error:
        return str(error)


def test_a_query_needs_each_permission_of_its_reader_and_no_other(analysis: Analysis) -> None:
    needed = reader(analysis)
    assert problem_of(analysis, analysis.role("reader", list(needed.values()))) == ""
    problems = {
        lacking: problem_of(
            analysis, analysis.role(f"without-{lacking}", [each for name, each in needed.items() if name != lacking])
        )
        for lacking in needed
    }
    texts = {
        "start": "athena:StartQueryExecution",
        "follow": "athena:GetQueryExecution",
        "results": "athena:GetQueryResults",
        "database": "glue:GetDatabase",
        "table": "glue:GetTable",
        "list": f"Permission denied on S3 path: s3://{analysis.data}/logs/111111111111/{REGION}/2026-11-01/",
        "read": f"Permission denied on S3 path: s3://{analysis.data}/logs/111111111111/{REGION}/2026-11-01/0.gz",
        "location": f"Unable to verify/create output bucket {analysis.results}",
        "write": "Access denied when writing output to url",
        "fetch": "Access denied when reading the result",
    }
    assert {name: text for name, text in texts.items() if text not in problems[name]} == {}


def test_a_view_needs_permission_on_what_it_names(analysis: Analysis) -> None:
    needed = reader(analysis)
    needed["table"]["Resource"] = [each for each in needed["table"]["Resource"] if not each.endswith("/events")]
    assert problem_of(analysis, analysis.role("reader", list(needed.values()))).endswith(":table/logs/events")


def test_a_bucket_policy_and_a_key_decide_too(analysis: Analysis) -> None:
    role = analysis.role("reader", list(reader(analysis).values()))
    denial = {
        "Effect": "Deny",
        "Principal": {"AWS": f"arn:aws:iam::{analysis.account}:role/reader"},
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{analysis.data}/logs/*",
    }
    insecure = {**denial, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    for statement, problem in ((insecure, ""), (denial, "Permission denied on S3 path")):
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        analysis.s3.put_bucket_policy(Bucket=analysis.data, Policy=policy)
        assert problem_of(analysis, role).partition(":")[0] == problem
    analysis.s3.delete_bucket_policy(Bucket=analysis.data)
    key = analysis.cloud.client("kms", account=analysis.account).create_key()["KeyMetadata"]["Arn"]
    analysis.s3.put_object(
        Bucket=analysis.data,
        Key=f"logs/111111111111/{REGION}/2026-11-01/encrypted",
        Body=record_of("111111111111", json.dumps(WAF)).encode(),
        ServerSideEncryption="aws:kms",
        SSEKMSKeyId=key,
    )
    assert problem_of(analysis, role).startswith("Permission denied on S3 path")
    decrypt = {"Action": "kms:Decrypt", "Resource": key}
    assert problem_of(analysis, analysis.role("decrypter", [*reader(analysis).values(), decrypt])) == ""


@dataclass
class Encrypted:
    """Events and results with a key, and the analyst role of an archive that has them."""

    analysis: Analysis

    def __post_init__(self) -> None:
        analysis = self.analysis
        self.elsewhere = f"elsewhere-{analysis.account}"
        self.key = analysis.cloud.client("kms", account=analysis.account).create_key()["KeyMetadata"]["Arn"]
        analysis.s3.create_bucket(Bucket=self.elsewhere, CreateBucketConfiguration={"LocationConstraint": REGION})
        for bucket in (analysis.data, self.elsewhere):
            analysis.s3.put_object(
                Bucket=bucket,
                Key=f"logs/111111111111/{REGION}/2026-11-01/encrypted",
                Body=record_of("111111111111", json.dumps(WAF)).encode(),
                ServerSideEncryption="aws:kms",
                SSEKMSKeyId=self.key,
            )
        encryption = {"EncryptionConfiguration": {"EncryptionOption": "SSE_KMS", "KmsKey": self.key}}
        analysis.athena.update_work_group(
            WorkGroup="team", ConfigurationUpdates={"ResultConfigurationUpdates": encryption}
        )
        table = analysis.glue.get_table(DatabaseName="logs", Name="raw")["Table"]
        moved = json.loads(json.dumps(table, default=str).replace(analysis.data, self.elsewhere))
        kept = ("TableType", "PartitionKeys", "Parameters", "StorageDescriptor")
        analysis.glue.create_table(
            DatabaseName="logs", TableInput={"Name": "elsewhere", **{each: moved[each] for each in kept}}
        )
        queried = policies.Queried(
            home_region=REGION,
            account=analysis.account,
            database="logs",
            workgroup="team",
            bucket_arn=f"arn:aws:s3:::{analysis.data}",
            results_arn=f"arn:aws:s3:::{analysis.results}",
            key_arn=self.key,
        )
        document = policies.analyst_role_policy(queried, function_arn="arn:function", dashboard_arn="arn:dashboard")
        self.statements: list[dict[str, Any]] = json.loads(document)["Statement"]

    def changed(self, change: Callable[[dict[str, Any]], dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the statements, with another one on the key."""
        return [change(each) if each["Sid"] == "EncryptObjects" else each for each in self.statements]


@pytest.fixture
def encrypted(analysis: Analysis) -> Encrypted:
    return Encrypted(analysis)


@pytest.mark.parametrize(
    ("lacking", "problem"),
    [
        (None, ""),
        ("kms:Decrypt", "Permission denied on S3 path"),
        ("kms:GenerateDataKey", "Access denied when writing output to url"),
    ],
)
def test_the_analyst_role_needs_each_permission_on_the_key(
    encrypted: Encrypted, lacking: str | None, problem: str
) -> None:
    kept = encrypted.changed(lambda use: {**use, "Action": [each for each in use["Action"] if each != lacking]})
    assert problem_of(encrypted.analysis, encrypted.analysis.role("analyst", kept)).partition(":")[0] == problem


def uses_the_key_itself(encrypted: Encrypted, statements: list[dict[str, Any]]) -> bool:
    """Ask KMS, in the words of S3, instead of S3."""
    kms = encrypted.analysis.role(f"analyst-{next(_numbers)}", statements, "kms")
    context = {"aws:s3:arn": f"arn:aws:s3:::{encrypted.analysis.data}"}
    try:
        kms.generate_data_key(KeyId=encrypted.key, KeySpec="AES_256", EncryptionContext=context)
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDeniedException":
            raise
        return False
    return True


def reads_another_bucket(encrypted: Encrypted, statements: list[dict[str, Any]]) -> bool:
    """Read a bucket of others that has the same key."""
    arn = f"arn:aws:s3:::{encrypted.elsewhere}"
    more = {"Action": ["s3:GetObject", "s3:ListBucket"], "Resource": [arn, f"{arn}/*"]}
    client = encrypted.analysis.role(f"analyst-{next(_numbers)}", [*statements, more])
    status = encrypted.analysis.run("SELECT count(*) FROM elsewhere", client=client)["Status"]
    assert status["State"] == "SUCCEEDED" or status["StateChangeReason"].startswith("Permission denied on S3 path")
    return bool(status["State"] == "SUCCEEDED")


@pytest.mark.parametrize(
    ("condition", "attack"), [("StringEquals", uses_the_key_itself), ("StringLike", reads_another_bucket)]
)
def test_each_condition_keeps_the_analyst_role_from_another_use_of_the_key(
    encrypted: Encrypted, condition: str, attack: Callable[[Encrypted, list[dict[str, Any]]], bool]
) -> None:
    assert not attack(encrypted, encrypted.statements)
    rest = encrypted.changed(
        lambda use: {**use, "Condition": {key: each for key, each in use["Condition"].items() if key != condition}}
    )
    assert attack(encrypted, rest)


def test_results_are_encrypted_as_the_workgroup_says(analysis: Analysis) -> None:
    key = analysis.cloud.client("kms", account=analysis.account).create_key()["KeyMetadata"]["Arn"]
    encryption = {"EncryptionOption": "SSE_KMS", "KmsKey": key}
    analysis.athena.update_work_group(
        WorkGroup="team",
        ConfigurationUpdates={"ResultConfigurationUpdates": {"EncryptionConfiguration": encryption}},
    )
    execution = analysis.run("SELECT 1")
    place = execution["ResultConfiguration"]["OutputLocation"].partition(f"{analysis.results}/")[2]
    assert analysis.s3.head_object(Bucket=analysis.results, Key=place)["SSEKMSKeyId"] == key
    role = analysis.role("reader", list(reader(analysis).values()))
    assert problem_of(analysis, role).startswith("Access denied when writing output to url")
    use = {"Action": ["kms:GenerateDataKey", "kms:Decrypt"], "Resource": key}
    assert problem_of(analysis, analysis.role("encrypter", [*reader(analysis).values(), use])) == ""


def test_registered_partitions_need_permission_and_are_pruned(analysis: Analysis) -> None:
    weight = analysis.put("plain/one/a", '{"x": 1}')
    analysis.put("elsewhere/b.gz", '{"x": 2}')
    analysis.put("plain/unregistered/c", '{"x": 3}')
    storage = {
        "Location": f"s3://{analysis.data}/plain/",
        "Columns": [{"Name": "x", "Type": "int"}],
        "SerdeInfo": {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"},
    }
    keys = [{"Name": "part", "Type": "string"}]
    analysis.glue.create_table(
        DatabaseName="logs", TableInput={"Name": "plain", "StorageDescriptor": storage, "PartitionKeys": keys}
    )
    for value, place in (("one", "plain/one"), ("two", "elsewhere/")):
        partition = {"Values": [value], "StorageDescriptor": {**storage, "Location": f"s3://{analysis.data}/{place}"}}
        analysis.glue.create_partition(DatabaseName="logs", TableName="plain", PartitionInput=partition)
    assert sorted(analysis.rows("SELECT part, x FROM plain")[1:]) == [["one", "1"], ["two", "2"]]
    pruned = analysis.run("SELECT x FROM plain WHERE part LIKE 'o%'")
    assert pruned["Statistics"]["DataScannedInBytes"] == weight
    needed = reader(analysis)
    needed["table"]["Resource"].append(f"arn:aws:glue:{REGION}:{analysis.account}:table/logs/plain")
    role = analysis.role("reader", list(needed.values()))
    assert "glue:GetPartitions" in analysis.failure("SELECT x FROM plain", client=role)
    storage["Location"] = f"s3://{analysis.data}/plain"
    analysis.glue.create_table(DatabaseName="logs", TableInput={"Name": "whole", "StorageDescriptor": storage})
    for condition in ("", "WHERE true", "WHERE x > 0"):
        assert sorted(analysis.rows(f"SELECT x FROM whole {condition}")[1:]) == [["1"], ["3"]]


def test_every_kind_of_message_survives(analysis: Analysis) -> None:
    messages = [
        "plain text",
        'quotes " and \\ and \t tab',
        "ümlaut 😀 \u2028",
        '{"a": 1, "a": 2}',
        '{"n": 123456789012345678901234567890.5e400}',
        "",
        "<script>alert(1)</script>",
        "null",
    ]
    analysis.put(f"logs/{ACCOUNTS[0]}/{REGION}/2026-12-01/x.gz", record_of(ACCOUNTS[0], *messages, at="2026-12-01"))
    found = analysis.rows("SELECT message FROM events WHERE \"date\" = '2026-12-01' ORDER BY time")
    assert [row[0] for row in found[1:]] == messages
