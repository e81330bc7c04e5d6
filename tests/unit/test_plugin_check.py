"""What the sandbox's plugin rejects at preview, and its errors."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import pytest

from sandbox.cloud.patch import PatchError, replace
from sandbox.plugin.aws import AwsError, connect
from sandbox.plugin.check import UNKNOWN, problems
from sandbox.plugin.resource_type import ResourceType
from sandbox.plugin.resources import RESOURCE_TYPES

FILTER = RESOURCE_TYPES["aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter"]
STREAM = RESOURCE_TYPES["aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream"]
GOOD = {"name": "f", "logGroup": "g", "filterPattern": "", "destinationArn": UNKNOWN}


def rejected(resource_type: ResourceType, inputs: Mapping[str, Any]) -> dict[str, str]:
    return dict(problems(resource_type.arguments, resource_type.inputs, dict(inputs)))


def test_valid_inputs_pass_even_if_unknown() -> None:
    assert rejected(FILTER, GOOD) == {}
    assert rejected(STREAM, {"destination": "extended_s3", "extendedS3Configuration": UNKNOWN}) == {}


def test_a_missing_input_is_reported() -> None:
    assert rejected(FILTER, {"name": "f", "filterPattern": "", "destinationArn": "a"}) == {
        "logGroup": "is required, but missing"
    }


def test_a_missing_nested_input_is_reported_with_its_path() -> None:
    inputs = {"destination": "extended_s3", "extendedS3Configuration": {"roleArn": "r"}}
    assert rejected(STREAM, inputs) == {"extendedS3Configuration.bucketArn": "is required, but missing"}


def test_an_unknown_input_is_reported() -> None:
    assert rejected(FILTER, {**GOOD, "logGroupName": "g"})["logGroupName"].startswith("unknown property; known: ")


def test_an_unknown_input_in_a_list_is_reported_with_its_path() -> None:
    processing = {"enabled": True, "processors": [{"type": "Lambda", "parameter": []}]}
    s3 = {"bucketArn": "b", "roleArn": "r", "processingConfiguration": processing}
    assert list(rejected(STREAM, {"destination": "extended_s3", "extendedS3Configuration": s3})) == [
        "extendedS3Configuration.processingConfiguration.processors[0].parameter"
    ]


def test_a_snake_case_key_of_a_dict_is_reported_with_its_right_spelling() -> None:
    s3 = {"bucketArn": "b", "roleArn": "r", "buffering_size": 5}
    problem = rejected(STREAM, {"destination": "extended_s3", "extendedS3Configuration": s3})
    assert problem["extendedS3Configuration.buffering_size"].endswith("use its Args class, or bufferingSize")


def test_an_input_that_only_the_official_plugin_implements_is_reported_as_such() -> None:
    assert "does not implement this input" in rejected(FILTER, {**GOOD, "region": "eu-west-1"})["region"]


@pytest.mark.parametrize("token", RESOURCE_TYPES)
def test_what_a_resource_type_declares_is_known_to_the_sdk(token: str) -> None:
    resource_type = RESOURCE_TYPES[token]
    known = dict.fromkeys(resource_type.inputs, UNKNOWN)
    assert [path for path, _ in problems(resource_type.arguments, resource_type.inputs, known)] == []
    assert resource_type.replaced_by <= resource_type.inputs
    assert resource_type.named_by is None or resource_type.named_by in resource_type.inputs


@pytest.mark.parametrize("endpoint", ["", "https://logs.eu-west-1.amazonaws.com", "http://10.0.0.1:4566"])
def test_the_plugin_connects_to_this_machine_only(endpoint: str) -> None:
    with pytest.raises(AwsError, match="a cloud on this machine only"):
        connect({"AWS_ENDPOINT_URL": endpoint}, "eu-west-1", [], [])


def test_a_changed_emulator_is_reported_at_startup() -> None:
    module = ModuleType("emulator")
    module.handle = lambda data, context: (data, context)  # type: ignore[attr-defined] # created for this test
    with pytest.raises(PatchError, match=r"emulator\.gone does not exist"):
        replace(module, "gone", "data", print)
    with pytest.raises(PatchError, match=r"emulator\.handle takes \(data context\), expected \(data\)"):
        replace(module, "handle", "data", print)
