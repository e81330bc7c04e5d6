"""Runs the program against a monitor that records every registration as the engine would see it.

Unlike plain mocks, it sees the parent, provider and options of each resource. It does not emulate AWS or the engine:
values that AWS computes are invented in AWS's format, and dependencies are recorded but not followed.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import os
import runpy
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import grpc
from pulumi.runtime import MockResourceArgs, Mocks, rpc, run_in_stack
from pulumi.runtime.mocks import MockCallArgs, MockEngine, MockMonitor
from pulumi.runtime.settings import Settings, configure

from accounts.inventory import Subscription
from topology.patterns import CANARIES
from topology.regions import PARTITIONS
from topology.settings import Application

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "central-log-archive"

# Formats of ARNs; {account} and {region} are those of the resource's provider.
_ARNS = {
    "aws:s3/bucket:Bucket": "arn:{partition}:s3:::{name}",
    "aws:athena/workgroup:Workgroup": "arn:{partition}:athena:{region}:{account}:workgroup/{name}",
    "aws:lambda/function:Function": "arn:{partition}:lambda:{region}:{account}:function:{name}",
    "aws:cloudwatch/dashboard:Dashboard": "arn:{partition}:cloudwatch::{account}:dashboard/{name}",
    "aws:cloudwatch/eventRule:EventRule": "arn:{partition}:events:{region}:{account}:rule/{name}",
    "aws:sqs/queue:Queue": "arn:{partition}:sqs:{region}:{account}:{name}",
    "aws:sns/topic:Topic": "arn:{partition}:sns:{region}:{account}:{name}",
    "aws:kms/key:Key": "arn:{partition}:kms:{region}:{account}:key/{name}",
    "aws:iam/role:Role": "arn:{partition}:iam::{account}:role/{name}",
    "aws:cloudwatch/logGroup:LogGroup": "arn:{partition}:logs:{region}:{account}:log-group:{name}",
    "aws:cloudwatch/logStream:LogStream": (
        "arn:{partition}:logs:{region}:{account}:log-group:{group}:log-stream:{name}"
    ),
    "aws:cloudwatch/logDestination:LogDestination": "arn:{partition}:logs:{region}:{account}:destination:{name}",
    "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream": (
        "arn:{partition}:firehose:{region}:{account}:deliverystream/{name}"
    ),
}


@dataclass(frozen=True)
class Region:
    """The existing log groups and subscriptions of an account and region.

    Attributes:
        log_groups: log group → class.
        filters: log group → its subscription filters.
        policies: account policies that subscribe log groups.
        denied: actions that the deployer role is not allowed.
    """

    log_groups: Mapping[str, str]
    filters: Mapping[str, list[Subscription]] = field(default_factory=dict)
    policies: list[Subscription] = field(default_factory=list)
    denied: tuple[str, ...] = ()


def standard(*names: str) -> Region:
    """Return log groups of the class that supports subscription filters."""
    return Region(dict.fromkeys(names, "STANDARD"))


Regions = Mapping[tuple[str, str], Region]
"""Account and region → what exists there."""


class _Inventory:
    """Stands in for the program's inventory, which reads AWS."""

    def __init__(self, existing: Callable[[], Regions], application: Application) -> None:
        self._existing = {region: existing()[application.account, region] for region in application.regions}

    def log_groups(self, region: str) -> Mapping[str, str]:
        return self._existing[region].log_groups

    def filters(self, region: str, log_group: str) -> list[Subscription]:
        return self._existing[region].filters.get(log_group, [])

    def policies(self, region: str) -> list[Subscription]:
        return self._existing[region].policies

    def denied(self, action: str, resources: Iterable[str]) -> list[str]:
        return [arn for arn in resources if any(action in region.denied for region in self._existing.values())]


class _Role:
    """Stands in for an assumed role, which reads the policies of given keys, the sender role, and no stream."""

    def __init__(self, *_: str) -> None:
        pass

    def client(self, service: str, _: str) -> Any:  # noqa: ANN401 - boto3
        assert service in ("firehose", "iam", "kms")
        if service == "firehose":
            return SimpleNamespace(
                describe_delivery_stream=_raise_key_error,
                exceptions=SimpleNamespace(ResourceNotFoundException=KeyError),
            )
        return SimpleNamespace(
            get_key_policy=lambda **_: {"Policy": "{}"},
            get_role=lambda **_: {"Role": {}},
            exceptions=SimpleNamespace(NoSuchEntityException=KeyError),
        )


