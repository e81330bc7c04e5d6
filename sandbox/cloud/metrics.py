"""CloudWatch metrics of the services that the extension implements."""

from __future__ import annotations

import time
from collections.abc import Mapping

from ministack.services import cloudwatch


def count(namespace: str, dimensions: Mapping[str, str], values: Mapping[str, float]) -> None:
    """Add a value to each metric in the current account and region, and evaluate its alarms."""
    for metric, value in values.items():
        cloudwatch._store_datum(namespace, metric, dict(dimensions), time.time(), "None", value, None, None, None)
    cloudwatch._evaluate_all_alarms()
