"""What queries the archive, on the real engine: its changes, and what the analyst role may do. Tests run in order."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from queries.athena import wait
from sandbox.prepare import prepare
from tests.sandbox.assumed_role import assumed
from tests.sandbox.stacks import EXAMPLES, Stacks, left_behind
from tests.sandbox.test_permissions import without
from tests.stacks import config_of

ACCOUNT = "111111111111"
Call = Callable[[Any], object]  # of a function that returns a client of a service


def with_analysis(layout: str, analysis: object) -> dict[str, Any]:
    archive = {**config_of("archive")["archive"], "delivery": {"layout": layout}}
    return {"archive": {**archive, "analysis": analysis}}


def tables(stacks: Stacks) -> dict[str, Any]:
    glue = stacks.client("glue", account=ACCOUNT)
    found = glue.get_tables(DatabaseName="central_log_archive_archive")["TableList"]
    return {table["Name"]: table for table in found}


def test_a_second_update_and_a_refresh_change_nothing(stacks: Stacks) -> None:
    config = with_analysis("partitioned", analysis=True)
    prepare([stacks.write(config)], stacks.instance.environment())
    stacks.up("archive", config)
    assert tables(stacks).keys() == {"records_partitioned", "events", "waf"}
    stacks.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes", "-s", "archive", config=config)
    stacks.pulumi("preview", "--expect-no-changes", "-s", "archive", config=config)


def test_a_layout_moves_the_table_and_changes_the_view_in_place(stacks: Stacks) -> None:
    config = with_analysis("partitioned-by-group", {"since": "2026-01-01", "scanLimitGiB": 1})
    steps = {step["urn"].rpartition("::")[2]: step["op"] for step in stacks.preview("archive", config)}
    assert steps["archive-records"] in ("replace", "create-replacement", "delete-replaced")
    assert (steps["archive-view-events"], steps["archive-analysis"]) == ("update", "update")
    assert steps["archive-stream"] == "update"
    assert not {"archive-view-waf", "archive-results", "archive-database"} & steps.keys()
    before = tables(stacks)["events"]
    stacks.up("archive", config)
    found = tables(stacks)
    assert found.keys() == {"records_partitioned_by_group", "events", "waf"}
    assert found["events"]["CreateTime"] == before["CreateTime"]
    assert found["events"]["ViewOriginalText"] != before["ViewOriginalText"]
    assert found["records_partitioned_by_group"]["Parameters"]["projection.date.range"] == "2026-01-01,NOW"
    athena = stacks.client("athena", account=ACCOUNT)
    workgroup = athena.get_work_group(WorkGroup=stacks.outputs("archive")["analysis"]["workgroup"])["WorkGroup"]
    assert workgroup["Configuration"]["BytesScannedCutoffPerQuery"] == 2**30
    stacks.pulumi("preview", "--expect-no-changes", "-s", "archive", config=config)


def test_a_view_that_someone_deleted_comes_back(stacks: Stacks) -> None:
    config = with_analysis("partitioned-by-group", analysis=True)
    stacks.client("glue", account=ACCOUNT).delete_table(DatabaseName="central_log_archive_archive", Name="waf")
    stacks.pulumi("refresh", "--yes", "--skip-preview", "-s", "archive", config=config)
    stacks.up("archive", config)
    assert "waf" in tables(stacks)


class Analyst:
    """Calls AWS as the analyst role."""

    def __init__(self, stacks: Stacks) -> None:
        outputs = stacks.outputs("archive")
        analysis = outputs["analysis"]
        self.role: str = analysis["analystRole"]
        self.bucket, self.workgroup, self.database = outputs["bucket"], analysis["workgroup"], analysis["database"]
        self.dashboard = analysis["dashboard"]
        self._stacks = stacks
        s3 = stacks.client("s3", account=ACCOUNT)
        (self.results,) = (
            each["Name"] for each in s3.list_buckets()["Buckets"] if each["Name"].startswith("archive-results-")
        )
        for key in ("logs/account=1/one", "errors/one", "originals/one"):
            s3.put_object(Bucket=self.bucket, Key=key, Body=b"{}")
        s3.put_object(Bucket=self.results, Key="one", Body=b"{}")
        athena = stacks.client("athena", account=ACCOUNT)
        self.saved: str = athena.list_named_queries(WorkGroup=self.workgroup)["NamedQueryIds"][0]
        self.asked = self.query()
        assert wait(athena, self.asked, 60)

    def policy(self) -> dict[str, Any]:
        iam, name = self._stacks.client("iam", account=ACCOUNT), self.role.rpartition("/")[2]
        (self._policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
        return dict(iam.get_role_policy(RoleName=name, PolicyName=self._policy)["PolicyDocument"])

    def put_policy(self, document: dict[str, Any]) -> None:
        self._stacks.client("iam", account=ACCOUNT).put_role_policy(
            RoleName=self.role.rpartition("/")[2], PolicyName=self._policy, PolicyDocument=json.dumps(document)
        )

    def upload(self, bucket: str | None = None) -> dict[str, str]:
        """Begin an upload in parts, as the owner of the bucket; return what names it."""
        of = {"Bucket": bucket or self.results, "Key": "logs/parts"}
        begun = self._stacks.client("s3", account=ACCOUNT).create_multipart_upload(**of)
        return {**of, "UploadId": begun["UploadId"]}

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3
        return assumed(self._stacks.instance.environment()["AWS_ENDPOINT_URL"], self.role, service, by=ACCOUNT)

    def invoke(self) -> None:
        body = self._stacks.client("cloudwatch", account=ACCOUNT).get_dashboard(DashboardName=self.dashboard)
        (endpoint, *_) = (each["properties"]["endpoint"] for each in json.loads(body["DashboardBody"])["widgets"])
        self.client("lambda").invoke(FunctionName=endpoint, Payload=b'{"describe": true}')

    def query(self, **more: object) -> str:
        athena = self.client("athena")
        started = athena.start_query_execution(QueryString="SELECT 1", **{"WorkGroup": self.workgroup, **more})
        return str(started["QueryExecutionId"])

    def denied(self, call: Call) -> bool:
        try:
            call(self)
        except ClientError as error:
            if "AccessDenied" in error.response["Error"]["Code"]:
                return True
            raise
        return False


@pytest.fixture(scope="module")
def analyst(stacks: Stacks) -> Analyst:
    return Analyst(stacks)


ALLOWED: dict[tuple[str, str], Call] = {
    ("Query", "athena:GetQueryExecution"): lambda a: a.client("athena").get_query_execution(QueryExecutionId=a.asked),
    ("Query", "athena:GetQueryResults"): lambda a: a.client("athena").get_query_results(QueryExecutionId=a.asked),
    ("Query", "athena:StartQueryExecution"): lambda a: a.query(),
    ("Query", "athena:StopQueryExecution"): lambda a: a.client("athena").stop_query_execution(QueryExecutionId=a.asked),
    ("ReadTheCatalog", "glue:GetDatabase"): lambda a: a.client("glue").get_database(Name=a.database),
    ("ReadTheCatalog", "glue:GetTable"): lambda a: a.client("glue").get_table(DatabaseName=a.database, Name="events"),
    ("FindEvents", "s3:ListBucket"): lambda a: a.client("s3").list_objects_v2(Bucket=a.bucket, Prefix="logs/account="),
    ("ReadEvents", "s3:GetObject"): lambda a: a.client("s3").get_object(Bucket=a.bucket, Key="logs/account=1/one"),
    ("FindResults", "s3:GetBucketLocation"): lambda a: a.client("s3").get_bucket_location(Bucket=a.results),
    ("FindResults", "s3:ListBucket"): lambda a: a.client("s3").list_objects_v2(Bucket=a.results),
    ("FindResults", "s3:ListBucketMultipartUploads"): lambda a: a.client("s3").list_multipart_uploads(Bucket=a.results),
    ("WriteAndReadResults", "s3:AbortMultipartUpload"): lambda a: a.client("s3").abort_multipart_upload(**a.upload()),
    ("WriteAndReadResults", "s3:GetObject"): lambda a: a.client("s3").get_object(Bucket=a.results, Key="one"),
    ("WriteAndReadResults", "s3:ListMultipartUploadParts"): lambda a: a.client("s3").list_parts(**a.upload()),
    ("WriteAndReadResults", "s3:PutObject"): lambda a: a.client("s3").put_object(Bucket=a.results, Key="two", Body=b""),
    ("ReadNamedQueries", "athena:BatchGetNamedQuery"): lambda a: a.client("athena").batch_get_named_query(
        NamedQueryIds=[a.saved]
    ),
    ("ReadNamedQueries", "athena:GetNamedQuery"): lambda a: a.client("athena").get_named_query(NamedQueryId=a.saved),
    ("ReadNamedQueries", "athena:ListNamedQueries"): lambda a: a.client("athena").list_named_queries(
        WorkGroup=a.workgroup
    ),
    ("Look", "cloudwatch:GetDashboard"): lambda a: a.client("cloudwatch").get_dashboard(DashboardName=a.dashboard),
    ("Widgets", "lambda:InvokeFunction"): lambda a: a.invoke(),
}
"""What the analyst role may do, by the statement of its policy that says so."""


def test_nothing_is_permitted_that_is_not_tried_here(analyst: Analyst) -> None:
    assert {
        (each["Sid"], action)
        for each in analyst.policy()["Statement"]
        for action in ([each["Action"]] if isinstance(each["Action"], str) else each["Action"])
    } == ALLOWED.keys()


@pytest.mark.parametrize(("sid", "action"), ALLOWED)
def test_the_analyst_role_may_do_what_a_query_needs_and_not_without_its_permission(
    analyst: Analyst, sid: str, action: str
) -> None:
    assert not analyst.denied(ALLOWED[sid, action])
    document = analyst.policy()
    statements = [
        kept
        for each in document["Statement"]
        for kept in (without({"Statement": [each]}, action)["Statement"] if each["Sid"] == sid else [each])
    ]
    analyst.put_policy({**document, "Statement": statements})
    try:
        assert analyst.denied(ALLOWED[sid, action])
    finally:
        analyst.put_policy(document)


DENIED: dict[str, Call] = {
    "a query in another workgroup": lambda a: a.query(WorkGroup="primary"),
    "what could not be processed": lambda a: a.client("s3").get_object(Bucket=a.bucket, Key="errors/one"),
    "the originals": lambda a: a.client("s3").get_object(Bucket=a.bucket, Key="originals/one"),
    "a list of everything": lambda a: a.client("s3").list_objects_v2(Bucket=a.bucket),
    "a list of errors": lambda a: a.client("s3").list_objects_v2(Bucket=a.bucket, Prefix="errors/"),
    "writing into the archive": lambda a: a.client("s3").put_object(Bucket=a.bucket, Key="logs/two", Body=b""),
    "writing a part into the archive": lambda a: a.client("s3").upload_part(
        **a.upload(a.bucket), PartNumber=1, Body=b""
    ),
    "an upload into the archive": lambda a: a.client("s3").list_parts(**a.upload(a.bucket)),
    "stopping an upload into the archive": lambda a: a.client("s3").abort_multipart_upload(**a.upload(a.bucket)),
    "the uploads into the archive": lambda a: a.client("s3").list_multipart_uploads(Bucket=a.bucket),
    "deleting an event": lambda a: a.client("s3").delete_object(Bucket=a.bucket, Key="logs/account=1/one"),
    "deleting a result": lambda a: a.client("s3").delete_object(Bucket=a.results, Key="one"),
    "another database": lambda a: a.client("glue").get_database(Name="default"),
    "changing a view": lambda a: a.client("glue").delete_table(DatabaseName=a.database, Name="events"),
    "changing the workgroup": lambda a: a.client("athena").update_work_group(WorkGroup=a.workgroup, Description="x"),
}


@pytest.mark.parametrize("what", DENIED)
def test_the_analyst_role_may_do_nothing_else(analyst: Analyst, what: str) -> None:
    assert analyst.denied(DENIED[what])


def test_destroy_leaves_nothing_not_even_results(stacks: Stacks, analyst: Analyst) -> None:
    athena = stacks.client("athena", account=ACCOUNT)
    athena.create_named_query(
        Name="mine", Database=analyst.database, QueryString="SELECT 1", WorkGroup=analyst.workgroup
    )
    for stack in reversed(EXAMPLES):
        stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", stack)
    assert left_behind(stacks) == []
    assert stacks.client("glue", account=ACCOUNT).get_databases()["DatabaseList"] == []
    assert [group["Name"] for group in athena.list_work_groups()["WorkGroups"]] == ["primary"]
