"""Any Pulumi command against the sandbox, without ever writing to a stack file.

State in a folder is encrypted with a passphrase, and the engine writes the passphrase's salt into the stack's file when
it is missing. So the engine gets a copy of the file, with a salt, and the committed file stays as it is.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from sandbox.instance import Instance
from sandbox.server import ROOT

_PROJECT = "central-log-archive"
_SALT = "encryptionsalt: {salt}\n"
_WITH_CONFIG_FILE = {"destroy", "import", "preview", "refresh", "up", "update"}


class CommandError(Exception):
    """The command cannot be run as it was given. The text says how it can."""


def arguments_for(instance: Instance, arguments: list[str], environment: Mapping[str, str]) -> list[str]:
    """Make ready what a command presumes, and return the arguments to run the engine with.

    A stack that does not exist is made, locks of engines that are gone are removed, and ``--config-file`` names a copy.

    Args:
        instance: a running sandbox.
        arguments: of ``pulumi``, as they were given.
        environment: of the engine.

    Raises:
        CommandError: the command needs ``--stack`` or a config file, and there is none.
    """
    _remove_dead_locks(instance.state)
    stack, config_file, others = _split(arguments)
    if stack is not None:
        _ensure_stack(instance, stack, environment)
    if not _WITH_CONFIG_FILE & set(arguments):
        return arguments
    if stack is None:
        raise CommandError("say which stack: -s NAME")
    source = Path(config_file) if config_file else ROOT / f"Pulumi.{stack}.yaml"
    if not source.is_file():
        raise CommandError(f"there is no {source.name}; name the stack's config with --config-file FILE")
    copy = instance.folder / "config" / f"Pulumi.{stack}.yaml"
    copy.parent.mkdir(exist_ok=True)
    text = source.read_text(encoding="utf-8").rstrip("\n") + "\n"
    copy.write_text(text + _SALT.format(salt=_salt(instance, environment)), encoding="utf-8")
    return [*others, "--stack", stack, "--config-file", str(copy)]


def _split(arguments: list[str]) -> tuple[str | None, str | None, list[str]]:
    """Take the stack and the config file out of the arguments."""
    found: dict[str, str] = {}
    others, rest = [], iter(arguments)
    for argument in rest:
        flag, equals, value = argument.partition("=")
        name = {"-s": "stack", "--stack": "stack", "--config-file": "config-file"}.get(flag)
        if name is None:
            others.append(argument)
        else:
            found[name] = value if equals else next(rest, "")
    return found.get("stack"), found.get("config-file"), others


def _ensure_stack(instance: Instance, stack: str, environment: Mapping[str, str]) -> None:
    name = stack.rsplit("/", maxsplit=1)[-1]
    if (instance.state / ".pulumi" / "stacks" / _PROJECT / f"{name}.json").exists():
        return
    folder = _project(instance)
    (folder / f"Pulumi.{name}.yaml").write_text(_SALT.format(salt=_salt(instance, environment)), encoding="utf-8")
    _pulumi(folder, environment, "stack", "init", name, "--no-select")


def _salt(instance: Instance, environment: Mapping[str, str]) -> str:
    """Return a salt of the sandbox's passphrase; the engine makes it with a first stack, which is removed again."""
    file = instance.folder / "salt"
    if not file.exists():
        folder = _project(instance)
        stack = f"salt-{os.getpid()}"
        _pulumi(folder, environment, "stack", "init", stack, "--no-select")
        written = (folder / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
        _pulumi(folder, environment, "stack", "rm", stack, "--yes")
        own = file.with_suffix(f".{os.getpid()}")
        own.write_text(written.partition("encryptionsalt: ")[2].strip(), encoding="utf-8")
        with contextlib.suppress(FileExistsError):
            os.link(own, file)  # the first of several at once wins
        own.unlink()
    return file.read_text(encoding="utf-8")


def _project(instance: Instance) -> Path:
    """An empty project of the program's name, in which stacks can be made without touching the real one's files."""
    folder = instance.folder / "project"
    folder.mkdir(exist_ok=True)
    (folder / "Pulumi.yaml").write_text(f"name: {_PROJECT}\nruntime: python\n", encoding="utf-8")
    return folder


def _pulumi(folder: Path, environment: Mapping[str, str], *arguments: str) -> None:
    done = subprocess.run(
        ["pulumi", *arguments], cwd=folder, env=dict(environment), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CommandError(f"pulumi {' '.join(arguments)} failed:\n{(done.stderr or done.stdout).strip()}")


def _remove_dead_locks(state: Path) -> None:
    """A killed engine leaves its lock behind, and the next would wait for it in vain."""
    for lock in state.glob(".pulumi/locks/**/*.json"):
        with contextlib.suppress(FileNotFoundError, ValueError, KeyError):
            if not Path(f"/proc/{json.loads(lock.read_text(encoding='utf-8'))['pid']}").exists():
                lock.unlink()
