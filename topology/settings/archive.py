"""The archive: who may send events, how they are delivered, and what protects them."""

from __future__ import annotations

import hashlib
import itertools
import json
import os.path
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator

from topology.layouts import LAYOUTS
from topology.patterns import matches
from topology.regions import PARTITIONS
from topology.settings.analysis import Analysis
from topology.settings.applications import Application, LogGroup, RegionLogGroups, SubscribedLogGroup
from topology.settings.integrity import Integrity
from topology.settings.types import (
    KEY,
    Account,
    AccountId,
    BucketName,
    DestinationName,
    Distinct,
    HandlerName,
    KeyArn,
    KeyChoice,
    LogGroupPattern,
    OrganizationId,
    Region,
    RoleName,
    Section,
    StorageClass,
    StreamName,
    TopicArn,
    enabled,
    listed,
    matched,
    named,
    problem,
)

PIPELINE_LOG_GROUPS = ("archive-delivery-errors", "archive-transform-logs")
"""Name prefixes of the archive's own log groups: the stream's errors, and the transform's logs."""

BUNDLED = "bundled"
"""The transform that this program includes, in ``functions/transform/``."""

CREATE = "create"
"""Stands for a resource that the program creates, where a stack file could specify an existing one."""

_ROOT = Path(__file__).resolve().parents[2]
_FUNCTION_ARN = r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:function:[\w-]{1,64}:([\w-]{1,128}|\$LATEST)"
_INFREQUENT = ("STANDARD_IA", "ONEZONE_IA")
_MIN_INFREQUENT_DAYS = 30
_MIN_PARTITIONED_MIB = 64
_MIN_PARTITIONED_SECONDS = 60


def _coded(value: object) -> object:
    return {"code": value} if isinstance(value, str) else value


def _keys(value: object) -> object:
    """Accept one key in place of an object: it encrypts everything."""
    return dict.fromkeys(("objects", "stream", "logGroups"), matched(value, *KEY)) if isinstance(value, str) else value


def _topics(value: object) -> object:
    if isinstance(value, str) and value != CREATE:
        raise problem(f'"{value}" is not valid; allowed: create, or an object of region → ARN of an SNS topic')
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
            raise problem("admits nobody; specify accounts, an organization, or both")
        return self


