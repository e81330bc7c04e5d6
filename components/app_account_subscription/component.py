"""AppAccountSubscription: the log groups of one application account, subscribed to the archive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import pulumi
import pulumi_aws as aws

from accounts.log_groups import AccountPlan
from components.alarm import make_alarm
from components.app_account_subscription.subscriber import make_subscriber
from components.archive_outputs import ArchiveEndpoints
from components.change_rule import make_change_rule
from components.scope import Scope
from components.subscription_filter import make_subscription_filter
from topology import policies
from topology.alarms import Alarm, change_alarm, sender_alarms, silence_alarm, subscriber_alarm
from topology.changes import CHANGES, sender_changes
from topology.names import auto_filter_name, filter_name
from topology.patterns import CANARY, SCHEDULED_CANARY
from topology.roles import filter_role_arn
from topology.selection import AccountWide
from topology.settings import Application, LogGroup, LogGroupFilter

_CANARY_RETENTION_DAYS = 1
_CANARY_SCHEDULE = "rate(15 minutes)"


@dataclass(frozen=True, kw_only=True)
class AppAccountSubscriptionArgs:
    """Arguments of AppAccountSubscription.

    Attributes:
        application: settings of the account.
        plan: the log groups to subscribe, with every pattern resolved.
        archive: destinations and topics, for each region of the account.
        filter_role: give the filters the role of this account, as an archive that admits an organization requires.
        retain: retain a log group created here when it leaves the stack.
        providers: region → provider of the account, for each of its regions.
    """

    application: Application
    plan: AccountPlan
    archive: ArchiveEndpoints
    filter_role: bool
    retain: bool
    providers: Mapping[str, aws.Provider]


class AppAccountSubscription(pulumi.ComponentResource):
    """The application side of the topology, for one account.

    In addition to the log groups in the stack file, each region has a canary: a log group for ``ops verify``. With
    alarms, it has another one, to which EventBridge writes.

    Attributes:
        filters: region → log group → name of its subscription filter.
    """

    filters: dict[str, dict[str, pulumi.Output[str]]]

    def __init__(self, name: str, args: AppAccountSubscriptionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("central-log-archive:index:AppAccountSubscription", name, None, opts)
        self._name, self._args = name, args
        self._warn_of_gaps()
        self._filter_role = filter_role_arn(args.application) if args.filter_role else None
        self.filters = {
            region: {group.name: self._subscribe(region, group.name, self._log_group(region, group), group)
                     for group in groups}
            for region, groups in args.plan.log_groups.items()
        }  # fmt: skip
        for region in args.application.regions:
            self._make_canary(region, CANARY)
        for region, account_wide in args.plan.account_wide.items():
            self._subscribe_all(region, account_wide.but(SCHEDULED_CANARY) if args.archive.topics else account_wide)
        queues = {
            region: make_subscriber(
                self._scope(region),
                wanted,
                destination=args.archive.destinations[region],
                filter_role=self._filter_role,
            )
            for region, wanted in args.application.auto_subscribed.items()
        }
        for region in args.application.regions if args.archive.topics is not None else ():
            self._schedule_canary(region)
            self._make_alarm(silence_alarm(region, args.application.account), region)
            changed = change_alarm(region, args.application.account, SCHEDULED_CANARY)
            self._make_alarm(changed, region, {"RuleName": CHANGES})
            for alarm in sender_alarms(filter_name(region)):
                self._make_alarm(alarm, region)
            if region in queues:
                for alarm in sender_alarms(auto_filter_name(region), prefix="auto-"):
                    self._make_alarm(alarm, region)
                self._make_alarm(subscriber_alarm(), region, {"QueueName": queues[region]})
        self.register_outputs({"filters": self.filters})

    def _scope(self, region: str) -> Scope:
        return Scope(
            parent=self,
            name=self._name,
            account=self._args.application.account,
            region=region,
            providers=self._args.providers,
            retain=self._args.retain,
        )

    def _warn_of_gaps(self) -> None:
        """Warn, in a preview, of events that are not archived while filters change to another destination.

        The provider cannot change the destination of a filter or policy in place: it deletes and recreates both.
        """

        def warn(region: str, targets: set[str], destination: str) -> None:
            for target in sorted(targets - {destination}):
                pulumi.warn(
                    f"account {self._args.application.account}, region {region}: filters change from {target} to "
                    f"{destination}. Each is deleted and immediately recreated; events written in between are not "
                    "archived."
                )

        for region, targets in self._args.plan.targets.items():
            destination = pulumi.Output.from_input(self._args.archive.destinations[region])
            destination.apply(partial(warn, region, targets))

    def _log_group(self, region: str, group: LogGroup) -> pulumi.Input[str]:
        """Return the name of a log group, which is created first if its entry asks for it."""
        if group.create:
            return self._make_log_group(region, group.name, group.retention_days, retain=self._args.retain)
        return group.name

    def _make_log_group(self, region: str, name: str, days: int | None, *, retain: bool) -> pulumi.Output[str]:
        return aws.cloudwatch.LogGroup(
            f"{self._name}-log-group-{name}-{region}",
            name=name,
            retention_in_days=days,
            # Always set: the provider would keep the previous value, and then could not delete it.
            deletion_protection_enabled=retain,
            opts=self._scope(region).child(retain_on_delete=retain, delete_before_replace=True),
        ).name

    def _make_canary(self, region: str, name: str) -> pulumi.Output[str]:
        # Nothing in it is worth keeping, and a retained one would be in the way if the account were added again.
        canary = self._make_log_group(region, name, _CANARY_RETENTION_DAYS, retain=False)
        self._subscribe(region, name, canary, LogGroupFilter())
        return canary

    def _schedule_canary(self, region: str) -> None:
        """Let EventBridge write an event to a canary of its own, again and again: an alarm tells if none is sent.

        What anybody but the deployer changes is written there too, since what is in a canary is archived.
        """
        opts, account = self._scope(region).child(delete_before_replace=True), self._args.application.account
        aws.cloudwatch.LogResourcePolicy(
            f"{self._name}-canary-policy-{region}",
            policy_name=CANARY,
            policy_document=policies.events_policy(
                region, account, log_group=SCHEDULED_CANARY, rules=[CANARY, CHANGES]
            ),
            opts=opts,
        )
        rule = aws.cloudwatch.EventRule(
            f"{self._name}-canary-rule-{region}",
            name=CANARY,
            description="Writes an event to the canary that proves that the account sends events to the archive",
            schedule_expression=_CANARY_SCHEDULE,
            opts=opts,
        )
        canary_arn = self._make_canary(region, SCHEDULED_CANARY).apply(
            lambda name: policies.log_group_arn(region, account, name)
        )
        aws.cloudwatch.EventTarget(
            f"{self._name}-canary-target-{region}",
            rule=rule.name,
            target_id=CANARY,
            arn=canary_arn,
            opts=opts,
        )
        make_change_rule(
            self._scope(region), pattern=sender_changes(self._args.application, region), log_group_arn=canary_arn
        )

    def _subscribe(
        self, region: str, name: str, log_group: pulumi.Input[str], forwards: LogGroupFilter
    ) -> pulumi.Output[str]:
        return make_subscription_filter(
            f"{self._name}-filter-{name}-{region}",
            self._scope(region),
            log_group=log_group,
            forwards=forwards,
            destination_arn=self._args.archive.destinations[region],
            role_arn=self._filter_role,
        )

    def _subscribe_all(self, region: str, account_wide: AccountWide) -> None:
        """Subscribe the log groups of a region, including future ones, by the only account policy that AWS allows."""
        destination = self._args.archive.destinations[region]
        document = pulumi.Output.from_input(destination).apply(
            lambda arn: policies.account_policy(
                destination_arn=arn,
                filter_pattern=account_wide.filter.filter_pattern,
                role_arn=self._filter_role,
            )
        )
        aws.cloudwatch.LogAccountPolicy(
            f"{self._name}-account-policy-{region}",
            policy_name=filter_name(region),
            policy_type="SUBSCRIPTION_FILTER_POLICY",
            policy_document=document,
            selection_criteria=account_wide.criteria,
            opts=self._scope(region).child(delete_before_replace=True),
        )

    def _make_alarm(self, alarm: Alarm, region: str, dimensions: Mapping[str, pulumi.Input[str]] | None = None) -> None:
        make_alarm(
            f"{self._name}-alarm-{alarm.name}-{region}",
            alarm,
            name=f"central-log-archive-{alarm.name}",  # fixed, so that the deployer role's policy can name it
            dimensions=dimensions or {},
            topic=(self._args.archive.topics or {})[region],
            opts=self._scope(region).child(delete_before_replace=True),
        )
