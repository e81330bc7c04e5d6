"""Your stack files: the only test that reads them. It passes whatever accounts, regions and stacks they describe."""

from __future__ import annotations

from pathlib import Path

from sandbox.server import ROOT
from tests.sandbox.rehearsal import rehearse
from topology.stack_file import configures_program, stack_of
from topology.stacks import files_in


def test_each_stack_of_the_project_previews_in_the_order_of_promotion_and_breaks_no_rule(tmp_path: Path) -> None:
    assert set(rehearse(ROOT, tmp_path)) == {stack_of(file) for file in files_in(ROOT) if configures_program(file)}