class Lifecycle(Section):
    """What happens to objects over time. Days count from the creation of an object."""

    transitions: dict[StorageClass, Annotated[int, Field(ge=1)]] = Field(
        default={},
        description="S3 storage class → days after which objects move there: STANDARD_IA, INTELLIGENT_TIERING, "
        "ONEZONE_IA, GLACIER_IR, GLACIER, DEEP_ARCHIVE, in this order with increasing days, at least 30 more after "
        "STANDARD_IA and ONEZONE_IA",
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
        for storage_class, days in self.steps:
            if days < _MIN_INFREQUENT_DAYS and storage_class in _INFREQUENT:
                raise problem(f"transitions.{storage_class}: {days} days; S3 requires {_MIN_INFREQUENT_DAYS} or more")
        return self

    @model_validator(mode="after")
    def _s3_makes_each_transition(self) -> Self:
        # Within a rule (S3 User Guide, "Transitioning objects using Amazon S3 Lifecycle").
        for (before, days), (after, later) in itertools.pairwise(self.steps):
            if (before, after) == ("ONEZONE_IA", "GLACIER_IR"):
                raise problem(f"transitions: S3 does not move objects from {before} to {after}; remove one of the two")
            if before in _INFREQUENT and later < (earliest := days + _MIN_INFREQUENT_DAYS):
                raise problem(
                    f"transitions.{after}: {later} days; S3 keeps objects in {before} for at least "
                    f"{_MIN_INFREQUENT_DAYS} days, so use {earliest} or more, or remove {before}"
                )
        return self


class ObjectLock(Section):
    """Locks objects for a retention period. Object Lock cannot be disabled once it is enabled for a bucket."""

    mode: Literal["governance", "compliance"] = Field(
        description="`governance`: principals with a special permission may delete locked objects; `compliance`: "
        "nobody may, not even the root user"
    )
    days: int = Field(ge=1, le=36500, description="retention period of each object, in days")


class AccessLogs(Section):
    """Where S3 logs requests to the bucket. The bucket policy of the log bucket has to allow it."""

    bucket: BucketName = Field(description="name of an existing bucket, in the same account and region")
    prefix: str = Field(default="central-log-archive/", description="prefix of the log objects")


class Replica(Section):
    """A bucket that S3 replicates each new object to, and no deletion. It is not created here."""

    bucket: BucketName = Field(
        description="name of an existing bucket, in any region, with versioning, and Object Lock if the archive has it"
    )
    account: AccountId | None = Field(
        default=None, description="ID of its account, in quotes; default: the archive's account"
    )
    key: KeyArn | None = Field(
        default=None,
        description="ARN of the KMS key of the replicas, in the region of the bucket; required if the archive's "
        "objects have a key",
    )


class Bucket(Section):
    """How long the archive keeps events, and what protects them."""

    lifecycle: Lifecycle = Field(default=Lifecycle(), description="what happens to objects over time")
    object_lock: ObjectLock | None = Field(default=None, description="S3 Object Lock; default: disabled")
    access_logs: AccessLogs | None = Field(default=None, description="server access logging; default: disabled")
    break_glass_role: RoleName | None = Field(
        default=None,
        description="name of a role of the central account, then the only one that may delete the bucket and its "
        "objects, or change these settings; default: whoever has the permission, the deployer role included",
    )
    replica: Replica | None = Field(default=None, description="a bucket that S3 replicates objects to; default: none")

    @property
    def fingerprint(self) -> str:
        """Identifies these settings, in what may be part of a policy's ``Sid``."""
        given = self.model_dump(mode="json", exclude_defaults=True)
        return hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()[:16]

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
                    f"lifecycle.{key} {days} is shorter than objectLock.days {self.object_lock.days}, so objects would "
                    f"still be locked; use at least {self.object_lock.days}"
                )
        return self


class ExistingBucket(Section):
    """An existing bucket, whose settings are not changed. A bare name stands for ``{name: …}``."""

    name: BucketName = Field(description="the bucket, in the home region")
    account: AccountId | None = Field(
        default=None, description="ID of its account, in quotes; default: the archive's account"
    )


class Keys(Section):
    """KMS keys, each ``create`` or the ARN of a key in the home region. One key is created for all that say ``create``.

    A bare key stands for all three.
    """

    objects: KeyChoice | None = Field(
        default=None,
        description="the key of the objects in the bucket; default: SSE-S3, or the default encryption of an existing "
        "bucket",
    )
    stream: KeyChoice | None = Field(default=None, description="the key of the stream; default: one that AWS owns")
    log_groups: KeyChoice | None = Field(
        default=None, description="the key of the archive's own log groups; default: one that AWS owns"
    )

    @property
    def choices(self) -> dict[str, str | None]:
        """What a key encrypts, as the stack file spells it → the key, if any."""
        return {"objects": self.objects, "stream": self.stream, "logGroups": self.log_groups}

    @property
    def given(self) -> list[str]:
        """ARNs of the existing keys."""
        return sorted({key for key in self.choices.values() if key is not None} - {CREATE})


