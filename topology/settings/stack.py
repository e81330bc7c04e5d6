"""The settings in a stack file."""

from __future__ import annotations

from pydantic import Field

from topology.settings.applications import Application, Defaults
from topology.settings.archive import Archive
from topology.settings.types import RoleName, Section


class Settings(Section):
    """The settings in a stack file: an archive, applications, or both."""

    archive: Archive | None = Field(default=None, description="the central account")
    archive_stack: str | None = Field(
        default=None, min_length=1, description="the stack of the archive, for a stack without one"
    )
    defaults: Defaults = Field(default=Defaults(), description="defaults for all of `applications`")
    applications: tuple[Application, ...] = Field(default=(), description="the application accounts")
    filter_roles: bool = Field(
        default=False,
        description="give subscription filters the role `central-log-archive-filters` of their own account, which an "
        "archive that admits an organization requires; automatic if such an archive is in this stack; filters keep "
        "their role, so a deployed `true` stays",
    )
    alarms: bool = Field(
        default=False,
        description="notify the archive's topics when events of the application accounts are not delivered; if the "
        "archive is in this stack, `archive.alarms` decides",
    )
    promoted_from: str | None = Field(
        default=None,
        min_length=1,
        description="the stack that has to run a commit, and deliver events, before this one may run it (`ops "
        "promote`); default: the archive's stack",
    )
    preview_role: RoleName | None = Field(
        default=None,
        description="name of a role that only reads, to assume in every account instead of its `deployerRole`, for "
        "previews: `central-log-archive-previewer`, or with a refresh, `central-log-archive-reader`; `pulumi up` "
        "rejects it",
    )
    retain: bool = Field(
        default=True,
        description="protect the bucket, and retain it and log groups created here when they leave the stack",
    )

    @property
    def filters_have_roles(self) -> bool:
        """Whether subscription filters have a role: if the stack sets it, or its own archive requires it."""
        return self.filter_roles or (self.archive is not None and self.archive.sender_organization is not None)

    @property
    def senders_have_alarms(self) -> bool:
        """Whether application accounts have alarms: if the stack sets it, or its own archive has them."""
        return self.alarms if self.archive is None else self.archive.alarms is not None

    @property
    def sources(self) -> tuple[Application, ...]:
        """The accounts whose log groups are archived: the applications, and the central one if it has some itself."""
        central = self.archive.source if self.archive is not None else None
        return (*((central,) if central is not None else ()), *self.applications)

    def completed(self) -> Settings:
        """Return the settings with all inherited values, and with the preview role, if any, in every account."""
        applications = tuple(each.completed(self.defaults).assuming(self.preview_role) for each in self.applications)
        archive = self.archive and self.archive.completed(applications).assuming(self.preview_role)
        return self.model_copy(update={"archive": archive, "applications": applications})
