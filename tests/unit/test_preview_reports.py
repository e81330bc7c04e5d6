"""How a preview is read, reported in a pull request, and stopped by the gate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ops.cli.app import app
from ops.errors import OperatorError
from ops.review.gate import reasons
from ops.review.preview import ALL, Resource, read
from ops.review.report import MARK, comment, summary
from policy.documents import UNKNOWN
from topology.patterns import CANARY

STACK = "urn:pulumi:app-dev::central-log-archive::"
COMPONENT = "central-log-archive:index:AppAccountSubscription"
FILTER = "aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter"
POLICY = "aws:cloudwatch/logAccountPolicy:LogAccountPolicy"
STATEFUL = [
    "aws:cloudwatch/logGroup:LogGroup",
    "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream",
    "aws:kms/key:Key",
    "aws:s3/bucket:Bucket",
]
TAGS = '{"tags":{"managed-by":"central-log-archive","central-log-archive:stack":"app-dev"}}'


def state(kind: str, name: str, *, provider: str = "", parents: str = "", **inputs: Any) -> dict[str, Any]:  # noqa: ANN401
    own = f"{parents}${kind}" if parents else kind
    return {
        "urn": f"{STACK}{own}::{name}",
        "inputs": inputs,
        "parent": f"{STACK}{parents}::shop" if parents else "",
        "provider": f"{STACK}pulumi:providers:aws::{provider}::id" if provider else "",
    }


def provider(account: str, region: str) -> dict[str, Any]:
    return state(
        "pulumi:providers:aws",
        f"{account}-{region}",
        allowedAccountIds=json.dumps([account]),
        assumeRoles='[{"roleArn":"arn"}]',
        defaultTags=TAGS,
        region=region,
    )


def subscription(account: str, region: str, group: str, kind: str = FILTER) -> dict[str, Any]:
    inputs = {"logGroup": group, "destinationArn": f"arn:aws:logs:{region}:1:destination:d"} if kind == FILTER else {}
    return state(kind, f"{account}-{group}-{region}", provider=f"{account}-{region}", parents=COMPONENT, **inputs)


def step(op: str, of: dict[str, Any], before: dict[str, Any] | None = None) -> dict[str, Any]:
    made = {"op": op, "urn": of["urn"]}
    if op not in ("create", "create-replacement"):
        made["oldState"] = before or of
    if op not in ("delete", "delete-replaced"):
        made["newState"] = of
    return made


def written(folder: Path, *steps: dict[str, Any], diagnostics: list[dict[str, str]] | None = None) -> Path:
    file = folder / "app-dev.json"
    file.write_text(json.dumps({"steps": steps, "diagnostics": diagnostics or []}), encoding="utf-8")
    return file


A, B, C = "222222222222", "333333333333", "444444444444"


def moving(folder: Path) -> Path:
    """B joins, C leaves, A gets a region, loses another, and changes a log group."""
    return written(
        folder,
        *(step("same", provider(A, region)) for region in ("eu-west-1", "us-east-1", "ap-south-1")),
        step("create", provider(B, "eu-west-1")),
        step("delete", provider(C, "eu-west-1")),
        step("same", subscription(A, "eu-west-1", "stays")),
        step("create", subscription(A, "eu-west-1", "comes")),
        step("delete", subscription(A, "eu-west-1", "goes")),
        step("create", subscription(A, "us-east-1", "new")),
        step("delete", subscription(A, "ap-south-1", "old")),
        step("create", subscription(B, "eu-west-1", "", POLICY)),
        step("delete", subscription(C, "eu-west-1", "gone")),
    )


def test_accounts_regions_and_log_groups_that_join_and_leave_are_reported_once(tmp_path: Path) -> None:
    preview = read(moving(tmp_path))
    assert preview.stack == "app-dev"
    assert (B, "eu-west-1", ALL) in preview.links("after")
    changes = summary(preview)
    assert changes.joins == [
        f"`comes` of account {A}, eu-west-1", f"region us-east-1 of account {A}", f"account {B}",
    ]  # fmt: skip
    assert changes.leaves == [f"region ap-south-1 of account {A}", f"`goes` of account {A}, eu-west-1", f"account {C}"]
    assert changes.counts == {"created": 3, "changed": 0, "replaced": 0, "deleted": 3, "unchanged": 1}


COMMENT = f"""\
{MARK}
# What this would change

## app-dev