class Delivery(Section):
    """How events are delivered to the bucket."""

    buffer_mib: int = Field(
        default=64,
        ge=1,
        le=128,
        alias="bufferMiB",
        description="MiB to buffer before delivery of an object, 1 to 128; at least 64 if partitioned",
    )
    buffer_seconds: int = Field(
        default=300,
        ge=0,
        le=900,
        description="seconds to buffer before delivery of an object, 0 to 900; at least 60 if partitioned",
    )
    compression: Literal["gzip", "snappy", "none"] = Field(
        default="gzip", description="compression of the objects: `gzip`, `snappy` or `none`; Athena reads all of them"
    )
    layout: Literal["dated", "partitioned", "partitioned-by-group"] = Field(
        default="dated",
        description="prefix of the objects: `dated` (`date=/hour=`), `partitioned` (`account=/region=/date=`) or "
        "`partitioned-by-group` (`account=/region=/group=/date=`); changing it can replace the stream",
    )

    @property
    def is_partitioned(self) -> bool:
        """Whether the stream uses dynamic partitioning."""
        return LAYOUTS[self.layout].is_partitioned

    @model_validator(mode="after")
    def _partitions_need_a_buffer(self) -> Self:
        # Limits of dynamic partitioning (Firehose Developer Guide, "Dynamic partitioning").
        if self.is_partitioned:
            if self.buffer_mib < _MIN_PARTITIONED_MIB:
                raise problem(
                    f"bufferMiB {self.buffer_mib} is too small for layout {self.layout}; use {_MIN_PARTITIONED_MIB} "
                    "to 128, or layout: dated"
                )
            if self.buffer_seconds < _MIN_PARTITIONED_SECONDS:
                raise problem(
                    f"bufferSeconds {self.buffer_seconds} is too short for layout {self.layout}; use "
                    f"{_MIN_PARTITIONED_SECONDS} to 900, or layout: dated"
                )
        return self


class Transform(Section):
    """A Lambda function that transforms events before delivery. A bare string stands for ``{code: …}``."""

    code: str = Field(
        description="`bundled`, the folder of your own Python function, relative to the project's root, or the ARN of "
        "a function's version or alias"
    )
    handler: HandlerName | None = Field(
        default=None, description="file and function in your own folder, like `main.handler`"
    )
    memory_mib: int | None = Field(
        default=None,
        ge=128,
        le=10240,
        alias="memoryMiB",
        description="memory of a function created here, in MiB, 128 to 10,240; default: 512",
    )
    timeout_seconds: int | None = Field(
        default=None,
        ge=1,
        le=300,
        description="timeout of a function created here, in seconds, 1 to 300; default: 60",
    )
    retries: int = Field(
        default=3, ge=0, le=300, description="number of times that Firehose retries a failed invocation, 0 to 300"
    )
    backup: bool = Field(
        default=False,
        description="also keep the original records, under `originals/`; changing `true` back to `false` replaces the "
        "stream",
    )

    @property
    def is_arn(self) -> bool:
        """Whether the function is an existing one."""
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
                    f'code: "{self.code}" is not the ARN of a version or alias of a function; such an ARN ends with '
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
                raise problem("a function from a folder requires a handler, like handler: main.handler")
            file = Path(self.code) / f"{self.handler.partition('.')[0]}.py"
            if not (_ROOT / file).is_file():
                raise problem(f"code: the project has no file {file}; specify the folder that contains it")
        elif self.handler is not None:
            raise problem("the bundled function has its own handler; remove handler, or set code to a folder")
        return self


