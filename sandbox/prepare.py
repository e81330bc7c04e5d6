"""Make in the cloud what stack files presume: deployer roles, log groups, and what they say exists already."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from sandbox.instance import MANAGEMENT_ACCOUNT, ask, root_client
from sandbox.server import ROOT
from topology import stacks
from topology.patterns import entries_of
from topology.regions import PARTITIONS
from topology.roles import GRANTS, grants
from topology.settings import Application, Archive, RegionLogGroups, Replica, Settings
from topology.stack_file import file_name, read

_STACK = "central-log-archive"
_TRUSTED = f"arn:aws:iam::{MANAGEMENT_ACCOUNT}:root"
_POLLING = {"Delay": 0.05, "MaxAttempts": 1200}
_BUNDLED_TRANSFORM = ROOT / "functions/transform/handler.py"
_GROUPS_OF_A_PATTERN = 2
_WORDS = ("sandbox-1", "sandbox-2", "sandbox", "a", "b", "")
"""What takes the place of ``*`` in a pattern. There are several since ``exclude``, or another pattern, may match."""


class PrepareError(Exception):
    """A stack file is not enough by itself. The text says what else is needed."""


@dataclass(frozen=True)
class Prepared:
    """What there is now in one account and region: the role, and how many log groups were made or existed."""

    account: str
    role: str
    region: str
    made: int
    present: int


def prepare(
    files: Iterable[Path], environment: Mapping[str, str], on_skip: Callable[[str], object] = lambda _: None
) -> list[Prepared]:
    """Make what stack files presume; what exists already stays as it is.

    Args:
        files: stack files. The archive of a file with applications only is looked for in the other files, and then in
            ``Pulumi.<archiveStack>.yaml`` beside it.
        environment: the sandbox's, with AWS_ENDPOINT_URL.
        on_skip: called with a message for each file without keys of the program, which is skipped.

    Raises:
        SettingsError: a file cannot be used.
        PrepareError: the archive of a file cannot be found.
    """
    cloud = _Cloud(environment["AWS_ENDPOINT_URL"])
    files = list(files)
    settings = stacks.read(files, on_skip)
    archives = {stack: each.archive for stack, each in settings.items() if each.archive is not None}
    prepared = [cloud.archive_account(archive) for archive in archives.values()]
    # An account may be in several stacks, and has one role for all of them.
    everyone = [application for each in settings.values() for application in each.applications]
    parameters: dict[str, dict[str, set[str]]] = {application.account: {} for application in everyone}
    for of in settings.values():
        for application in of.applications:
            for grant in grants(application, filters_have_roles=of.filters_have_roles, alarms=of.senders_have_alarms):
                parameters[application.account].setdefault(grant.parameter, set()).update(grant.values)
    for stack, each in settings.items():
        archive = archives.get(stack) or _archive_of(each, archives, files)
        for application in each.applications:
            prepared += cloud.application_account(application, archive, parameters[application.account])
    return prepared


def _archive_of(settings: Settings, archives: Mapping[str, Archive], files: list[Path]) -> Archive:
    file = file_name(str(settings.archive_stack))
    for stack, archive in archives.items():
        if file_name(stack) == file:
            return archive
    for beside in (each.parent / file for each in files):
        if beside.is_file() and (found := read(beside).archive) is not None:
            return found
    if len(archives) == 1:
        return next(iter(archives.values()))
    raise PrepareError(f"archiveStack: the archive of stack {settings.archive_stack} is needed; give {file} too")


def presumed_log_groups(wanted: RegionLogGroups) -> list[str]:
    """Return names of log groups with which the entries of a region can be deployed.

    They are those that entries name, and one or two that match each pattern, or that ``all`` archives.
    """
    patterns = [entry.name for entry in wanted.log_groups if entry.is_pattern]
    names = [entry.name for entry in wanted.log_groups if not (entry.is_pattern or entry.create)]
    taken = {entry.name for entry in wanted.log_groups}
    exclude = wanted.exclude or ()
    for pattern in patterns:
        # A log group that two patterns match is rejected.
        names += [each for each in _matching(pattern) if entries_of(each, patterns, exclude) == [pattern]
                  and each not in taken][:_GROUPS_OF_A_PATTERN]  # fmt: skip
    if wanted.all is not None:
        names += [each for each in _matching("/sandbox/*") if entries_of(each, ["*"], exclude)
                  and not entries_of(each, taken, ())][:_GROUPS_OF_A_PATTERN]  # fmt: skip
    return names


def _matching(pattern: str) -> Iterator[str]:
    return filter(None, (pattern.replace("*", word) for word in _WORDS))


class _Cloud:
    """The cloud, as the root of each account in turn."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def archive_account(self, archive: Archive) -> Prepared:
        # Everything on the sandbox disappears with it, so that every stack may be destroyed there.
        more = {
            "Redrivers": _TRUSTED,
            "Destroyable": "yes",
            **self._kept(archive),
        }
        self._deployer("archive-account.yaml", archive, archive.region, more)
        self._existing(archive)
        own = archive.source.regions[archive.region] if archive.source is not None else None
        made = self._log_groups(archive.account, archive.region, presumed_log_groups(own) if own is not None else [])
        return _prepared(archive, archive.region, made)

    def application_account(
        self, application: Application, archive: Archive, parameters: Mapping[str, set[str]]
    ) -> list[Prepared]:
        if archive.sender_organization is not None:
            ask(self._endpoint, f"join/{application.account}/{archive.sender_organization}")
        # An account has the template once, since its roles are global.
        partition = PARTITIONS[next(iter(application.regions))]
        region = next(each for each in PARTITIONS if PARTITIONS[each] == partition)
        # What was granted before stays: the next update may delete what needed it.
        kept = self._granted(application.account, region)
        granted = {
            each: parameters.get(each, set()) | kept.get(each, set()) for each in parameters.keys() | kept.keys()
        }
        more = {
            "ArchiveAccount": archive.account,
            **{name: ",".join(sorted(values)) for name, values in granted.items()},
            **archive.bootstrap_parameters_of_senders,
        }
        self._deployer("application-account.yaml", application, region, more)
        return [
            _prepared(application, region, self._log_groups(application.account, region, presumed_log_groups(wanted)))
            for region, wanted in application.regions.items()
        ]

    def _granted(self, account: str, region: str) -> dict[str, set[str]]:
        """Return parameter → values, of those with which the template of an application account grants permissions."""
        try:
            (stack,) = self._client("cloudformation", account, region).describe_stacks(StackName=_STACK)["Stacks"]
        except ClientError:
            return {}  # it is not deployed yet
        return {
            each["ParameterKey"]: set(each["ParameterValue"].split(","))
            for each in stack["Parameters"]
            if each["ParameterKey"] in GRANTS and each["ParameterValue"] not in ("", "false")
        }

    def _client(self, service: str, account: str, region: str) -> Any:  # noqa: ANN401 - boto3 has no types
        return root_client(self._endpoint, service, account=account, region=region)

    def _log_groups(self, account: str, region: str, names: list[str]) -> list[bool]:
        """Make log groups; return for each whether it is new."""
        logs, made = self._client("logs", account, region), []
        for name in names:
            try:
                logs.create_log_group(logGroupName=name)
                made.append(True)
            except logs.exceptions.ResourceAlreadyExistsException:
                made.append(False)
        return made

    def _existing(self, archive: Archive) -> None:
        """Make what the stack file of an archive says exists already: buckets, key, topics and function."""
        if archive.existing_bucket is not None:
            self._bucket(archive.existing_bucket.name, archive.bucket_owner, archive)
        if archive.bucket.access_logs is not None:
            self._bucket(archive.bucket.access_logs.bucket, archive.account, archive)
        if archive.bucket.replica is not None:
            self._replica(archive.bucket.replica, archive)
        for key in archive.key.given:
            self._key(key, archive)
        for arn in (archive.alarms or {}).values():
            _, _, _, region, account, name = arn.split(":")
            self._client("sns", account, region).create_topic(Name=name)
        if archive.transform is not None and archive.transform.is_arn:
            self._function(archive.transform.code, archive)

    def _replica(self, replica: Replica, archive: Archive) -> None:
        region = archive.region if replica.key is None else replica.key.split(":")[3]
        self._bucket(replica.bucket, replica.account or archive.account, archive, region)
        s3 = self._client("s3", replica.account or archive.account, region)
        s3.put_bucket_versioning(Bucket=replica.bucket, VersioningConfiguration={"Status": "Enabled"})
        if archive.bucket.object_lock is not None:
            s3.put_object_lock_configuration(
                Bucket=replica.bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"}
            )
        if replica.key is not None:
            self._key(replica.key, archive)

    def _bucket(self, name: str, owner: str, archive: Archive, region: str | None = None) -> None:
        region = region or archive.region
        s3 = self._client("s3", owner, region)
        where = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
            s3.create_bucket(Bucket=name, **({} if region == "us-east-1" else where))
            if owner != archive.account:
                admitted = {
                    "Principal": _root(archive),
                    "Action": "s3:*",
                    "Resource": f"{_arn_of_bucket(name, archive)}*",
                }
                s3.put_bucket_policy(Bucket=name, Policy=_policy(admitted))

    def _key(self, arn: str, archive: Archive) -> None:
        _, _, _, region, account, resource = arn.split(":")
        key = resource.removeprefix("key/")
        if ask(self._endpoint, f"key/{account}/{region}/{key}")["created"]:
            service = {"Service": f"logs.{region}.amazonaws.com"}
            admitted = [{"Principal": each, "Action": "kms:*", "Resource": "*"} for each in (_root(archive), service)]
            kms = self._client("kms", account, region)
            kms.put_key_policy(KeyId=key, PolicyName="default", Policy=_policy(*admitted))

    def _function(self, arn: str, archive: Archive) -> None:
        """Make a stand-in for a function: the bundled transform."""
        _, _, _, region, account, _, name, qualifier = arn.split(":")
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as packed:
            packed.write(_BUNDLED_TRANSFORM, _BUNDLED_TRANSFORM.name)
        functions = self._client("lambda", account, region)
        with contextlib.suppress(functions.exceptions.ResourceConflictException):
            functions.create_function(
                FunctionName=name, Role=f"arn:{PARTITIONS[region]}:iam::{account}:role/{archive.deployer_role}",
                Runtime="python3.13", Handler="handler.handler", Code={"ZipFile": code.getvalue()},
                Environment={"Variables": archive.transform_variables},
            )  # fmt: skip
            if qualifier != "$LATEST":
                functions.create_alias(FunctionName=name, Name=qualifier, FunctionVersion="$LATEST")

    def _kept(self, archive: Archive) -> dict[str, str]:
        """Return the parameters for a stack file, which keep what an earlier one lets into the archive."""
        formation = self._client("cloudformation", archive.account, archive.region)
        iam = self._client("iam", archive.account, archive.region)
        before: dict[str, str] = {}
        with contextlib.suppress(ClientError):
            (stack,) = formation.describe_stacks(StackName=_STACK)["Stacks"]
            before = {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}
        created = "yes"
        if (before.get("SenderRoleName"), before.get("CreateSenderRole")) != (archive.sender_role_name, "yes"):
            with contextlib.suppress(iam.exceptions.NoSuchEntityException):
                iam.get_role(RoleName=archive.sender_role_name)
                created = "no"
        accounts = {*archive.sender_accounts, *filter(None, before.get("SenderAccounts", "").split(","))}
        return {
            **{name: value for name, value in before.items() if name == "StreamName"},
            **archive.bootstrap_parameters,
            "CreateSenderRole": created,
            "SenderAccounts": ",".join(sorted(accounts)),
            "SenderOrganization": archive.sender_organization or before.get("SenderOrganization", ""),
        }

    def _deployer(self, template: str, account: Archive | Application, region: str, more: Mapping[str, str]) -> None:
        """Deploy a bootstrap template, as an administrator of the account does it once."""
        formation = self._client("cloudformation", account.account, region)
        parameters = {
            "RoleName": account.deployer_role,
            "TrustedPrincipals": _TRUSTED,
            "Verifiers": _TRUSTED,
            "Previewers": _TRUSTED,
            "Readers": _TRUSTED,
            **more,
        }
        wanted = {
            "StackName": _STACK,
            "TemplateBody": (ROOT / "bootstrap" / template).read_text(encoding="utf-8"),
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
            "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        }
        try:
            formation.create_stack(**wanted)
        except ClientError as error:
            if error.response["Error"]["Code"] != "AlreadyExistsException":
                raise
        else:
            formation.get_waiter("stack_create_complete").wait(StackName=_STACK, WaiterConfig=_POLLING)
            return
        try:
            formation.update_stack(**wanted)
        except ClientError as error:
            if "No updates are to be performed" not in str(error):
                raise
            return
        formation.get_waiter("stack_update_complete").wait(StackName=_STACK, WaiterConfig=_POLLING)


def _prepared(account: Archive | Application, region: str, made: list[bool]) -> Prepared:
    return Prepared(account.account, account.deployer_role, region, sum(made), len(made) - sum(made))


def _root(archive: Archive) -> dict[str, str]:
    return {"AWS": f"arn:{PARTITIONS[archive.region]}:iam::{archive.account}:root"}


def _arn_of_bucket(name: str, archive: Archive) -> str:
    return f"arn:{PARTITIONS[archive.region]}:s3:::{name}"


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **each} for each in statements]})
