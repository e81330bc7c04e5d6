"""Make in the cloud what stack files presume: each account's deployer role, and the log groups that they name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from sandbox.instance import MANAGEMENT_ACCOUNT, ask, root_client
from sandbox.server import ROOT
from topology.settings import Application, Archive, Settings
from topology.stack_file import file_name, read

_STACK = "central-log-archive"


class PrepareError(Exception):
    """A stack file is not enough by itself. The text says what else is needed."""


@dataclass(frozen=True)
class Prepared:
    """What there is now in one account and region: the role, and how many log groups were made or there before."""

    account: str
    role: str
    region: str
    made: int
    present: int


def prepare(files: Iterable[Path], environment: dict[str, str]) -> list[Prepared]:
    """Make roles and log groups for all accounts of stack files; what is there already stays as it is.

    Args:
        files: stack files. The archive of a file with applications only is looked for in the other files, and then in
            ``Pulumi.<archiveStack>.yaml`` beside it.
        environment: the sandbox's, with AWS_ENDPOINT_URL.

    Raises:
        SettingsError: a file cannot be used.
        PrepareError: the archive of a file cannot be found.
    """
    cloud = _Cloud(environment["AWS_ENDPOINT_URL"])
    stacks = {file: read(file) for file in files}
    archives = [settings.archive for settings in stacks.values() if settings.archive is not None]
    prepared = [cloud.archive_account(archive) for archive in archives]
    for file, settings in stacks.items():
        if not settings.applications:
            continue
        archive = settings.archive or _archive_of(file, settings, archives)
        for application in settings.applications:
            prepared += cloud.application_account(application, archive, filter_roles=settings.filters_have_roles)
    return prepared


def _archive_of(file: Path, settings: Settings, archives: list[Archive]) -> Archive:
    if archives:
        return archives[0]
    beside = file.parent / file_name(str(settings.archive_stack))
    archive = read(beside).archive if beside.is_file() else None
    if archive is None:
        raise PrepareError(f"{file} needs the archive of stack {settings.archive_stack}; give {beside.name} too")
    return archive


class _Cloud:
    """The cloud, as the root of each account in turn."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def archive_account(self, archive: Archive) -> Prepared:
        self._deployer("archive-account.yaml", archive, archive.region, archive.bootstrap_parameters)
        logs = root_client(self._endpoint, "logs", account=archive.account, region=archive.region)
        made = [_made(logs, group.name) for group in archive.own_log_groups or ()]
        return _prepared(archive, archive.region, made)

    def application_account(self, application: Application, archive: Archive, *, filter_roles: bool) -> list[Prepared]:
        if archive.senders and archive.senders.organization:
            ask(self._endpoint, f"join/{application.account}/{archive.senders.organization}")
        parameters = {
            "ArchiveAccount": archive.account,
            "FilterRoles": str(filter_roles).lower(),
            "Subscriber": str(bool(application.auto_subscribed)).lower(),
            **archive.bootstrap_parameters_of_senders,
        }
        self._deployer("application-account.yaml", application, next(iter(application.regions)), parameters)
        prepared = []
        for region, groups in application.regions.items():
            logs = root_client(self._endpoint, "logs", account=application.account, region=region)
            made = [_made(logs, group.name) for group in groups.log_groups
                    if not (group.create or group.is_pattern)]  # fmt: skip
            prepared.append(_prepared(application, region, made))
        return prepared

    def _deployer(self, template: str, account: Archive | Application, region: str, more: dict[str, str]) -> None:
        """Deploy a bootstrap template, as an administrator of the account does it once."""
        formation = root_client(self._endpoint, "cloudformation", account=account.account, region=region)
        trusted = f"arn:aws:iam::{MANAGEMENT_ACCOUNT}:root"
        parameters = {
            "RoleName": account.deployer_role,
            "TrustedPrincipals": trusted,
            "Verifiers": trusted,
            "Previewers": trusted,
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
            formation.get_waiter("stack_create_complete").wait(StackName=_STACK, WaiterConfig={"Delay": 1})
            return
        try:
            formation.update_stack(**wanted)
        except ClientError as error:
            if "No updates are to be performed" not in str(error):
                raise
            return
        formation.get_waiter("stack_update_complete").wait(StackName=_STACK, WaiterConfig={"Delay": 1})


def _prepared(account: Archive | Application, region: str, made: list[bool]) -> Prepared:
    return Prepared(account.account, account.deployer_role, region, sum(made), len(made) - sum(made))


def _made(logs: Any, name: str) -> bool:  # noqa: ANN401 - as above
    """Make a log group; return whether it was not there before."""
    try:
        logs.create_log_group(logGroupName=name)
    except logs.exceptions.ResourceAlreadyExistsException:
        return False
    return True
