"""Which resources of a preview are imported, and when a stack file is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
import yaml

from ops.adopt.import_file import write_import_file, write_stack_file
from ops.errors import OperatorError
from tests.unit.fakes import Pulumi, failed

IDS = {"archive-stream": "arn:stream", "archive-destination-eu-west-1": "waf", "archive-sender-role": "sender"}

COMPONENT = {"type": "central-log-archive:index:CentralLogArchive", "name": "archive", "component": True}
ABROAD = {"type": "pulumi:providers:aws", "name": "111111111111-us-east-1"}
HOME = {"type": "pulumi:providers:aws", "name": "111111111111-eu-west-1"}
STREAM = {"type": "aws:kinesis:Stream", "name": "archive-stream", "parent": "archive", "provider": HOME["name"]}
BUCKET = {"type": "aws:s3:Bucket", "name": "archive-bucket", "parent": "archive", "provider": ABROAD["name"]}
SHOP = {"type": "central-log-archive:index:AppAccountSubscription", "name": "shop", "component": True}
DESTINATION = {
    "type": "aws:logs:Destination", "name": "archive-destination-eu-west-12", "parent": "archive",
    "logicalName": "archive-destination-eu-west-1", "provider": HOME["name"],
}  # fmt: skip
"""A resource whose name Pulumi made unique in the file."""
NAMED_LIKE_IT = {
    "type": "aws:logs:DestinationPolicy", "name": "archive-destination-eu-west-1", "parent": "archive",
    "logicalName": "archive-destination-policy-eu-west-1", "provider": HOME["name"],
}  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "import-company.json"


def previews(pulumi: Pulumi, file: Path, **content: object) -> None:
    """Let the preview write this into the import file."""

    def command(arguments: list[str]) -> tuple[str, ...]:
        options = ["--import-file", str(file), "--non-interactive", "--color", "never"]
        assert arguments == ["preview", "--stack", "company", *options]
        file.write_text(json.dumps(content), encoding="utf-8")
        return ()

    pulumi.command = command


def write(file: Path) -> dict[str, str]:
    return write_import_file(file, file.parent, "company", IDS)


@pytest.mark.parametrize(
    ("resources", "imported", "written"),
    [
        ([STREAM], {"archive-stream": "arn:stream"}, [{**STREAM, "id": "arn:stream"}]),
        ([{**STREAM, "id": "<PLACEHOLDER>"}], {"archive-stream": "arn:stream"}, [{**STREAM, "id": "arn:stream"}]),
        (
            [COMPONENT, ABROAD, HOME, STREAM, BUCKET, SHOP],
            {"archive-stream": "arn:stream"},
            [COMPONENT, HOME, {**STREAM, "id": "arn:stream"}],
        ),
        (
            [NAMED_LIKE_IT, DESTINATION, COMPONENT, HOME],
            {"archive-destination-eu-west-1": "waf"},
            [COMPONENT, HOME, {**DESTINATION, "id": "waf"}],
        ),
        (
            [STREAM, DESTINATION, HOME, COMPONENT],
            {"archive-stream": "arn:stream", "archive-destination-eu-west-1": "waf"},
            [HOME, COMPONENT, {**STREAM, "id": "arn:stream"}, {**DESTINATION, "id": "waf"}],
        ),
    ],
)
def test_existing_resources_are_imported_with_their_parents_and_providers_and_nothing_else(
    pulumi: Pulumi, file: Path, resources: list[dict[str, Any]], imported: dict[str, str], written: list[dict[str, Any]]
) -> None:
    previews(pulumi, file, nameTable={"a": "urn"}, resources=resources)
    assert write(file) == imported
    assert json.loads(file.read_text(encoding="utf-8")) == {"nameTable": {"a": "urn"}, "resources": written}


@pytest.mark.parametrize("content", [{}, {"resources": None}, {"resources": [COMPONENT, HOME, BUCKET]}])
def test_if_nothing_is_left_to_import_there_is_no_import_file(
    pulumi: Pulumi, file: Path, content: dict[str, object]
) -> None:
    previews(pulumi, file, **content)
    assert write(file) == {}
    assert not file.exists()


@pytest.mark.parametrize("begin", [lambda _: None, lambda file: file.write_text("{}", encoding="utf-8")])
def test_a_preview_that_failed_leaves_no_import_file(
    pulumi: Pulumi, file: Path, begin: Callable[[Path], object]
) -> None:
    def command(_: list[str]) -> NoReturn:
        begin(file)
        raise failed("the archive does not serve us-east-1")

    pulumi.command = command
    with pytest.raises(OperatorError) as stopped:
        write(file)
    assert str(stopped.value).startswith("the preview of company failed:\n")
    assert "the archive does not serve us-east-1" in str(stopped.value)
    assert stopped.value.status == 2
    assert not file.exists()


CONFIG = {"archive": {"account": "111111111111", "destinationRegions": ["eu-west-1"]}, "retain": True}
WRITTEN = {"central-log-archive:archive": CONFIG["archive"], "central-log-archive:retain": True}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, {"config": WRITTEN}),
        ("", {"config": WRITTEN}),
        ("encryptionsalt: v1:salt\n", {"encryptionsalt": "v1:salt", "config": WRITTEN}),
        ("encryptionsalt: v1:salt\nconfig:\n", {"encryptionsalt": "v1:salt", "config": WRITTEN}),
        ("config:\n  other:key: 1\nx: y\n", {"config": {"other:key": 1, **WRITTEN}, "x": "y"}),
    ],
)
def test_the_config_is_added_to_a_stack_file_without_one_which_keeps_everything_else(
    tmp_path: Path, before: str | None, after: dict[str, Any]
) -> None:
    file = tmp_path / "Pulumi.company.yaml"
    if before is not None:
        file.write_text(before, encoding="utf-8")
    assert write_stack_file(file, CONFIG)
    text = file.read_text(encoding="utf-8")
    assert yaml.safe_load(text) == after
    assert list(yaml.safe_load(text)) == list(after)
    assert "destinationRegions:\n      - eu-west-1\n" in text  # as yamllint expects


@pytest.mark.parametrize("key", ["archive", "applications", "retain"])
def test_a_stack_file_with_a_config_is_kept(tmp_path: Path, key: str) -> None:
    file = tmp_path / "Pulumi.company.yaml"
    text = f"config:\n    other:key: 1\n    central-log-archive:{key}: {{}}  # mine\n"
    file.write_text(text, encoding="utf-8")
    assert not write_stack_file(file, CONFIG)
    assert file.read_text(encoding="utf-8") == text
