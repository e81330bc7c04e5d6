"""Names of subscription filters, which distinguish the archive's own from others."""

from __future__ import annotations


def filter_name(region: str) -> str:
    """Return the name of the subscription filters of a region: a record contains no region, but the filter's name."""
    return f"central-log-archive.{region}"


def auto_filter_name(region: str) -> str:
    """Return the name of filters that the ``autoSubscribe`` function manages, apart from those that Pulumi manages."""
    return f"central-log-archive.auto.{region}"


def own_filter_names(region: str) -> tuple[str, str]:
    """Return the names of the archive's own filters in a region."""
    return filter_name(region), auto_filter_name(region)
