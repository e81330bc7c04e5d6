"""The Pulumi engine: from PATH, or built once from Go modules into the user's cache folder.

Prebuilt binaries cannot be downloaded on every machine. Go modules can; the ``go.sum`` files in this folder pin them.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from rich.console import Console

from sandbox.go_modules import BuildError, built, go

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

    def build(work: Path, binaries: Path) -> None:
        for number, (module, tool) in enumerate(_TOOLS.items(), start=1):
            with console.status(f"building the Pulumi engine, part {number} of {len(_TOOLS)}: minutes, only once"):
                go(work / module, "build", "-mod=readonly", "-buildvcs=false", "-o", f"{binaries}/", tool)
        source = Path(go(work / "language", "list", "-m", "-f", "{{.Dir}}", _SDK).strip())
        # The sandbox's own takes its place, and runs it.
        shutil.copy(source / "python/cmd/pulumi-language-python-exec", binaries / "pulumi-language-python-exec.py")
        shutil.copy(work / "language/pulumi-language-python-exec", binaries)
        for binary in _BINARIES:
            (binaries / binary).chmod(0o755)

    try:
        return built("engine", [_HERE / module for module in _TOOLS], build)
    except BuildError as error:
        install = "install Pulumi (https://www.pulumi.com/docs/install)"
        raise EngineError(f"Pulumi is not on PATH, and it cannot be built: {install}, or {error}") from error
