"""What commands print, and their exit status. What they find out is tested elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from accounts.inventory import Subscription
from components.archive_outputs import ArchiveOutputs
from ops.adopt.existing_archive import ExistingArchive
from ops.promote.git import git
from ops.verify.canaries import Verdict
from ops.verify.diagnosis import Loss
from tests.unit.command_line import Ops, rows
from tests.unit.fakes import Aws, Pulumi, Refusal, failed, filters, log_groups
from tests.unit.test_adoption import FOUND, STREAM
from tests.unit.test_promotion import OUTPUTS, commit_all
from topology.settings import Application

CENTRAL, SHOP, BANK = "111111111111", "222222222222", "333333333333"
HOME, ABROAD = "eu-west-1", "us-east-1"
APPLICATIONS = [
    {"account": SHOP, "alias": "shop", "regions": {HOME: {"logGroups": ["a", "b*"]}, ABROAD: {"all": {}}}},
    {"account": BANK, "regions": {HOME: {"logGroups": ["a"]}}},
]
DEV: dict[str, object] = {"archiveStack": "archive", "applications": APPLICATIONS}
ARCHIVE: dict[str, object] = {"archive": {
    "account": CENTRAL, "region": HOME, "destinationRegions": [HOME], "senders": {"accounts": [SHOP]},
}}  # fmt: skip
WHOLE: dict[str, object] = {"archive": {"account": CENTRAL, "region": HOME}, "applications": APPLICATIONS}


def write(folder: Path, stack: str, config: dict[str, object]) -> Path:
    file = folder / f"Pulumi.{stack}.yaml"
    keys = {f"central-log-archive:{key}": value for key, value in config.items()}
    file.write_text(yaml.safe_dump({"config": keys}), encoding="utf-8")
    return file


@pytest.fixture(autouse=True)
def dev(tmp_path: Path) -> Path:
    """The stack file of ``dev``."""
    return write(tmp_path, "dev", DEV)


Check = Callable[..., list[Verdict]]


@pytest.fixture
def verdicts(pulumi: Pulumi, monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], Loss]:
    """Account and region → where its event is lost. Others arrive within 12 s."""
    losses: dict[tuple[str, str], Loss] = {}
    pulumi.outputs = {"archive": OUTPUTS}

    def check(
        applications: Iterable[Application], stack: str, archive: ArchiveOutputs, *, timeout: float | None,
        on_progress: Callable[[int, int], object],
    ) -> list[Verdict]:  # fmt: skip
        assert (stack, archive, timeout) == ("dev", ArchiveOutputs.of("archive", OUTPUTS), 9)
        on_progress(1, 3)
        places = [(each.account, region) for each in applications for region in each.regions]
        return [Verdict(*place, None if place in losses else 12.3, losses.get(place)) for place in places]

    monkeypatch.setattr("ops.cli.verify.check_delivery", check)
    return losses


VERIFY = ("verify", "-s", "dev", "--timeout", "9")


@pytest.mark.usefixtures("verdicts")
def test_verify_lists_every_account_and_region_with_the_seconds_it_took(ops: Ops) -> None:
    delivered = "delivered in 12 s"
    assert rows(ops(*VERIFY).stdout) == [
        ["account", "region", "result", "remedy"],
        ["shop", HOME, delivered, ""], ["shop", ABROAD, delivered, ""], [BANK, HOME, delivered, ""],
    ]  # fmt: skip
    result = json.loads(ops(*VERIFY, "--json").stdout)
    assert (result["stack"], result["delivers"]) == ("dev", True)
    assert result["verdicts"][0] == {"account": SHOP, "region": HOME, "seconds": 12.3, "loss": None}


def test_verify_fails_with_the_stage_the_reason_and_the_remedy_if_an_event_is_lost(
    ops: Ops, verdicts: dict[tuple[str, str], Loss]
) -> None:
    verdicts[SHOP, ABROAD] = Loss("filter", "it is missing", "run pulumi up")
    assert rows(ops(*VERIFY, status=1).stdout)[2] == [
        "shop", ABROAD, "lost at the filter: it is missing", "run pulumi up",
    ]  # fmt: skip
    result = json.loads(ops(*VERIFY, "--json", status=1).stdout)
    assert result["delivers"] is False
    assert result["verdicts"][1]["loss"] == {"stage": "filter", "reason": "it is missing", "remedy": "run pulumi up"}


def test_verify_takes_another_stack_file(ops: Ops, tmp_path: Path, verdicts: dict[tuple[str, str], Loss]) -> None:
    assert verdicts == {}
    other = write(tmp_path, "other", {**DEV, "applications": APPLICATIONS[1:]})
    assert len(rows(ops(*VERIFY, "--config-file", str(other)).stdout)) == 2


def test_a_stack_without_applications_cannot_be_verified(ops: Ops, tmp_path: Path) -> None:
    write(tmp_path, "archive", ARCHIVE)
    assert (
        "stack archive has no applications; verify the stacks that have some"
        in ops("verify", "-s", "archive", status=2).stderr
    )


@pytest.mark.parametrize(
    ("outputs", "config", "problem"),
    [
        ({}, DEV, "the outputs of stack archive cannot be read:"),
        ({"archive": {"x": 1}}, DEV, "stack archive has no archive: deploy it first with pulumi up -s archive"),
        ({"archive": OUTPUTS}, WHOLE, "the outputs of stack dev cannot be read:"),
    ],
)
def test_verify_needs_the_outputs_of_the_archive_that_the_stack_sends_to(
    ops: Ops,
    pulumi: Pulumi,
    tmp_path: Path,
    outputs: dict[str, dict[str, object]],
    config: dict[str, object],
    problem: str,
) -> None:
    write(tmp_path, "dev", config)
    pulumi.outputs = outputs
    assert problem in ops("verify", "-s", "dev", status=2).stderr


OWN, OWN_ABROAD = (Subscription(f"central-log-archive.{region}", f"arn:{region}") for region in (HOME, ABROAD))


@pytest.fixture
def accounts(aws: Aws) -> Aws:
    """The accounts of ``dev``: some log groups are archived, some are not."""
    aws.answers = {
        (SHOP, HOME, "DescribeLogGroups"): log_groups("b2", "b1", "c", infrequent="INFREQUENT_ACCESS"),
        (SHOP, HOME, "DescribeSubscriptionFilters"): filters(b1=[OWN], c=[Subscription("siem", "arn:siem")]),
        (SHOP, HOME, "DescribeAccountPolicies"): {"accountPolicies": []},
        (SHOP, ABROAD, "DescribeLogGroups"): log_groups("x", "y"),
        (SHOP, ABROAD, "DescribeSubscriptionFilters"): filters(),
        (SHOP, ABROAD, "DescribeAccountPolicies"): {"accountPolicies": [{
            "policyName": OWN_ABROAD.name, "policyDocument": '{"DestinationArn": "arn"}',
            "selectionCriteria": 'LogGroupName NOT IN ["y"]',
        }]},
        (BANK, HOME, "DescribeLogGroups"): log_groups(a="INFREQUENT_ACCESS"),
        (BANK, HOME, "DescribeSubscriptionFilters"): filters(a=[OWN]),
        (BANK, HOME, "DescribeAccountPolicies"): {"accountPolicies": []},
    }  # fmt: skip
    return aws


COVERAGE = ("coverage", "-s", "dev")


def test_coverage_lists_every_log_group_and_the_totals(ops: Ops, accounts: Aws) -> None:
    printed = ops(*COVERAGE).stdout
    headers, missing = ["log group", "status", "entry", "reason"], "not subscribed: run pulumi up"
    titles = [f"shop, {HOME}", f"shop, {ABROAD}", f"{BANK}, {HOME}", "Totals"]
    assert [line.strip() for line in printed.splitlines() if line.strip() in titles] == titles
    assert rows(printed) == [
        headers,
        ["a", "missed", "a", "the log group does not exist"],
        ["b1", "archived", "b*", ""],
        ["b2", "missed", "b*", missing],
        ["c", "missed", "", "no entry matches it"],
        ["infrequent", "missed", "", "the log class INFREQUENT_ACCESS does not support subscription filters"],
        headers,
        ["x", "archived", "all", ""],
        ["y", "missed", "all", missing],
        headers,
        ["a", "missed", "a", "the log class INFREQUENT_ACCESS does not support subscription filters"],
        ["account", "region", "archived", "excluded", "missed"],
        ["shop", HOME, "1", "0", "4"],
        ["shop", ABROAD, "1", "0", "1"],
        [BANK, HOME, "0", "0", "1"],
    ]
    assert {session for *_, session in accounts.assumed()} == {"central-log-archive-dev"}
    described = [
        parameters["logGroupName"]
        for question, parameters in accounts.calls
        if question == (SHOP, HOME, "DescribeSubscriptionFilters")
    ]
    assert described == ["b1", "b2", "c", "infrequent"]  # not of the log group that does not exist


@pytest.mark.usefixtures("accounts")
def test_coverage_compares_destinations_with_those_of_the_archive(ops: Ops, pulumi: Pulumi) -> None:
    pulumi.outputs = {"archive": {**OUTPUTS, "destinations": {HOME: OWN.destination, ABROAD: "arn:ours"}}}
    printed = rows(ops(*COVERAGE).stdout)
    assert ["b1", "archived", "b*", ""] in printed
    diverted = f"the destination of {OWN_ABROAD.name} is arn instead of arn:ours: run pulumi up --refresh"
    assert ["x", "missed", "all", diverted] in printed
    pulumi.outputs = {}
    done = ops(*COVERAGE)
    assert "destinations are not compared with those of the archive: the outputs of stack archive" in done.stderr
    assert ["x", "archived", "all", ""] in rows(done.stdout)


@pytest.mark.usefixtures("accounts")
def test_coverage_fails_with_the_requirements_that_are_not_met(ops: Ops) -> None:
    ops(*COVERAGE, "--require", "25%", "--require", "x=100%")
    done = ops(*COVERAGE, "--require", "90%", "--require", "x=100%", "--require", "b*=51%", "--json", status=1)
    unmet = [
        "2 of 8 log groups that match * are archived, which is less than 90%",
        "1 of 2 log groups that match b* are archived, which is less than 51%",
    ]
    assert "\n".join(unmet) in done.stderr
    result = json.loads(done.stdout)
    assert result["unmet"] == unmet
    assert result["stack"] == "dev"
    assert result["logGroups"][1] == {
        "account": SHOP, "region": HOME, "logGroup": "b1", "status": "archived", "entry": "b*", "reason": "",
    }  # fmt: skip
    assert result["totals"][1] == {"account": SHOP, "region": ABROAD, "archived": 1, "excluded": 0, "missed": 1}


def test_an_account_that_cannot_be_read_is_an_error_and_no_answer(ops: Ops, accounts: Aws) -> None:
    accounts.answers[BANK, HOME, "DescribeLogGroups"] = Refusal("AccessDenied")
    done = ops(*COVERAGE, "--require", "0%", status=2)
    assert "An error occurred (AccessDenied)" in done.stderr
    assert done.stdout == ""


RETIRE = ("retire", "-s", "dev")
STAYS = {
    "account": SHOP, "region": HOME, "logGroup": "c", "name": "MyFilter",
    "reason": "the log group has no filter of the program to the same place",
}  # fmt: skip
DELETED = [(SHOP, HOME, "b1", "MyFilter"), (BANK, HOME, "a", "MyFilter")]


@pytest.fixture
def old_filters(accounts: Aws) -> Aws:
    """The accounts, where two filters are superseded."""
    old = replace(OWN, name="MyFilter")
    accounts.answers |= {
        (SHOP, HOME, "DescribeSubscriptionFilters"): filters(b1=[OWN, old], c=[old]),
        (BANK, HOME, "DescribeSubscriptionFilters"): filters(a=[OWN, old]),
        **{(account, HOME, "DeleteSubscriptionFilter"): {} for account in (SHOP, BANK)},
    }
    return accounts


def deleted(aws: Aws) -> list[tuple[str, str, str, str]]:
    return [
        (*question[:2], parameters["logGroupName"], parameters["filterName"])
        for question, parameters in aws.calls
        if question[2] == "DeleteSubscriptionFilter"
    ]


@pytest.mark.parametrize(("arguments", "answer"), [([], "y\n"), (["--yes"], None)])
def test_retire_lists_the_superseded_filters_and_deletes_them_when_confirmed(
    ops: Ops, old_filters: Aws, arguments: list[str], answer: str | None
) -> None:
    done = ops(*RETIRE, *arguments, answer=answer)
    assert "Superseded filters: 2" in done.stderr
    assert rows(done.stderr) == [
        ["account", "region", "log group", "filter"], *map(list, DELETED),
        ["account", "region", "log group", "filter", "why"], [*STAYS.values()],
    ]  # fmt: skip
    assert deleted(old_filters) == DELETED
    assert ("\nDelete them? [y/N]" in done.stderr) is (answer is not None)
    assert {session for *_, session in old_filters.assumed()} == {"central-log-archive-dev"}
    assert done.stdout.endswith("deleted 2 filters\n")


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_retire_keeps_the_filters_unless_confirmed(ops: Ops, old_filters: Aws, answer: str) -> None:
    ops(*RETIRE, answer=answer, status=1)
    assert deleted(old_filters) == []


@pytest.mark.usefixtures("old_filters")
def test_retire_takes_another_stack_file(ops: Ops, tmp_path: Path) -> None:
    other = write(tmp_path, "other", {**DEV, "applications": APPLICATIONS[1:]})
    assert ops(*RETIRE, "--yes", "--config-file", str(other)).stdout == "deleted 1 filters\n"


@pytest.mark.usefixtures("old_filters")
def test_retire_prints_what_was_deleted_as_json(ops: Ops) -> None:
    result = json.loads(ops(*RETIRE, "--yes", "--json").stdout)
    assert result == {"stack": "dev", "deleted": [
        {"account": account, "region": region, "logGroup": log_group, "name": name, "destination": OWN.destination}
        for account, region, log_group, name in DELETED
    ], "kept": [STAYS], "left": [], "unread": []}  # fmt: skip


@pytest.mark.usefixtures("accounts")
def test_retire_does_not_ask_if_there_is_nothing_to_delete(ops: Ops) -> None:
    done = ops(*RETIRE)
    assert "Delete them?" not in done.stderr
    assert done.stdout == "deleted 0 filters\n"


def test_stacks_are_listed_in_the_order_of_promotion(ops: Ops, tmp_path: Path) -> None:
    write(tmp_path, "archive", ARCHIVE)
    assert ops("stacks").stdout == "archive\ndev\n"
    assert ops("stacks", "--json").stdout == (  # on one line, as workflows take the value of an output
        '[{"stack": "archive", "applications": 0}, {"stack": "dev", "applications": 2}]\n'
    )


def test_files_that_are_not_of_the_program_are_skipped_with_a_message(ops: Ops, dev: Path) -> None:
    dev.with_name("Pulumi.archive.yaml").write_text("config: {}\n", encoding="utf-8")
    done = ops("stacks", status=2)
    assert "Pulumi.archive.yaml is skipped" in done.stderr
    assert "Pulumi.archive.yaml does not exist, the predecessor of dev" in done.stderr


def test_stacks_can_be_limited_to_those_that_a_change_affects(ops: Ops, tmp_path: Path) -> None:
    write(tmp_path, "archive", ARCHIVE)
    before = commit_all(tmp_path)
    git(tmp_path, "branch", "before")
    write(tmp_path, "dev", {**DEV, "retain": True})
    after = commit_all(tmp_path)
    assert ops("stacks", "--since", before).stdout == "dev\n"
    assert json.loads(ops("stacks", "--since", "before", "--json").stdout) == [{"stack": "dev", "applications": 2}]
    assert ops("stacks", "--since", "HEAD").stdout == ""
    assert json.loads(ops("stacks", "--since", "HEAD", "--json").stdout) == []
    git(tmp_path, "switch", "--quiet", "before")
    assert ops("stacks", "--since", after).stdout == ""  # what changed elsewhere does not count


def test_a_commit_that_git_does_not_know_is_an_error(ops: Ops, tmp_path: Path) -> None:
    write(tmp_path, "archive", ARCHIVE)
    commit_all(tmp_path)
    assert "git diff --name-only nowhere...HEAD failed: fatal: " in ops("stacks", "--since", "nowhere", status=2).stderr


DEPLOY = "aws cloudformation deploy --template-file bootstrap"
PARAMETERS = "--stack-name central-log-archive --capabilities CAPABILITY_NAMED_IAM --parameter-overrides"
ADOPT = ("adopt", "-s", "company", "--account", CENTRAL, "--region", HOME)
IMPORTED = {"archive-stream": STREAM.arn, "archive-destination-eu-west-1": "waf"}


KEY_PROBLEM = "the policy of the key does not allow the delivery role"


@pytest.fixture
def existing(pulumi: Pulumi, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """An existing archive; returns the arguments with which it is read."""
    asked: dict[str, Any] = {}

    def read(account: str, region: str, **options: Any) -> ExistingArchive:  # noqa: ANN401 - those of adopt
        options.pop("on_progress")(0, 1)
        asked.update(account=account, region=region, **options)
        return FOUND

    def preview(arguments: list[str]) -> tuple[str, ...]:
        resources = [{"type": "aws:x", "name": name} for name in (*IMPORTED, "archive-bucket")]
        assert arguments[:3] == ["preview", "--stack", "company"]
        file = Path(arguments[arguments.index("--import-file") + 1])
        assert file == Path(pulumi.folder) / "import-company.json"
        file.write_text(json.dumps({"resources": resources}), encoding="utf-8")
        return ()

    pulumi.command = preview
    monkeypatch.setattr("ops.cli.adopt.read", read)
    monkeypatch.setattr("ops.cli.adopt.check_given_keys", lambda _, stack: [f"{stack}: {KEY_PROBLEM}"])
    return asked


def test_adopt_writes_both_files_and_prints_what_to_do_next(ops: Ops, existing: dict[str, Any], tmp_path: Path) -> None:
    done = ops(*ADOPT)
    assert existing == {
        "account": CENTRAL, "region": HOME, "stream": None, "applications": (), "stack": "company",
        "bucket_account": None,
        "deployer_role": "central-log-archive-deployer",
    }  # fmt: skip
    assert [line for line in done.stderr.splitlines() if line] == [
        "Pulumi.company.yaml was written",
        "This needs the templates of bootstrap/, where PRINCIPAL is the ARN of who runs Pulumi and ops:",
        f"  {DEPLOY}/archive-account.yaml {PARAMETERS} TrustedPrincipals=PRINCIPAL Verifiers=PRINCIPAL "
        f"SenderRoleName=central-log-archive-sender SenderAccounts={SHOP} ExistingBucket=company-logs "
        "StreamName=waf-logs DestinationName=waf",
        f"  {DEPLOY}/application-account.yaml {PARAMETERS} TrustedPrincipals=PRINCIPAL Verifiers=PRINCIPAL "
        f"ArchiveAccount={CENTRAL} DestinationName=waf",
        "previewing company",
    ]
    assert rows(done.stdout) == [["adopted", "ID"], *map(list, IMPORTED.items())]
    after = done.stdout.splitlines()
    changes, left, before, following = (after.index(each) for each in (
        "The first update changes:", "What stays outside Pulumi:", "To do before the update:", "Next:",
    ))  # fmt: skip
    assert all(line.startswith("- ") for line in (*after[changes + 1 : left], *after[left + 1 : before]))
    assert any(line.startswith(f"- the role {STREAM.role}: python -m ops retire") for line in after[left:before])
    leftovers = json.loads((tmp_path / "leftovers-company.json").read_text(encoding="utf-8"))
    assert [each["name"] for each in leftovers] == [FOUND.destinations[HOME].role, STREAM.role]
    assert after[before + 1 : following] == [f"- company: {KEY_PROBLEM}"]
    assert after[following + 1 :] == [
        "  pulumi import -s company --file import-company.json --protect=false --generate-code=false",
        "  pulumi preview -s company",
        "  pulumi up -s company",
        "  python -m ops verify -s company",
        "  python -m ops retire -s company",
    ]
    imports = json.loads((tmp_path / "import-company.json").read_text(encoding="utf-8"))
    assert {each["name"]: each["id"] for each in imports["resources"]} == IMPORTED
    assert "waf-logs" in (tmp_path / "Pulumi.company.yaml").read_text(encoding="utf-8")


def test_adopt_reads_with_its_options_and_prints_json(ops: Ops, existing: dict[str, Any]) -> None:
    options = ("--stream", "waf-logs", "--application", SHOP, "--application", BANK, "--deployer-role", "deployer")
    result = json.loads(ops(*ADOPT, *options, "--json").stdout)
    assert (existing["stream"], existing["applications"], existing["deployer_role"]) == (
        "waf-logs", [SHOP, BANK], "deployer",
    )  # fmt: skip
    assert result.pop("changes")
    assert result.pop("left")
    assert result == {
        "stackFile": "Pulumi.company.yaml",
        "importFile": "import-company.json",
        "adopted": IMPORTED,
        "keys": [f"company: {KEY_PROBLEM}"],
        "bootstrap": {
            "archive-account.yaml": {
                "TrustedPrincipals": "PRINCIPAL", "Verifiers": "PRINCIPAL",
                "SenderRoleName": "central-log-archive-sender", "SenderAccounts": SHOP,
                "ExistingBucket": "company-logs", "StreamName": "waf-logs", "DestinationName": "waf",
            },
            "application-account.yaml": {
                "TrustedPrincipals": "PRINCIPAL", "Verifiers": "PRINCIPAL", "ArchiveAccount": CENTRAL,
                "DestinationName": "waf",
            },
        },
    }  # fmt: skip


@pytest.mark.usefixtures("existing")
def test_adopt_keeps_a_stack_file_with_a_config_and_imports_what_it_names(ops: Ops, tmp_path: Path) -> None:
    destinations = {"destinationNames": {HOME: "waf"}}
    archive = {"account": CENTRAL, "region": HOME, "destinationRegions": [HOME], "senders": {"accounts": [SHOP]}}
    file = write(tmp_path, "company", {"archive": {**archive, **destinations}})
    text = file.read_text(encoding="utf-8")
    done = ops(*ADOPT)
    assert "Pulumi.company.yaml already has a config, which was kept" in done.stderr
    assert file.read_text(encoding="utf-8") == text
    assert rows(done.stdout)[1:] == [["archive-destination-eu-west-1", "waf"]]


@pytest.mark.usefixtures("existing")
def test_a_stack_without_an_archive_cannot_adopt_one(ops: Ops, dev: Path) -> None:
    done = ops("adopt", "-s", "dev", *ADOPT[3:], status=2)
    assert "Pulumi.dev.yaml has no archive section, so the stack cannot adopt an archive" in done.stderr
    assert not dev.with_name("import-dev.json").exists()


def test_adopt_stops_if_the_preview_fails(ops: Ops, existing: dict[str, Any], pulumi: Pulumi) -> None:
    def fail(_: list[str]) -> tuple[str, ...]:
        raise failed("no stack named 'company' found")

    pulumi.command = fail
    assert "no stack named 'company' found" in ops(*ADOPT, status=2).stderr
    assert existing["stack"] == "company"


@pytest.mark.parametrize("text", ["[/x]", "[red]x", "[link=https://attacker.example]y"])
def test_what_others_choose_is_no_markup_in_any_table(
    ops: Ops, old_filters: Aws, verdicts: dict[tuple[str, str], Loss], text: str
) -> None:
    old_filters.answers[SHOP, HOME, "DescribeSubscriptionFilters"] = filters(b1=[OWN, replace(OWN, name=text)], c=[])
    assert any(text in cell for row in rows(ops(*RETIRE, "--yes").stderr) for cell in row)
    old_filters.answers[SHOP, HOME, "DescribeLogGroups"] = log_groups(**{text: "STANDARD"})
    assert any(text in cell for row in rows(ops(*COVERAGE).stdout) for cell in row)
    verdicts[SHOP, HOME] = Loss("transform", text, text)
    assert any(text in cell for row in rows(ops(*VERIFY, status=1).stdout) for cell in row)