class Archive(Account):
    """The central account: stream, bucket and destinations."""

    region: Region = Field(description="home region: where the stream and the bucket are")
    destination_regions: Distinct[Region] = Field(
        default=(), description="regions that events may come from; default: those of the applications"
    )
    senders: Senders | None = Field(default=None, description="who may send events; default: the applications")
    sender_role_name: RoleName = Field(
        default="CWLtoKinesisFirehoseRole",
        description="name of the role that CloudWatch Logs assumes to put events into the stream",
    )
    stream_name: StreamName | None = Field(
        default=None, description="name of the stream, to adopt an existing one; default: auto-named by Pulumi"
    )
    destination_names: dict[Region, DestinationName] = Field(
        default={},
        description="region → name of its Logs destination, to adopt existing ones; default: auto-named by Pulumi",
    )
    bucket: Bucket = Field(default=Bucket(), description="how long events are kept, and what protects them")
    existing_bucket: Annotated[ExistingBucket, BeforeValidator(named)] | None = Field(
        default=None,
        description="an existing bucket to deliver to: a name, or an object with a name; default: create one",
    )
    key: Annotated[Keys, BeforeValidator(_keys)] = Field(
        default=Keys(),
        description="the KMS key of the objects, the stream and the archive's own log groups: `create`, the ARN of a "
        "key in the home region, or an object with a key for each; default: keys that AWS owns or manages",
    )
    own_log_groups: Distinct[Annotated[SubscribedLogGroup, BeforeValidator(named)]] = Field(
        default=(),
        description="log groups of the central account itself, in the home region: names, patterns, or objects with a "
        "name",
    )
    exclude: Distinct[LogGroupPattern] | None = Field(
        default=None, description="names and patterns of log groups that patterns of `ownLogGroups` leave out"
    )
    delivery: Delivery = Field(default=Delivery(), description="how events are delivered to the bucket")
    transform: Annotated[Transform, BeforeValidator(_coded)] | None = Field(
        default=None,
        description="transform events before delivery: `code`, or an object with `code`; removing it replaces the "
        "stream; default: no transform",
    )
    alarms: Annotated[dict[Region, TopicArn], BeforeValidator(_topics)] | None = Field(
        default=None,
        description="create alarms that notify SNS topics, and a dashboard: `create` creates a topic in each region, "
        "region → ARN uses existing topics; default: no alarms",
    )

    analysis: Annotated[Analysis | None, BeforeValidator(enabled)] = Field(
        default=None,
        description="`true`, or an object: make what queries the archive with Amazon Athena; default: nothing",
    )
    integrity: Annotated[Integrity | None, BeforeValidator(enabled)] = Field(
        default=None,
        description="`true`, or an object: sign each day what arrived, so that `ops integrity` finds what was deleted, "
        "changed or added since; default: nothing",
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
    def source(self) -> Application | None:
        """The central account as one whose log groups are archived; None if it has no ``ownLogGroups``."""
        if not self.own_log_groups:
            return None
        own = RegionLogGroups.model_construct(
            log_groups=tuple(LogGroup.model_construct(**dict(group)) for group in self.own_log_groups),
            exclude=(*(self.exclude or ()), *self._pipeline_log_groups),
        )
        account = Application.model_construct(
            account=self.account, alias=self.alias, deployer_role=self.deployer_role, regions={self.region: own}
        )
        return account.assuming(self._preview_role)

    @property
    def _pipeline_log_groups(self) -> tuple[str, ...]:
        """Patterns of what the pipeline logs to, and so would archive endlessly ("Log recursion prevention")."""
        function = [f"/aws/lambda/{self.transform.function_name}"] if self.transform and self.transform.is_arn else []
        return (*(f"{prefix}*" for prefix in PIPELINE_LOG_GROUPS), *function)

    @property
    def queried_accounts(self) -> list[str]:
        """IDs of the accounts whose events queries read, if the layout has a partition for each account."""
        known = self.analysis.accounts if self.analysis is not None else ()
        return sorted({self.account, *self.sender_accounts, *known})

    @property
    def queried_regions(self) -> list[str]:
        """The same for regions. Those of a centralized log group, which a system field names, may be any."""
        if "@aws.region" in self._own_system_fields:
            return sorted(region for region, name in PARTITIONS.items() if name == PARTITIONS[self.region])
        return self.regions

    @property
    def has_unlisted_senders(self) -> bool:
        """Whether events may come from accounts that no stack file lists: an organization's, or centralized ones."""
        return self.sender_organization is not None or "@aws.account" in self._own_system_fields

    @property
    def _own_system_fields(self) -> set[str]:
        return {each for group in self.own_log_groups for each in group.emit_system_fields or ()}

    @property
    def bucket_owner(self) -> str:
        """ID of the account that owns the bucket."""
        return (self.existing_bucket and self.existing_bucket.account) or self.account

    @property
    def keeps_originals(self) -> bool:
        """Whether the original records are kept in addition to the transformed ones."""
        return self.transform is not None and self.transform.backup

    @property
    def transform_variables(self) -> dict[str, str]:
        """Environment variables that tell a transform which account, regions and partition keys the archive has."""
        partition_keys = ",".join(LAYOUTS[self.delivery.layout].partitioned_by)
        return {
            "ARCHIVE_ACCOUNT": self.account,
            "REGIONS": ",".join(self.regions),
            **({"PARTITION_KEYS": partition_keys} if partition_keys else {}),
        }

    @property
    def bootstrap_parameters(self) -> dict[str, str]:
        """Parameter → value for ``bootstrap/archive-account.yaml``, which grants permissions on existing resources."""
        bucket = {"ExistingBucket": ""}
        if self.existing_bucket is not None and self.bucket_owner != self.account:
            bucket = {"BucketOfAnotherAccount": self.existing_bucket.name}
        elif self.existing_bucket is not None:
            bucket = {"ExistingBucket": self.existing_bucket.name}
        replica = self.bucket.replica
        return {
            "SenderRoleName": self.sender_role_name,
            "SenderAccounts": ",".join(sorted(self.sender_accounts)),
            "SenderOrganization": self.sender_organization or "",
            "KeyArn": ",".join(self.key.given),
            **bucket,
            "ReplicaBucket": replica.bucket if replica is not None else "",
            "ReplicaKeyArn": (replica.key if replica is not None else None) or "",
            "FunctionArn": self.transform.code if self.transform is not None and self.transform.is_arn else "",
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
        """Return the archive with regions and senders derived from the applications of its stack, unless it has own."""
        applications = list(applications)
        changed: dict[str, object] = {}
        if not self.destination_regions:
            changed["destination_regions"] = tuple(sorted({region for each in applications for region in each.regions}))
        if self.senders is None and applications:
            changed["senders"] = Senders(accounts=tuple(sorted({each.account for each in applications})))
        if self.analysis is not None:
            accounts = {*self.analysis.accounts, *(each.account for each in applications)}
            changed["analysis"] = self.analysis.model_copy(update={"accounts": tuple(sorted(accounts))})
        return self.model_copy(update=changed)

    @model_validator(mode="after")
    def _an_existing_bucket_is_not_changed(self) -> Self:
        if self.existing_bucket is not None and "bucket" in self.model_fields_set:
            raise problem("existingBucket: the settings of an existing bucket are not changed; remove bucket")
        return self

    @model_validator(mode="after")
    def _replicas_are_encrypted_as_objects_are(self) -> Self:
        # S3 replicates no object with a KMS key unless it is given one for the replica (S3 User Guide, "Replicating
        # encrypted objects"); without, it encrypts the replica itself, as it does the object.
        replica = self.bucket.replica
        if replica is not None and replica.key is None and self.key.objects is not None:
            raise problem(
                "bucket.replica.key: is required, since key encrypts the objects; name a KMS key in the region of "
                f"{replica.bucket}"
            )
        if replica is not None and replica.key is not None and self.key.objects is None:
            raise problem("bucket.replica.key: the objects have no KMS key, and neither have replicas; remove it")
        return self

    @model_validator(mode="after")
    def _digests_stay_in_the_account(self) -> Self:
        if self.integrity is not None and self.bucket_owner != self.account:
            raise problem(
                f"integrity: the bucket belongs to account {self.bucket_owner}, and digests are signed in the bucket's "
                "own account only; remove integrity"
            )
        return self

    @model_validator(mode="after")
    def _no_recursion(self) -> Self:
        for group in self.own_log_groups:
            if any(matches(pattern, group.name) for pattern in self._pipeline_log_groups):
                raise problem(
                    f"ownLogGroups: the archive itself logs to {group.name}, so archiving it would cause an endless "
                    "loop; remove it"
                )
        return self
