"""The application accounts, and the log groups to archive from each."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from topology.patterns import OWN, is_pattern
from topology.settings.types import (
    DEPLOYER_ROLE,
    Account,
    DeployerRole,
    Distinct,
    LogGroupPattern,
    Region,
    RetentionDays,
    Section,
    SystemField,
    enabled,
    named,
    not_empty,
    problem,
)


class Filter(Section):
    """What a subscription forwards. An entry inherits missing keys from its account, or from ``defaults``."""

    filter_pattern: str = Field(default="", description="filter pattern of the events to archive; empty: all events")


class LogGroupFilter(Filter):
    """What the subscription filter of a log group forwards."""

    emit_system_fields: Distinct[SystemField] | None = Field(
        default=None, description="system fields to add to events: `@aws.account`, `@aws.region`, `@source.log`"
    )


class SubscribedLogGroup(LogGroupFilter):
    """An existing log group, or a pattern for several. A bare name in a stack file stands for ``{name: …}``."""

    name: LogGroupPattern = Field(
        description="a log group, or a pattern like `/aws/lambda/prod-*`; a name takes precedence over a pattern"
    )

    @property
    def is_pattern(self) -> bool:
        """Whether the entry selects every log group that matches."""
        return is_pattern(self.name)

    @model_validator(mode="after")
    def _no_recursion(self) -> Self:
        if self.name in OWN:
            raise problem(f"{self.name} belongs to the archive itself and cannot be an entry; remove it")
        return self


class LogGroup(SubscribedLogGroup):
    """A log group, or a pattern for several. A bare name in a stack file stands for ``{name: …}``."""

    create: bool = Field(default=False, description="create the log group; an existing one is never changed")
    retention_days: RetentionDays | None = Field(
        default=None, description="days that a log group created here keeps events itself"
    )

    @model_validator(mode="after")
    def _retention_goes_with_create(self) -> Self:
        if self.create and self.is_pattern:
            raise problem(f"create: {self.name} is a pattern; specify the name of the log group to create")
        if self.create and self.retention_days is None:
            raise problem(
                "create: true requires retentionDays, the days that the log group itself keeps its events; add it"
            )
        if not self.create and self.retention_days is not None:
            raise problem(
                "the retention of an existing log group is not changed; remove retentionDays, or set create: true"
            )
        return self


class AllLogGroups(Filter):
    """Every log group of an account and region, including future ones. ``true`` stands for ``{}``."""


Exclusions = Annotated[
    Distinct[LogGroupPattern] | None,
    Field(description="names and patterns of log groups that `all` and patterns leave out"),
]


class RegionLogGroups(Section):
    """What is archived from a region of an account."""

    log_groups: Distinct[Annotated[LogGroup, BeforeValidator(named)]] = Field(
        default=(), description="the log groups to subscribe: names, patterns, or objects with a name"
    )
    all: Annotated[AllLogGroups | None, BeforeValidator(enabled)] = Field(
        default=None,
        description="`true`, or an object: archive every log group, including future ones, by one subscription filter "
        "policy of the account and region; entries of `logGroups` get filters of their own",
    )
    exclude: Exclusions = None
    auto_subscribe: bool = Field(
        default=False,
        description="let a function subscribe the log groups that match the patterns of `logGroups` as soon as they "
        "are created; use it where `all` would archive too much",
    )

    @model_validator(mode="after")
    def _something_is_archived(self) -> Self:
        if not self.log_groups and self.all is None:
            raise problem("archives nothing; specify logGroups, all: true, or both")
        return self

    @model_validator(mode="after")
    def _future_log_groups_are_subscribed_once(self) -> Self:
        if self.auto_subscribe and self.all is not None:
            raise problem("autoSubscribe: all already covers future log groups; remove one of the two")
        if self.auto_subscribe and not any(entry.is_pattern for entry in self.log_groups):
            raise problem("autoSubscribe: no entry of logGroups is a pattern; add one, or remove autoSubscribe")
        return self


Regions = Annotated[
    dict[Region, RegionLogGroups], AfterValidator(not_empty), Field(description="region → what is archived from it")
]


class Defaults(LogGroupFilter):
    """Defaults for every application account. A key that an account sets replaces the default as a whole."""

    deployer_role: DeployerRole = DEPLOYER_ROLE
    regions: Regions = Field(default={})
    exclude: Exclusions = None


class Application(Account, LogGroupFilter):
    """An application account, and what is archived from it. Missing keys are inherited from ``defaults``."""

    regions: Regions = Field(default={})
    exclude: Exclusions = None

    @property
    def auto_subscribed(self) -> dict[str, RegionLogGroups]:
        """Region → what is archived from it, for the regions with ``autoSubscribe``."""
        return {region: wanted for region, wanted in self.regions.items() if wanted.auto_subscribe}

    def completed(self, defaults: Defaults) -> Application:
        """Return the account with everything that it inherits, down to its log groups."""
        account = self.within(defaults)
        return account.model_copy(update={"regions": {
            region: wanted.within(
                account,
                log_groups=tuple(group.within(account) for group in wanted.log_groups),
                all=wanted.all and wanted.all.within(account),
            )
            for region, wanted in account.regions.items()
        }})  # fmt: skip
