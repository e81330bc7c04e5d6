"""``ops ask``: what it says before and after, and what it refuses. What a query returns is tested elsewhere."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from accounts.session import AssumedRole
from queries import QUERIES, Scope
from queries.athena import QueryError, Workgroup, run
from tests.unit.command_line import Ops, rows
from tests.unit.fakes import Answer, Aws, Pulumi, Refusal
from tests.unit.test_commands import CENTRAL, HOME, SHOP, write
from tests.unit.test_promotion import OUTPUTS

ANALYSIS = {
    "account": CENTRAL, "region": HOME, "database": "d", "workgroup": "w", "reuseMinutes": 15,
    "analystRole": f"arn:aws:iam::{CENTRAL}:role/analyst",
}  # fmt: skip
ARCHIVE = {
    "account": CENTRAL, "region": HOME, "destinationRegions": [HOME, "us-east-1"], "senders": {"accounts": [SHOP]},
}  # fmt: skip
ASK = ("ask", "silence", "-s", "archive", "--from", "2026-05-01", "--to", "2026-05-01")
SILENCE_COLUMNS = {
    "account": "varchar", "region": "varchar", "log_group": "varchar", "events": "bigint", "last_event": "timestamp",
}  # fmt: skip
PREFIX = f"logs/account={SHOP}/region={HOME}/date="


def finished(state: str = "SUCCEEDED", *, reason: str = "", scanned: int = 7, reused: bool = False) -> dict[str, Any]:
    return {"QueryExecution": {
        "Status": {
            "State": state, "SubmissionDateTime": datetime.now(UTC),
            **({"StateChangeReason": reason} if reason else {}),
        },
        "Statistics": {"DataScannedInBytes": scanned, "ResultReuseInformation": {"ReusedPreviousResult": reused}},
    }}  # fmt: skip


def result(columns: Mapping[str, str], *found: tuple[str | None, ...]) -> dict[str, Any]:
    lines = [tuple(columns), *found]
    return {"ResultSet": {
        "Rows": [{"Data": [{} if cell is None else {"VarCharValue": cell} for cell in line]} for line in lines],
        "ResultSetMetadata": {"ColumnInfo": [{"Name": name, "Type": kind} for name, kind in columns.items()]},
    }}  # fmt: skip


def listed(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Answer with a bucket of one account and region, three days, and an object that Athena ignores."""
    keys = [f"{PREFIX}2026-04-{day}/one" for day in (29, 30)] + [f"{PREFIX}2026-05-0{day}/one" for day in (1, 2, 3)]
    begin = parameters["Prefix"]
    mine = [key for key in keys if key.startswith(begin)]
    if "Delimiter" not in parameters:
        classes = ["STANDARD", "DEEP_ARCHIVE"]
        return {"Contents": [{"Key": key, "Size": 1_000_000, "StorageClass": each} for key in mine for each in classes]}
    below = sorted({begin + key.removeprefix(begin).partition("/")[0] + "/" for key in mine})
    return {"CommonPrefixes": [{"Prefix": each} for each in below]}


