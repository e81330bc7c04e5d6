"""The names of subscription filters, by which one knows the program's own."""

from __future__ import annotations


def filter_name(region: str) -> str:
    """Name the subscription filters of a region: a record does not say where it comes from, but it names its filter."""
    return f"central-log-archive.{region}"


def auto_filter_name(region: str) -> str:
    """Name the filters that the function of ``autoSubscribe`` makes, so that nobody touches those of the other."""
    return f"central-log-archive.auto.{region}"


def own_filter_names(region: str) -> tuple[str, str]:
    """Name the filters of a region that are the archive's own; every other is of somebody else."""
    return filter_name(region), auto_filter_name(region)
