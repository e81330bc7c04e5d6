"""AWS, the Pulumi CLI and time, as far as commands use them: no network, no engine, no waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache, partial
from types import SimpleNamespace
from typing import Any, ClassVar

import boto3
from botocore.model import OperationModel
from botocore.validate import validate_parameters
from pulumi import automation

from accounts.inventory import Subscription

_BOTO = boto3.Session()
_KEYS = {"aws_access_key_id": "key-of-assumed-role", "aws_secret_access_key": "secret"}


@dataclass(frozen=True)
class Refusal:
    """An answer that is an error."""

    code: str
    message: str = "no"


Parameters = Mapping[str, Any]
Answer = Mapping[str, Any] | Refusal | Callable[[Parameters], "Mapping[str, Any] | Refusal"]
Question = tuple[str, str, str]
"""Account, region and operation."""


@dataclass
class Aws:
    """AWS, as a table of answers. The clients are those of boto3: they check parameters and raise their own errors.

    Every role can be assumed, unless AssumeRole has another answer.

    Attributes:
        answers: question → answer. A question without an answer is a mistake of the test, or of the code.
        calls: the questions, in their order, with their parameters.
    """

    answers: dict[Question, Answer] = field(default_factory=dict)
    calls: list[tuple[Question, Parameters]] = field(default_factory=list)
    latest: ClassVar[Aws]

    def __post_init__(self) -> None:
        Aws.latest = self

    def client(self, service: str, *, region_name: str, config: object, **keys: str) -> Any:  # noqa: ANN401, ARG002
        """Return a client, as ``boto3.Session.client`` does."""
        role = keys.pop("aws_session_token", "")
        assert keys == (_KEYS if role else {})
        return _client(service, region_name, role)

    def asked(self, operation: str) -> list[Parameters]:
        """Return the parameters of all calls of an operation."""
        return [parameters for question, parameters in self.calls if question[2] == operation]

    def assumed(self) -> list[tuple[str, str, str]]:
        """Return all roles that were assumed: ARN, region of the STS that was asked, and name of the session."""
        return [
            (parameters["RoleArn"], question[1], parameters["RoleSessionName"])
            for question, parameters in self.calls
            if question[2] == "AssumeRole"
        ]

    def answer(self, question: Question, parameters: Parameters) -> Mapping[str, Any] | Refusal:
        """Return what AWS answers to a call."""
        self.calls.append((question, parameters))
        answer = self.answers.get(question, _assume if question[2] == "AssumeRole" else None)
        assert answer is not None, f"no answer to {question}"
        return answer(parameters) if callable(answer) else answer


@cache
def _client(service: str, region: str, role: str) -> Any:  # noqa: ANN401 - boto3 has no types
    """Return a client that asks the latest ``Aws``. It takes long to make, so tests share it."""
    client = _BOTO.client(service, region_name=region, **_KEYS)
    client.meta.events.register("before-parameter-build", _remember)
    client.meta.events.register("before-call", partial(_answer, role=role, region=region))
    return client


def _remember(params: Parameters, context: dict[str, Any], **_: object) -> None:
    context["given"] = dict(params)


def _answer(
    model: OperationModel, context: Mapping[str, Any], *, role: str, region: str, **_: object
) -> tuple[object, Mapping[str, Any]]:
    """Answer instead of the network. This is what botocore's own Stubber does."""
    parameters = context["given"]
    account = (role or parameters["RoleArn"]).split(":")[4]
    answer = Aws.latest.answer((account, region, model.name), parameters)
    if isinstance(answer, Refusal):
        return SimpleNamespace(status_code=400), {"Error": {"Code": answer.code, "Message": answer.message}}
    if model.output_shape:
        validate_parameters(answer, model.output_shape)
    return SimpleNamespace(status_code=200), answer


def _assume(parameters: Parameters) -> Mapping[str, Any]:
    key, secret = _KEYS.values()
    given = {"AccessKeyId": key, "SecretAccessKey": secret, "SessionToken": parameters["RoleArn"]}
    return {"Credentials": {**given, "Expiration": datetime(2030, 1, 1, tzinfo=UTC)}}


