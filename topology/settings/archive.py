"""The archive: who may send, how events are written, and what protects them."""

from __future__ import annotations

import itertools
import os.path
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator

from topology.layouts import LAYOUTS
from topology.settings.applications import Application, SubscribedLogGroup
from topology.settings.types import (
    Account,
    AccountId,
    BucketName,
    DestinationName,
    Distinct,
    HandlerName,
    KeyChoice,
    OrganizationId,
    Region,
    RoleName,
    Section,
    StorageClass,
    StreamName,
    TopicArn,
    listed,
    named,
    problem,
)

PIPELINE_LOG_GROUPS = ("archive-delivery-errors", "archive-transform-logs")
"""Prefixes of the names of the archive's own log groups: the stream's errors, and the logs of the transform."""

BUNDLED = "bundled"
"""The transform that comes with the program, in ``functions/transform/``."""

CREATE = "create"
"""Stands for a resource that the program creates, where a stack file could name an existing one."""

_ROOT = Path(__file__).resolve().parents[2]
_FUNCTION_ARN = r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:function:[\w-]{1,64}:([\w-]{1,128}|\$LATEST)"
_MIN_INFREQUENT_DAYS = 30
_MIN_PARTITIONED_MIB = 64
_MIN_PARTITIONED_SECONDS = 60


def _coded(value: object) -> object:
    return {"code": value} if isinstance(value, str) else value


def _topics(value: object) -> object:
    if isinstance(value, str) and value != CREATE:
        raise problem(f'"{value}" is neither create nor an object of regions and topic ARNs')
    return {} if value == CREATE else value


class Senders(Section):
    """Who may send events to the archive."""

    accounts: Distinct[AccountId] | None = Field(
        default=None, description="IDs of the application accounts that may send, in quotes"
    )
    organization: OrganizationId | None = Field(
        default=None, description="ID of an AWS organization, all of whose accounts may send"
    )

    @model_validator(mode="after")
    def _someone_may_send(self) -> Self:
        if self.accounts is None and self.organization is None:
            raise problem("admits nobody; give accounts, an organization, or both")
        return self


class Lifecycle(Section):
    """What happens to objects over time. Days count from the creation of an object."""

    transitions: dict[StorageClass, Annotated[int, Field(ge=1)]] = Field(
        default={},
        description="S3 storage class → days after which objects move there: STANDARD_IA, INTELLIGENT_TIERING, "
        "ONEZONE_IA, GLACIER_IR, GLACIER, DEEP_ARCHIVE, in this order with increasing days",
    )
    expire_days: int | None = Field(
        default=None, ge=1, description="days after which objects are deleted; default: never"
    )
    noncurrent_days: int | None = Field(
        default=None,
        ge=1,
        description="days after which overwritten or deleted versions are removed; default: never",
    )
    abort_uploads_days: int = Field(
        default=7, ge=1, description="days after which incomplete multipart uploads are aborted"
    )

    @property
    def steps(self) -> list[tuple[str, int]]:
        """Storage classes and their days, in the only order in which S3 moves objects."""
        return [(each, self.transitions[each]) for each in get_args(StorageClass) if each in self.transitions]

    @model_validator(mode="after")
    def _days_increase(self) -> Self:
        steps = [*self.steps, *([("expireDays", self.expire_days)] if self.expire_days else [])]
        for (before, days), (after, later) in itertools.pairwise(steps):
            if later <= days:
                raise problem(f"{after}: {later} days is not later than {before} at {days} days; increase the days")
        for storage_class, days in self.transitions.items():
            if days < _MIN_INFREQUENT_DAYS and storage_class in ("STANDARD_IA", "ONEZONE_IA"):
                raise problem(f"transitions.{storage_class}: {days} days; S3 requires {_MIN_INFREQUENT_DAYS} or more")
        return self


class ObjectLock(Section):
    """Objects that nobody deletes before their retention ends. S3 can never remove the lock from a bucket."""

    mode: Literal["governance", "compliance"] = Field(
        description="`governance`: principals with a special permission may still delete; `compliance`: nobody, not "
        "even the root user"
    )
    days: int = Field(ge=1, le=36500, description="days that each object is locked")


class AccessLogs(Section):
    """Where S3 logs requests to the bucket. The owner of the log bucket has to allow it in its bucket policy."""

    bucket: BucketName = Field(description="name of an existing bucket, in the same account and region")
    prefix: str = Field(default="central-log-archive/", description="prefix of the log objects")


class Bucket(Section):
    """How long the archive keeps events, and what protects them."""

    lifecycle: Lifecycle = Field(default=Lifecycle(), description="what happens to objects over time")
    object_lock: ObjectLock | None = Field(default=None, description="lock objects for some days; default: no lock")
    access_logs: AccessLogs | None = Field(default=None, description="log requests to the bucket; default: no log")

    @model_validator(mode="after")
    def _nothing_expires_under_lock(self) -> Self:
        if self.object_lock is None:
            return self
        for key, days in (
            ("expireDays", self.lifecycle.expire_days),
            ("noncurrentDays", self.lifecycle.noncurrent_days),
        ):
            if days is not None and days < self.object_lock.days:
                raise problem(
                    f"lifecycle.{key} {days} is shorter than objectLock.days {self.object_lock.days}, so S3 could not "
                    f"delete then; give at least {self.object_lock.days}"
                )
        return self


