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


def test_a_bucket_in_another_account_is_read_by_the_analyst_role() -> None:
    graph = queried(existingBucket={"name": "theirs", "account": "999999999999"})
    assert graph.outputs["analysis"]["analystRole"] in graph.outputs["requiredBucketPolicy"]
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
