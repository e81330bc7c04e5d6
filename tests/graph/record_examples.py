"""Write the graphs of the tests' stacks to ``recorded/``: run it when a rename is meant, and read the difference."""

from __future__ import annotations

from tests.graph.recorder import record
from tests.graph.test_program import RECORDED, STACKS, graph_of, lines_of
from tests.stacks import config_of

if __name__ == "__main__":
    archive = record(config_of("archive"), stack="archive")
    for name in STACKS:
        (RECORDED / f"{name}.txt").write_text("\n".join(lines_of(graph_of(name, archive))) + "\n", encoding="utf-8")
