"""Where events are missing for a moment, said at preview."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import pulumi

from accounts.log_groups import AccountPlan


def announce_gaps(plans: Mapping[str, AccountPlan], destinations: Mapping[str, pulumi.Input[str]]) -> None:
    """Say in words, at preview, where events will be missing for a moment.

    The provider turns no filter and no policy to another destination: Pulumi deletes it and makes it again.
    """

    def announce(account: str, region: str, targets: set[str], destination: str) -> None:
        for target in sorted(targets - {destination}):
            pulumi.warn(
                f"account {account}, region {region}: filters turn from {target} to {destination}. Each is deleted and "
                "made again at once; what is written in between is not archived."
            )

    for account, plan in plans.items():
        for region, targets in plan.targets.items():
            pulumi.Output.from_input(destinations[region]).apply(partial(announce, account, region, targets))
