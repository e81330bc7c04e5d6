"""CloudWatch metrics of the services that the extension stands in for, in the account and region they belong to."""

from __future__ import annotations

import time
from collections.abc import Mapping

from ministack.services import cloudwatch


def count(namespace: str, dimensions: Mapping[str, str], values: Mapping[str, float]) -> None:
    """Store a datum for each metric in ``values``, in the account and region of the current scope; ask its alarms."""
    for metric, value in values.items():
        cloudwatch._store_datum(namespace, metric, dict(dimensions), time.time(), "None", value, None, None, None)
    cloudwatch._evaluate_all_alarms()
