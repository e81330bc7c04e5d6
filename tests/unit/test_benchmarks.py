"""The benchmarks run, and measure what they promise. No test checks how fast anything is."""

from __future__ import annotations

import json

import typer
from typer.testing import CliRunner

from benchmarks import transform


def test_the_benchmark_of_the_transform_compares_both_kinds_of_events_with_zlib() -> None:
    app = typer.Typer()
    app.command()(transform.main)
    done = CliRunner().invoke(app, ["--runs", "1", "--json"])
    rows = json.loads(done.stdout)
    assert [row["events"] for row in rows] == ["waf", "text"]
    assert all(row["ratio"] > 0 for row in rows)
