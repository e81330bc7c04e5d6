"""How the sandbox's plugin spells what it sends to AWS and reads from it, and the calls that resource types share."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from botocore.stub import Stubber

from sandbox.plugin.aws import Aws
from sandbox.plugin.resource_type import ResourceType
from sandbox.plugin.resources import RESOURCE_TYPES
from sandbox.plugin.spelling import from_aws, property_name, to_aws

ROLE = RESOURCE_TYPES["aws:iam/role:Role"]
ROLE_POLICY = RESOURCE_TYPES["aws:iam/rolePolicy:RolePolicy"]
RULE = RESOURCE_TYPES["aws:cloudwatch/eventRule:EventRule"]
TABLE = RESOURCE_TYPES["aws:glue/catalogTable:CatalogTable"]
WORKGROUP = RESOURCE_TYPES["aws:athena/workgroup:Workgroup"]
NAMED_QUERY = RESOURCE_TYPES["aws:athena/namedQuery:NamedQuery"]
STREAM = RESOURCE_TYPES["aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream"]


@cache
def model(service: str) -> Any:  # noqa: ANN401 - botocore has no types
    return botocore.session.get_session().get_service_model(service)


@pytest.fixture
def aws() -> Aws:
    """An account without a cloud: a call that is not stubbed fails."""
    credentials = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    return Aws("eu-west-1", credentials, "http://127.0.0.1:1", "111111111111")


@pytest.mark.parametrize(
    ("member", "name"),
    [
        ("RoleARN", "roleArn"),
        ("KMSMasterKeyID", "kmsMasterKeyId"),
        ("SSEAlgorithm", "sseAlgorithm"),
        ("OKActions", "okActions"),
        ("S3BackupMode", "s3BackupMode"),
        ("CloudWatchLoggingOptions", "cloudwatchLoggingOptions"),
        ("kmsKeyId", "kmsKeyId"),
        ("ID", "id"),
    ],
)
def test_a_property_is_spelled_as_pulumi_spells_it(member: str, name: str) -> None:
    assert property_name(member) == name


def test_a_structure_is_spelled_for_aws_and_back() -> None:
    shape = model("s3").operation_model("PutBucketLifecycleConfiguration").input_shape.members["LifecycleConfiguration"]
    rule = {"id": "archive", "transitions": [{"days": 30.0, "storageClass": "GLACIER"}], "expiration": None}
    spelled = {"Rules": [{"ID": "archive", "Transitions": [{"Days": 30, "StorageClass": "GLACIER"}]}]}
    assert to_aws(shape, {"rules": [rule]}) == spelled
    assert isinstance(to_aws(shape, {"rules": [rule]})["Rules"][0]["Transitions"][0]["Days"], int)
    del rule["expiration"]
    assert from_aws(shape, spelled) == {"rules": [rule]}


def test_a_property_that_aws_does_not_have_is_not_dropped_silently() -> None:
    with pytest.raises(KeyError, match="polcy"):
        to_aws(model("s3").operation_model("PutBucketPolicy").input_shape, {"bucket": "b", "polcy": "{}"})


@pytest.mark.parametrize(
    ("service", "operation", "member", "spelled"),
    [
        ("iam", "TagRole", "Tags", [{"Key": "Team", "Value": "shop"}]),
        ("kms", "TagResource", "Tags", [{"TagKey": "Team", "TagValue": "shop"}]),
        ("lambda", "TagResource", "Tags", {"Team": "shop"}),
    ],
)
def test_tags_are_a_map_in_any_form_that_aws_uses(service: str, operation: str, member: str, spelled: object) -> None:
    shape = model(service).operation_model(operation).input_shape.members[member]
    assert to_aws(shape, {"Team": "shop"}) == spelled
    assert from_aws(shape, spelled) == {"Team": "shop"}


def test_the_parameters_of_a_processor_stay_a_list() -> None:
    shape = model("firehose").shape_for("Processor")
    processor = {"type": "Lambda", "parameters": [{"parameterName": "LambdaArn", "parameterValue": "arn"}]}
    assert from_aws(shape, to_aws(shape, processor)) == processor


def test_dates_and_parsed_policies_become_strings() -> None:
    created = datetime(2026, 1, 2, tzinfo=UTC)
    role = {"CreateDate": created, "AssumeRolePolicyDocument": {"Statement": []}}
    assert from_aws(model("iam").shape_for("Role"), role) == {
        "createDate": "2026-01-02T00:00:00+00:00",
        "assumeRolePolicyDocument": '{"Statement": []}',
    }


@pytest.mark.parametrize("token", RESOURCE_TYPES)
def test_the_operations_of_a_resource_type_exist(token: str) -> None:
    resource_type = RESOURCE_TYPES[token]
    existing = {xform_name(name) for name in model(resource_type.service).operation_names}
    declared = {name: getattr(resource_type, name) for name in dir(resource_type) if name.endswith("_operation")}
    inherited = vars(ResourceType)
    assert {name: value for name, value in declared.items() if value not in existing | {inherited.get(name)}} == {}


def test_an_id_is_made_of_the_properties_that_identify_a_resource(aws: Aws) -> None:
    names = {"RoleName": "r", "PolicyName": "p"}
    with Stubber(aws.client("iam")) as iam:
        iam.add_response("put_role_policy", {}, {**names, "PolicyDocument": "{}"})
        iam.add_response("get_role_policy", {**names, "PolicyDocument": "{}"}, names)
        iam.add_response("delete_role_policy", {}, names)
        inputs = {"role": "r", "name": "p", "policy": "{}"}
        assert ROLE_POLICY.create(aws, {**inputs, "__defaults": ["name"]}, {}) == "r:p"
        assert ROLE_POLICY.read(aws, "r:p") == inputs
        ROLE_POLICY.delete(aws, "r:p", inputs)
        iam.assert_no_pending_responses()


def test_a_resource_that_does_not_exist_is_read_as_none_and_deleted_without_an_error(aws: Aws) -> None:
    with Stubber(aws.client("iam")) as iam:
        iam.add_client_error("get_role_policy", "NoSuchEntity")
        iam.add_client_error("delete_role_policy", "NoSuchEntity")
        assert ROLE_POLICY.read(aws, "r:p") is None
        ROLE_POLICY.delete(aws, "r:p", {})
        iam.assert_no_pending_responses()


def test_tags_are_set_when_a_resource_is_created_but_not_when_it_is_updated(aws: Aws) -> None:
    inputs = {"name": "rule", "scheduleExpression": "rate(1 hour)", "tags": {"team": "shop"}}
    parameters = {"Name": "rule", "ScheduleExpression": "rate(1 hour)"}
    tags = [{"Key": "stack", "Value": "test"}, {"Key": "team", "Value": "shop"}]
    with Stubber(aws.client("events")) as events:
        events.add_response("put_rule", {}, {**parameters, "Tags": tags})
        events.add_response("put_rule", {}, parameters)
        assert RULE.create(aws, inputs, {"stack": "test", "team": "shop"}) == "rule"
        RULE.update(aws, "rule", inputs)
        events.assert_no_pending_responses()


def test_tags_are_listed_and_what_is_not_a_property_is_left_out(aws: Aws) -> None:
    with Stubber(aws.client("events")) as events:
        events.add_response("describe_rule", {"Name": "rule", "Arn": "a", "CreatedBy": "1"}, {"Name": "rule"})
        tags = [{"Key": "team", "Value": "shop"}]
        events.add_response("list_tags_for_resource", {"Tags": tags}, {"ResourceARN": "a"})
        assert RULE.read(aws, "rule") == {"name": "rule", "arn": "a", "tagsAll": {"team": "shop"}}


def test_tags_are_changed_with_as_few_calls_as_possible(aws: Aws) -> None:
    with Stubber(aws.client("iam")) as iam:
        iam.add_response("tag_role", {}, {"RoleName": "r", "Tags": [{"Key": "team", "Value": "shop"}]})
        ROLE.tag(aws, {"name": "r"}, {"team": "shop"}, [])
        iam.add_response("untag_role", {}, {"RoleName": "r", "TagKeys": ["team"]})
        ROLE.tag(aws, {"name": "r"}, {}, ["team"])
        iam.assert_no_pending_responses()


def test_updating_a_stream_to_the_defaults_resets_every_setting(aws: Aws) -> None:
    described = {"VersionId": "1", "Destinations": [{"DestinationId": "d"}]}
    always = {
        "DeliveryStreamName": "s", "DeliveryStreamARN": "a", "DeliveryStreamStatus": "ACTIVE",
        "DeliveryStreamType": "DirectPut", "HasMoreDestinations": False,
    }  # fmt: skip
    update = {
        "BucketARN": "b",
        "RoleARN": "r",
        "CompressionFormat": "UNCOMPRESSED",
        "BufferingHints": {"SizeInMBs": 5, "IntervalInSeconds": 300},
        "EncryptionConfiguration": {"NoEncryptionConfig": "NoEncryption"},
        "ProcessingConfiguration": {"Enabled": False, "Processors": []},
        "CloudWatchLoggingOptions": {"Enabled": False},
    }
    with Stubber(aws.client("firehose")) as firehose:
        firehose.add_response("describe_delivery_stream", {"DeliveryStreamDescription": {**always, **described}})
        firehose.add_response(
            "update_destination",
            {},
            {
                "DeliveryStreamName": "s",
                "CurrentDeliveryStreamVersionId": "1",
                "DestinationId": "d",
                "ExtendedS3DestinationUpdate": update,
            },
        )
        STREAM.update(aws, "a/s", {"name": "s", "extendedS3Configuration": {"bucketArn": "b", "roleArn": "r"}})
        firehose.assert_no_pending_responses()


def test_a_table_is_identified_by_catalog_database_and_name_and_changed_whole(aws: Aws) -> None:
    where = {"CatalogId": "111111111111", "DatabaseName": "d"}
    serde = {"SerializationLibrary": "-"}
    table = {"Name": "t", "Owner": "o", "StorageDescriptor": {"SerdeInfo": serde}}
    with Stubber(aws.client("glue")) as glue:
        glue.add_response("create_table", {}, {**where, "TableInput": table})
        glue.add_response("update_table", {}, {**where, "TableInput": {**table, "Owner": "p"}})
        glue.add_response("get_table", {"Table": {**table, "DatabaseName": "d"}}, {**where, "Name": "t"})
        glue.add_response("get_partition_indexes", {}, {**where, "TableName": "t"})
        glue.add_response("delete_table", {}, {**where, "Name": "t"})
        descriptor = {"serDeInfo": {"serializationLibrary": "-"}}
        inputs = {"databaseName": "d", "name": "t", "owner": "o", "storageDescriptor": descriptor}
        assert TABLE.create(aws, inputs, {}) == "111111111111:d:t"
        TABLE.update(aws, "111111111111:d:t", {**inputs, "owner": "p"})
        read = TABLE.read(aws, "111111111111:d:t")
        assert read is not None
        assert read.items() >= {**inputs, "arn": "arn:aws:glue:eu-west-1:111111111111:table/d/t"}.items()
        TABLE.delete(aws, "111111111111:d:t", read)
        glue.assert_no_pending_responses()


def test_a_view_changes_in_place_and_a_table_of_another_name_replaces_it() -> None:
    assert not TABLE.replaces("viewOriginalText", "a", "b")
    assert TABLE.replaces("name", "records_dated", "records_partitioned")


def test_a_workgroup_is_deleted_with_its_queries_only_if_the_program_says_so(aws: Aws) -> None:
    with Stubber(aws.client("athena")) as athena:
        for recursive in (True, False):
            athena.add_response("delete_work_group", {}, {"WorkGroup": "w", "RecursiveDeleteOption": recursive})
            WORKGROUP.delete(aws, "w", {"forceDestroy": True} if recursive else {})
        athena.assert_no_pending_responses()


def test_a_workgroup_or_query_that_does_not_exist_is_read_as_none(aws: Aws) -> None:
    with Stubber(aws.client("athena")) as athena:
        athena.add_client_error("get_work_group", "InvalidRequestException", "WorkGroup w is not found.")
        assert WORKGROUP.read(aws, "w") is None
        athena.add_client_error("get_named_query", "InvalidRequestException", "NamedQuery q does not exist.")
        assert NAMED_QUERY.read(aws, "q") is None
        athena.add_client_error("get_work_group", "InvalidRequestException", "WorkGroup is malformed")
        with pytest.raises(Exception, match="malformed"):
            WORKGROUP.read(aws, "w")


def test_the_settings_of_a_workgroup_are_updated_as_a_whole(aws: Aws) -> None:
    encryption = {"encryptionOption": "SSE_KMS", "kmsKeyArn": "k"}
    result = {"encryptionConfiguration": encryption, "outputLocation": "s3://b/"}
    configuration = {"enforceWorkgroupConfiguration": True, "resultConfiguration": result}
    updates = {
        "EnforceWorkGroupConfiguration": True,
        "ResultConfigurationUpdates": {
            "EncryptionConfiguration": {"EncryptionOption": "SSE_KMS", "KmsKey": "k"}, "OutputLocation": "s3://b/",
        },
    }  # fmt: skip
    with Stubber(aws.client("athena")) as athena:
        expected = {"WorkGroup": "w", "Description": "", "ConfigurationUpdates": updates}
        athena.add_response("update_work_group", {}, expected)
        WORKGROUP.update(aws, "w", {"name": "w", "configuration": configuration})
        athena.assert_no_pending_responses()


def test_a_named_query_has_an_id_of_athena_and_is_replaced_when_it_changes(aws: Aws) -> None:
    query = {"Name": "n", "Database": "d", "QueryString": "SELECT 1", "WorkGroup": "w"}
    with Stubber(aws.client("athena")) as athena:
        athena.add_response("create_named_query", {"NamedQueryId": "id"}, query)
        athena.add_response("get_named_query", {"NamedQuery": {**query, "NamedQueryId": "id"}}, {"NamedQueryId": "id"})
        inputs = {"name": "n", "database": "d", "query": "SELECT 1", "workgroup": "w"}
        assert NAMED_QUERY.create(aws, inputs, {}) == "id"
        assert NAMED_QUERY.read(aws, "id") == inputs
        athena.assert_no_pending_responses()
    assert NAMED_QUERY.replaces("query", "SELECT 1", "SELECT 2")
