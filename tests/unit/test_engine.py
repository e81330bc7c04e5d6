"""Where the Pulumi engine comes from."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from sandbox import engine


def test_the_error_without_pulumi_and_go_says_how_to_install_either(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(engine.EngineError, match=r"install Pulumi \(https://.*\), or install Go 1\.26 \(https://.*\)"):
        engine.folder(Console())
    assert list((tmp_path / "central-log-archive").glob("engine-*")) == []


def test_an_engine_on_path_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for binary in ("pulumi", "pulumi-language-python", "pulumi-language-python-exec"):
        (tmp_path / binary).write_text("#!/bin/sh\n")
        (tmp_path / binary).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert engine.folder(Console()) == tmp_path
