"""The program registers what was recorded for the tests' stacks. `make record` records an intended change."""

from __future__ import annotations

import functools

import pytest

from tests.graph import recorded_graphs
from tests.graph.recorded_graphs import RECORDED, STACKS, inputs_of, names_of

graph_of = functools.cache(recorded_graphs.graph_of)


@pytest.mark.parametrize("stack", STACKS)
def test_no_resource_of_a_stack_gets_another_urn(stack: str) -> None:
    """Pulumi replaces a resource whose name or parent changes."""
    assert names_of(graph_of(stack)) == (RECORDED / "names" / f"{stack}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("stack", STACKS)
def test_no_resource_of_a_stack_gets_other_inputs_or_options(stack: str) -> None:
    assert inputs_of(graph_of(stack)) == (RECORDED / "inputs" / f"{stack}.yaml").read_text(encoding="utf-8")


def test_every_recorded_graph_is_of_an_existing_stack() -> None:
    assert set(STACKS) == {path.stem for path in RECORDED.glob("names/*.txt")}
    assert set(STACKS) == {path.stem for path in RECORDED.glob("inputs/*.yaml")}
