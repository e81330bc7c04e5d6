"""Any Pulumi command on the sandbox, without writing to the project or to a stack file.

The engine writes into the files beside the program: ``stack init`` makes a stack file, ``stack rm`` deletes one, and
any update adds the salt of the passphrase that encrypts state in a folder. So commands that run the program get a copy
of the stack file, and all others run in a project of the sandbox's own.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from sandbox.instance import ENCRYPTION_SALT, Instance
from sandbox.server import ROOT
from topology.stack_file import NAMESPACE, file_name

_PROJECT = "central-log-archive"
_SALT = f"encryptionsalt: {ENCRYPTION_SALT}\n"
_RUN_THE_PROGRAM = {"destroy", "dn", "down", "import", "pre", "preview", "refresh", "up", "update", "watch"}
_READ_CONFIG = {"", "get"}
_NEW_STACK = {"create", "init", "new", "setup"}
_GLOBAL_FLAGS_WITH_VALUE = {"-C", "--color", "--cwd", "--otel-traces", "--profiling", "--tracing", "-v", "--verbose"}

# What the engine keeps in a stack file beside the config: how a real backend encrypts state, and environments of
# Pulumi Cloud. The sandbox has neither.
_ENGINE_KEYS = re.compile(
    r"^(?:encryptedkey|encryptionsalt|environment|secretsprovider):.*\n(?:(?:[ \t#-].*)?\r?\n)*", re.MULTILINE
)
_FULL_NAME = re.compile(rf"""^(\s+{NAMESPACE}archiveStack:\s*["']?)[^\s"'#]+/""", re.MULTILINE)


class CommandError(Exception):
    """The command cannot run as given. The text says how it can."""


def arguments_for(
    instance: Instance, arguments: list[str], environment: Mapping[str, str], folder: Path = ROOT
) -> list[str]:
    """Make ready what a command requires, and return the arguments to run the engine with.

    A stack that does not exist is made, and locks of engines that are gone are removed.

    Args:
        instance: a running sandbox.
        arguments: of ``pulumi``, as given.
        environment: of the engine.
        folder: where stack files are.

    Raises:
        CommandError: the command needs ``--stack`` or a stack file and there is none, or it would write a stack file.
    """
    _remove_dead_locks(instance.state)
    if {"-h", "--help"} & set(arguments):
        return arguments
    stack, config_file, others = _split(arguments)
    words = _words(others)
    command, subcommand = next(words, ""), next(words, "")
    if stack is not None and not (command == "stack" and subcommand in _NEW_STACK):
        _ensure_stack(instance, stack, environment)
    elsewhere = ["-C", str(_project(instance))]
    if command in _RUN_THE_PROGRAM or command == "config":
        if stack is None:
            raise CommandError("name the stack: -s NAME")
        source = Path(config_file) if config_file else folder / file_name(stack)
        if command == "config" and subcommand not in _READ_CONFIG:
            raise CommandError(f"the sandbox never writes to a stack file; edit {source} instead")
        copy = _copy(instance, source, stack)
        where = elsewhere if command == "config" else []
        return [*where, *others, "--stack", stack, "--config-file", str(copy)]
    return [*elsewhere, *_with_absolute_file(arguments)]


def _copy(instance: Instance, source: Path, stack: str) -> Path:
    """Copy a stack file to where the engine may write, with the sandbox's salt and references to its own stacks."""
    if not source.is_file():
        raise CommandError(f"there is no {source.name}; name the stack's config with --config-file FILE")
    copy = instance.folder / "config" / file_name(stack)
    copy.parent.mkdir(exist_ok=True)
    text = _ENGINE_KEYS.sub("", source.read_text(encoding="utf-8").rstrip("\n") + "\n")
    text = _FULL_NAME.sub(r"\1", text)
    copy.write_text(f"{text}{_SALT}", encoding="utf-8")
    return copy


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


def _words(arguments: list[str]) -> Iterator[str]:
    """Yield what is neither a flag nor the value of one that may precede the command."""
    rest = iter(arguments)
    for argument in rest:
        if argument in _GLOBAL_FLAGS_WITH_VALUE:
            next(rest, None)
        elif not argument.startswith("-"):
            yield argument


def _with_absolute_file(arguments: list[str]) -> list[str]:
    """Return arguments whose ``--file`` means the same file from any folder."""
    absolute = []
    for before, argument in zip(["", *arguments], arguments, strict=False):
        flag, equals, value = argument.partition("=")
        if before == "--file":
            absolute.append(str(Path(argument).resolve()))
        elif flag == "--file" and equals:
            absolute.append(f"{flag}={Path(value).resolve()}")
        else:
            absolute.append(argument)
    return absolute


def _ensure_stack(instance: Instance, stack: str, environment: Mapping[str, str]) -> None:
    name = stack.rsplit("/", maxsplit=1)[-1]
    if (instance.state / ".pulumi" / "stacks" / _PROJECT / f"{name}.json").exists():
        return
    folder = _project(instance)
    (folder / file_name(name)).write_text(_SALT, encoding="utf-8")
    _pulumi(folder, environment, "stack", "init", name, "--no-select")


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
