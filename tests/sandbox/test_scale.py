"""The scale benchmark runs, and measures what it promises. No test checks how fast anything is."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from benchmarks import scale


def test_it_measures_the_program_and_the_flat_one_in_one_run() -> None:
    done = CliRunner().invoke(scale.app, ["--sizes", "2x1x2", "--json"])
    (costs,) = json.loads(done.stdout).values()
    assert list(costs) == ["program preview", "program up", "flat preview", "flat up"]
    # It takes samples, so it may miss one of the two.
    assert {cost["providers"] for cost in costs.values()} <= {1, 2}
    assert all(cost["seconds"] > 0 and cost["program_mib"] > 0 and cost["engine_mib"] > 0 for cost in costs.values())
