"""A comment for a pull request, of what previews would change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ops.gate import fate, stateful
from ops.preview import ALL, Change, Preview

MARK = "<!-- central-log-archive preview -->"
"""How the comment begins, so that the next preview finds it and writes over it."""

_OPS = {"create": "created", "update": "changed", "replace": "replaced", "delete": "deleted", "same": "unchanged"}
_RANK = ("replace", "delete", "update", "create")
_MOST_ROWS = 50
_MOST_ACCOUNTS = 12
_MOST_CHARACTERS = 60_000  # a comment of GitHub takes 65,536
_CUT = "\n\nThe rest does not fit: run `python -m ops report` on the previews.\n"


@dataclass(frozen=True)
class Summary:
    """What a preview means for the archive.

    Attributes:
        stack: name of the stack.
        counts: how many resources would be created, changed, replaced, deleted and unchanged.
        stateful: what holds data and would be deleted or replaced.
        joins: what would be archived from then on.
        leaves: what would not be archived any more.
        errors: why the preview failed; empty: it did not.
        warnings: what it warns of.
    """

    stack: str
    counts: dict[str, int]
    stateful: list[str]
    joins: list[str]
    leaves: list[str]
    errors: list[str]
    warnings: list[str]


def summary(preview: Preview) -> Summary:
    """Return what a preview means for the archive."""
    before, after = preview.links("before"), preview.links("after")
    changes = _of_aws(preview)
    return Summary(
        stack=preview.stack,
        counts={word: sum(change.op == op for change in changes) for op, word in _OPS.items()},
        stateful=[f"{c.resource.name} ({_short(c)}) {fate(c)}" for c in stateful(preview)],
        joins=_moved(after, before),
        leaves=_moved(before, after),
        errors=preview.errors,
        warnings=preview.warnings,
    )


def comment(previews: Iterable[Preview]) -> str:
    """Return Markdown for GitHub: counts, what is stateful first, what joins and leaves the archive, and a picture."""
    sections = ["\n".join(_of(preview)) for preview in previews] or ["\nNo stack is touched."]
    written = "\n".join([MARK, "# What this would change", *sections])
    return written if len(written) <= _MOST_CHARACTERS else written[:_MOST_CHARACTERS] + _CUT


def _of(preview: Preview) -> Iterator[str]:
    said = summary(preview)
    yield f"\n## {said.stack}\n"
    if said.errors:
        yield from ("**The preview failed:**\n", "```", *(error.strip() for error in said.errors), "```")
        return
    yield f"| {' | '.join(said.counts)} |\n|{'--:|' * len(said.counts)}"
    yield f"| {' | '.join(map(str, said.counts.values()))} |\n"
    yield from (f"- **{each}: it holds data**" for each in said.stateful)
    yield from _listed([f"{each} joins the archive" for each in said.joins])
    yield from _listed([f"{each} leaves the archive" for each in said.leaves])
    yield from (f"- warning: {each.strip()}" for each in said.warnings)
    rows = sorted(
        (change for change in _of_aws(preview) if change.op != "same"),
        key=lambda change: (_RANK.index(change.op), change.resource.name),
    )
    if rows:
        yield "\n<details><summary>Every change</summary>\n\n| | resource | type |\n|---|---|---|"
        yield from (f"| {_OPS[each.op]} | `{each.resource.name}` | {_short(each)} |" for each in rows[:_MOST_ROWS])
        if len(rows) > _MOST_ROWS:
            yield f"| | {len(rows) - _MOST_ROWS} more | |"
        yield "\n</details>"
    yield from _picture(preview.links("before"), preview.links("after"))


def _listed(lines: list[str]) -> Iterator[str]:
    yield from (f"- {line}" for line in lines[:_MOST_ROWS])
    if len(lines) > _MOST_ROWS:
        yield f"- and {len(lines) - _MOST_ROWS} more like the last"


def _of_aws(preview: Preview) -> list[Change]:
    """The changes of what is in an account: the stack itself and its providers are not."""
    return [change for change in preview.changes if not change.resource.type.startswith("pulumi:")]


def _short(change: Change) -> str:
    return change.resource.type.rpartition(":")[2]


Link = tuple[str, str, str]


def _moved(here: set[Link], there: set[Link]) -> list[str]:
    """Name what is here and not there: whole accounts, whole regions, log groups; each once."""
    moved = []
    for account, region, group in sorted(here - there):
        if not any(link[0] == account for link in there):
            moved.append(f"account {account}")
        elif not any(link[:2] == (account, region) for link in there):
            moved.append(f"region {region} of account {account}")
        else:
            what = "every log group" if group == ALL else f"`{group}`"
            moved.append(f"{what} of account {account}, {region}")
    return list(dict.fromkeys(moved))


def _picture(before: set[Link], after: set[Link]) -> Iterator[str]:
    """The topology: what joins is green, what leaves is red, what changes within is yellow."""
    if not before | after:
        return
    places = sorted({(account, region) for account, region, _ in before | after})
    accounts = sorted({account for account, _ in places})
    yield "\n```mermaid\nflowchart LR\n  archive[(archive)]"
    for account in accounts[:_MOST_ACCOUNTS]:
        yield f'  subgraph a{account}["account {account}"]'
        for place in (place for place in places if place[0] == account):
            was, will = ({link for link in links if link[:2] == place} for links in (before, after))
            style = "" if was == will else ":::joins" if not was else ":::leaves" if not will else ":::changes"
            yield f'    {_id(place)}["{place[1]}: {_counted(was, will)}"]{style}'
        yield "  end"
        yield from (f"  {_id(place)} --> archive" for place in places if place[0] == account)
    if len(accounts) > _MOST_ACCOUNTS:
        yield f'  more["{len(accounts) - _MOST_ACCOUNTS} more accounts"] --> archive'
    yield "  classDef joins stroke:#1a7f37,stroke-width:3px"
    yield "  classDef leaves stroke:#cf222e,stroke-width:3px,stroke-dasharray:4"
    yield "  classDef changes stroke:#9a6700,stroke-width:3px\n```"


def _id(place: tuple[str, str]) -> str:
    return f"p{place[0]}{place[1].replace('-', '')}"


def _counted(was: set[Link], will: set[Link]) -> str:
    return str(len(will)) if was == will else f"{len(was)} → {len(will)}"
