"""The accounts of a run, and its name. Variables name them: nothing has a default that could lead to an account."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from topology.regions import PARTITIONS

PREFIX = "archive-test-"
"""Begins the name of every run, and with it the names and tags of everything that a run creates."""

APPLICATIONS_SUFFIX = ".applications"
"""Ends the name of a run's second stack, that of the application accounts."""

_PREFIX_OF_VARIABLES = "TEST_AWS_"
_TIME = "%Y%m%dt%H%M"
_RUN = re.compile(rf"{PREFIX}\d{{8}}t\d{{4}}-[a-z0-9-]+")
_ACCOUNTS = 2
_REQUIRED = {
    "CENTRAL_ACCOUNT": ("ID of the account that gets the archive", r"\d{12}"),
    "APPLICATION_ACCOUNTS": (
        "IDs of two or more other accounts that send to it, separated by commas",
        rf"\d{{12}}(,\d{{12}}){{{_ACCOUNTS - 1},}}",
    ),
    "REGIONS": (
        "regions of the run, separated by commas, the archive's home region first; no stack of yours may use them in "
        "these accounts",
        r"[a-z0-9-]+(,[a-z0-9-]+)*",
    ),
    "DEPLOYER_ROLE": ("name of the role that Pulumi assumes in each account", r"[\w+=,.@-]{1,64}"),
    "TESTER_ROLE": ("name of the role of tests/aws/tester.yaml in each account", r"[\w+=,.@-]{1,64}"),
}
_OPTIONAL = {
    "RUN": ("last part of the run's name", "", r"([a-z0-9]|[a-z0-9][a-z0-9-]{0,22}[a-z0-9])?"),
    "BACKEND_URL": ("Pulumi backend for the run's stacks", "", r"(\w+://\S+)?"),
    "PATIENCE_SECONDS": ("seconds to wait at most for events or a state", "900", r"\d+"),
}


class VariablesError(Exception):
    """Variables are missing or cannot be used. The text lists all of them, and what each has to be."""


@dataclass(frozen=True)
class Environment:
    """Where a run takes place.

    Attributes:
        central_account: ID of the account of the archive.
        application_accounts: IDs of the accounts that send to it.
        regions: the regions in which they do; the first is the archive's home.
        deployer_role: name of the role that Pulumi assumes in each account.
        tester_role: name of the role that the tests and the sweeper assume in each account.
        run: last part of the run's name; empty: random.
        backend_url: Pulumi backend; empty: a temporary folder.
        patience_seconds: how long to wait at most for what AWS does in its own time.
    """

    central_account: str
    application_accounts: tuple[str, ...]
    regions: tuple[str, ...]
    deployer_role: str
    tester_role: str
    run: str
    backend_url: str
    patience_seconds: float

    @property
    def home(self) -> str:
        """The archive's home region."""
        return self.regions[0]

    @property
    def accounts(self) -> tuple[str, ...]:
        """All accounts, that of the archive first."""
        return (self.central_account, *self.application_accounts)

    @property
    def places(self) -> list[tuple[str, str]]:
        """Every account and region that sends to the archive."""
        return [(account, region) for account in self.application_accounts for region in self.regions]


def read(variables: Mapping[str, str]) -> Environment:
    """Return the environment that variables describe.

    Raises:
        VariablesError: some are missing, or cannot be used.
    """
    given = {key: variables.get(f"{_PREFIX_OF_VARIABLES}{key}", "").replace(" ", "") for key in _REQUIRED}
    given |= {
        key: variables.get(f"{_PREFIX_OF_VARIABLES}{key}") or default for key, (_, default, _) in _OPTIONAL.items()
    }
    meanings = {**_REQUIRED, **{key: (meaning, pattern) for key, (meaning, _, pattern) in _OPTIONAL.items()}}
    problems = [
        f"{_PREFIX_OF_VARIABLES}{key}: {_state(given[key])}; set it to: {meaning}"
        for key, (meaning, pattern) in meanings.items()
        if not re.fullmatch(pattern, given[key], re.ASCII)
    ]
    accounts = tuple(given["APPLICATION_ACCOUNTS"].split(","))
    if len({given["CENTRAL_ACCOUNT"], *accounts}) <= len(accounts) and not problems:
        problems.append(f"{_PREFIX_OF_VARIABLES}APPLICATION_ACCOUNTS: an account is named twice; name each once")
    regions = tuple(given["REGIONS"].split(","))
    if not problems:
        problems += [
            f"{_PREFIX_OF_VARIABLES}REGIONS: {region} is not a region of AWS"
            for region in regions
            if region not in PARTITIONS
        ]
    if problems:
        raise VariablesError("\n  ".join(["docs/aws-tests.md describes these variables:", *problems]))
    return Environment(
        central_account=given["CENTRAL_ACCOUNT"],
        application_accounts=accounts,
        regions=regions,
        deployer_role=given["DEPLOYER_ROLE"],
        tester_role=given["TESTER_ROLE"],
        run=given["RUN"],
        backend_url=given["BACKEND_URL"],
        patience_seconds=float(given["PATIENCE_SECONDS"]),
    )


def _state(value: str) -> str:
    return f'"{value}" cannot be used' if value else "is not set"


def new_run(environment: Environment, now: datetime) -> str:
    """Return the name of a new run. It says when the run started, so that the sweeper knows how old a leftover is."""
    return f"{PREFIX}{now.astimezone(UTC):{_TIME}}-{environment.run or secrets.token_hex(2)}"


def run_of(stack: str) -> str | None:
    """Return the run that a stack belongs to; None if it is not one of a run."""
    run = stack.removesuffix(APPLICATIONS_SUFFIX)
    try:
        return run if _RUN.fullmatch(run) and _started(run) else None
    except ValueError:  # no date
        return None


def age(run: str, now: datetime) -> timedelta:
    """Return how long ago a run started."""
    return now - _started(run)


def _started(run: str) -> datetime:
    return datetime.strptime(run.removeprefix(PREFIX).split("-")[0], _TIME).replace(tzinfo=UTC)
