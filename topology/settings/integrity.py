"""Whether the archive signs what arrives."""

from __future__ import annotations

from pydantic import Field

from topology.settings.types import Section


class Integrity(Section):
    """A signed digest of the objects that arrived on each day. ``true`` stands for ``{}``."""

    grace_hours: int = Field(
        default=6,
        ge=1,
        le=23,
        description="hours after the end of a day, in UTC, at which its digest is made: longer than an upload takes",
    )