def paged(key: str, items: Sequence[Mapping[str, Any]]) -> Answer:
    """Answer with items, one on a page."""

    def answer(parameters: Parameters) -> dict[str, Any]:
        start = int(parameters.get("nextToken", 0))
        more = {"nextToken": str(start + 1)} if start + 1 < len(items) else {}
        return {key: items[start : start + 1], **more}

    return answer


def log_groups(*names: str, **classes: str) -> Answer:
    """Answer DescribeLogGroups: names, and names with a class."""
    named = [{"logGroupName": name} for name in names]
    return paged("logGroups", named + [{"logGroupName": name, "logGroupClass": each} for name, each in classes.items()])


def filters(**by_group: Sequence[Subscription]) -> Answer:
    """Answer DescribeSubscriptionFilters: log group → its filters."""

    def answer(parameters: Parameters) -> dict[str, Any]:
        return {
            "subscriptionFilters": [
                {"filterName": each.name, "destinationArn": each.destination, "filterPattern": each.filter_pattern,
                 **({"roleArn": each.role} if each.role else {})}
                for each in by_group.get(parameters["logGroupName"], ())
            ]
        }  # fmt: skip

    return answer


@dataclass
class Clock:
    """Stands in for the module ``time`` and the class ``datetime``: time passes only in ``sleep``."""

    moment: datetime
    sleeps: list[float] = field(default_factory=list)

    def now(self, zone: tzinfo | None) -> datetime:
        assert zone is UTC
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def time_ns(self) -> int:
        return int(self.moment.timestamp() * 10**9)

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.sleeps.append(seconds)
        self.moment += timedelta(seconds=seconds)


def failed(message: str) -> automation.CommandError:
    """Return the error of a command of Pulumi that failed."""
    return automation.CommandError(automation.CommandResult("", message, 255))


@dataclass
class Pulumi:
    """The Pulumi CLI. It stands in for ``automation.LocalWorkspace`` and ``automation.select_stack``.

    Attributes:
        folder: folder of the project; there are no others.
        histories: stack → its updates, latest first; a stack without is none.
        outputs: stack → its outputs.
        command: runs a command with its arguments, and yields the lines that it prints.
        update: updates a stack, and yields the lines that the engine prints.
        done: stacks that were updated, with the message of the update.
    """

    folder: str
    histories: dict[str, list[automation.UpdateSummary]] = field(default_factory=dict)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    command: Callable[[list[str]], Iterable[str]] = lambda _: ()
    update: Callable[[str], Iterable[str]] = lambda _: ()
    done: list[tuple[str, str]] = field(default_factory=list)

    def workspace(self, *, work_dir: str) -> Any:  # noqa: ANN401 - what commands use of a LocalWorkspace
        assert work_dir == self.folder
        return SimpleNamespace(stack_outputs=self._stack_outputs, pulumi_command=SimpleNamespace(run=self._run))

    def select_stack(self, stack: str, *, work_dir: str) -> Any:  # noqa: ANN401 - what commands use of a Stack
        assert work_dir == self.folder
        if stack not in self.histories:
            raise automation.StackNotFoundError(automation.CommandResult("", "", 255))
        return SimpleNamespace(history=partial(self._history, stack), up=partial(self._up, stack))

    def _stack_outputs(self, stack: str) -> dict[str, automation.OutputValue]:
        if stack not in self.outputs:
            raise failed(f"no stack named '{stack}' found")
        return {name: automation.OutputValue(value, secret=False) for name, value in self.outputs[stack].items()}

    def _run(
        self, arguments: list[str], folder: str, environment: Mapping[str, str],
        on_output: Callable[[str], object] = lambda _: None,
    ) -> None:  # fmt: skip
        assert (folder, environment) == (self.folder, {})
        for line in self.command(arguments):
            on_output(line)

    def _history(self, stack: str, *, show_secrets: bool) -> list[automation.UpdateSummary]:
        assert not show_secrets  # they would need the passphrase
        return self.histories[stack]

    def _up(
        self, stack: str, *, message: str, policy_packs: list[str], on_output: Callable[[str], object], color: str
    ) -> None:
        assert (policy_packs, color) == ([f"{self.folder}/policy"], "never")
        for line in self.update(stack):
            on_output(line)
        self.done.append((stack, message))