@pytest.fixture
def archive(tmp_path: Path, pulumi: Pulumi, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """An archive to which the stack ``dev`` sends: of the shop, a in eu-west-1, b* and all in another region."""
    monkeypatch.setattr("ops.cli.ask.ROOT", tmp_path)
    write(tmp_path, "archive", {"archive": {**ARCHIVE, "analysis": True, "delivery": {"layout": "partitioned"}}})
    write(tmp_path, "dev", {"archiveStack": "archive", "applications": [
        {"account": SHOP, "regions": {HOME: {"logGroups": ["a", "b*"]}, "us-east-1": {"all": True}}}
    ]})  # fmt: skip
    pulumi.outputs = {"archive": {**OUTPUTS, "layout": "partitioned", "analysis": ANALYSIS}}
    answers: dict[str, Answer] = {
        "ListObjectsV2": listed,
        "StartQueryExecution": {"QueryExecutionId": "q"},
        "GetQueryExecution": finished(),
        "GetQueryResults": result(
            SILENCE_COLUMNS,
            (SHOP, HOME, "a", "3", "2026-05-01 10:00:00.000"),
            (SHOP, "us-east-1", "z", "1", "2026-05-01 11:00:00.000"),
        ),
    }
    aws.answers.update({(CENTRAL, HOME, operation): answer for operation, answer in answers.items()})
    return aws


def test_without_a_name_all_queries_are_listed_with_their_values(ops: Ops) -> None:
    listed_names = [row[0] for row in rows(ops("ask").stdout) if row[0]]
    assert listed_names == ["query", *QUERIES]
    stated = {each["name"]: each for each in json.loads(ops("ask", "--json").stdout)["queries"]}
    assert stated["search"]["parameters"].keys() == {"text", "log_group"}
    assert stated["search"]["defaults"] == {"log_group": "all"}


def test_what_will_be_read_is_said_before_the_query_starts_and_what_was_read_after_it(archive: Aws, ops: Ops) -> None:
    said = ops(*ASK, status=1).stderr.split("\n")
    assert [
        f"reads 3 objects, 3.0 MB, of account {SHOP}, region {HOME}, that arrived 2026-04-30 to 2026-05-02: at most "
        "$0.0001 at $5 a TB; Athena ignores 3 more in GLACIER or DEEP_ARCHIVE",
        "2 rows; 7 bytes read",
    ] == [each for each in said if each]
    operations = [question[2] for question, _ in archive.calls]
    assert operations.index("StartQueryExecution") > max(
        index for index, each in enumerate(operations) if each == "ListObjectsV2"
    )
    assert archive.assumed() == [(ANALYSIS["analystRole"], HOME, "central-log-archive-archive")]


def test_silence_names_every_entry_of_the_stack_files_that_wrote_nothing(archive: Aws, ops: Ops) -> None:
    table = rows(ops(*ASK, status=1).stdout)
    assert [row[:3] + row[5:] for row in table] == [
        ["account", "region", "entry", "last event"],
        [SHOP, HOME, "b*", "silent"],
        [SHOP, HOME, "a", "2026-05-01T10:00:00.000Z"],
        [SHOP, "us-east-1", "*", "2026-05-01T11:00:00.000Z"],
    ]
    stated = json.loads(ops(*ASK, "--json", status=1).stdout)
    assert stated["silence"][0]["lastEvent"] is None
    assert (stated["from"], stated["to"]) == ("2026-05-01T00:00:00.000Z", "2026-05-02T00:00:00.000Z")
    assert stated["rows"][0]["events"] == 3
    archive.answers[CENTRAL, HOME, "GetQueryResults"] = result(
        SILENCE_COLUMNS, *((SHOP, HOME, name, "1", "2026-05-01 10:00:00.000") for name in ("a", "bc"))
    )
    ops(*ASK, "--region", HOME)


def test_csv_has_what_the_query_returned_and_nothing_else(archive: Aws, ops: Ops) -> None:
    archive.answers[CENTRAL, HOME, "GetQueryResults"] = result(
        {"message": "varchar", "time": "timestamp"}, ('<b>"\n,', None)
    )
    done = ops("ask", "search", *ASK[2:], "--set", "text=x=y", "--csv")
    assert list(csv.reader(io.StringIO(done.stdout))) == [["message", "time"], ['<b>"\n,', ""]]
    (started,) = archive.asked("StartQueryExecution")
    assert "'x=y'" in started["ExecutionParameters"]
    assert started["QueryString"] == QUERIES["search"].sql
    assert started["ResultReuseConfiguration"]["ResultReuseByAgeConfiguration"] == {
        "Enabled": True, "MaxAgeInMinutes": 15,
    }  # fmt: skip


def test_an_answer_of_an_earlier_run_and_one_that_may_be_cut_say_so(archive: Aws, ops: Ops) -> None:
    archive.answers[CENTRAL, HOME, "GetQueryExecution"] = finished(reused=True)
    archive.answers[CENTRAL, HOME, "GetQueryResults"] = result({"id": "varchar"}, *(("1",),) * 500)
    said = ops("ask", "events", *ASK[2:]).stderr
    assert "500 rows; events returns 500 at most, so there may be more; an earlier answer was reused" in said


def test_the_groups_of_the_layout_by_group_are_those_in_the_bucket(archive: Aws, pulumi: Pulumi, ops: Ops) -> None:
    pulumi.outputs["archive"]["layout"] = "partitioned-by-group"

    def listed_by_group(parameters: Mapping[str, Any]) -> dict[str, Any]:
        path = parameters["Prefix"]
        if "Delimiter" not in parameters:
            return {"Contents": []}
        last = path.rstrip("=").rpartition("/")[2]
        values = {"account": [SHOP], "region": [HOME], "group": ["app", "aws-waf-logs-x"], "date": ["2026-05-01"]}
        return {"CommonPrefixes": [{"Prefix": f"{path}{value}/"} for value in values[last]]}

    archive.answers[CENTRAL, HOME, "ListObjectsV2"] = listed_by_group
    said = ops("ask", "waf-labels", *ASK[2:]).stderr
    assert "reads nothing: no objects of these accounts, regions and days are in the bucket" in said
    (started,) = archive.asked("StartQueryExecution")
    assert '"group" IN (? /* group */)' in started["QueryString"]
    assert "'aws-waf-logs-x'" in started["ExecutionParameters"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("ask", "nothing", "-s", "archive"), "there is no query nothing; queries: cloudtrail, errors"),
        (("ask", "silence"), "specify the stack of the archive, with -s"),
        ((*ASK, "--set", "x"), '--set: "x" is no NAME=VALUE'),
        ((*ASK, "--set", "x=1"), "--set: silence has no value x; it takes none"),
        ((*ASK[:-1], "2026-04-30"), "--to 2026-04-30 is not later than --from 2026-05-01"),
        ((*ASK[:-1], "May"), '--to: "May" is neither a day nor a moment'),
        ((*ASK, "--account", "999999999999"), f"--account 999999999999: queries read {CENTRAL}, {SHOP}"),
        ((*ASK, "--region", "eu-west-9"), "--region eu-west-9: queries read eu-west-1, us-east-1"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_read(
    archive: Aws, ops: Ops, arguments: tuple[str, ...], problem: str
) -> None:
    assert problem in ops(*arguments, status=2).stderr
    assert archive.calls == []


def test_an_archive_without_analysis_says_what_to_set(archive: Aws, pulumi: Pulumi, ops: Ops) -> None:
    del pulumi.outputs["archive"]["analysis"]
    said = ops(*ASK, status=2).stderr
    assert "set archive.analysis: true in its stack file, and run pulumi up -s archive" in said
    assert archive.calls == []


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("Bytes scanned limit was exceeded", "ask for one account or region, or for less time"),
        ("CONSTRAINT_VIOLATION: For the injected projected partition column group, …", "names of log groups"),
        ("VIEW_IS_STALE: line 1:1", "run pulumi up"),
        ("anything else", "anything else"),
    ],
)
def test_a_failure_says_what_to_do(archive: Aws, ops: Ops, reason: str, remedy: str) -> None:
    archive.answers[CENTRAL, HOME, "GetQueryExecution"] = finished("FAILED", reason=reason)
    said = ops(*ASK, status=2).stderr
    assert reason in said
    assert remedy in said


def test_a_role_that_cannot_be_assumed_is_an_error(archive: Aws, ops: Ops) -> None:
    archive.answers[CENTRAL, HOME, "AssumeRole"] = Refusal("AccessDenied")
    assert "AccessDenied" in ops(*ASK, status=2).stderr


def test_a_query_that_takes_too_long_is_stopped(archive: Aws) -> None:
    archive.answers[CENTRAL, HOME, "GetQueryExecution"] = finished("RUNNING")
    archive.answers[CENTRAL, HOME, "StopQueryExecution"] = {}
    athena = AssumedRole(str(ANALYSIS["analystRole"]), HOME, "x").client("athena", HOME)
    hour = Scope(since=datetime(2026, 5, 1, tzinfo=UTC), until=datetime(2026, 5, 2, tzinfo=UTC))
    with pytest.raises(QueryError, match="took more than 0 seconds"):
        run(athena, QUERIES["volume"].bind(hour), Workgroup("w", "d", 0), seconds=0)
    assert archive.asked("StopQueryExecution") == [{"QueryExecutionId": "q"}]
