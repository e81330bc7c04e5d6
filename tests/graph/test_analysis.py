"""What queries the archive: the catalog, the workgroup, the results and the analyst role."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.graph.recorder import Graph, Resource, record
from tests.stacks import config_of

KEY = "arn:aws:kms:eu-west-1:111111111111:key/given"


def queried(**archive: object) -> Graph:
    return record({"archive": {**config_of("archive")["archive"], "analysis": True, **archive}}, stack="Log-archive")


def named(graph: Graph, name: str) -> Resource:
    return next(each for each in graph.resources if each.name == name)


@pytest.fixture(scope="module")
def graph() -> Graph:
    return queried()


def test_the_output_says_where_and_as_whom_to_query(graph: Graph) -> None:
    assert graph.outputs["analysis"] == {
        "account": "111111111111",
        "region": "eu-west-1",
        "database": "central_log_archive_log_archive",
        "workgroup": "archive-analysis-1234567",
        "analystRole": "arn:aws:iam::111111111111:role/archive-analyst-role-1234567",
        "reuseMinutes": 15,
        "dashboard": "archive-events-Log-archive",
    }


def test_settings_of_the_workgroup_cannot_be_overridden(graph: Graph) -> None:
    workgroup = graph.one("Workgroup").inputs
    assert workgroup["forceDestroy"]
    assert workgroup["configuration"] == {
        "enforceWorkgroupConfiguration": True,
        "engineVersion": {"selectedEngineVersion": "Athena engine version 3"},
        "bytesScannedCutoffPerQuery": 100 * 2**30,
        "publishCloudwatchMetricsEnabled": True,
        "resultConfiguration": {
            "outputLocation": "s3://archive-results-1234567/",
            "expectedBucketOwner": "111111111111",
            "encryptionConfiguration": {"encryptionOption": "SSE_S3"},
        },
    }


def test_results_expire_and_are_deleted_with_the_stack_even_where_the_archive_is_retained(graph: Graph) -> None:
    mine = [each for each in graph.resources if each.name.startswith("archive-results")]
    assert len(mine) == 6
    assert not [each.name for each in mine if each.protect or each.retain_on_delete]
    assert named(graph, "archive-results").inputs["forceDestroy"]
    (rule,) = named(graph, "archive-results-lifecycle").inputs["rules"]
    assert rule["expiration"] == {"days": 7}


def test_nothing_is_queried_before_the_results_are_private_and_encrypted(graph: Graph) -> None:
    before = {named(graph, f"archive-results-{part}").urn for part in ("policy", "encryption")}
    assert before <= graph.one("Workgroup").dependencies


@pytest.mark.parametrize(
    ("key", "arn"), [("create", "arn:aws:kms:eu-west-1:111111111111:key/archive-key-1234567"), (KEY, KEY)]
)
def test_results_are_encrypted_with_the_key_of_the_objects_since_they_are_events(key: str, arn: str) -> None:
    graph = queried(key=key)
    encryption = graph.one("Workgroup").inputs["configuration"]["resultConfiguration"]["encryptionConfiguration"]
    assert encryption == {"encryptionOption": "SSE_KMS", "kmsKeyArn": arn}
    assert arn in named(graph, "archive-results-policy").inputs["policy"]
    assert arn in named(graph, "archive-analyst-policy").inputs["policy"]
    if key == "create":
        assert "arn:aws:s3:::archive-results-1234567" in graph.one("Key").inputs["policy"]


def test_a_view_is_in_the_database_of_the_stack_and_exists_after_what_it_reads(graph: Graph) -> None:
    events, waf = (named(graph, f"archive-view-{name}") for name in ("events", "waf"))
    assert named(graph, "archive-records").urn in events.dependencies
    assert events.urn in waf.dependencies
    for view in (events, waf):
        text = json.loads(base64.b64decode(view.inputs["viewOriginalText"].split()[3]))
        assert text["schema"] == graph.one("CatalogDatabase").inputs["name"]
        assert [each["name"] for each in text["columns"]] == [
            each["name"] for each in view.inputs["storageDescriptor"]["columns"]
        ]
        assert view.inputs["owner"]


def test_the_dashboard_calls_the_function_and_not_when_a_widget_is_resized(graph: Graph) -> None:
    body = json.loads(graph.one("Dashboard").inputs["dashboardBody"])
    function = "arn:aws:lambda:eu-west-1:111111111111:function:archive-dashboard-1234567"
    widgets = [each["properties"] for each in body["widgets"]]
    assert {each["endpoint"] for each in widgets} == {function}
    assert not any(each["updateOn"]["resize"] for each in widgets)
    accounts, regions = body["variables"]
    offered = [each["value"] for each in accounts["values"]]
    assert offered == ["all", "111111111111", "222222222222", "333333333333", "444444444444", "other"]
    assert [each["value"] for each in regions["values"]] == ["all", "eu-west-1", "us-east-1", "other"]
    assert (
        "arn:aws:cloudwatch::111111111111:dashboard/archive-events-Log-archive"
        in (named(graph, "archive-analyst-policy").inputs["policy"])
    )


def test_the_function_carries_its_pages_the_queries_and_the_accounts_that_are_expected_to_send(graph: Graph) -> None:
    assets = named(graph, "archive-dashboard").inputs["code"].assets
    assert {"functions/dashboard/handler.py", "queries/__init__.py", "queries/overview.sql"} <= assets.keys()
    assert not [name for name in assets if "__pycache__" in name]
    config = json.loads(assets["functions/dashboard/config.json"].text)
    assert config == {
        "senders": ["222222222222", "333333333333", "444444444444"],
        "grouped": False,
        "reuseMinutes": 15,
    }


def test_the_function_is_denied_nothing_when_the_dashboard_first_calls_it(graph: Graph) -> None:
    assert named(graph, "archive-dashboard-policy").urn in named(graph, "archive-dashboard").dependencies


@pytest.mark.parametrize(
    ("archive", "logs"),
    [({"key": "create"}, True), ({"key": {"logGroups": KEY}}, True), ({}, False)],
)
def test_the_log_of_the_function_is_encrypted_like_the_others(archive: dict[str, Any], logs: bool) -> None:  # noqa: FBT001
    graph = queried(**archive)
    assert ("kmsKeyId" in named(graph, "archive-dashboard-logs").inputs) is logs
    if archive.get("key") == "create":
        assert "log-group:archive-dashboard-logs-*" in graph.one("Key").inputs["policy"]


def test_a_bucket_in_another_account_is_read_by_the_analyst_role_and_the_dashboard() -> None:
    graph = queried(existingBucket={"name": "theirs", "account": "999999999999"})
    assert graph.outputs["analysis"]["analystRole"] in graph.outputs["requiredBucketPolicy"]
    assert "role/archive-dashboard-role-1234567" in graph.outputs["requiredBucketPolicy"]
    assert "arn:aws:s3:::theirs/logs/*" in named(graph, "archive-analyst-policy").inputs["policy"]


def test_another_layout_has_another_table_so_that_the_old_one_goes_when_the_views_have_moved() -> None:
    tables = [
        named(queried(delivery={"layout": layout}), "archive-records").inputs["name"]
        for layout in ("dated", "partitioned", "partitioned-by-group")
    ]
    assert tables == ["records_dated", "records_partitioned", "records_partitioned_by_group"]


PARTITIONED = {"delivery": {"layout": "partitioned"}}


@pytest.mark.parametrize(
    ("archive", "warning"),
    [
        ({}, None),
        ({"bucket": {"lifecycle": {"transitions": {"GLACIER_IR": 90}}}}, None),
        (
            {"bucket": {"lifecycle": {"transitions": {"GLACIER": 90, "DEEP_ARCHIVE": 180}}}},
            "objects move to GLACIER after 90 days",
        ),
        ({**PARTITIONED}, None),
        ({"senders": {"organization": "o-exampleorg1"}}, None),
        (
            {**PARTITIONED, "senders": {"organization": "o-exampleorg1"}},
            "Queries read 111111111111; add the others to archive.analysis.accounts",
        ),
        (
            {**PARTITIONED, "ownLogGroups": [{"name": "own", "emitSystemFields": ["@aws.account"]}]},
            "accounts may send that no stack file lists",
        ),
    ],
)
def test_a_preview_warns_of_events_that_queries_would_silently_miss(
    archive: dict[str, Any], warning: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    queried(**archive)
    found = [record.message for record in caplog.records if "archive.analysis" in record.message]
    assert [warning in each for each in found if warning] == ([True] if warning else [])
    assert bool(found) is (warning is not None)


def test_a_centralized_log_group_may_have_events_of_any_region_of_the_partition() -> None:
    own = {"ownLogGroups": [{"name": "own", "emitSystemFields": ["@aws.region"]}]}
    parameters = named(queried(**PARTITIONED, **own), "archive-records").inputs["parameters"]
    assert "ap-southeast-2" in parameters["projection.region.values"].split(",")
    assert "cn-north-1" not in parameters["projection.region.values"].split(",")


def test_applications_of_the_stack_are_queried_where_an_organization_is_admitted() -> None:
    archive = {**config_of("archive")["archive"], "senders": {"organization": "o-exampleorg1"}, **PARTITIONED}
    applications = config_of("app-dev")["applications"]
    graph = record({"archive": {**archive, "analysis": {"accounts": ["888888888888"]}}, "applications": applications})
    read = named(graph, "archive-records").inputs["parameters"]["projection.account.values"].split(",")
    assert {"888888888888", *(each["account"] for each in applications)} <= set(read)
