"""Records the graphs of the example stacks in ``recorded/``: run it for an intended rename, and review the diff."""

from __future__ import annotations

from tests.graph.recorder import ROOT, config_of, record
from tests.graph.test_program import RECORDED, lines_of
from topology.stack_file import stack_of

if __name__ == "__main__":
    archive = record(config_of("archive"), stack="archive")
    for path in sorted(ROOT.glob("Pulumi.*.yaml")):
        stack = stack_of(path)
        graph = record(config_of(stack), stack=stack, referenced=archive.outputs)
        (RECORDED / f"{stack}.txt").write_text("\n".join(lines_of(graph)) + "\n", encoding="utf-8")