def _raise_key_error(**parameters: str) -> None:
    raise KeyError(*parameters.values())


@dataclass(frozen=True)
class Resource:
    """A registered resource."""

    type: str
    name: str
    urn: str
    parent: str
    provider: str
    inputs: dict[str, Any]
    dependencies: frozenset[str]
    protect: bool
    retain_on_delete: bool
    delete_before_replace: bool
    replace_on_changes: list[str]


@dataclass
class Graph:
    """Everything that a program registered, and the outputs of its stack."""

    resources: list[Resource] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

    def of_type(self, suffix: str) -> list[Resource]:
        """Return the resources whose type token ends with ``:suffix``."""
        return [resource for resource in self.resources if resource.type.endswith(f":{suffix}")]

    def one(self, suffix: str) -> Resource:
        """Return the only resource of a type."""
        (resource,) = self.of_type(suffix)
        return resource

    def filters(self) -> list[Resource]:
        """Return the subscription filters, without those of the canaries."""
        return [f for f in self.of_type("LogSubscriptionFilter") if f.inputs["logGroup"] not in CANARIES]

    def provider_of(self, resource: Resource) -> Resource:
        """Return the explicit provider of a resource."""
        (provider,) = [p for p in self.of_type("aws") if p.urn == resource.provider]
        return provider

    def place_of(self, resource: Resource) -> tuple[str, str]:
        """Return account and region of a resource's provider."""
        return _place(self.provider_of(resource))


class _Computed(Mocks):
    """Gives resources the values that AWS would compute."""

    def __init__(self, graph: Graph, referenced: Mapping[str, Any], bucket_policy: str | None) -> None:
        self._graph = graph
        self._referenced = referenced
        self._bucket_policy = bucket_policy

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        if args.typ == "pulumi:pulumi:StackReference":
            return args.name, {"name": args.name, "outputs": dict(self._referenced), "secretOutputNames": []}
        state = {"name": f"{args.name}-1234567", **args.inputs}
        if args.typ == "aws:s3/bucket:Bucket":
            state = {"bucket": state["name"], **state}
        if args.resource_id:  # it is read
            state["name"] = args.resource_id
        if args.typ in _ARNS:
            (provider,) = [p for p in self._graph.of_type("aws") if p.urn == (args.provider or "").rpartition("::")[0]]
            account, region = _place(provider)
            name = state.get("dashboardName", state["name"])
            arn = _ARNS[args.typ].format(
                partition=PARTITIONS[region],
                account=account,
                region=region,
                name=name,
                group=state.get("logGroupName"),
            )
            state["dashboardArn" if "dashboardName" in state else "arn"] = arn
        return args.resource_id or f"{args.name}-id", state

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        match args.token:
            case "pulumi:pulumi:readStackOutputs":
                return {"name": args.args["name"], "outputs": dict(self._referenced)}, []
            case "aws:cloudcontrol/getResource:getResource":
                return {**args.args, "properties": json.dumps(BARE_BUCKET)}, []
            case "aws:s3/getBucketPolicy:getBucketPolicy" if self._bucket_policy is not None:
                return {**args.args, "policy": self._bucket_policy}, []
            case "aws:s3/getBucketPolicy:getBucketPolicy":
                raise _EngineError("NoSuchBucketPolicy: The bucket policy does not exist")
        raise AssertionError(f"the program called {args.token}")


