"""Programs that are built once from pinned Go modules, into the user's cache folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path


class BuildError(Exception):
    """A program cannot be built. The message says how to fix this."""


def built(name: str, modules: list[Path], build: Callable[[Path, Path], None]) -> Path:
    """Return the folder with what was built from modules; build it if it is not in the cache.

    Args:
        name: what the folder in the cache begins with.
        modules: folders with ``go.mod``, ``go.sum`` and perhaps a program. If a file changes, they are built again.
        build: builds from copies of the modules in its first argument, a folder, into its second.

    Raises:
        BuildError: Go is not on PATH, or the build failed.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "central-log-archive"
    folder = cache / f"{name}-{_fingerprint(modules)}"
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # one build at a time; the kernel releases it even if the build is killed
            if not folder.is_dir():
                _build(folder, modules, build)
    return folder


def go(module: Path, *arguments: str) -> str:
    """Run a Go command in a module; return what it prints.

    Raises:
        BuildError: the command failed.
    """
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off"}
    done = subprocess.run(["go", *arguments], cwd=module, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"mend this: go {arguments[0]} failed for {module.name}:\n{done.stderr.strip()[-2000:]}")
    return done.stdout


def _fingerprint(modules: list[Path]) -> str:
    """Return a hash of the modules, which identifies the build."""
    digest = hashlib.sha256()
    for module in sorted(modules):
        for file in sorted(module.iterdir()):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _build(folder: Path, modules: list[Path], build: Callable[[Path, Path], None]) -> None:
    """Build into a temporary folder, and move it into place when it is complete."""
    if shutil.which("go") is None:
        raise BuildError("install Go 1.26 (https://go.dev/dl), and run this command again")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="build-") as temporary:
        work = Path(temporary)
        binaries = work / "bin"
        binaries.mkdir()
        for module in modules:
            shutil.copytree(module, work / module.name)
        build(work, binaries)
        binaries.rename(folder)