class ExistingBucket(Section):
    """An existing bucket, whose settings are not changed. A bare name stands for ``{name: …}``."""

    name: BucketName = Field(description="the bucket, in the home region")
    account: AccountId | None = Field(
        default=None, description="ID of its account, in quotes; default: the archive's account"
    )


class Delivery(Section):
    """How events are written to the bucket."""

    buffer_mib: int = Field(
        default=64,
        ge=1,
        le=128,
        alias="bufferMiB",
        description="MiB that the stream buffers before it writes an object, 1 to 128; at least 64 if partitioned",
    )
    buffer_seconds: int = Field(
        default=300,
        ge=0,
        le=900,
        description="seconds after which it writes what it has buffered, 0 to 900; at least 60 if partitioned",
    )
    compression: Literal["gzip", "snappy", "none"] = Field(
        default="gzip", description="of the objects: `gzip`, `snappy` or `none`; Athena reads all of them"
    )
    layout: Literal["dated", "partitioned", "partitioned-by-group"] = Field(
        default="dated",
        description="prefix of the objects: `dated` (`date=/hour=`), `partitioned` (`account=/region=/date=`) or "
        "`partitioned-by-group` (`account=/region=/group=/date=`); changing it can replace the stream",
    )

    @property
    def is_partitioned(self) -> bool:
        """Whether the stream uses dynamic partitioning."""
        return bool(LAYOUTS[self.layout].partitioned_by)

    @model_validator(mode="after")
    def _partitions_need_a_buffer(self) -> Self:
        # Limits of dynamic partitioning (Firehose Developer Guide, "Dynamic partitioning").
        if self.is_partitioned:
            if self.buffer_mib < _MIN_PARTITIONED_MIB:
                raise problem(
                    f"bufferMiB {self.buffer_mib} is too small for layout {self.layout}; give {_MIN_PARTITIONED_MIB} "
                    "to 128, or layout: dated"
                )
            if self.buffer_seconds < _MIN_PARTITIONED_SECONDS:
                raise problem(
                    f"bufferSeconds {self.buffer_seconds} is too short for layout {self.layout}; give "
                    f"{_MIN_PARTITIONED_SECONDS} to 900, or layout: dated"
                )
        return self


class Transform(Section):
    """A Lambda function that changes events on their way to the bucket. A bare string stands for ``{code: …}``."""

    code: str = Field(
        description="`bundled`, the folder of your own Python function, relative to the project's root, or the ARN of "
        "a function's version or alias"
    )
    handler: HandlerName | None = Field(default=None, description="file and function of a folder, like `main.handler`")
    memory_mib: int | None = Field(
        default=None,
        ge=128,
        le=10240,
        alias="memoryMiB",
        description="memory in MiB, 128 to 10,240, of a function created here; default: 512",
    )
    timeout_seconds: int | None = Field(
        default=None,
        ge=1,
        le=300,
        description="seconds that one invocation may take, 1 to 300, of a function created here; default: 60",
    )
    retries: int = Field(
        default=3, ge=0, le=300, description="how often Firehose retries a failed invocation, 0 to 300"
    )
    backup: bool = Field(
        default=False,
        description="also keep the records as they arrived, under `originals/`; going back to `false` replaces the "
        "stream",
    )

    @property
    def is_arn(self) -> bool:
        """Whether the function exists already."""
        return self.code.startswith("arn:")

    @property
    def function_name(self) -> str:
        """Name of the existing function."""
        return self.code.split(":")[6]

    @property
    def is_folder(self) -> bool:
        """Whether the function is created from a folder of the operator."""
        return not self.is_arn and self.code != BUNDLED

    @model_validator(mode="after")
    def _keys_go_with_code(self) -> Self:
        if self.is_arn:
            if not re.fullmatch(_FUNCTION_ARN, self.code):
                raise problem(
                    f'code: "{self.code}" is not the ARN of a version or alias of a function; it ends with '
                    ":function:NAME:VERSION, or :$LATEST"
                )
            created = {
                "memoryMiB": self.memory_mib,
                "timeoutSeconds": self.timeout_seconds,
                "handler": self.handler,
            }
            if given := [key for key, value in created.items() if value is not None]:
                raise problem(f"an existing function is not changed; remove {listed(given)}")
        elif self.is_folder:
            if self.handler is None:
                raise problem("a function from a folder needs a handler, like handler: main.handler")
            file = Path(self.code) / f"{self.handler.partition('.')[0]}.py"
            if not (_ROOT / file).is_file():
                raise problem(f"code: there is no file {file} in the project; give the folder that contains it")
        elif self.handler is not None:
            raise problem("the bundled function has its own handler; remove handler, or give a folder as code")
        return self