class _EngineError(grpc.RpcError):  # type: ignore[misc] # grpc has no types
    """The engine's response if a function fails."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return str(self)


BARE_BUCKET: Mapping[str, Any] = {"BucketName": "existing-bucket"}
"""Properties of an existing bucket that lacks everything."""


class _Recorder(MockMonitor):
    def __init__(self, graph: Graph, referenced: Mapping[str, Any], bucket_policy: str | None) -> None:
        super().__init__(_Computed(graph, referenced, bucket_policy))
        self._graph = graph

    def Invoke(self, request: Any) -> Any:  # noqa: ANN401, N802 - the monitor's own signature
        with _event_loop():
            return super().Invoke(request)  # type: ignore[no-untyped-call] # not typed in the SDK

    def ReadResource(self, request: Any) -> Any:  # noqa: ANN401, N802 - as above
        with _event_loop():
            response = super().ReadResource(request)  # type: ignore[no-untyped-call] # as above
        if request.type != "pulumi:pulumi:StackReference":
            self._graph.resources.append(
                Resource(
                    type=request.type,
                    name=request.name,
                    urn=response.urn,
                    parent=request.parent,
                    provider=request.provider.rpartition("::")[0],
                    inputs={"id": request.id},
                    dependencies=frozenset(request.dependencies),
                    protect=False,
                    retain_on_delete=False,
                    delete_before_replace=False,
                    replace_on_changes=[],
                )
            )
        return response

    def RegisterResource(self, request: Any) -> Any:  # noqa: ANN401, N802 - as above
        with _event_loop():
            response = super().RegisterResource(request)  # type: ignore[no-untyped-call] # as above
        if request.type != "pulumi:pulumi:Stack":
            self._graph.resources.append(
                Resource(
                    type=request.type,
                    name=request.name,
                    urn=response.urn,
                    parent=request.parent,
                    provider=request.provider.rpartition("::")[0],
                    inputs=rpc.deserialize_properties(request.object),
                    dependencies=frozenset(request.dependencies),
                    protect=request.protect,
                    retain_on_delete=request.retainOnDelete,
                    delete_before_replace=request.deleteBeforeReplace,
                    replace_on_changes=list(request.replaceOnChanges),
                )
            )
        return response

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: ANN401, N802 - as above
        if request.urn.split("::")[2] == "pulumi:pulumi:Stack":
            self._graph.outputs = rpc.deserialize_properties(request.outputs)
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call] # as above


@contextmanager
def _event_loop() -> Iterator[None]:
    """Give a worker thread the event loop that the SDK would otherwise create there and never close."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def record(
    config: Mapping[str, Any],
    *,
    stack: str = "test",
    referenced: Mapping[str, Any] | None = None,
    existing: Regions | None = None,
    environment: Mapping[str, str] | None = None,
    bucket_policy: str | None = None,
    into: Graph | None = None,
) -> Graph:
    """Run ``__main__.py`` with a stack's config, and return what it registered.

    Args:
        config: values by the keys of the project's namespace, as plain data.
        stack: name of the stack.
        referenced: outputs of the stack that the program references, another one or its own.
        existing: what exists in the accounts; None: the log groups in the config.
        environment: further environment variables.
        bucket_policy: the policy that the archive's bucket has now; None: none.
        into: where to record; also contains what a rejected program registered.

    Raises:
        pulumi.RunError: the program rejects the config.
    """
    graph = into or Graph()
    texts = {
        f"{PROJECT}:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in config.items()
    }
    variables = {"PULUMI_CONFIG": json.dumps(texts), **(environment or {})}

    def run() -> None:
        configure(
            Settings(
                project=PROJECT,
                stack=stack,
                organization="organization",
                monitor=_Recorder(graph, referenced or {}, bucket_policy),
                engine=MockEngine(None),
                dry_run=True,
            )
        )
        asyncio.run(_run())

    def inventory(application: Application, _: str) -> _Inventory:
        return _Inventory(lambda: existing or named(config), application)

    with (
        mock.patch.dict(os.environ, {"AWS_ENDPOINT_URL": "", **variables}),
        mock.patch("accounts.log_groups.Inventory", inventory),
        mock.patch("accounts.keys.AssumedRole", _Role),
        mock.patch("accounts.sender_role.AssumedRole", _Role),
        mock.patch("accounts.stream.AssumedRole", _Role),
        mock.patch("accounts.sender_role.sender_role_problems", return_value=[]),
        mock.patch("accounts.replication_role.check_replication_role"),
    ):
        contextvars.copy_context().run(run)  # the SDK keeps its state in context variables
    return graph


def named(config: Mapping[str, Any]) -> Regions:
    """Return the log groups in a config, and one for each pattern, as existing."""

    def name(entry: Any) -> str:  # noqa: ANN401 - a name, or an object with a name
        return str(entry["name"] if isinstance(entry, dict) else entry).replace("*", "1")

    archive = config.get("archive", {})
    own = {(archive["account"], archive["region"]): archive["ownLogGroups"]} if "ownLogGroups" in archive else {}
    applications = {
        (application["account"], region): groups.get("logGroups", [])
        for application in config.get("applications", [])
        for region, groups in application["regions"].items()
    }
    return {place: standard(*map(name, entries)) for place, entries in (own | applications).items()}


async def _run() -> None:
    """Run the program. An error is raised once: the outputs that depend on it need not report it, as they would."""
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    await run_in_stack(_program)


def _program() -> None:
    runpy.run_path(str(ROOT / "__main__.py"))


def _place(provider: Resource) -> tuple[str, str]:
    return json.loads(provider.inputs["allowedAccountIds"])[0], provider.inputs["region"]
