"""Reports and gates on previews of the real engine, compared with checked-in examples."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ops.cli.app import app
from sandbox.prepare import prepare
from tests.sandbox.stacks import EXAMPLES, Stacks
from tests.sandbox.templates import actions
from tests.stacks import EXAMPLES_FOLDER, config_of

HERE = Path(__file__).parent / "examples"
UPDATE = "UPDATE_EXAMPLES"
"""Set it to update the examples."""
NEEDS_NONE = {"sts:GetCallerIdentity"}
"""What needs no permission."""


@pytest.fixture(scope="module")
def deployed(stacks: Stacks) -> Iterator[Stacks]:
    for stack in EXAMPLES[:2]:
        stacks.up(stack)
    yield stacks
    for stack in reversed(EXAMPLES[:2]):
        stacks.pulumi("destroy", "--yes", "--skip-preview", "-s", stack)


@pytest.fixture
def previewed(deployed: Stacks, tmp_path: Path) -> Any:  # noqa: ANN401 - a function
    """Write the output of a preview of a stack into a file."""

    def preview(stack: str, config: dict[str, Any] | None = None, *, ok: bool = True) -> str:
        file = tmp_path / f"{stack}.json"
        file.write_text(
            deployed.pulumi("preview", "--json", "--show-sames", "-s", stack, config=config, ok=ok), encoding="utf-8"
        )
        return str(file)

    return preview


def compare(name: str, text: str) -> None:
    file = HERE / name
    if UPDATE in os.environ:
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, arguments)
    return done.exit_code, done.stdout


def changed(deployed: Stacks) -> dict[str, Any]:
    """The example app-dev with one more account and log group, and one less region and log group."""
    app_dev = config_of("app-dev")
    (shop,) = app_dev["applications"]
    shop["regions"] = {"eu-west-1": {"logGroups": ["aws-waf-logs-shop", "/aws/lambda/cart"]}}
    cart = {
        "account": "333333333333",
        "alias": "cart-dev",
        "regions": {"eu-west-1": {"logGroups": ["/aws/lambda/cart"]}},
    }
    app_dev["applications"].append(cart)
    prepare([deployed.write(app_dev), EXAMPLES_FOLDER / "Pulumi.archive.yaml"], deployed.instance.environment())
    return app_dev


def test_the_report_of_what_joins_and_leaves_matches_the_example(deployed: Stacks, previewed: Any) -> None:  # noqa: ANN401
    status, text = run("report", previewed("app-dev", changed(deployed)))
    assert status == 0
    compare("app-dev.md", text)
    assert run("gate", previewed("app-dev", changed(deployed))) == (1, gate_output())


def gate_output() -> str:
    group = "shop-dev-log-group-/shop/dev/audit-us-east-1"
    risks = {
        f"{group} (LogGroup) would be deleted: it holds data": group,
        "`/aws/lambda/checkout` of account 222222222222, eu-west-1 leaves the archive": "leaves",
        "region us-east-1 of account 222222222222 leaves the archive": "leaves",
    }
    lines = [f"  {text}; if this is intended, pass --allow {name}\n" for text, name in risks.items()]
    return f"app-dev: must not be applied\n{''.join(lines)}"


def test_the_report_of_a_replaced_stream_matches_the_example(previewed: Any) -> None:  # noqa: ANN401 - a function
    archive = config_of("archive")["archive"]
    file = previewed("archive", {"archive": {**archive, "delivery": {"layout": "partitioned"}}})
    status, text = run("report", file)
    assert status == 0
    compare("archive.md", text)
    assert run("gate", file)[0] == 1
    assert run("gate", file, "--allow", "archive-stream") == (0, "archive: may be applied\n")


@pytest.mark.parametrize("stack", EXAMPLES[:2])
def test_the_example_stacks_may_be_applied(previewed: Any, stack: str) -> None:  # noqa: ANN401 - as above
    assert run("gate", previewed(stack)) == (0, f"{stack}: may be applied\n")


def test_a_preview_with_the_preview_role_only_reads_and_an_update_rejects_it(
    deployed: Stacks,
    previewed: Any,  # noqa: ANN401 - as above
) -> None:
    config = {**config_of("app-dev"), "previewRole": "central-log-archive-previewer"}
    before = {tuple(call.items()) for call in deployed.ask("calls")}
    _, text = run("report", previewed("app-dev", config), "--json")
    (summary,) = json.loads(text)
    assert {word for word, number in summary["counts"].items() if number} == {"unchanged"}
    config["applications"][0]["regions"]["us-east-1"]["all"] = True  # then it looks for policies of others too
    prepare([deployed.write(config), EXAMPLES_FOLDER / "Pulumi.archive.yaml"], deployed.instance.environment())
    previewed("app-dev", config)
    calls = [
        call for call in deployed.ask("calls") if ":assumed-role/central-log-archive-previewer/" in call["principal"]
    ]
    assert {call["action"] for call in calls} - NEEDS_NONE == actions("application-account.yaml", "Previewer")
    assert all(call["allowed"] for call in calls)
    others = {call["principal"] for call in deployed.ask("calls") if tuple(call.items()) not in before}
    assert others == {call["principal"] for call in calls}
    assert "is for previews only" in deployed.up("app-dev", config, ok=False)


def test_a_preview_of_an_archive_with_the_preview_role_reads_log_groups_policies_of_keys_and_an_existing_bucket(
    deployed: Stacks,
    previewed: Any,  # noqa: ANN401 - as above
) -> None:
    given = {
        "existingBucket": "existing", "key": "arn:aws:kms:eu-west-1:111111111111:key/given", "streamName": "existing",
    }  # fmt: skip
    archive = {**config_of("archive")["archive"], "ownLogGroups": ["aws-waf-logs-*"], **given}
    prepare([deployed.write({"archive": archive})], deployed.instance.environment())
    previewed("archive", {"archive": archive, "previewRole": "central-log-archive-previewer"})
    calls = [call for call in deployed.ask("calls")
             if ":111111111111:assumed-role/central-log-archive-previewer/" in call["principal"]]  # fmt: skip
    assert {call["action"] for call in calls} - NEEDS_NONE == actions("archive-account.yaml", "Previewer")
    assert all(call["allowed"] for call in calls)


def test_a_stack_that_its_archive_does_not_serve_must_not_be_applied(deployed: Stacks, previewed: Any) -> None:  # noqa: ANN401
    regions = {"ap-south-1": {"logGroups": ["a"]}}
    ahead = {
        "archiveStack": "archive",
        "applications": [{"account": "222222222222", "alias": "shop", "regions": regions}],
    }
    prepare([deployed.write(ahead), EXAMPLES_FOLDER / "Pulumi.archive.yaml"], deployed.instance.environment())
    status, text = run("gate", previewed("app-dev", ahead, ok=False))
    assert status == 1
    assert "region ap-south-1: the archive does not serve the region; it serves eu-west-1, us-east-1" in text
