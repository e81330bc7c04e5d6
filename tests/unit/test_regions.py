"""The table of regions is the one of botocore, so that an upgrade reveals new regions."""

from __future__ import annotations

import boto3
import pulumi_aws as aws
import pytest

from accounts.session import is_loopback
from topology.regions import PARTITIONS

# Partitions that are not public: no stack file can use them.
CLOSED = {"aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f"}


@pytest.mark.parametrize("service", ["firehose", "logs"])
def test_the_table_holds_exactly_the_public_regions_that_have_the_service(service: str) -> None:
    session = boto3.session.Session()
    public = set(session.get_available_partitions()) - CLOSED
    assert {
        region: partition for partition in public for region in session.get_available_regions(service, partition)
    } == PARTITIONS


def test_the_plugin_knows_every_region_of_the_table() -> None:
    assert set(PARTITIONS) <= {region.value for region in aws.Region}


@pytest.mark.parametrize(
    ("url", "expected"),
    {
        "http://127.0.0.1:4566": True,
        "http://127.8.8.8:4566": True,
        "http://[::1]:4566": True,
        "http://localhost:4566": True,
        "": False,
        "https://logs.eu-west-1.amazonaws.com": False,
        "http://localhost.example.com": False,
        "http://10.0.0.1:4566": False,
    }.items(),
)
def test_only_an_endpoint_on_this_machine_is_the_sandbox(*, url: str, expected: bool) -> None:
    assert is_loopback(url) is expected
