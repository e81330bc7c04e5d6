"""The account and region in which the children of a component are created."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True, kw_only=True)
class Scope:
    """An account and region, and the component whose children are created there.

    Attributes:
        parent: the component.
        name: logical name of the component, and prefix of its children's names.
        account: ID of the account.
        region: the region.
        providers: region → provider of the account.
        retain: protect stateful children, and retain them when they leave the stack.
    """

    parent: pulumi.ComponentResource
    name: str
    account: str
    region: str
    providers: Mapping[str, aws.Provider]
    retain: bool

    def in_region(self, region: str) -> Scope:
        """Return the scope of another region of the account."""
        return replace(self, region=region)

    def child(
        self,
        *,
        protect: bool | None = None,
        retain_on_delete: bool | None = None,
        depends_on: Sequence[pulumi.Resource] = (),
        delete_before_replace: bool | None = None,
        replace_on_changes: Sequence[str] = (),
    ) -> pulumi.ResourceOptions:
        """Return the options of a child: parent, provider, and the given ones."""
        return pulumi.ResourceOptions(
            parent=self.parent,
            provider=self.providers[self.region],
            protect=protect,
            retain_on_delete=retain_on_delete,
            depends_on=list(depends_on),
            delete_before_replace=delete_before_replace,
            replace_on_changes=list(replace_on_changes),
        )


def known_after(value: pulumi.Output[str], *resources: pulumi.CustomResource) -> pulumi.Output[str]:
    """Return a value that is known once the resources exist: what uses it is created after and deleted before them."""
    return pulumi.Output.all(value, *(resource.id for resource in resources)).apply(lambda known: str(known[0]))
