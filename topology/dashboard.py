"""The CloudWatch dashboard: which widgets it has, and what its readers choose."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from topology.layouts import OTHER

WIDGETS = (
    ("overview", "What arrived", 24, 8),
    ("waf-over-time", "AWS WAF over time", 24, 5),
    ("waf", "AWS WAF", 24, 17),
    ("would-have-blocked", "What rules in COUNT would have blocked", 12, 8),
    ("volume", "Volume", 12, 8),
    ("search", "Search", 24, 10),
)
"""Name, title, width and height of each widget. A row is 24 wide, and what fits into it is in one."""

_ROW = 24
_ALL = "all"


def dashboard_name(stack: str) -> str:
    """Return the name of a stack's dashboard, with characters that CloudWatch allows."""
    return "archive-events-" + re.sub("[^A-Za-z0-9_-]", "-", stack)


def dashboard_body(*, function_arn: str, accounts: Iterable[str], regions: Iterable[str]) -> str:
    """Return the body of the dashboard, as PutDashboard takes it.

    Widgets are called when the dashboard is refreshed or its time range changes, and not when they are resized: each
    call may ask a query. Account and region are property variables, which replace the parameters of the same name in
    all widgets (Amazon CloudWatch API Reference, "Dashboard body structure and syntax").

    Args:
        function_arn: ARN of the function behind the widgets.
        accounts: IDs of the accounts to choose from.
        regions: the regions to choose from.
    """
    widgets = []
    x = y = height_of_row = 0
    for name, title, width, height in WIDGETS:
        if x + width > _ROW:
            x, y = 0, y + height_of_row
        properties = {
            "endpoint": function_arn,
            "title": title,
            "params": {"widget": name, "account": _ALL, "region": _ALL},
            "updateOn": {"refresh": True, "resize": False, "timeRange": True},
        }
        widgets.append({"type": "custom", "x": x, "y": y, "width": width, "height": height, "properties": properties})
        x, height_of_row = x + width, height
    variables = [_variable("account", accounts), _variable("region", regions)]
    return json.dumps({"start": "-PT3H", "variables": variables, "widgets": widgets}, separators=(",", ":"))


def _variable(name: str, values: Iterable[str]) -> dict[str, object]:
    return {
        "type": "property",
        "property": name,
        "inputType": "select",
        "id": name,
        "label": name.capitalize(),
        "defaultValue": _ALL,
        "visible": True,
        "values": [{"value": each, "label": each} for each in (_ALL, *sorted(values), OTHER)],
    }
