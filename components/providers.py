"""One explicit AWS provider for each account and region in use."""

from __future__ import annotations

from collections.abc import Iterable

import pulumi_aws as aws

from topology import roles
from topology.settings import Application, Archive


class Providers:
    """Makes the provider of an account and region when it is first asked for, and never twice.

    Each is a process of the aws plugin, so their number is the memory of an update.
    """

    def __init__(self, stack: str) -> None:
        self._stack = stack
        self._made: dict[tuple[str, str], aws.Provider] = {}

    def of(self, account: Archive | Application, regions: Iterable[str]) -> dict[str, aws.Provider]:
        """Return region → provider for ``regions`` of ``account``, through the account's deployer role."""
        return {region: self._provider(account, region) for region in regions}

    def _provider(self, account: Archive | Application, region: str) -> aws.Provider:
        key = (account.account, region)
        if key not in self._made:
            self._made[key] = aws.Provider(
                # Named by region too: a provider that changed its region would look like a move of its resources.
                f"{account.label}-{region}",
                region=region,
                # Sessions of the global endpoint do not work in opt-in regions; those of a region's own do everywhere.
                sts_region=region,
                # The credentials may be right and the account wrong: then nothing is touched.
                allowed_account_ids=[account.account],
                # As classes: nested dicts reach the plugin with their snake_case keys, which it ignores (pulumi#18810).
                assume_roles=[
                    aws.ProviderAssumeRoleArgs(
                        role_arn=roles.role_arn(account, region),
                        session_name=roles.session_name(self._stack),
                    )
                ],
                default_tags=aws.ProviderDefaultTagsArgs(
                    tags={"central-log-archive:stack": self._stack, "managed-by": "central-log-archive"}
                ),
            )
        return self._made[key]
