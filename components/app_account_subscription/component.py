"""AppAccountSubscription: the log groups of one application account, subscribed to the archive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pulumi
import pulumi_aws as aws

from components.app_account_subscription.subscriber import make_subscriber
from components.central_log_archive.monitoring import make_alarm
from topology import policies
from topology.alarms import Alarm, sender_alarms, subscriber_alarm
from topology.names import auto_filter_name, filter_name
from topology.patterns import CANARY
from topology.selection import AccountWide
from topology.settings import LogGroup, LogGroupFilter, RegionLogGroups

_CANARY_RETENTION_DAYS = 1


@dataclass(frozen=True, kw_only=True)
class AppAccountSubscriptionArgs:
    """What AppAccountSubscription is made from.

    Attributes:
        account: id of the application account.
        log_groups: region → log groups to subscribe there.
        account_wide: region → what a policy of the account and region subscribes, where there is one.
        auto_subscribe: region → what a function subscribes there when it is made, where there is one.
        destinations: region → ARN of the archive's destination, for each region of ``log_groups``.
        topics: region → ARN of the topic that alarms of the region tell, for each region of ``log_groups``; None: no
            alarms.
        filter_role: give the filters a role of this account, which an archive that admits an organization demands.
        retain: keep a log group that was made here when it leaves the stack.
        providers: region → provider of the account, for each region of ``log_groups``.
    """

    account: str
    log_groups: Mapping[str, Sequence[LogGroup]]
    account_wide: Mapping[str, AccountWide]
    auto_subscribe: Mapping[str, RegionLogGroups]
    destinations: Mapping[str, pulumi.Input[str]]
    topics: Mapping[str, pulumi.Input[str]] | None
    filter_role: bool
    retain: bool
    providers: Mapping[str, aws.Provider]


class AppAccountSubscription(pulumi.ComponentResource):
    """The application side of the topology, for one account.

    Beside what the stack file names, each region has a canary: a log group with a filter, for ``ops verify``.

    Attributes:
        filters: region → log group → name of its subscription filter.
    """

    filters: dict[str, dict[str, pulumi.Output[str]]]

    def __init__(self, name: str, args: AppAccountSubscriptionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("central-log-archive:index:AppAccountSubscription", name, None, opts)
        self._name, self._args = name, args
        self._filter_role = self._make_filter_role() if args.filter_role else None
        self.filters = {
            region: {group.name: self._subscribe(region, group.name, self._log_group(region, group), group)
                     for group in groups}
            for region, groups in args.log_groups.items()
        }  # fmt: skip
        for region in args.log_groups:
            # It holds nothing that is worth keeping, and kept, it would be in the way when its account comes back.
            canary = self._make_log_group(region, CANARY, _CANARY_RETENTION_DAYS, retain=False)
            self._subscribe(region, CANARY, canary, LogGroupFilter())
        for region, everything in args.account_wide.items():
            self._subscribe_all(region, everything)
        queues = {
            region: make_subscriber(
                name,
                wanted,
                account=args.account,
                region=region,
                destination=args.destinations[region],
                filter_role=self._filter_role,
                child=partial(self._child, region),
            )
            for region, wanted in args.auto_subscribe.items()
        }
        for region in args.topics or ():
            for alarm in sender_alarms(filter_name(region)):
                self._tell(alarm, region)
            if region in queues:
                for alarm in sender_alarms(auto_filter_name(region), prefix="auto-"):
                    self._tell(alarm, region)
                self._tell(subscriber_alarm(), region, {"QueueName": queues[region]})
        self.register_outputs({"filters": self.filters})

    def _child(self, region: str, *, retain_on_delete: bool | None = None) -> pulumi.ResourceOptions:
        """Options of a child whose name is fixed: its replacement could not be made beside it."""
        return pulumi.ResourceOptions(
            parent=self,
            provider=self._args.providers[region],
            delete_before_replace=True,
            retain_on_delete=retain_on_delete,
        )

    def _tell(self, alarm: Alarm, region: str, dimensions: Mapping[str, pulumi.Input[str]] | None = None) -> None:
        topics = self._args.topics or {}
        make_alarm(
            f"{self._name}-alarm-{alarm.name}-{region}",
            alarm,
            name=f"central-log-archive-{alarm.name}",  # fixed, so that the deployer role can be held to it
            dimensions=dimensions or {},
            topic=topics[region],
            opts=self._child(region),
        )

    def _make_filter_role(self) -> pulumi.Output[str]:
        """Return the ARN of the role that CloudWatch Logs assumes for the filters, known once its policy is there."""
        account, regions = self._args.account, sorted(self._args.log_groups)
        opts = pulumi.ResourceOptions(parent=self, provider=self._args.providers[regions[0]])  # IAM knows no region
        role = aws.iam.Role(
            f"{self._name}-filter-role",
            # Fixed, so that the deployer role can be held to it.
            name=f"archive-filters-{self._name}",
            description="CloudWatch Logs sends events of this account to the central log archive",
            assume_role_policy=policies.filter_role_trust(region=regions[0], account=account),
            opts=opts,
        )
        policy = aws.iam.RolePolicy(
            f"{self._name}-filter-policy",
            role=role.name,
            policy=policies.filter_role_policy(account=account, regions=regions),
            opts=opts,
        )
        return pulumi.Output.all(role.arn, policy.id).apply(lambda made: str(made[0]))

    def _log_group(self, region: str, group: LogGroup) -> pulumi.Input[str]:
        """Return the name of a log group, known once it is there."""
        if group.create:
            return self._make_log_group(region, group.name, group.retention_days, retain=self._args.retain)
        return group.name

    def _make_log_group(self, region: str, name: str, days: int | None, *, retain: bool) -> pulumi.Output[str]:
        return aws.cloudwatch.LogGroup(
            f"{self._name}-log-group-{name}-{region}",
            name=name,
            retention_in_days=days,
            opts=self._child(region, retain_on_delete=retain),
        ).name

    def _subscribe(
        self, region: str, name: str, log_group: pulumi.Input[str], passed_on: LogGroupFilter
    ) -> pulumi.Output[str]:
        return aws.cloudwatch.LogSubscriptionFilter(
            f"{self._name}-filter-{name}-{region}",
            name=filter_name(region),
            log_group=log_group,
            filter_pattern=passed_on.filter_pattern,
            distribution=passed_on.distribution,
            # Never left out: AWS would keep what was there (API operation PutSubscriptionFilter).
            emit_system_fields=sorted(passed_on.emit_system_fields or ()),
            destination_arn=self._args.destinations[region],
            role_arn=self._filter_role,
            # A replacement made first would overwrite the old filter, and then be deleted with it.
            opts=self._child(region),
        ).name

    def _subscribe_all(self, region: str, everything: AccountWide) -> None:
        """Subscribe the log groups of the region, those to come too, by the one policy that AWS allows for it."""
        document = pulumi.Output.all(destination=self._args.destinations[region], role=self._filter_role).apply(
            lambda arns: policies.account_policy(
                destination_arn=arns["destination"],
                filter_pattern=everything.filter.filter_pattern,
                distribution=everything.filter.distribution,
                role_arn=arns["role"],
            )
        )
        aws.cloudwatch.LogAccountPolicy(
            f"{self._name}-account-policy-{region}",
            policy_name=filter_name(region),
            policy_type="SUBSCRIPTION_FILTER_POLICY",
            policy_document=document,
            selection_criteria=everything.criteria,
            opts=self._child(region),
        )
