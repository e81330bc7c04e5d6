"""What the sandbox's plugin refuses at preview, and with which words."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import pytest

from sandbox.cloud.patch import PatchError, replace
from sandbox.plugin.aws import AwsError, connect
from sandbox.plugin.check import UNKNOWN, problems
from sandbox.plugin.kind import Kind
from sandbox.plugin.kinds import KINDS

FILTER = KINDS["aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter"]
STREAM = KINDS["aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream"]
GOOD = {"name": "f", "logGroup": "g", "filterPattern": "", "destinationArn": UNKNOWN}


def refused(kind: Kind, inputs: Mapping[str, Any]) -> dict[str, str]:
    return dict(problems(kind.arguments, kind.inputs, dict(inputs)))


def test_good_inputs_pass_known_or_not() -> None:
    assert refused(FILTER, GOOD) == {}
    assert refused(STREAM, {"destination": "extended_s3", "extendedS3Configuration": UNKNOWN}) == {}


def test_a_missing_input_is_named() -> None:
    assert refused(FILTER, {"name": "f", "filterPattern": "", "destinationArn": "a"}) == {
        "logGroup": "is required and missing"
    }


def test_a_missing_input_inside_another_is_named_with_its_path() -> None:
    inputs = {"destination": "extended_s3", "extendedS3Configuration": {"roleArn": "r"}}
    assert refused(STREAM, inputs) == {"extendedS3Configuration.bucketArn": "is required and missing"}


def test_an_unknown_input_is_named() -> None:
    assert refused(FILTER, {**GOOD, "logGroupName": "g"})["logGroupName"].startswith("unknown property; known: ")


def test_an_unknown_input_in_a_list_is_named_with_its_path() -> None:
    processing = {"enabled": True, "processors": [{"type": "Lambda", "parameter": []}]}
    s3 = {"bucketArn": "b", "roleArn": "r", "processingConfiguration": processing}
    assert list(refused(STREAM, {"destination": "extended_s3", "extendedS3Configuration": s3})) == [
        "extendedS3Configuration.processingConfiguration.processors[0].parameter"
    ]


def test_a_snake_case_key_of_a_dict_is_told_how_to_be_written() -> None:
    s3 = {"bucketArn": "b", "roleArn": "r", "buffering_size": 5}
    told = refused(STREAM, {"destination": "extended_s3", "extendedS3Configuration": s3})
    assert told["extendedS3Configuration.buffering_size"].endswith("use the SDK's Args class, or bufferingSize")


def test_an_input_that_only_the_official_plugin_implements_is_told_apart() -> None:
    assert "does not implement this input" in refused(FILTER, {**GOOD, "region": "eu-west-1"})["region"]


@pytest.mark.parametrize("token", KINDS)
def test_what_a_kind_claims_is_known_to_the_sdk(token: str) -> None:
    kind = KINDS[token]
    known = dict.fromkeys(kind.inputs, UNKNOWN)
    assert [path for path, _ in problems(kind.arguments, kind.inputs, known)] == []
    assert kind.replaced_by <= kind.inputs
    assert kind.named_by is None or kind.named_by in kind.inputs


@pytest.mark.parametrize("endpoint", ["", "https://logs.eu-west-1.amazonaws.com", "http://10.0.0.1:4566"])
def test_the_plugin_speaks_to_this_machine_only(endpoint: str) -> None:
    with pytest.raises(AwsError, match="a cloud on this machine only"):
        connect({"AWS_ENDPOINT_URL": endpoint}, "eu-west-1", [], [])


def test_an_emulator_that_changed_is_noticed_at_the_start() -> None:
    module = ModuleType("emulator")
    module.handle = lambda data, context: (data, context)  # type: ignore[attr-defined] # made for this test
    with pytest.raises(PatchError, match=r"emulator\.gone is gone"):
        replace(module, "gone", "data", print)
    with pytest.raises(PatchError, match=r"emulator\.handle takes \(data context\), expected \(data\)"):
        replace(module, "handle", "data", print)
