"""Which log groups are archived and why not, and when a requirement is met."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.inventory import Subscription
from ops.coverage import Expected, Line, Requirement, judge, own_subscriptions, totals
from ops.errors import OperatorError
from tests.graph.recorder import standard
from topology.patterns import CANARY, SUBSCRIBER
from topology.selection import select, select_all, selection_problems
from topology.settings import RegionLogGroups

OURS = "central-log-archive.eu-west-1"
EXPECTED = Expected("d", "")
SUBSCRIBED = [Subscription(OURS, "d")]


def region(**keys: Any) -> RegionLogGroups:  # noqa: ANN401 - as in a stack file
    entries = [{"name": each} for each in keys.pop("logGroups", [])]
    return RegionLogGroups.model_validate({**({"logGroups": entries} if entries else {}), **keys}, strict=False)


@pytest.mark.parametrize(
    ("keys", "log_class", "archived", "judged"),
    [
        ({"logGroups": ["a"]}, "STANDARD", True, ("archived", "a", "")),
        ({"logGroups": ["*"]}, "STANDARD", True, ("archived", "*", "")),
        ({"logGroups": ["a", "*"]}, "STANDARD", True, ("archived", "a", "")),
        ({"all": {}}, "STANDARD", True, ("archived", "all", "")),
        (
            {"logGroups": ["b"]},
            "STANDARD",
            True,
            ("archived", None, "no entry matches it anymore: the next update unsubscribes it"),
        ),
        ({"logGroups": ["a"]}, "STANDARD", False, ("missed", "a", "not subscribed: run pulumi up")),
        ({"all": {}}, "STANDARD", False, ("missed", "all", "not subscribed: run pulumi up")),
        ({"logGroups": ["b"]}, "STANDARD", False, ("missed", None, "no entry matches it")),
        ({"logGroups": ["a"]}, None, False, ("missed", "a", "the log group does not exist")),
        (
            {"all": {}},
            "DELIVERY",
            False,
            ("missed", "all", "the log class DELIVERY does not support subscription filters"),
        ),
        ({"all": {}, "exclude": ["x", "a*"]}, "STANDARD", False, ("excluded", "a*", "")),
        ({"all": {}, "exclude": ["a"]}, "DELIVERY", False, ("excluded", "a", "")),
        (
            {"logGroups": ["a*"], "autoSubscribe": True},
            "STANDARD",
            False,
            ("missed", "a*", "not subscribed: the function checks once an hour"),
        ),
        (
            {"logGroups": ["a", "b*"], "autoSubscribe": True},
            "STANDARD",
            False,
            ("missed", "a", "not subscribed: run pulumi up"),
        ),
        ({"logGroups": ["a*"]}, "STANDARD", False, ("missed", "a*", "not subscribed: run pulumi up")),
        ({"logGroups": ["a"], "exclude": ["a"]}, "STANDARD", False, ("missed", "a", "not subscribed: run pulumi up")),
    ],
)
def test_a_log_group_is_judged_by_the_entry_that_matches_and_by_what_exists(
    keys: dict[str, Any], log_class: str | None, judged: tuple[str, str | None, str], *, archived: bool
) -> None:
    existing = {} if log_class is None else {"a": log_class}
    assert judge("a", existing, region(**keys), SUBSCRIBED if archived else [], EXPECTED) == judged


ROLE = "arn:aws:iam::222222222222:role/filters"


@pytest.mark.parametrize(
    ("own", "expected", "reason"),
    [
        ([Subscription(OURS, "thief")], EXPECTED, f"the destination of {OURS} is thief instead of d"),
        ([Subscription(OURS, "d", filter_pattern="x")], EXPECTED, f"the filter pattern of {OURS} is x instead of none"),
        ([Subscription(OURS, "d", role=ROLE)], EXPECTED, f"the role of {OURS} is {ROLE} instead of none"),
        ([Subscription(OURS, "d")], Expected("d", ROLE), f"the role of {OURS} is none instead of {ROLE}"),
        ([Subscription(OURS, "d", filter_pattern="x"), *SUBSCRIBED], EXPECTED, None),
        ([Subscription(OURS, "anything")], Expected(None, ""), None),
    ],
)
@pytest.mark.parametrize("keys", [{"logGroups": ["a"]}, {"logGroups": ["a*"], "autoSubscribe": True}, {"all": {}}])
def test_a_subscription_that_is_not_as_the_program_configures_it_archives_nothing(
    keys: dict[str, Any], own: list[Subscription], expected: Expected, reason: str | None
) -> None:
    status, _, found = judge("a", {"a": "STANDARD"}, region(**keys), own, expected)
    assert (status, found) == (("missed", f"{reason}: run pulumi up --refresh") if reason else ("archived", ""))


def test_each_entry_has_the_filter_pattern_that_its_log_groups_need() -> None:
    entries = [{"name": "a", "filterPattern": "one"}, {"name": "b*", "filterPattern": "two"}]
    keys = {"logGroups": entries, "all": {"filterPattern": "three"}}
    wanted = RegionLogGroups.model_validate(keys, strict=False)
    for name, pattern in (("a", "one"), ("b1", "two"), ("c", "three")):
        own = [Subscription(OURS, "d", filter_pattern=pattern)]
        assert judge(name, {name: "STANDARD"}, wanted, own, EXPECTED)[0] == "archived"
        assert judge(name, {name: "STANDARD"}, wanted, SUBSCRIBED, EXPECTED)[0] == "missed"


@pytest.mark.parametrize("name", [CANARY, SUBSCRIBER])
@pytest.mark.parametrize("archived", [True, False])
def test_the_log_groups_of_the_archive_itself_are_excluded(name: str, *, archived: bool) -> None:
    judged = judge(name, {name: "STANDARD"}, region(all={}), SUBSCRIBED if archived else [], EXPECTED)
    assert judged == ("excluded", None, "used by the archive itself")


@pytest.mark.parametrize(
    ("filters", "policies", "expected"),
    [
        ([], [], False),
        ([Subscription("other", "d")], [Subscription("other", "d")], False),
        ([Subscription("other", "d"), Subscription(OURS, "d")], [], True),
        ([], [Subscription(OURS, "d")], True),
        ([], [Subscription(OURS, "d", 'LogGroupName NOT IN ["b"]')], True),
        ([], [Subscription(OURS, "d", 'LogGroupName NOT IN ["b","a"]')], False),
        ([Subscription("central-log-archive.us-east-1", "d")], [], False),
        ([Subscription("central-log-archive.auto.eu-west-1", "d")], [], True),
    ],
)
def test_only_filters_and_policies_of_the_archive_count(
    filters: list[Subscription], policies: list[Subscription], *, expected: bool
) -> None:
    assert bool(own_subscriptions("a", "eu-west-1", filters, policies)) is expected


names = st.text("ab-", min_size=1, max_size=3)
entries = st.text("ab-*", min_size=1, max_size=3)


@given(
    wanted=st.lists(entries, max_size=3, unique=True),
    exclude=st.lists(entries, max_size=2, unique=True),
    existing=st.sets(names, max_size=6),
    everything=st.booleans(),
)
def test_after_an_update_no_log_group_that_matches_is_missed(
    wanted: list[str], exclude: list[str], existing: set[str], *, everything: bool
) -> None:
    there = standard(*existing).log_groups
    if not wanted and not everything:
        return
    keys = {**({"all": {}} if everything else {}), **({"exclude": exclude} if exclude else {})}
    given_region = region(logGroups=wanted, **keys)
    if list(selection_problems(given_region, there)):
        return
    named = {group.name for group in select(given_region, there)}
    wide = select_all(given_region, there)
    policies = [] if wide is None else [Subscription(OURS, "d", wide.criteria)]
    for name in existing:
        filters = SUBSCRIBED if name in named else []
        own = own_subscriptions(name, "eu-west-1", filters, policies)
        status, entry, reason = judge(name, there, given_region, own, EXPECTED)
        assert status != "missed" or (entry, reason) == (None, "no entry matches it")
        assert not (own and entry is None)


def line(name: str, status: Any, account: str = "222222222222") -> Line:  # noqa: ANN401 - a literal
    return Line(account, "eu-west-1", name, status, None, "")


LINES = [line("a1", "archived"), line("a2", "missed"), line("b1", "archived"), line("b2", "excluded")]


@pytest.mark.parametrize(
    ("text", "unmet"),
    [
        ("66%", None),
        ("66.6%", None),
        ("66.67%", "2 of 3 log groups that match * are archived, which is less than 66.67%"),
        ("100%", "2 of 3 log groups that match * are archived, which is less than 100%"),
        ("b*=100%", None),
        ("a*=50%", None),
        ("a*=51%", "1 of 2 log groups that match a* are archived, which is less than 51%"),
        ("b2=0%", "no log group matches b2, except for excluded ones"),
        ("0%", None),
    ],
)
def test_a_requirement_is_met_by_a_share_of_the_log_groups_that_are_not_excluded(text: str, unmet: str | None) -> None:
    assert Requirement.parse(text).unmet(LINES) == unmet


@pytest.mark.parametrize("text", ["100", "101%", "-1%", "a*=", "a*", "%", "x%"])
def test_an_invalid_requirement_is_rejected(text: str) -> None:
    with pytest.raises(
        OperatorError, match=f'"{re.escape(text)}" is not a valid requirement; use 100% or PATTERN=100%'
    ):
        Requirement.parse(text)


def test_shares_are_exact() -> None:
    assert Requirement.parse("a=b=33.3%") == Requirement("a=b", Fraction(333, 10))


def test_totals_are_of_each_account_and_region() -> None:
    first, second = totals([*LINES, line("c", "missed", "333333333333")])
    assert (first.archived, first.missed, first.excluded) == (2, 1, 1)
    assert (second.account, second.archived, second.missed, second.excluded) == ("333333333333", 0, 1, 0)
