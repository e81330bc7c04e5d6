"""One explicit AWS provider for each account and region in use."""

from __future__ import annotations

from collections.abc import Iterable

import pulumi_aws as aws

from topology import roles
from topology.settings import Application, Archive


class Providers:
    """Creates the provider of an account and region on first use, and only once.

    Each is a process of the aws plugin, so their number determines the memory of an update.
    """

    def __init__(self, stack: str) -> None:
        self._stack = stack
        self._providers: dict[tuple[str, str], aws.Provider] = {}

    def of(self, account: Archive | Application, regions: Iterable[str]) -> dict[str, aws.Provider]:
        """Return region → provider of ``account``, which assumes the account's deployer role."""
        return {region: self._provider(account, region) for region in regions}

    def _provider(self, account: Archive | Application, region: str) -> aws.Provider:
        key = (account.account, region)
        if key not in self._providers:
            self._providers[key] = aws.Provider(
                # Named by region too: a changed region of a provider would look like a move of its resources.
                f"{account.label}-{region}",
                region=region,
                # Opt-in regions reject session tokens of the global endpoint, but accept those of a regional one.
                sts_region=region,
                # Fails before anything is changed if the role is in another account.
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
        return self._providers[key]
