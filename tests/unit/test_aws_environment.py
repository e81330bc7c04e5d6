"""The variables of the tests on AWS, and the marks of a run."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.server import ROOT
from tests.aws.environment import APPLICATIONS_SUFFIX, VariablesError, age, new_run, read, run_of

COMPLETE = {
    "TEST_AWS_CENTRAL_ACCOUNT": "111111111111",
    "TEST_AWS_APPLICATION_ACCOUNTS": "222222222222, 333333333333",
    "TEST_AWS_REGIONS": "eu-west-1,us-east-1",
    "TEST_AWS_DEPLOYER_ROLE": "archive-test-deployer",
    "TEST_AWS_TESTER_ROLE": "archive-test-tester",
}
NOW = datetime(2026, 11, 29, 3, 5, tzinfo=UTC)


def test_variables_name_accounts_and_the_first_region_is_home() -> None:
    environment = read(COMPLETE)
    assert environment.accounts == ("111111111111", "222222222222", "333333333333")
    assert environment.home == "eu-west-1"
    assert len(environment.places) == 4


@pytest.mark.parametrize("missing", COMPLETE)
def test_a_missing_variable_is_named_with_what_it_has_to_be(missing: str) -> None:
    with pytest.raises(VariablesError, match=f"{missing}: is not set; set it to: "):
        read({**COMPLETE, missing: ""})


def test_all_missing_variables_are_named_at_once() -> None:
    with pytest.raises(VariablesError) as error:
        read({})
    assert all(variable in str(error.value) for variable in COMPLETE)


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("TEST_AWS_CENTRAL_ACCOUNT", "222222222222", "an account is named twice"),
        ("TEST_AWS_APPLICATION_ACCOUNTS", "222222222222,222222222222", "an account is named twice"),
        ("TEST_AWS_APPLICATION_ACCOUNTS", "222222222222", '"222222222222" cannot be used; set it to: IDs of two'),
        ("TEST_AWS_REGIONS", "mars-1", "mars-1 is not a region of AWS"),
        ("TEST_AWS_RUN", "UPPER", '"UPPER" cannot be used'),
        ("TEST_AWS_PATIENCE_SECONDS", "soon", '"soon" cannot be used'),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(variable: str, value: str, problem: str) -> None:
    with pytest.raises(VariablesError, match=problem):
        read({**COMPLETE, variable: value})


@pytest.mark.parametrize("suffix", ["", "a", "12345678901-1"])
def test_the_name_of_a_run_says_when_it_started(suffix: str) -> None:
    run = new_run(read({**COMPLETE, "TEST_AWS_RUN": suffix}), NOW)
    assert run.startswith(f"archive-test-20261129t0305-{suffix}")
    assert run_of(run) == run_of(f"{run}{APPLICATIONS_SUFFIX}") == run
    assert age(run, NOW + timedelta(hours=7)) == timedelta(hours=7)


@pytest.mark.parametrize(
    "stack",
    ["", "archive", "archive-test-", "archive-test-foreign", "archive-test-20269999t9999-a", "x-archive-test-1"],
)
def test_the_stacks_of_others_are_those_of_no_run(stack: str) -> None:
    assert run_of(stack) is None


@pytest.mark.parametrize("page", ["docs/aws-tests.md", "docs/limits.md"])
def test_every_test_on_aws_that_a_page_names_exists(page: str) -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / page).read_text(encoding="utf-8")))
    tests = re.findall(r"^def (test_\w+)", (ROOT / "tests/aws/end_to_end.py").read_text(encoding="utf-8"), re.MULTILINE)
    assert named
    assert named <= set(tests)