class Archive(Account):
    """The central account: stream, bucket and destinations."""

    region: Region = Field(description="home region: where the stream and the bucket are")
    destination_regions: Distinct[Region] = Field(
        default=(), description="regions that events may come from; default: those that applications use"
    )
    senders: Senders | None = Field(default=None, description="who may send events; default: the applications")
    sender_role_name: RoleName = Field(
        default="CWLtoKinesisFirehoseRole",
        description="the role that CloudWatch Logs assumes to put events into the stream",
    )
    stream_name: StreamName | None = Field(
        default=None, description="name of the stream, for one that existed before; default: auto-named by Pulumi"
    )
    destination_names: dict[Region, DestinationName] = Field(
        default={},
        description="region → name of its Logs destination, for those that existed before; default: auto-named by "
        "Pulumi",
    )
    bucket: Bucket = Field(default=Bucket(), description="how long events are kept, and what protects them")
    existing_bucket: Annotated[ExistingBucket, BeforeValidator(named)] | None = Field(
        default=None, description="an existing bucket: a name, or an object with a name; default: create one"
    )
    key: KeyChoice | None = Field(
        default=None,
        description="the KMS key of the bucket, the stream and the archive's own log groups: `create`, or the ARN of a "
        "key in the home region; default: keys that AWS owns or manages",
    )
    own_log_groups: Distinct[Annotated[SubscribedLogGroup, BeforeValidator(named)]] = Field(
        default=(),
        description="log groups of the central account itself, in the home region: names, or objects with a name",
    )
    delivery: Delivery = Field(default=Delivery(), description="how events are written to the bucket")
    transform: Annotated[Transform, BeforeValidator(_coded)] | None = Field(
        default=None,
        description="change events on their way: a code, or an object with a code; default: they arrive as sent",
    )
    alarms: Annotated[dict[Region, TopicArn], BeforeValidator(_topics)] | None = Field(
        default=None,
        description="notify SNS topics when something goes wrong, and create a dashboard: `create` creates a topic in "
        "each region, region → ARN uses existing topics; default: no alarms",
    )

    @property
    def sender_accounts(self) -> tuple[str, ...]:
        """IDs of the accounts that may send."""
        return (self.senders.accounts if self.senders is not None else None) or ()

    @property
    def sender_organization(self) -> str | None:
        """ID of the organization whose accounts may send."""
        return self.senders.organization if self.senders is not None else None

    @property
    def regions(self) -> list[str]:
        """Every region that the archive has resources in: its home region, and those of its destinations."""
        return sorted({self.region, *self.destination_regions})

    @property
    def bucket_owner(self) -> str:
        """ID of the account that owns the bucket."""
        return (self.existing_bucket and self.existing_bucket.account) or self.account

    @property
    def keeps_originals(self) -> bool:
        """Whether records are also kept as they arrived, beside what a transform makes of them."""
        return self.transform is not None and self.transform.backup

    @property
    def bootstrap_parameters(self) -> dict[str, str]:
        """Parameter → value of ``bootstrap/archive-account.yaml``, for permissions on existing resources."""
        own_bucket = self.existing_bucket is not None and self.bucket_owner == self.account
        return {
            "SenderRoleName": self.sender_role_name,
            "KeyArn": self.key if self.key not in (None, CREATE) else "",
            "ExistingBucket": self.existing_bucket.name if self.existing_bucket is not None and own_bucket else "",
            **({"StreamName": self.stream_name} if self.stream_name is not None else {}),
            **self.bootstrap_parameters_of_senders,
        }

    @property
    def bootstrap_parameters_of_senders(self) -> dict[str, str]:
        """The same for ``bootstrap/application-account.yaml``."""
        names = sorted(set(self.destination_names.values()))
        if not names:
            return {}
        common = os.path.commonprefix(names)  # noqa: RUF071 - names, not paths
        return {"DestinationName": names[0] if len(names) == 1 else f"{common}*"}

    def completed(self, applications: Iterable[Application]) -> Archive:
        """Return the archive with the regions and senders that it leaves to the applications of its stack."""
        applications = list(applications)
        changed: dict[str, object] = {}
        if not self.destination_regions:
            changed["destination_regions"] = tuple(sorted({region for each in applications for region in each.regions}))
        if self.senders is None and applications:
            changed["senders"] = Senders(accounts=tuple(sorted({each.account for each in applications})))
        return self.model_copy(update=changed)

    @model_validator(mode="after")
    def _an_existing_bucket_is_not_changed(self) -> Self:
        if self.existing_bucket is not None and "bucket" in self.model_fields_set:
            raise problem("existingBucket: the settings of an existing bucket are not changed; remove bucket")
        return self

    @model_validator(mode="after")
    def _no_recursion(self) -> Self:
        # What the pipeline logs about itself would come back to it, forever ("Log recursion prevention").
        function = f"/aws/lambda/{self.transform.function_name}" if self.transform and self.transform.is_arn else None
        for group in self.own_log_groups:
            if group.name.startswith(PIPELINE_LOG_GROUPS) or group.name == function:
                raise problem(
                    f"ownLogGroups: {group.name} is where the archive itself logs; archived, each event would cause "
                    "another; remove it"
                )
        return self
