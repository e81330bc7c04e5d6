"""A pull request comment on what previews would change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ops.review.preview import Change, Link, Preview
from ops.review.risks import Risk, differences, leaving, risks

MARK = "<!-- central-log-archive preview -->"
"""First line of the comment, by which the next preview finds and replaces it."""

_OPS = {"create": "created", "update": "changed", "replace": "replaced", "delete": "deleted", "same": "unchanged"}
_RANK = ("replace", "delete", "update", "create")
_MAX_ROWS = 50
_MAX_ACCOUNTS = 12
_MAX_CHARACTERS = 60_000  # GitHub allows 65,536 in a comment
_TRUNCATED = "\n\nThe rest does not fit: run `python -m ops report` on the previews.\n"


@dataclass(frozen=True)
class Summary:
    """What a preview means for the archive.

    Attributes:
        stack: name of the stack.
        counts: how many resources would be created, changed, replaced, deleted and unchanged.
        risks: what it would lose, shorten or blind.
        joins: what would be archived from now on.
        leaves: what would no longer be archived.
        errors: why the preview failed; empty if it did not.
        warnings: its warnings.
    """

    stack: str
    counts: dict[str, int]
    risks: list[Risk]
    joins: list[str]
    leaves: list[str]
    errors: list[str]
    warnings: list[str]


def summary(preview: Preview) -> Summary:
    """Return what a preview means for the archive."""
    before, after = preview.links("before"), preview.links("after")
    changes = _aws_changes(preview)
    return Summary(
        stack=preview.stack,
        counts={word: sum(change.op == op for change in changes) for op, word in _OPS.items()},
        risks=risks(preview),
        joins=differences(after, before),
        leaves=leaving(preview),
        errors=preview.errors,
        warnings=preview.warnings,
    )


def changed(preview: Preview) -> list[Change]:
    """Return what would change in an account: providers do not count, which a preview with another role changes."""
    return [change for change in _aws_changes(preview) if change.op != "same"]


def comment(previews: Iterable[Preview], risks_of_files: Iterable[Risk] = (), commit: str = "") -> str:
    """Return Markdown for GitHub: risks, counts, what joins and leaves the archive, and a diagram.

    Args:
        previews: the previews.
        risks_of_files: risks of files that the pull request changes.
        commit: commit of the pull request, for which the labels that accept risks hold; empty outside of one.
    """
    files = ["", *bold] if (bold := list(_bold(risks_of_files, commit))) else []
    sections = ["\n".join(_section(preview, commit)) for preview in previews] or ["\nNo stack is affected."]
    text = "\n".join([MARK, "# What this would change", *files, *sections])
    return text if len(text) <= _MAX_CHARACTERS else text[:_MAX_CHARACTERS] + _TRUNCATED


def _section(preview: Preview, commit: str) -> Iterator[str]:
    changes = summary(preview)
    yield f"\n## {changes.stack}\n"
    if changes.errors:
        yield from ("**The preview failed:**\n", "```", *(error.strip() for error in changes.errors), "```")
        return
    yield from _bold(changes.risks, commit)
    yield f"| {' | '.join(changes.counts)} |\n|{'--:|' * len(changes.counts)}"
    yield f"| {' | '.join(map(str, changes.counts.values()))} |\n"
    yield from _listed([f"{each} joins the archive" for each in changes.joins])
    yield from (f"- warning: {each.strip()}" for each in changes.warnings)
    rows = sorted(changed(preview), key=lambda change: (_RANK.index(change.op), change.resource.name))
    if rows:
        yield "\n<details><summary>Every change</summary>\n\n| | resource | type |\n|---|---|---|"
        yield from (
            f"| {_OPS[each.op]} | `{each.resource.name}` | {each.resource.type_name} |" for each in rows[:_MAX_ROWS]
        )
        if len(rows) > _MAX_ROWS:
            yield f"| | {len(rows) - _MAX_ROWS} more | |"
        yield "\n</details>"
    yield from _diagram(preview.links("before"), preview.links("after"))


def _bold(found: Iterable[Risk], commit: str) -> Iterator[str]:
    lines = [f"- **{risk.text}** (label `allow:{risk.allow}@{commit[:12] or 'COMMIT'}`)" for risk in found]
    if lines:
        yield from (*lines, "")


def _listed(lines: list[str]) -> Iterator[str]:
    yield from (f"- {line}" for line in lines[:_MAX_ROWS])
    if len(lines) > _MAX_ROWS:
        yield f"- and {len(lines) - _MAX_ROWS} more"


def _aws_changes(preview: Preview) -> list[Change]:
    """The changes of resources in an account: not of the stack itself or its providers."""
    return [change for change in preview.changes if not change.resource.type.startswith("pulumi:")]


def _diagram(before: set[Link], after: set[Link]) -> Iterator[str]:
    """The topology: green for what joins, red for what leaves, yellow for regions whose log groups change."""
    if not before | after:
        return
    places = sorted({(account, region) for account, region, _ in before | after})
    accounts = sorted({account for account, _ in places})
    yield "\n```mermaid\nflowchart LR\n  archive[(archive)]"
    for account in accounts[:_MAX_ACCOUNTS]:
        yield f'  subgraph a{account}["account {account}"]'
        for place in (place for place in places if place[0] == account):
            old, new = ({link for link in links if link[:2] == place} for links in (before, after))
            style = "" if old == new else ":::joins" if not old else ":::leaves" if not new else ":::changes"
            count = str(len(new)) if old == new else f"{len(old)} → {len(new)}"
            yield f'    {_id(place)}["{place[1]}: {count}"]{style}'
        yield "  end"
        yield from (f"  {_id(place)} --> archive" for place in places if place[0] == account)
    if len(accounts) > _MAX_ACCOUNTS:
        yield f'  more["{len(accounts) - _MAX_ACCOUNTS} more accounts"] --> archive'
    yield "  classDef joins stroke:#1a7f37,stroke-width:3px"
    yield "  classDef leaves stroke:#cf222e,stroke-width:3px,stroke-dasharray:4"
    yield "  classDef changes stroke:#9a6700,stroke-width:3px\n```"


def _id(place: tuple[str, str]) -> str:
    return f"p{place[0]}{place[1].replace('-', '')}"
