"""Resource types of AWS Lambda."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from typing import ClassVar

import pulumi
import pulumi_aws as sdk

from sandbox.plugin.aws import Aws, AwsError, Values
from sandbox.plugin.resource_type import ResourceType
from sandbox.server import ROOT


class Function(ResourceType):
    service, arguments = "lambda", sdk.lambda_.FunctionArgs
    inputs = frozenset({
        "architectures", "code", "deadLetterConfig", "description", "environment", "handler", "loggingConfig",
        "memorySize", "name", "role", "runtime", "tags", "timeout",
    })  # fmt: skip
    computed = frozenset({"arn", "codeSha256"})
    identity, named_by = ("name",), "name"
    aws_names: ClassVar = {"arn": "functionArn", "name": "functionName"}
    create_operation, read_operation, delete_operation = "create_function", "get_function", "delete_function"

    # Always sent: what an update leaves out stays as it was.
    _DEFAULTS: ClassVar = {
        "architectures": ["x86_64"], "deadLetterConfig": {"targetArn": ""}, "description": "",
        "environment": {"variables": {}}, "loggingConfig": {}, "memorySize": 128, "timeout": 3,
    }  # fmt: skip

    def find(self, aws: Aws, resource_id: str) -> Values | None:
        function = super().find(aws, resource_id)
        if function is not None:  # the official plugin reads these too
            aws.call("lambda", "list_versions_by_function", functionName=resource_id)
            aws.find("lambda", "get_function_code_signing_config", functionName=resource_id)
        return function

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        parameters = self.parameters(inputs)
        code, architectures = parameters.pop("code"), parameters.pop("architectures")
        aws.call("lambda", "update_function_configuration", functionName=resource_id, **parameters)
        aws.call("lambda", "update_function_code", functionName=resource_id, architectures=architectures, **code)

    def tag_address(self, state: Values) -> Values:
        return {"resource": state["arn"]}

    def parameters(self, inputs: Values) -> Values:
        return {**self._DEFAULTS, **super().parameters(inputs), "code": {"zipFile": _zip(inputs["code"])}}

    def properties(self, found: Values) -> Values:
        function = self.renamed(found["configuration"])
        return {"description": "", "environment": {"variables": {}}, **function, "tagsAll": found.get("tags", {})}


class Permission(ResourceType):
    service, arguments = "lambda", sdk.lambda_.PermissionArgs
    inputs = immutable = frozenset({"action", "function", "principal", "sourceArn", "statementId"})
    identity, separator = ("function", "statementId"), "/"
    aws_names: ClassVar = {"function": "functionName"}
    create_operation, delete_operation = "add_permission", "remove_permission"

    def find(self, aws: Aws, resource_id: str) -> Values | None:
        identity = self.identify(resource_id)
        found = aws.find("lambda", "get_policy", functionName=identity["function"])
        for statement in json.loads(found["policy"])["Statement"] if found else ():
            if statement["Sid"] == identity["statementId"]:
                return identity | {
                    "action": statement["Action"],
                    "principal": statement["Principal"]["Service"],
                    "sourceArn": statement["Condition"]["ArnLike"]["AWS:SourceArn"],
                }
        return None


class Invocation(ResourceType):
    """Runs a function when the resource is created, updated and deleted (``lifecycleScope: CRUD``)."""

    service, arguments = "lambda", sdk.lambda_.InvocationArgs
    inputs = frozenset({"functionName", "input", "lifecycleScope"})
    computed = frozenset({"result"})
    immutable = frozenset({"functionName", "lifecycleScope"})
    identity = ()  # the ID has a hash of the input, which changes in place

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        _invoke(aws, inputs, "create")
        return f"{inputs['functionName']}_$LATEST_{hashlib.md5(inputs['input'].encode()).hexdigest()}"  # noqa: S324 - an ID

    def find(self, aws: Aws, resource_id: str) -> Values | None:
        """Return nothing: a run cannot be read, and counts as unchanged."""
        return {}

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        _invoke(aws, inputs, "update")

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        _invoke(aws, state, "delete")


def _invoke(aws: Aws, inputs: Values, action: str) -> None:
    event = {**json.loads(inputs["input"]), "tf": {"action": action}}
    name = inputs["functionName"]
    # The official plugin always sends a qualifier.
    response = aws.call("lambda", "invoke", functionName=name, qualifier="$LATEST", payload=json.dumps(event).encode())
    if "functionError" in response:
        raise AwsError(f"Lambda function ({name}) returned error: {response['payload'].read().decode()}")


def _zip(code: pulumi.Archive) -> bytes:
    """Pack an archive; the same files give the same bytes. Paths are relative to the project's root."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in sorted(_files(code).items()):
            archive.writestr(zipfile.ZipInfo(name), content)
    return packed.getvalue()


def _files(code: pulumi.Archive) -> dict[str, bytes]:
    if isinstance(code, pulumi.FileArchive):
        folder = ROOT / code.path
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    if isinstance(code, pulumi.AssetArchive):
        return {name: _read(asset) for name, asset in code.assets.items()}
    raise NotImplementedError(f"the sandbox's plugin packs FileArchive and AssetArchive, not {type(code).__name__}")


def _read(asset: pulumi.Asset | pulumi.Archive) -> bytes:
    match asset:
        case pulumi.FileAsset():
            return (ROOT / asset.path).read_bytes()
        case pulumi.StringAsset():
            return asset.text.encode()
    raise NotImplementedError(f"the sandbox's plugin packs FileAsset and StringAsset, not {type(asset).__name__}")
