"""The Pulumi engine: from PATH, or built once from Go modules into the user's cache folder.

Prebuilt binaries cannot be downloaded on every machine. Go modules can; the ``go.sum`` files in this folder pin them.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from rich.console import Console

_HERE = Path(__file__).resolve().parent
_BINARIES = ("pulumi", "pulumi-language-python", "pulumi-language-python-exec")
# Two modules, since they need different versions of the SDK: in later ones, the language host is a separate module that
# the module proxy does not serve.
_TOOLS = {
    "cli": "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    "language": "github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python",
}
_SDK = "github.com/pulumi/pulumi/sdk/v3"


class EngineError(Exception):
    """There is no engine, and it cannot be built. The message says how to fix this."""


def folder(console: Console) -> Path:
    """Return the folder with the engine's binaries; build them if there are none.

    Args:
        console: shows the progress of a build.

    Raises:
        EngineError: neither an engine nor Go is on PATH, or the build failed.
    """
    if all(shutil.which(binary) for binary in _BINARIES):
        return Path(str(shutil.which("pulumi"))).parent
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "central-log-archive"
    built = cache / f"engine-{_fingerprint()}"
    if not built.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / "engine.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # one build at a time; the kernel releases it even if the build is killed
            if not built.is_dir():
                _build(built, console)
    return built


def _fingerprint() -> str:
    """Return a hash of the pinned modules, which identifies the build."""
    digest = hashlib.sha256()
    for module in sorted(_TOOLS):
        for file in ("go.mod", "go.sum"):
            digest.update((_HERE / module / file).read_bytes())
    return digest.hexdigest()[:12]


def _build(built: Path, console: Console) -> None:
    """Build into a temporary folder, and move it into place when it is complete."""
    if shutil.which("go") is None:
        raise EngineError(
            "neither Pulumi nor Go, which could build it, is on PATH: install Pulumi "
            "(https://www.pulumi.com/docs/install) or Go 1.26 (https://go.dev/dl), and run this command again"
        )
    with tempfile.TemporaryDirectory(dir=built.parent, prefix="build-") as temporary:
        work = Path(temporary)
        binaries = work / "bin"
        binaries.mkdir()
        for number, (module, tool) in enumerate(_TOOLS.items(), start=1):
            shutil.copytree(_HERE / module, work / module)
            with console.status(f"building the Pulumi engine, part {number} of {len(_TOOLS)}: minutes, only once"):
                _go(work / module, "build", "-mod=readonly", "-buildvcs=false", "-o", f"{binaries}/", tool)
        source = Path(_go(work / "language", "list", "-m", "-f", "{{.Dir}}", _SDK).strip())
        shutil.copy(source / "python/cmd/pulumi-language-python-exec", binaries)
        for binary in _BINARIES:
            (binaries / binary).chmod(0o755)
        binaries.rename(built)


def _go(module: Path, *arguments: str) -> str:
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off"}
    done = subprocess.run(["go", *arguments], cwd=module, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineError(f"go {arguments[0]} failed for {module.name}:\n{done.stderr.strip()[-2000:]}")
    return done.stdout
