"""AppAccountSubscription: the log groups of one application account, subscribed to the archive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.settings import LogGroup


@dataclass(frozen=True, kw_only=True)
class AppAccountSubscriptionArgs:
    """What AppAccountSubscription is made from.

    Attributes:
        log_groups: region → log groups to subscribe there.
        destinations: region → ARN of the archive's destination, for each region of ``log_groups``.
        retain: keep a log group that was made here when it leaves the stack.
        providers: region → provider of the account, for each region of ``log_groups``.
    """

    log_groups: Mapping[str, Sequence[LogGroup]]
    destinations: Mapping[str, pulumi.Input[str]]
    retain: bool
    providers: Mapping[str, aws.Provider]


class AppAccountSubscription(pulumi.ComponentResource):
    """The application side of the topology, for one account.

    Attributes:
        filters: region → log group → name of its subscription filter.
    """

    filters: dict[str, dict[str, pulumi.Output[str]]]

    def __init__(self, name: str, args: AppAccountSubscriptionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("central-log-archive:index:AppAccountSubscription", name, None, opts)
        self._name, self._args = name, args
        self.filters = {
            region: {group.name: self._subscribe(region, group) for group in groups}
            for region, groups in args.log_groups.items()
        }
        self.register_outputs({"filters": self.filters})

    def _subscribe(self, region: str, group: LogGroup) -> pulumi.Output[str]:
        provider = self._args.providers[region]
        log_group: pulumi.Input[str] = group.name
        if group.create:
            log_group = aws.cloudwatch.LogGroup(
                f"{self._name}-log-group-{group.name}-{region}",
                name=group.name,
                retention_in_days=group.retention_days,
                opts=pulumi.ResourceOptions(
                    parent=self, provider=provider, retain_on_delete=self._args.retain, delete_before_replace=True
                ),
            ).name
        return aws.cloudwatch.LogSubscriptionFilter(
            f"{self._name}-filter-{group.name}-{region}",
            # A record does not say which region it comes from, but it names its filter.
            name=f"central-log-archive.{region}",
            log_group=log_group,
            filter_pattern=group.filter_pattern,
            destination_arn=self._args.destinations[region],
            # The name is fixed: a replacement made first would overwrite the old filter, and then be deleted with it.
            opts=pulumi.ResourceOptions(parent=self, provider=provider, delete_before_replace=True),
        ).name
