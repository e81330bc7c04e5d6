"""Which log groups the entries of a stack file select, and which entries are rejected."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.graph.recorder import standard
from topology.patterns import CANARY, SUBSCRIBER, entries_of, matches
from topology.selection import AccountWide, select, select_all, selection_problems, unsubscribable
from topology.settings import AllLogGroups, Archive, RegionLogGroups

LAMBDAS = ["/aws/lambda/cart", "/aws/lambda/checkout", "/aws/lambda/noisy"]
EXISTING = standard(*LAMBDAS, "aws-waf-logs-shop").log_groups
RARE = {**EXISTING, "/aws/lambda/rare": "INFREQUENT_ACCESS"}


def wanted(*entries: Any, exclude: list[str] | None = None) -> RegionLogGroups:  # noqa: ANN401 - as in a stack file
    given = {"logGroups": list(entries), **({"exclude": exclude} if exclude else {})}
    return RegionLogGroups.model_validate(given, strict=False)


def names(*entries: Any, exclude: list[str] | None = None) -> list[str]:  # noqa: ANN401 - as above
    return [group.name for group in select(wanted(*entries, exclude=exclude), EXISTING)]


def problems(*entries: Any, exclude: list[str] | None = None) -> list[str]:  # noqa: ANN401 - as above
    return list(selection_problems(wanted(*entries, exclude=exclude), EXISTING))


def test_a_pattern_selects_every_log_group_that_matches() -> None:
    assert names("/aws/lambda/*") == LAMBDAS
    assert names("*-shop", "/aws/*/c*t") == ["/aws/lambda/cart", "/aws/lambda/checkout", "aws-waf-logs-shop"]


def test_an_excluded_log_group_is_selected_by_its_name_but_by_no_pattern() -> None:
    assert names("/aws/lambda/*", exclude=["*noisy*"]) == LAMBDAS[:2]
    assert names("/aws/lambda/noisy", "/aws/lambda/c*", exclude=["*noisy*"]) == LAMBDAS


def test_a_pattern_may_match_only_log_groups_that_have_entries_of_their_own() -> None:
    assert problems("*-shop", "aws-waf-logs-shop") == []
    assert names("*-shop", "aws-waf-logs-shop") == ["aws-waf-logs-shop"]


def test_a_name_takes_precedence_over_a_pattern() -> None:
    chosen = select(wanted({"name": "/aws/lambda/cart", "filterPattern": "ERROR"}, "/aws/lambda/*"), EXISTING)
    assert {group.name: group.filter_pattern for group in chosen} == {
        "/aws/lambda/cart": "ERROR", "/aws/lambda/checkout": "", "/aws/lambda/noisy": "",
    }  # fmt: skip


def test_a_log_group_to_create_need_not_exist() -> None:
    created = {"name": "/created/here", "create": True, "retentionDays": 7}
    assert names(created) == ["/created/here"]
    assert problems(created) == []


@pytest.mark.parametrize(
    ("entries", "exclude", "problem"),
    [
        (
            ["/aws/lambda/chekout"],
            None,
            "the log group /aws/lambda/chekout does not exist; did you mean /aws/lambda/checkout? create it, or remove "
            "the entry; in applications, create: true and retentionDays let the archive create it",
        ),
        (
            ["zzz"],
            None,
            "the log group zzz does not exist; create it, or remove the entry; in applications, create: true and "
            "retentionDays let the archive create it",
        ),
        (["zzz*"], None, "the pattern zzz* matches no log group; correct or remove it"),
        (["*noisy"], ["*noisy"], "the pattern *noisy matches no log group; correct or remove it"),
        (
            ["*-shop", "aws-*"],
            None,
            "the log group aws-waf-logs-shop matches more than one pattern, *-shop and aws-*; add an entry with its "
            "name, or narrow the patterns",
        ),
    ],
)
def test_an_entry_that_selects_nothing_or_the_same_as_another_is_reported(
    entries: list[str], exclude: list[str] | None, problem: str
) -> None:
    assert problems(*entries, exclude=exclude) == [problem]


def test_a_log_group_of_another_class_is_rejected_by_name_and_ignored_by_patterns() -> None:
    named = wanted("/aws/lambda/rare")
    assert list(selection_problems(named, RARE)) == [
        "the log group /aws/lambda/rare is of class INFREQUENT_ACCESS, and only STANDARD supports subscription "
        "filters; a class cannot be changed, so remove the entry"
    ]
    pattern = wanted("/aws/*")
    assert list(selection_problems(pattern, RARE)) == []
    assert [group.name for group in select(pattern, RARE)] == LAMBDAS
    assert unsubscribable(pattern, RARE) == ["/aws/lambda/rare"]
    assert unsubscribable(wanted("aws-*"), RARE) == []


def test_with_a_function_patterns_are_left_to_it_and_may_select_only_future_log_groups() -> None:
    region = wanted("/aws/*", "zzz*", "aws-waf-logs-shop").model_copy(update={"auto_subscribe": True})
    assert [group.name for group in select(region, EXISTING)] == ["aws-waf-logs-shop"]
    assert list(selection_problems(region, EXISTING)) == []


def test_no_entry_selects_the_log_groups_of_the_archive_itself() -> None:
    existing = {**EXISTING, SUBSCRIBER: "STANDARD", CANARY: "STANDARD"}
    assert [group.name for group in select(wanted("*"), existing)] == sorted(EXISTING)
    found = everything(existing)
    assert found is not None
    assert found.excluded == (CANARY, SUBSCRIBER)
    assert {tuple(entries_of(own, [own, "*"], ())) for own in (SUBSCRIBER, CANARY)} == {()}


def own_groups(*entries: Any, **archive: Any) -> RegionLogGroups:  # noqa: ANN401 - as in a stack file
    given = {"account": "111111111111", "region": "eu-west-1", "ownLogGroups": list(entries), **archive}
    source = Archive.model_validate(given, strict=False).source
    assert source is not None
    return source.regions["eu-west-1"]


def test_no_pattern_selects_what_the_pipeline_logs_to() -> None:
    function = "arn:aws:lambda:eu-west-1:111111111111:function:noisy:1"
    existing = standard(*EXISTING, "archive-delivery-errors-1234567", "archive-transform-logs-1234567", CANARY)
    region = own_groups("*", exclude=["*cart"], transform=function)
    assert [group.name for group in select(region, existing.log_groups)] == [
        "/aws/lambda/checkout",
        "aws-waf-logs-shop",
    ]
    assert list(selection_problems(own_groups("archive-*"), existing.log_groups)) == [
        "the pattern archive-* matches no log group; correct or remove it"
    ]


def test_own_log_groups_keep_what_their_entry_forwards() -> None:
    region = own_groups({"name": "/aws/*", "filterPattern": "ERROR"}, {"name": "/aws/lambda/cart"}, "aws-*")
    chosen = {group.name: group.filter_pattern for group in select(region, EXISTING)}
    assert chosen == {**dict.fromkeys(LAMBDAS, "ERROR"), "/aws/lambda/cart": "", "aws-waf-logs-shop": ""}


def everything(existing: Mapping[str, str] = EXISTING, **region: Any) -> AccountWide | None:  # noqa: ANN401 - as above
    return select_all(RegionLogGroups.model_validate({"all": True, **region}, strict=False), existing)


def test_all_excludes_what_is_excluded_and_what_has_a_filter_of_its_own() -> None:
    found = everything(logGroups=["aws-*"], exclude=["*noisy", "/not/yet/there"])
    assert found is not None
    assert found.excluded == ("/aws/lambda/noisy", "/not/yet/there", "aws-waf-logs-shop", CANARY)
    assert found.criteria == (
        f'LogGroupName NOT IN ["/aws/lambda/noisy", "/not/yet/there", "aws-waf-logs-shop", "{CANARY}"]'
    )


def test_all_excludes_the_canary_and_may_have_a_filter_pattern() -> None:
    assert everything() == AccountWide(AllLogGroups(), (CANARY,))
    errors = AllLogGroups.model_validate({"filterPattern": "ERROR"})
    assert everything(all={"filterPattern": "ERROR"}) == AccountWide(errors, (CANARY,))
    assert select_all(wanted("aws-waf-logs-shop"), EXISTING) is None


def test_more_exclusions_than_aws_accepts_are_rejected() -> None:
    existing = standard(*(f"/aws/lambda/{index:04d}-{'x' * 40}" for index in range(500))).log_groups
    given_region = RegionLogGroups.model_validate({"all": True, "exclude": ["/aws/*"]}, strict=False)
    (problem,) = selection_problems(given_region, existing)
    assert problem.startswith("all: the names of the 501 excluded log groups take ")
    assert problem.endswith(
        " bytes, and AWS accepts 25600; exclude fewer, or list the log groups to archive in logGroups"
    )


group_names = st.text("ab/.-", min_size=1, max_size=5)
patterns = st.text("ab/.-*", min_size=1, max_size=5)


@given(pattern=patterns, name=group_names)
def test_patterns_match_like_those_of_a_shell(pattern: str, name: str) -> None:
    assert matches(pattern, name) is fnmatch.fnmatchcase(name, pattern)


@given(
    entries=st.lists(patterns, min_size=1, max_size=4, unique=True),
    exclude=st.lists(patterns, max_size=2, unique=True),
    existing=st.dictionaries(group_names, st.sampled_from(["STANDARD", "INFREQUENT_ACCESS"]), max_size=8),
    everything=st.booleans(),
)
def test_valid_entries_select_what_a_naive_model_selects(
    entries: list[str], exclude: list[str], existing: dict[str, str], *, everything: bool
) -> None:
    region = wanted(*entries, exclude=exclude).model_copy(update={"all": AllLogGroups() if everything else None})
    if list(selection_problems(region, existing)):
        return
    excluded = {name for name in existing if any(fnmatch.fnmatchcase(name, pattern) for pattern in exclude)}
    matched = {name for name in existing if any(fnmatch.fnmatchcase(name, e) for e in entries if "*" in e)}
    possible = {name for name in existing if existing[name] == "STANDARD"}
    own = {name for name in possible if name in entries or (name in matched and name not in excluded)}
    assert [group.name for group in select(region, existing)] == sorted(own)
    wide = select_all(region, existing)
    assert (wide is not None) is everything
    if wide is not None:
        # Nothing is archived twice, and what is neither excluded nor has its own filter is archived by the policy.
        assert possible - set(wide.excluded) == possible - excluded - own
    meant = {name for name in existing if everything or name in matched} - excluded - set(entries)
    assert set(unsubscribable(region, existing)) == meant - possible