- **archive-bucket (Bucket) would be replaced: it holds data** (label `allow:archive-bucket@COMMIT`)
- **`goes` of account {A}, eu-west-1 leaves the archive** (label `allow:leaves@COMMIT`)
- **account {C} leaves the archive** (label `allow:leaves@COMMIT`)

| created | changed | replaced | deleted | unchanged |
|--:|--:|--:|--:|--:|
| 3 | 1 | 1 | 2 | 2 |

- every log group of account {A}, eu-west-1 joins the archive
- region us-east-1 of account {A} joins the archive
- account {B} joins the archive
- warning: the stream is replaced

<details><summary>Every change</summary>

| | resource | type |
|---|---|---|
| replaced | `archive-bucket` | Bucket |
| deleted | `{A}-goes-eu-west-1` | LogSubscriptionFilter |
| deleted | `{C}-gone-eu-west-1` | LogSubscriptionFilter |
| changed | `{A}-stays-eu-west-1` | LogSubscriptionFilter |
| created | `{A}--eu-west-1` | LogAccountPolicy |
| created | `{A}-new-us-east-1` | LogSubscriptionFilter |
| created | `{B}--eu-west-1` | LogAccountPolicy |

</details>

```mermaid
flowchart LR
  archive[(archive)]
  subgraph a{A}["account {A}"]
    p{A}apsouth1["ap-south-1: 2"]
    p{A}euwest1["eu-west-1: 2 → 2"]:::changes
    p{A}useast1["us-east-1: 0 → 1"]:::joins
  end
  p{A}apsouth1 --> archive
  p{A}euwest1 --> archive
  p{A}useast1 --> archive
  subgraph a{B}["account {B}"]
    p{B}euwest1["eu-west-1: 0 → 1"]:::joins
  end
  p{B}euwest1 --> archive
  subgraph a{C}["account {C}"]
    p{C}euwest1["eu-west-1: 1 → 0"]:::leaves
  end
  p{C}euwest1 --> archive
  classDef joins stroke:#1a7f37,stroke-width:3px
  classDef leaves stroke:#cf222e,stroke-width:3px,stroke-dasharray:4
  classDef changes stroke:#9a6700,stroke-width:3px
```"""


def test_a_comment_has_counts_data_what_joins_and_leaves_warnings_every_change_and_a_diagram(tmp_path: Path) -> None:
    preview = read(
        written(
            tmp_path,
            *(step("same", provider(A, region)) for region in ("eu-west-1", "us-east-1", "ap-south-1")),
            step("create", provider(B, "eu-west-1")),
            step("delete", provider(C, "eu-west-1")),
            step("create", subscription(A, "us-east-1", "new")),
            step("same", subscription(A, "ap-south-1", "a")),
            step("same", subscription(A, "ap-south-1", "b")),
            step("update", subscription(A, "eu-west-1", "stays")),
            step("delete", subscription(A, "eu-west-1", "goes")),
            step("create", subscription(A, "eu-west-1", "", POLICY)),
            step("create", subscription(B, "eu-west-1", "", POLICY)),
            step("delete", subscription(C, "eu-west-1", "gone")),
            step("replace", state("aws:s3/bucket:Bucket", "archive-bucket")),
            diagnostics=[{"message": "warning: the stream is replaced\n", "severity": "warning"}],
        )
    )
    assert comment([preview]) == COMMENT


def test_a_comment_has_a_section_for_each_stack_and_says_if_there_is_none(tmp_path: Path) -> None:
    nothing = read(written(tmp_path))
    counts = "| created | changed | replaced | deleted | unchanged |\n|--:|--:|--:|--:|--:|\n| 0 | 0 | 0 | 0 | 0 |\n"
    section = f"\n## app-dev\n\n{counts}"
    assert comment([nothing, nothing]) == f"{MARK}\n# What this would change\n{section}\n{section}"
    assert comment([]) == f"{MARK}\n# What this would change\n\nNo stack is affected."


def test_the_comment_of_a_failed_preview_has_its_errors_only(tmp_path: Path) -> None:
    diagnostics = [{"message": "error: one\n", "severity": "error"}, {"message": "error: two", "severity": "error"}]
    failed = read(written(tmp_path, step("create", provider(A, "eu-west-1")), diagnostics=diagnostics))
    assert comment([failed]).endswith("\n## app-dev\n\n**The preview failed:**\n\n```\none\ntwo\n```")


@pytest.mark.parametrize(
    ("op", "of", "status"),
    [
        ("same", subscription(A, "us-east-1", "stays"), 0),
        ("update", provider(A, "eu-west-1"), 0),  # it assumes another role than in the state
        ("update", subscription(A, "us-east-1", "diverted"), 1),
        ("create", subscription(A, "us-east-1", "deleted"), 1),
        ("delete", subscription(A, "us-east-1", "left"), 1),
    ],
)
def test_where_no_changes_are_expected_a_change_in_an_account_fails(
    tmp_path: Path, op: str, of: dict[str, Any], status: int
) -> None:
    file = str(written(tmp_path, step("same", provider(A, "us-east-1")), step(op, of)))
    assert CliRunner().invoke(app, ["report", "--expect-no-changes", file]).exit_code == status
    assert CliRunner().invoke(app, ["report", file]).exit_code == 0


def test_where_no_changes_are_expected_a_failed_preview_fails(tmp_path: Path) -> None:
    file = str(written(tmp_path, diagnostics=[{"message": "error: AccessDenied\n", "severity": "error"}]))
    assert CliRunner().invoke(app, ["report", "--expect-no-changes", "--json", file]).exit_code == 1


def test_a_replacement_is_one_change_whatever_its_steps(tmp_path: Path) -> None:
    bucket = state("aws:s3/bucket:Bucket", "archive-bucket")
    for steps in (
        [step("create-replacement", bucket), step("replace", bucket), step("delete-replaced", bucket)],
        [step("delete-replaced", bucket), step("replace", bucket), step("create-replacement", bucket)],
    ):
        (change,) = read(written(tmp_path, *steps)).changes
        assert change.op == "replace"
        assert change.before is not None
        assert change.after is not None


@pytest.mark.parametrize(
    ("op", "outcome"),
    [
        ("create", "create"), ("import", "create"), ("update", "update"), ("same", "same"), ("delete", "delete"),
        ("replace", "replace"), ("create-replacement", "replace"),
        ("delete-replaced", "replace"),  # all that is left to do of an interrupted replacement
    ],
)  # fmt: skip
def test_each_operation_of_the_engine_has_its_outcome(tmp_path: Path, op: str, outcome: str) -> None:
    bucket = state("aws:s3/bucket:Bucket", "archive-bucket")
    (change,) = read(written(tmp_path, step(op, bucket), step("refresh", state("aws:x/y:Other", "other")))).changes
    assert change.op == outcome
    assert change.resource.name == "archive-bucket"


@pytest.mark.parametrize("op", ["delete", "replace"])
@pytest.mark.parametrize("kind", STATEFUL)
def test_a_resource_that_holds_data_comes_first_in_bold_and_stops_at_the_gate(
    tmp_path: Path, kind: str, op: str
) -> None:
    steps = [step(op, state(kind, "archive-thing", provider=f"{A}-eu-west-1")), step("same", provider(A, "eu-west-1"))]
    preview = read(written(tmp_path, *steps))
    (bold,) = [line for line in comment([preview]).splitlines() if line.startswith("- ")]
    text = f"archive-thing ({kind.rpartition(':')[2]}) would be {op}d: it holds data"
    assert bold == f"- **{text}** (label `allow:archive-thing@COMMIT`)"
    first, *_ = reasons(preview, [])
    assert first == f"{text}; if this is intended, pass --allow archive-thing"
    assert first not in reasons(preview, ["archive-thing"])


def test_a_canary_is_neither_archived_nor_data(tmp_path: Path) -> None:
    group = state(STATEFUL[0], "canary", provider=f"{A}-eu-west-1", parents=COMPONENT) | {"inputs": {"name": CANARY}}
    steps = [step("delete", group), step("delete", subscription(A, "eu-west-1", CANARY))]
    preview = read(written(tmp_path, *steps, step("same", provider(A, "eu-west-1"))))
    changes = summary(preview)
    assert (changes.risks, changes.leaves, changes.counts["deleted"]) == ([], [], 2)
    assert reasons(preview, []) == []


def test_turning_analysis_off_loses_no_data(tmp_path: Path) -> None:
    made = [("aws:s3/bucket:Bucket", "archive-results"), ("aws:cloudwatch/logGroup:LogGroup", "archive-dashboard-logs")]
    preview = read(written(tmp_path, *(step("delete", state(kind, name)) for kind, name in made)))
    assert (summary(preview).risks, summary(preview).counts["deleted"]) == ([], 2)
    assert reasons(preview, []) == []


@pytest.mark.parametrize(
    ("op", "outcome"),
    [
        ("delete", "would be removed from the stack, and retained in its account"),
        ("replace", "would be replaced, and the old one retained in its account"),
    ],
)
def test_a_retained_resource_is_reported_as_such(tmp_path: Path, op: str, outcome: str) -> None:
    kept = {**state(STATEFUL[0], "thing"), "retainOnDelete": True}
    preview = read(written(tmp_path, step(op, kept)))
    assert f"- **thing (LogGroup) {outcome}: it holds data**" in comment([preview])
    assert reasons(preview, [])[0].startswith(f"thing (LogGroup) {outcome}: it holds data")


def test_a_failed_preview_is_reported_with_its_reason_and_must_not_be_applied(tmp_path: Path) -> None:
    diagnostics = [
        {"message": "error: stack archive does not serve this stack:\n  account 5: …\n", "severity": "error"}
    ]
    preview = read(written(tmp_path, diagnostics=diagnostics))
    assert preview.stack == "app-dev"
    assert reasons(preview, []) == ["the preview failed: stack archive does not serve this stack:\n  account 5: …"]


def test_a_policy_violation_must_not_be_applied(tmp_path: Path) -> None:
    stray = state("aws:s3/bucketVersioning:BucketVersioning", "stray")
    (reason,) = reasons(read(written(tmp_path, step("create", stray))), [])
    assert reason.startswith("stray: has no explicit provider")


def test_a_bucket_with_all_that_protects_it_may_be_applied(tmp_path: Path) -> None:
    parents, home = "central-log-archive:index:CentralLogArchive", f"{A}-eu-west-1"
    flags = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    parts: dict[str, dict[str, Any]] = {
        "aws:s3/bucket:Bucket": {},
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": dict.fromkeys(flags, True),
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": {},
        "aws:s3/bucketPolicy:BucketPolicy": {"policy": UNKNOWN},
    }
    steps = [
        step("create", state(kind, "-".join(["one"] * number), provider=home, parents=parents, **inputs))
        for number, (kind, inputs) in enumerate(parts.items(), start=1)
    ]
    assert reasons(read(written(tmp_path, step("same", provider(A, "eu-west-1")), *steps)), []) == []
    unrelated = steps[-1]["newState"] | {"parent": f"{STACK}other::archive"}
    steps[-1] = step("create", unrelated)
    assert reasons(read(written(tmp_path, step("same", provider(A, "eu-west-1")), *steps)), []) == [
        "one: has no policy that denies requests without TLS (private-buckets)"
    ]


@pytest.mark.parametrize(
    ("diagnostic", "errors", "warnings"),
    [
        ({"message": "warning: a new stream\n", "severity": "warning"}, [], ["a new stream"]),
        ({"message": "error: it: failed\n", "severity": "error"}, ["it: failed"], []),
        ({"message": "error: it failed"}, ["it failed"], []),
        ({"message": "error: only repeated", "severity": "info#err"}, [], []),
        ({"message": "info: nothing", "severity": "info"}, [], []),
        ({"message": "info: nothing", "severity": "error"}, [], []),
    ],
)
def test_diagnostics_are_errors_or_warnings_if_the_engine_says_so_twice(
    tmp_path: Path, diagnostic: dict[str, str], errors: list[str], warnings: list[str]
) -> None:
    preview = read(written(tmp_path, diagnostics=[diagnostic]))
    assert (preview.errors, preview.warnings) == (errors, warnings)


@pytest.mark.parametrize("text", ["", "no braces", "{", "[]"])
def test_a_file_that_is_not_a_preview_is_rejected(tmp_path: Path, text: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(OperatorError, match=r"x\.json is not the output of pulumi preview --json"):
        read(file)


def test_a_preview_without_unchanged_resources_is_rejected(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    steps = [step("same", provider(A, "eu-west-1")), step("create", provider(B, "eu-west-1"))]
    file.write_text(json.dumps({"steps": steps, "changeSummary": {"same": 1, "create": 1}}), encoding="utf-8")
    assert len(read(file).changes) == 2
    file.write_text(json.dumps({"steps": steps[1:], "changeSummary": {"same": 1, "create": 1}}), encoding="utf-8")
    with pytest.raises(
        OperatorError, match=r"x\.json lacks unchanged resources; run pulumi preview --json --show-sames"
    ):
        read(file)


def test_an_imported_resource_is_created_whatever_the_engine_read_of_it(tmp_path: Path) -> None:
    stream = state("aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream", "archive-stream")
    (change,) = read(written(tmp_path, {**step("create", stream), "op": "import", "oldState": stream})).changes
    assert (change.op, change.before) == ("create", None)


def test_an_account_can_be_given_as_a_list(tmp_path: Path) -> None:
    listed = provider(A, "eu-west-1")
    listed["inputs"]["allowedAccountIds"] = [A]
    steps = [step("same", listed), step("same", subscription(A, "eu-west-1", "group"))]
    assert read(written(tmp_path, *steps)).links("after") == {(A, "eu-west-1", "group")}


def test_a_resource_without_parent_or_provider_has_empty_ones(tmp_path: Path) -> None:
    bare = {"urn": f"{STACK}{FILTER}::stray"}
    (change,) = read(written(tmp_path, step("create", bare))).changes
    assert change.before is None
    assert change.resource == Resource(bare["urn"], {}, "", "", retained=False, protected=False)


def test_the_commands_print_text_or_json_and_exit_with_a_status(tmp_path: Path) -> None:
    file = str(moving(tmp_path))
    run = CliRunner().invoke
    assert run(app, ["report", file]).stdout.startswith(MARK)
    (changes,) = json.loads(run(app, ["report", file, "--json"]).stdout)
    assert changes["stack"] == "app-dev"
    allowed = ["gate", file, "--allow", "leaves"]
    assert (run(app, allowed).exit_code, run(app, allowed).stdout) == (0, "app-dev: may be applied\n")
    assert json.loads(run(app, [*allowed, "--json"]).stdout) == {"app-dev": []}
    assert [changes["risks"][0]["allow"], run(app, ["gate", file]).exit_code] == ["leaves", 1]
    shut = str(written(tmp_path, step("delete", state(STATEFUL[0], "errors"))))
    done = run(app, ["gate", shut])
    assert done.exit_code == 1
    assert "app-dev: must not be applied\n  errors (LogGroup) would be deleted" in done.stdout
    assert run(app, ["gate", shut, "--allow", "errors"]).exit_code == 0
    assert run(app, ["gate", str(tmp_path / "none.json")]).exit_code == 2


def test_the_first_preview_of_a_stack_has_a_diagram(tmp_path: Path) -> None:
    steps = [step("create", provider(A, "eu-west-1")), step("create", subscription(A, "eu-west-1", "new"))]
    assert f'    p{A}euwest1["eu-west-1: 0 → 1"]:::joins\n' in comment([read(written(tmp_path, *steps))])


@pytest.mark.parametrize(("joining", "more"), [(50, 0), (51, 1), (60, 10)])
def test_a_comment_lists_50_log_groups_and_changes_at_most(tmp_path: Path, joining: int, more: int) -> None:
    steps = [step("create", subscription(A, "eu-west-1", f"/group/{number:03d}")) for number in range(joining)]
    there = [step("same", provider(A, "eu-west-1")), step("same", subscription(A, "eu-west-1", "z"))]
    text = comment([read(written(tmp_path, *there, *steps))])
    assert text.count(" joins the archive") == text.count("| created | `") == 50
    assert (f"\n- and {more} more\n" in text) is (f"\n| | {more} more | |\n" in text) is (more > 0)


@pytest.mark.parametrize(("accounts", "more"), [(12, 0), (13, 1), (20, 8)])
def test_the_diagram_shows_12_accounts_at_most(tmp_path: Path, accounts: int, more: int) -> None:
    numbers = [f"{number:012d}" for number in range(accounts)]
    steps = [
        made
        for number in numbers
        for made in (step("same", provider(number, "eu-west-1")), step("same", subscription(number, "eu-west-1", "a")))
    ]
    text = comment([read(written(tmp_path, *steps))])
    assert text.count("  subgraph ") == 12
    assert (f'\n  more["{more} more accounts"] --> archive\n' in text) is (more > 0)


def test_a_comment_stays_within_the_limit_of_github(tmp_path: Path) -> None:
    joining = [step("create", subscription(A, "eu-west-1", f"/group/{number:03d}")) for number in range(60)]
    preview = read(written(tmp_path, step("same", provider(A, "eu-west-1")), *joining))
    many = comment([preview] * 20)
    assert 60_000 < len(many) < 65_536
    assert many.endswith("\n\nThe rest does not fit: run `python -m ops report` on the previews.\n")
