"""``python -m ops promote``: one commit through the example stacks, with a failure in the middle, and resumed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from ops.review.report import MARK
from sandbox.instance import MANAGEMENT_ACCOUNT
from sandbox.server import ROOT
from tests.sandbox.checkout import Checkout
from tests.sandbox.stacks import EXAMPLES, Stacks
from tests.sandbox.test_permissions import without


class Promoted(Checkout):
    """A checkout whose commits are promoted."""

    def promote(self, to: str, *arguments: str, status: int = 0) -> str:
        return self.ops("promote", "--to", to, "--yes", "--timeout", "10", *arguments, status=status)

    def steps(self, to: str, *arguments: str) -> list[tuple[str, str, int]]:
        result: dict[str, Any] = json.loads(self.promote(to, "--json", *arguments))
        assert result["ended"] is None
        return [(step["stack"], step["done"], step["delivers"]) for step in result["steps"]]


@pytest.fixture(scope="module")
def checkout(stacks: Stacks, tmp_path_factory: pytest.TempPathFactory) -> Promoted:
    checkout = Promoted(tmp_path_factory.mktemp("checkout") / "project", stacks)
    for stack in EXAMPLES:
        checkout.init(stack)
    checkout.commit(touch=False)
    (checkout.folder / ".venv").symlink_to(ROOT / ".venv")
    (checkout.folder / ".git/info/exclude").write_text(".venv\npreviews\n", encoding="utf-8")
    return checkout


def test_a_failure_in_the_middle_stops_and_the_next_run_resumes_there(checkout: Promoted) -> None:
    iam = checkout.stacks.client("iam", account="222222222222")
    role = {"RoleName": "central-log-archive-deployer", "PolicyName": "subscribe-log-groups"}
    document = iam.get_role_policy(**role)["PolicyDocument"]
    denied = without(document, "logs:PutSubscriptionFilter")
    iam.put_role_policy(**role, PolicyDocument=json.dumps(denied))
    printed = checkout.promote("app-prod", status=1)
    assert "the update of app-dev failed" in printed
    assert "app-dev has no earlier commit to roll back to" in printed
    assert checkout.stacks.outputs("archive")["bucket"]
    assert checkout.stacks.pulumi("stack", "history", "-s", "app-prod", "--json").strip() == "[]"

    iam.put_role_policy(**role, PolicyDocument=json.dumps(document))
    assert checkout.steps("app-prod") == [
        ("archive", "already", 0),
        ("app-dev", "promoted", 2),
        ("app-prod", "promoted", 4),
    ]
    assert checkout.steps("app-prod") == [
        ("archive", "already", 0),
        ("app-dev", "already", 2),
        ("app-prod", "already", 4),
    ]


def test_no_environment_is_skipped(checkout: Promoted) -> None:
    before = checkout.git("rev-parse", "HEAD")
    commit = checkout.commit("a change")
    printed = checkout.promote("app-prod", "--only", status=1)
    assert f"archive is promoted before app-prod and runs {before} instead of {commit}: promote to" in printed
    assert checkout.steps("archive", "--only") == [("archive", "promoted", 0)]
    printed = checkout.promote("app-prod", "--only", status=1)
    assert f"runs {before} instead of {commit}: promote to app-dev first" in printed
    assert checkout.steps("app-dev", "--only") == [("archive", "already", 0), ("app-dev", "promoted", 2)]
    assert checkout.steps("app-prod", "--only")[-1] == ("app-prod", "promoted", 4)


def test_a_commit_that_does_not_deliver_stops_with_how_to_roll_back(checkout: Promoted) -> None:
    before = checkout.git("rev-parse", "HEAD")
    checkout.commit("another change")
    logs = checkout.stacks.client("logs", account="111111111111", region="us-east-1")
    (destination,) = logs.describe_destinations()["destinations"]
    policy = json.loads(destination["accessPolicy"])
    policy["Statement"][0]["Principal"]["AWS"] = ["333333333333", "444444444444"]
    change = {"destinationName": destination["destinationName"]}
    logs.put_destination_policy(**change, accessPolicy=json.dumps(policy))
    try:
        printed = checkout.promote("app-prod", status=1)
    finally:
        logs.put_destination_policy(**change, accessPolicy=destination["accessPolicy"])
    assert "app-dev: 1 of 2 events arrived or were lost" in printed
    assert "app-dev does not deliver:" in printed
    assert "account 222222222222, region us-east-1: lost at the destination policy" in printed
    assert f"to roll back: git switch --detach {before} && python -m ops promote --to app-dev" in printed
    assert checkout.steps("app-prod")[-1] == ("app-prod", "promoted", 4)


def test_data_loss_and_uncommitted_changes_are_rejected(checkout: Promoted) -> None:
    file = checkout.folder / "Pulumi.archive.yaml"
    text = file.read_text(encoding="utf-8")
    partitioned = text.replace(
        "central-log-archive:archive:\n", "central-log-archive:archive:\n    delivery: {layout: partitioned}\n"
    )
    assert partitioned != text
    file.write_text(partitioned, encoding="utf-8")
    assert "the working tree has uncommitted changes; commit them first:" in checkout.promote("archive", status=1)
    checkout.commit("partitioned", touch=False)
    assert "archive-stream (FirehoseDeliveryStream) would be replaced: it holds data" in checkout.promote(
        "app-prod", status=1
    )
    assert checkout.steps("archive", "--allow", "archive-stream") == [("archive", "promoted", 0)]


def test_a_locked_stack_is_reported(checkout: Promoted) -> None:
    checkout.commit("one more change")
    lock = checkout.stacks.instance.state / ".pulumi/locks/organization/central-log-archive/app-dev/mine.json"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text(
        json.dumps({"pid": 1, "username": "someone", "hostname": "elsewhere", "timestamp": "2026-01-01T00:00:00Z"})
    )
    try:
        printed = checkout.promote("app-dev", status=1)
    finally:
        lock.unlink()
    assert "app-dev is locked: another update is running, or one was interrupted" in printed
    assert checkout.steps("app-dev")[-1] == ("app-dev", "promoted", 2)


def test_a_declined_update_changes_nothing(checkout: Promoted) -> None:
    checkout.commit("the last change")
    done = subprocess.run(
        [sys.executable, "-m", "ops", "promote", "--to", "archive"],
        cwd=checkout.folder, env=checkout.stacks.environment, input="n\n", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "the update of archive was declined; nothing was changed" in done.stderr


def test_a_file_without_keys_of_the_program_is_no_stack_to_promote(checkout: Promoted) -> None:
    file = checkout.folder / "Pulumi.mine.yaml"
    file.write_text("encryptionsalt: v1:x\n", encoding="utf-8")
    try:
        assert checkout.ops("stacks").split() == ["archive", "app-dev", "app-prod"]
        assert "Pulumi.mine.yaml does not exist" in checkout.promote("mine", status=2)
    finally:
        file.unlink()


def test_a_stack_that_does_not_exist_is_reported(checkout: Promoted) -> None:
    assert "Pulumi.staging.yaml does not exist" in checkout.promote("staging", status=2)


UNCHANGED = "the repository: may be applied\n"


def test_a_pull_request_gets_a_report_of_the_stacks_that_it_affects_and_a_gate(checkout: Promoted) -> None:
    def previewed(base: str, status: int = 0, labels: str = "") -> tuple[str, str]:
        done = subprocess.run(
            [".github/preview.sh", base, "previews", "pulumi"],
            cwd=checkout.folder,
            env={**checkout.stacks.environment, "LABELS": labels, "COMMIT": checkout.git("rev-parse", "HEAD")},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == status, done.stdout + done.stderr
        folder = checkout.folder / "previews"
        return (folder / "report.md").read_text(encoding="utf-8"), (folder / "gate.txt").read_text(encoding="utf-8")

    checkout.git("config", "core.excludesFile", str(ROOT / ".gitignore"))
    base = checkout.git("rev-parse", "HEAD")
    assert previewed(base) == (f"{MARK}\n# What this would change\n\nNo stack is affected.\n", UNCHANGED)
    file = checkout.folder / "Pulumi.app-dev.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(re.sub(r" +- aws-waf-logs-shop .*\n", "", text), encoding="utf-8")
    checkout.commit("one log group fewer", touch=False)
    report, gate = previewed(base, status=1)
    assert [line for line in report.splitlines() if line.startswith("## ")] == ["## app-dev"]
    assert "- **`aws-waf-logs-shop` of account 222222222222, eu-west-1 leaves the archive**" in report
    (label,) = re.findall(r"label `(.+)`", report)
    assert previewed(base, labels=f"bug {label}") == (report, f"app-dev: may be applied\n{UNCHANGED}")
    assert previewed(base, status=1, labels="allow:leaves") == (report, gate)
    checkout.git("commit", "--quiet", "--amend", "--message", "pushed after the label was set")
    assert previewed(base, status=1, labels=label)[1] == gate
    file.write_text(text.replace("us-east-1", "ap-south-1"), encoding="utf-8")
    checkout.commit("a region that is not served", touch=False)
    report, gate = previewed(base, status=1)
    assert "**The preview failed:**" in report
    assert gate.startswith("app-dev: must not be applied")
    checkout.git("checkout", "--quiet", base)
    archive = checkout.folder / "Pulumi.archive.yaml"
    text = archive.read_text(encoding="utf-8")
    archive.write_text(text.replace("    delivery: {layout: partitioned}\n", ""), encoding="utf-8")
    checkout.commit("back to dates", touch=False)
    report, gate = previewed(base, status=1)
    assert "- **archive-stream (FirehoseDeliveryStream) would be replaced: it holds data**" in report
    assert "if this is intended, pass --allow archive-stream" in gate
    with (checkout.folder / "policy/rules.py").open("a", encoding="utf-8") as guarded:
        guarded.write("# anything goes\n")
    checkout.commit("and other rules", touch=False)
    report, gate = previewed(base, status=1)
    assert report.splitlines()[3].startswith("- **policy/rules.py changed: ")
    stream, rules = sorted(set(re.findall(r"label `(.+?)`", report)))
    allowed = previewed(base, labels=f"{stream} {rules}")[1]
    assert allowed == "".join(f"{stack}: may be applied\n" for stack in ("archive", "app-dev", "app-prod")) + UNCHANGED
    assert "pass --allow policy" in previewed(base, status=1, labels=stream)[1]
    assert checkout.git("status", "--porcelain") == ""
    checkout.git("checkout", "--quiet", base)


def may_assume(stacks: Stacks, role: str) -> dict[str, str]:
    """Return the variables of a role that may assume one role of ``bootstrap/`` in each account, and nothing else."""
    iam, sts = (stacks.client(service, account=MANAGEMENT_ACCOUNT) for service in ("iam", "sts"))
    principal = {"AWS": f"arn:aws:iam::{MANAGEMENT_ACCOUNT}:root"}
    trust = {"Statement": {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}}
    arn = iam.create_role(RoleName="drift", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    allowed = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": f"arn:aws:iam::*:role/{role}"}
    iam.put_role_policy(RoleName="drift", PolicyName="p", PolicyDocument=json.dumps({"Statement": allowed}))
    given = sts.assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"],
    }


def test_drift_fails_the_nightly_check_which_assumes_the_reader_roles_only(checkout: Promoted) -> None:
    environment = {**checkout.stacks.environment, **may_assume(checkout.stacks, "central-log-archive-reader")}

    def compared(status: int) -> str:
        done = subprocess.run(
            [".github/drift.sh", "app-dev", "pulumi"],
            cwd=checkout.folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    assert "| 0 | 0 | 0 | 0 |" in compared(0)
    logs = checkout.stacks.client("logs", account="222222222222")
    logs.delete_subscription_filter(logGroupName="aws-waf-logs-shop", filterName="central-log-archive.eu-west-1")
    assert "| created | `shop-dev-filter-aws-waf-logs-shop-eu-west-1` | LogSubscriptionFilter |" in compared(1)
    assert checkout.git("status", "--porcelain") == ""


def test_stacks_are_listed_in_the_order_of_promotion_or_only_those_that_a_change_affects(checkout: Promoted) -> None:
    since = checkout.git("rev-parse", "HEAD")
    checkout.commit("for the list")
    assert checkout.ops("stacks").split() == ["archive", "app-dev", "app-prod"]
    assert json.loads(checkout.ops("stacks", "--json")) == [
        {"stack": "archive", "applications": 0},
        {"stack": "app-dev", "applications": 1},
        {"stack": "app-prod", "applications": 2},
    ]
    assert json.loads(checkout.ops("stacks", "--since", since, "--json")) == [{"stack": "archive", "applications": 0}]
    assert checkout.ops("stacks", "--since", "HEAD") == ""
    assert "git diff --name-only nothing-like-this...HEAD failed" in checkout.ops(
        "stacks", "--since", "nothing-like-this", status=2
    )
