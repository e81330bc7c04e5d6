"""Measures the bundled transform against plain zlib: ``python -m benchmarks.transform``.

The baseline only decompresses the same records, which no transform can avoid. Both alternate in one process, and ratios
are computed for each pair of runs, so that a machine which slows down affects both.
"""

from __future__ import annotations

import base64
import gzip
import json
import random
import statistics
import time
import zlib
from collections.abc import Mapping
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from functions.transform.handler import handler

_STREAM = "arn:aws:firehose:eu-west-1:111111111111:deliverystream/archive"


def events(kind: str, number: int) -> list[str]:
    """Return messages of a kind, the same in every run: ``waf`` for JSON of AWS WAF, ``text`` for lines of text."""
    draw = random.Random(7)  # noqa: S311 - data, not secrets
    if kind == "text":
        return [
            f"INFO request {draw.getrandbits(64):x} took {draw.randrange(999)} ms on path /cart" for _ in range(number)
        ]
    return [
        json.dumps({
            "timestamp": 1700000000000 + index,
            "formatVersion": 1,
            "webaclId": "arn:aws:wafv2:eu-west-1:222222222222:regional/webacl/shop/1",
            "action": draw.choice(["ALLOW", "BLOCK"]),
            "ruleGroupList": [],
            "rateBasedRuleList": [],
            "httpRequest": {
                "clientIp": f"192.0.2.{draw.randrange(255)}",
                "country": draw.choice(["DE", "FR", "US"]),
                "headers": [{"name": name, "value": f"{draw.getrandbits(96):x}"} for name in ("Host", "User-Agent")],
                "uri": f"/cart/{draw.randrange(9999)}",
                "args": "",
                "httpMethod": "GET",
                "requestId": f"{draw.getrandbits(128):x}",
            },
        })
        for index in range(number)
    ]  # fmt: skip


def records(messages: list[str], each: int) -> list[dict[str, str]]:
    """Return records as Firehose passes them, with ``each`` events in a record."""
    batch = []
    for start in range(0, len(messages), each):
        document = {
            "messageType": "DATA_MESSAGE",
            "owner": "222222222222",
            "logGroup": "aws-waf-logs-shop",
            "logStream": "s",
            "subscriptionFilters": ["central-log-archive.eu-west-1"],
            "logEvents": [
                {"id": str(index), "timestamp": 1700000000000, "message": message}
                for index, message in enumerate(messages[start : start + each])
            ],
        }
        data = base64.b64encode(gzip.compress(json.dumps(document).encode())).decode()
        batch.append({"recordId": str(start), "data": data})
    return batch


def main(
    runs: Annotated[int, typer.Option(help="Number of pairs of runs.")] = 15,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the throughput of both, in MiB of decompressed records per second, and the ratio of their times."""
    rows = []
    for kind in ("waf", "text"):
        batch = records(events(kind, 3000), 300)
        compressed = [base64.b64decode(record["data"]) for record in batch]
        size = sum(len(zlib.decompress(data, wbits=31)) for data in compressed) / 2**20
        event = {"deliveryStreamArn": _STREAM, "records": batch}
        pairs = [_pair(event, compressed) for _ in range(runs + 1)][1:]  # the first pair is a warm-up
        rows.append({
            "events": kind,
            "decompressedMiB": round(size, 2),
            "transformMiBPerSecond": round(size / statistics.median(a for a, _ in pairs), 1),
            "zlibMiBPerSecond": round(size / statistics.median(b for _, b in pairs), 1),
            "ratio": round(statistics.median(a / b for a, b in pairs), 1),
        })  # fmt: skip
    if as_json:
        typer.echo(json.dumps(rows))
        return
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console().print(table)


def _pair(event: Mapping[str, object], compressed: list[bytes]) -> tuple[float, float]:
    """Return the seconds of the transform, and of plain zlib."""
    start = time.perf_counter()
    handler(event, None)
    between = time.perf_counter()
    for data in compressed:
        zlib.decompress(data, wbits=31)
    return between - start, time.perf_counter() - between


if __name__ == "__main__":
    typer.run(main)
