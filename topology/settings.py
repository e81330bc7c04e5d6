"""A stack's config as frozen, validated settings. Every problem of a stack file comes in one message.

Validation is done here and not by the config schema of Pulumi.yaml, which does not look into nested objects.
"""

from __future__ import annotations

import difflib
import itertools
import json
import os.path
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sized
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

from topology import policies
from topology.layouts import LAYOUTS, MAX_PARTITIONS
from topology.patterns import OWN, is_pattern
from topology.regions import PARTITIONS

RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288,
                  3653)  # fmt: skip
"""What CloudWatch Logs takes as the retention of a log group, in days (API operation PutRetentionPolicy)."""

PIPELINE_LOG_GROUPS = ("archive-delivery-errors", "archive-transform-logs")
"""How the names of the archive's own log groups begin: those of the stream's errors and of the transform."""

BUNDLED = "bundled"
"""The transform that comes with the program, in ``transform/``."""

MAX_TRUST_CHARACTERS = 2048
"""What IAM takes as the trust policy of a role, unless its quota was raised ("IAM and STS quotas")."""

_TEXTS = ("archiveStack", "promotedFrom", "previewRole")
_ROOT = Path(__file__).resolve().parents[1]
_FUNCTION_ARN = r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:function:[\w-]{1,64}:([\w-]{1,128}|\$LATEST)"
_MIN_INFREQUENT_DAYS = 30
_MIN_PARTITIONED_MIB = 64
_MIN_PARTITIONED_SECONDS = 60

_Item = TypeVar("_Item")
_Model = TypeVar("_Model", bound="Section")
_Sized = TypeVar("_Sized", bound=Sized)


class SettingsError(Exception):
    """A stack's config cannot be used. The text lists every problem: where, what was given, how to mend it."""

    @classmethod
    def of(cls, file: str, problems: Collection[str]) -> Self:
        """Return the error with every problem of a stack file, a line each."""
        count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        return cls("\n  ".join([f"{file} has {count}:", *problems]))


def _problem(text: str) -> PydanticCustomError:
    return PydanticCustomError("problem", "{text}", {"text": text})


def _account(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise _problem(
            "is an unquoted number, and YAML may change such a number; an account id is a text of 12 digits: "
            f'put it in quotes, like "{int(value):012d}"'
        )
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{12}", value):
        raise _problem(f'{json.dumps(value)} is not an account id; write 12 digits in quotes, like "111111111111"')
    return value


def _region(value: str) -> str:
    if value not in PARTITIONS:
        near = difflib.get_close_matches(value, PARTITIONS, n=3) or sorted(PARTITIONS)
        raise _problem(f'"{value}" is not a region of AWS; did you mean {" or ".join(near)}?')
    return value


def _matching(what: str, pattern: str, allowed: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise _problem(f'"{value}" is not {what}; allowed: {allowed}')
        return value

    return AfterValidator(check)


def _named(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


def _coded(value: object) -> object:
    return {"code": value} if isinstance(value, str) else value


def _topics(value: object) -> object:
    if isinstance(value, str) and value != "create":
        raise _problem(f'"{value}" is neither create nor an object of regions and ARNs of topics')
    return {} if value == "create" else value


def _all(value: object) -> object:
    if isinstance(value, bool):
        return {} if value else None
    return value


def _retention(value: int) -> int:
    if value not in RETENTION_DAYS:
        raise _problem(f"{value} is not a retention of CloudWatch Logs; allowed: {_listed(RETENTION_DAYS)}")
    return value


def _not_empty(value: _Sized) -> _Sized:
    if not value:
        raise _problem("is empty; give at least one")
    return value


def _without_duplicates(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if repeated := _repeated(value.name if isinstance(value, SubscribedLogGroup) else value for value in values):
        raise _problem(f"{_listed(repeated)} stands here more than once; keep one of them")
    return values


Distinct = Annotated[tuple[_Item, ...], AfterValidator(_not_empty), AfterValidator(_without_duplicates)]
AccountId = Annotated[str, BeforeValidator(_account)]
Region = Annotated[str, AfterValidator(_region)]
Alias = Annotated[str, _matching("an alias", r"[a-z][a-z0-9-]{0,39}",
                                 "up to 40 lower case letters, digits and hyphens, a letter first")]  # fmt: skip
RoleName = Annotated[str, _matching("the name of an IAM role", r"[\w+=,.@-]{1,64}",
                                    "up to 64 letters, digits and _+=,.@-, no path, no ARN")]  # fmt: skip
StreamName = Annotated[str, _matching("the name of a stream", r"[A-Za-z0-9_.-]{1,64}",
                                      "up to 64 letters, digits and _.-, no ARN")]  # fmt: skip
DestinationName = Annotated[str, _matching("the name of a Logs destination", r"[^:*]{1,512}",
                                           "up to 512 characters, without : and *, no ARN")]  # fmt: skip
OrganizationId = Annotated[str, _matching("the id of an organization", r"o-[a-z0-9]{10,32}",
                                          "o- and 10 to 32 lower case letters and digits")]  # fmt: skip
BucketName = Annotated[str, _matching("the name of a bucket", r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
                                      "3 to 63 lower case letters, digits, dots and hyphens, no ARN")]  # fmt: skip
KeyChoice = Annotated[str, _matching("a KMS key", r"create|arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[a-z0-9-]+",
                                     "create, or the ARN of a key (not of an alias)")]  # fmt: skip
TopicArn = Annotated[str, _matching("the ARN of an SNS topic", r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[\w-]{1,256}",
                                    "arn:aws:sns:REGION:ACCOUNT:NAME")]  # fmt: skip
HandlerName = Annotated[str, _matching("a handler", r"[A-Za-z_]\w*\.[A-Za-z_]\w*",
                                       "the name of a file and of its function, like main.handler")]  # fmt: skip
SystemField = Literal["@aws.account", "@aws.region", "@source.log"]
StorageClass = Literal["STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"]
LogGroupName = Annotated[str, _matching("the name of a log group", r"[A-Za-z0-9_./#-]{1,512}",
                                        "1 to 512 letters, digits and _-/.#")]  # fmt: skip


LogGroupPattern = Annotated[str, _matching("the name of a log group, or a pattern", r"[A-Za-z0-9_./#*-]{1,512}",
                                           "1 to 512 letters, digits and _-/.#, and * for any of them")]  # fmt: skip


class Section(BaseModel):
    """A part of a stack file, with keys of its own."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, strict=True)

    def within(self, outer: Section, **changed: object) -> Self:
        """Return a copy that takes from ``outer`` what the stack file says there and not here.

        Args:
            outer: a section that has some keys in common with this one.
            changed: other fields of the copy, by their names.
        """
        inherited = type(self).model_fields.keys() & outer.model_fields_set - self.model_fields_set
        return self.model_copy(update={**{field: getattr(outer, field) for field in inherited}, **changed})


class Filter(Section):
    """How a subscription filter passes events on. What an entry does not say, its account says, or ``defaults``."""

    filter_pattern: str = Field(default="", description="only events that match are archived; empty: all of them")
    distribution: Literal["ByLogStream", "Random"] = Field(
        default="ByLogStream",
        description="how events are spread, `ByLogStream` or `Random`; AWS heeds it for Kinesis data streams only",
    )


class LogGroupFilter(Filter):
    """How the subscription filter of a log group passes events on."""

    emit_system_fields: Distinct[SystemField] | None = Field(
        default=None, description="what events carry of `@aws.account`, `@aws.region` and `@source.log`"
    )


class SubscribedLogGroup(LogGroupFilter):
    """An existing log group to subscribe. A bare name in a stack file stands for ``{name: …}``."""

    name: LogGroupName = Field(description="the log group")


class LogGroup(SubscribedLogGroup):
    """A log group to subscribe, or all that a pattern matches. A bare name in a stack file stands for ``{name: …}``."""

    name: LogGroupPattern = Field(
        description="the log group, or a pattern like `/aws/lambda/prod-*`; a name goes before a pattern"
    )
    create: bool = Field(default=False, description="make the log group; an existing one is never touched")
    retention_days: Annotated[int, AfterValidator(_retention)] | None = Field(
        default=None, description="days that a log group made here keeps its events"
    )

    @property
    def is_pattern(self) -> bool:
        """Whether it means all log groups that match, instead of one."""
        return is_pattern(self.name)

    @model_validator(mode="after")
    def _no_recursion(self) -> Self:
        if self.name in OWN:
            raise _problem(f"{self.name} is a log group of the archive's own, and no entry means it; remove it")
        return self

    @model_validator(mode="after")
    def _retention_goes_with_create(self) -> Self:
        if self.create and self.is_pattern:
            raise _problem(f"create: {self.name} is a pattern; name the log group that is to be made")
        if self.create and self.retention_days is None:
            raise _problem("create: true needs retentionDays; say how many days the log group itself keeps its events")
        if not self.create and self.retention_days is not None:
            raise _problem("the retention of an existing log group is left alone; remove retentionDays, or set create")
        return self


class AllLogGroups(Filter):
    """Every log group of an account and region, those to come too. ``true`` stands for ``{}``."""


Exclusions = Annotated[
    Distinct[LogGroupPattern] | None,
    Field(description="names and patterns of log groups that neither `all` nor a pattern means"),
]


class RegionLogGroups(Section):
    """What is archived from one region of one account."""

    log_groups: Distinct[Annotated[LogGroup, BeforeValidator(_named)]] = Field(
        default=(), description="the log groups to subscribe: names, patterns, or objects with a name"
    )
    all: Annotated[AllLogGroups | None, BeforeValidator(_all)] = Field(
        default=None,
        description="`true`, or an object: archive every log group, by one policy of the account and region that "
        "covers those to come; what stands in `logGroups` has a filter of its own",
    )
    exclude: Exclusions = None

    auto_subscribe: bool = Field(
        default=False,
        description="let a function subscribe what the patterns of `logGroups` match, as soon as it is made; where "
        "`all` is too much",
    )

    @model_validator(mode="after")
    def _something_is_archived(self) -> Self:
        if not self.log_groups and self.all is None:
            raise _problem("archives nothing; give logGroups, all: true, or both")
        return self

    @model_validator(mode="after")
    def _something_is_to_come(self) -> Self:
        if self.auto_subscribe and self.all is not None:
            raise _problem("autoSubscribe: all covers the log groups to come already; remove one of the two")
        if self.auto_subscribe and not any(entry.is_pattern for entry in self.log_groups):
            raise _problem("autoSubscribe: no entry of logGroups is a pattern; add one, or remove autoSubscribe")
        return self


DeployerRole = Annotated[RoleName, Field(description="the role that Pulumi assumes in the account")]
DEPLOYER_ROLE = "central-log-archive-deployer"
"""The name that the templates of ``bootstrap/`` give the deployer role."""


class _Account(Section):
    account: AccountId = Field(description="the account's id, in quotes")
    alias: Alias | None = Field(default=None, description="a short name for people; default: the account's id")
    deployer_role: DeployerRole = DEPLOYER_ROLE

    @property
    def label(self) -> str:
        """What people call the account: its alias, or else its id."""
        return self.alias or self.account


Regions = Annotated[
    dict[Region, RegionLogGroups], AfterValidator(_not_empty), Field(description="region → what is archived from it")
]


class Defaults(LogGroupFilter):
    """What holds for every application account that does not say it itself. A key is taken whole."""

    deployer_role: DeployerRole = DEPLOYER_ROLE
    regions: Regions = {}
    exclude: Exclusions = None


class Application(_Account, LogGroupFilter):
    """An application account, and what is archived from it. What it does not say, ``defaults`` says."""

    regions: Regions = {}
    exclude: Exclusions = None

    @property
    def auto_subscribed(self) -> dict[str, RegionLogGroups]:
        """Region → what a function subscribes there, where there is one."""
        return {region: wanted for region, wanted in self.regions.items() if wanted.auto_subscribe}

    def completed(self, defaults: Defaults) -> Application:
        """Return the account with all that it inherits, down to its log groups."""
        account = self.within(defaults)
        return account.model_copy(update={"regions": {
            region: wanted.within(
                account,
                log_groups=tuple(group.within(account) for group in wanted.log_groups),
                all=wanted.all and wanted.all.within(account),
            )
            for region, wanted in account.regions.items()
        }})  # fmt: skip


class Senders(Section):
    """Who may send events to the archive."""

    accounts: Distinct[AccountId] | None = Field(
        default=None, description="ids of the application accounts that may send, in quotes"
    )
    organization: OrganizationId | None = Field(
        default=None, description="id of an organization of AWS, all of whose accounts may send"
    )

    @model_validator(mode="after")
    def _someone_may_send(self) -> Self:
        if self.accounts is None and self.organization is None:
            raise _problem("admits nobody; give accounts, an organization, or both")
        return self


class Lifecycle(Section):
    """What becomes of objects with time. Days count from the making of an object."""

    transitions: dict[StorageClass, Annotated[int, Field(ge=1)]] = Field(
        default={},
        description="storage class of S3 → days after which objects move there: STANDARD_IA, INTELLIGENT_TIERING, "
        "ONEZONE_IA, GLACIER_IR, GLACIER, DEEP_ARCHIVE, in this order with growing days",
    )
    expire_days: int | None = Field(
        default=None, ge=1, description="days after which objects are deleted; default: never"
    )
    noncurrent_days: int | None = Field(
        default=None,
        ge=1,
        description="days after which versions are deleted that were overwritten or deleted; default: never",
    )
    abort_uploads_days: int = Field(default=7, ge=1, description="days after which unfinished uploads are given up")

    @property
    def steps(self) -> list[tuple[str, int]]:
        """Storage classes and their days, in the one order in which S3 moves objects."""
        return [(each, self.transitions[each]) for each in get_args(StorageClass) if each in self.transitions]

    @model_validator(mode="after")
    def _days_grow(self) -> Self:
        steps = [*self.steps, *([("expireDays", self.expire_days)] if self.expire_days else [])]
        for (before, days), (after, later) in itertools.pairwise(steps):
            if later <= days:
                raise _problem(f"{after}: {later} days is not later than {before} at {days} days; let days grow")
        for storage_class, days in self.transitions.items():
            if days < _MIN_INFREQUENT_DAYS and storage_class in ("STANDARD_IA", "ONEZONE_IA"):
                raise _problem(f"transitions.{storage_class}: {days} days; S3 takes {_MIN_INFREQUENT_DAYS} or more")
        return self


class ObjectLock(Section):
    """Objects that nobody deletes before their time. S3 can never take the lock off a bucket again."""

    mode: Literal["governance", "compliance"] = Field(
        description="`governance`: who holds a special right may still delete; `compliance`: nobody, not even root"
    )
    days: int = Field(ge=1, le=36500, description="days that each object is locked")


class AccessLogs(Section):
    """Where S3 logs who reads and writes the bucket. The log bucket's owner has to admit it, by its bucket policy."""

    bucket: BucketName = Field(description="name of an existing bucket, of the same account and region")
    prefix: str = Field(default="central-log-archive/", description="prefix of the log objects")


class Bucket(Section):
    """How long the archive keeps events, and what guards them."""

    lifecycle: Lifecycle = Field(default=Lifecycle(), description="what becomes of objects with time")
    object_lock: ObjectLock | None = Field(default=None, description="lock objects for some days; default: no lock")
    access_logs: AccessLogs | None = Field(default=None, description="log who reads and writes; default: no log")

    @model_validator(mode="after")
    def _nothing_expires_under_lock(self) -> Self:
        if self.object_lock is None:
            return self
        for key, days in (
            ("expireDays", self.lifecycle.expire_days),
            ("noncurrentDays", self.lifecycle.noncurrent_days),
        ):
            if days is not None and days < self.object_lock.days:
                raise _problem(
                    f"lifecycle.{key} {days} is shorter than objectLock.days {self.object_lock.days}, so S3 could not "
                    f"delete then; give at least {self.object_lock.days}"
                )
        return self


class ExistingBucket(Section):
    """A bucket that is there already, and is left as it is. A bare name stands for ``{name: …}``."""

    name: BucketName = Field(description="the bucket, of the home region")
    account: AccountId | None = Field(default=None, description="id of its account, in quotes; default: the archive's")


class Delivery(Section):
    """How events are written into the bucket."""

    buffer_mib: int = Field(
        default=64,
        ge=1,
        le=128,
        alias="bufferMiB",
        description="MiB that the stream gathers before it writes an object, 1 to 128; at least 64 if partitioned",
    )
    buffer_seconds: int = Field(
        default=300,
        ge=0,
        le=900,
        description="seconds after which it writes what it has, 0 to 900; at least 60 if partitioned",
    )
    compression: Literal["gzip", "snappy", "none"] = Field(
        default="gzip", description="of the objects: `gzip`, `snappy` or `none`; Athena reads all of them"
    )
    layout: Literal["dated", "partitioned", "partitioned-by-group"] = Field(
        default="dated",
        description="prefix of the objects: `dated` (`date=/hour=`), `partitioned` (`account=/region=/date=`) or "
        "`partitioned-by-group` (`account=/region=/group=/date=`); a change of it can take a new stream",
    )

    @model_validator(mode="after")
    def _partitions_need_a_buffer(self) -> Self:
        # Limits of dynamic partitioning (Firehose Developer Guide, "Dynamic partitioning").
        if LAYOUTS[self.layout].partitioned_by:
            if self.buffer_mib < _MIN_PARTITIONED_MIB:
                raise _problem(
                    f"bufferMiB {self.buffer_mib} is too small for layout {self.layout}; give {_MIN_PARTITIONED_MIB} "
                    "to 128, or layout: dated"
                )
            if self.buffer_seconds < _MIN_PARTITIONED_SECONDS:
                raise _problem(
                    f"bufferSeconds {self.buffer_seconds} is too short for layout {self.layout}; give "
                    f"{_MIN_PARTITIONED_SECONDS} to 900, or layout: dated"
                )
        return self


class Transform(Section):
    """A Lambda function that changes events on their way into the bucket. A bare text stands for ``{code: …}``."""

    code: str = Field(
        description="`bundled`, the folder of a Python function of your own, from the project's root, or the ARN of a "
        "function's version or alias"
    )
    handler: HandlerName | None = Field(default=None, description="file and function of a folder, like `main.handler`")
    memory_mib: int | None = Field(
        default=None,
        ge=128,
        le=10240,
        alias="memoryMiB",
        description="memory in MiB, 128 to 10,240, of a function made here; default: 512",
    )
    timeout_seconds: int | None = Field(
        default=None,
        ge=1,
        le=300,
        description="seconds that one run may take, 1 to 300, of a function made here; default: 60",
    )
    retries: int = Field(
        default=3, ge=0, le=300, description="how often Firehose calls the function again that failed, 0 to 300"
    )
    backup: bool = Field(
        default=False, description="keep the records as they came too, under `originals/`; `false` takes a new stream"
    )

    @property
    def is_arn(self) -> bool:
        """Whether the function is there already."""
        return self.code.startswith("arn:")

    @property
    def function_name(self) -> str:
        """Name of the function that is there already."""
        return self.code.split(":")[6]

    @property
    def is_folder(self) -> bool:
        """Whether the function is made from a folder of the operator."""
        return not self.is_arn and self.code != BUNDLED

    @model_validator(mode="after")
    def _keys_go_with_code(self) -> Self:
        if self.is_arn:
            if not re.fullmatch(_FUNCTION_ARN, self.code):
                raise _problem(
                    f'code: "{self.code}" is not the ARN of a version or alias of a function; it ends with '
                    ":function:NAME:VERSION, or :$LATEST"
                )
            made_here = {"memoryMiB": self.memory_mib, "timeoutSeconds": self.timeout_seconds, "handler": self.handler}
            if given := [key for key, value in made_here.items() if value is not None]:
                raise _problem(f"a function that is there already is left as it is; remove {_listed(given)}")
        elif self.is_folder:
            if self.handler is None:
                raise _problem("a function from a folder needs a handler, like handler: main.handler")
            file = Path(self.code) / f"{self.handler.partition('.')[0]}.py"
            if not (_ROOT / file).is_file():
                raise _problem(f"code: there is no file {file} in the project; name the folder that has it")
        elif self.handler is not None:
            raise _problem("the bundled function has a handler of its own; remove handler, or name a folder as code")
        return self


class Archive(_Account):
    """The central account: stream, bucket and destinations."""

    region: Region = Field(description="home region: where the stream and the bucket are")
    destination_regions: Distinct[Region] | None = Field(
        default=None, description="regions that events may come from; default: those that applications use"
    )
    senders: Senders | None = Field(default=None, description="who may send events; default: the applications")
    sender_role_name: RoleName = Field(
        default="CWLtoKinesisFirehoseRole",
        description="the role that CloudWatch Logs assumes to put events into the stream",
    )
    stream_name: StreamName | None = Field(
        default=None, description="name of the stream, where it was there before; default: one that Pulumi finds"
    )
    destination_names: dict[Region, DestinationName] = Field(
        default={},
        description="region → name of its Logs destination, where it was there before; default: ones that Pulumi finds",
    )
    bucket: Bucket = Field(default=Bucket(), description="how long events are kept, and what guards them")
    existing_bucket: Annotated[ExistingBucket, BeforeValidator(_named)] | None = Field(
        default=None, description="a bucket that is there already: a name, or an object with a name; default: make one"
    )
    key: KeyChoice | None = Field(
        default=None,
        description="the KMS key of bucket, stream and the archive's own log groups: `create`, or the ARN of a key of "
        "the home region; default: keys of AWS",
    )
    own_log_groups: Distinct[Annotated[SubscribedLogGroup, BeforeValidator(_named)]] | None = Field(
        default=None,
        description="log groups of the central account itself, in the home region: names, or objects with a name",
    )
    delivery: Delivery = Field(default=Delivery(), description="how events are written into the bucket")
    transform: Annotated[Transform, BeforeValidator(_coded)] | None = Field(
        default=None, description="change events on their way: a code, or an object with a code; default: as they came"
    )

    alarms: Annotated[dict[Region, TopicArn], BeforeValidator(_topics)] | None = Field(
        default=None,
        description="tell SNS topics when something goes wrong, and make a dashboard: `create` makes a topic in each "
        "region, region → ARN takes topics that are there; default: no alarms",
    )

    @model_validator(mode="after")
    def _an_existing_bucket_is_left_alone(self) -> Self:
        if self.existing_bucket is not None and "bucket" in self.model_fields_set:
            raise _problem("existingBucket: a bucket that is there already is left as it is; remove bucket")
        return self

    @property
    def bootstrap_parameters(self) -> dict[str, str]:
        """Parameter → value of ``bootstrap/archive-account.yaml``, for the rights on what was there before."""
        bucket = self.existing_bucket
        own_bucket = bucket is not None and bucket.account in (None, self.account)
        return {
            "SenderRoleName": self.sender_role_name,
            "KeyArn": self.key if self.key not in (None, "create") else "",
            "ExistingBucket": bucket.name if bucket is not None and own_bucket else "",
            **({"StreamName": self.stream_name} if self.stream_name is not None else {}),
            **self.bootstrap_parameters_of_senders,
        }

    @property
    def bootstrap_parameters_of_senders(self) -> dict[str, str]:
        """As above, for ``bootstrap/application-account.yaml``."""
        names = sorted(set(self.destination_names.values()))
        if not names:
            return {}
        common = os.path.commonprefix(names)  # noqa: RUF071 - names, not paths
        return {"DestinationName": names[0] if len(names) == 1 else f"{common}*"}

    @property
    def keeps_originals(self) -> bool:
        """Whether records are kept as they came, beside what a transform makes of them."""
        return self.transform is not None and self.transform.backup

    @model_validator(mode="after")
    def _no_recursion(self) -> Self:
        # What the pipeline reports of itself would come back to it, for ever ("Log recursion prevention").
        function = f"/aws/lambda/{self.transform.function_name}" if self.transform and self.transform.is_arn else None
        for group in self.own_log_groups or ():
            if group.name.startswith(PIPELINE_LOG_GROUPS) or group.name == function:
                raise _problem(
                    f"ownLogGroups: {group.name} is where the archive itself reports; archived, each event would make "
                    "another; remove it"
                )
        return self


class Settings(Section):
    """All that a stack file says: an archive, applications, or both."""

    archive: Archive | None = Field(default=None, description="the central account")
    archive_stack: str | None = Field(
        default=None, min_length=1, description="the archive's stack, for a stack without an archive"
    )
    defaults: Defaults = Field(default=Defaults(), description="what holds for all of `applications`")
    applications: tuple[Application, ...] = Field(default=(), description="the application accounts")
    filter_roles: bool = Field(
        default=False,
        description="give the subscription filters a role of their own account, for an archive that admits an "
        "organization; where the archive is in this stack, they have it anyway",
    )
    alarms: bool = Field(
        default=False,
        description="tell the archive's topics when events of the application accounts do not get through; where the "
        "archive is in this stack, its own alarms decide",
    )
    promoted_from: str | None = Field(
        default=None,
        min_length=1,
        description="the stack that has to run a commit, and deliver, before this one may (`ops promote`); "
        "default: the archive's stack",
    )
    preview_role: RoleName | None = Field(
        default=None,
        description="a role to assume in every account in the place of its `deployerRole`, for previews that may only "
        "read; `pulumi up` refuses it",
    )
    retain: bool = Field(
        default=True, description="protect the bucket, and keep it and log groups made here when they leave the stack"
    )

    def with_preview_role(self) -> Settings:
        """Return a copy whose accounts are all worked in through the role for previews, where there is one."""
        if self.preview_role is None:
            return self
        role = {"deployer_role": self.preview_role}
        return self.model_copy(update={
            "archive": self.archive and self.archive.model_copy(update=role),
            "applications": tuple(application.model_copy(update=role) for application in self.applications),
        })  # fmt: skip

    @property
    def destination_regions(self) -> tuple[str, ...]:
        """Regions that the archive of this stack serves: as told, or else those that its applications use."""
        if self.archive is None:
            return ()
        used = {region for application in self.applications for region in application.regions}
        return self.archive.destination_regions or tuple(sorted(used))

    @property
    def sender_accounts(self) -> tuple[str, ...]:
        """Accounts that the archive of this stack admits: as told, or else those of its applications."""
        if self.archive is None:
            return ()
        if self.archive.senders:
            return self.archive.senders.accounts or ()
        return tuple(sorted(application.account for application in self.applications))

    @property
    def sender_organization(self) -> str | None:
        """The organization that the archive of this stack admits."""
        return self.archive.senders.organization if self.archive and self.archive.senders else None

    @property
    def filters_have_roles(self) -> bool:
        """Whether subscription filters carry a role: as told, or when the archive of this stack demands it."""
        return self.filter_roles or self.sender_organization is not None


def load(config: Mapping[str, str], stack: str) -> Settings:
    """Turn the config of a stack into settings.

    Args:
        config: key → value of the project's namespace, as the engine gives them: objects, lists and booleans as JSON.
            An empty value counts as not given.
        stack: the stack's name; errors name its file.

    Raises:
        SettingsError: with every problem of the file.
    """
    file = f"Pulumi.{stack}.yaml"
    parsed = {key: text if key in _TEXTS else _parsed(text) for key, text in config.items()}
    given = {key: value for key, value in parsed.items() if value not in ("", {}, [])}
    problems: list[str] = []
    try:
        # As JSON, so that lists become tuples while everything else stays strict.
        settings = Settings.model_validate_json(json.dumps(given))
    except ValidationError as error:
        problems += [_described(detail) for detail in error.errors()]
        settings = _sound_parts(given)
    completed = tuple(application.completed(settings.defaults) for application in settings.applications)
    settings = settings.model_copy(update={"applications": completed}).with_preview_role()
    problems += _inconsistencies(given, settings)
    if settings.archive is not None:
        problems += unserved(
            settings.applications,
            regions=settings.destination_regions,
            accounts=settings.sender_accounts,
            organization=settings.sender_organization,
            file=file,
        )
    if problems:
        raise SettingsError.of(file, problems)
    return settings


def unserved(
    applications: Iterable[Application],
    *,
    regions: Iterable[str],
    accounts: Iterable[str],
    organization: str | None,
    file: str,
) -> list[str]:
    """Say what the archive does not serve, a line for each account and region.

    Args:
        applications: the application accounts of a stack.
        regions: regions in which the archive has a destination.
        accounts: ids of the accounts that the archive admits.
        organization: the organization that the archive admits; which accounts are in it, only AWS knows.
        file: the archive's stack file, to be named as the place to mend.
    """
    regions, accounts = sorted(regions), sorted(accounts)
    problems = []
    for application in applications:
        if organization is None and application.account not in accounts:
            problems.append(
                f"applications, account {application.account}: the archive does not admit it; it admits "
                f'{_listed(accounts)}; add "{application.account}" to archive.senders.accounts in {file}'
            )
        problems += [
            f"applications, account {application.account}, region {region}: the archive does not serve the region; it "
            f"serves {_listed(regions)}; add {region} to archive.destinationRegions in {file}"
            for region in application.regions
            if region not in regions
        ]
    return problems


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text  # a text where something else is wanted: validation says so


def _sound_parts(given: Mapping[str, object]) -> Settings:
    """Keep the parts that are sound by themselves, so that they can still be compared with each other."""

    def sound(model: type[_Model], value: object) -> _Model | None:
        try:
            return model.model_validate_json(json.dumps(value))
        except ValidationError:
            return None

    return Settings(
        archive=sound(Archive, given.get("archive")),
        retain=given.get("retain") is not False,
        defaults=sound(Defaults, given.get("defaults")) or Defaults(),
        applications=tuple(
            application
            for value in _list(given.get("applications"))
            if (application := sound(Application, value)) is not None
        ),
    )


def _inconsistencies(given: Mapping[str, object], settings: Settings) -> Iterable[str]:
    """Problems that no key has by itself. ``given`` says which sections there are, be they sound or not."""
    if "archive" not in given and "applications" not in given:
        yield "the stack describes nothing; add an archive section, an applications section, or both"
    if "archive" not in given and "applications" in given and "archiveStack" not in given:
        yield (
            "archiveStack: is required in a stack without an archive section; name the stack that builds the archive, "
            "like archiveStack: archive"
        )
    if "archive" in given and "archiveStack" in given:
        yield "archiveStack: this stack has an archive section of its own; remove one of the two"
    yield from _without_regions(given)
    archive = settings.archive
    if archive is not None and "applications" not in given:
        for key, value in (("destinationRegions", archive.destination_regions), ("senders", archive.senders)):
            if value is None:
                yield f"archive.{key}: is required in a stack without applications, which it could be taken from"
    if settings.archive is not None and settings.archive.bucket.object_lock and not settings.retain:
        yield (
            "archive.bucket.objectLock: a bucket of a stack with retain: false is emptied and deleted, which its lock "
            "would refuse; remove one of the two"
        )
    if archive is not None and archive.alarms is None and settings.alarms:
        yield "alarms: the archive of this stack has none; set archive.alarms, or remove alarms"
    yield from _names_of_nothing(settings)
    yield from _wrong_topics(settings)
    yield from _oversized_trust(settings)
    yield from _too_many_partitions(settings)
    yield from _clashes(settings)
    yield from _border_crossings(settings)


def _without_regions(given: Mapping[str, object]) -> Iterable[str]:
    defaults = given.get("defaults")
    if isinstance(defaults, dict) and "regions" in defaults:
        return
    for index, application in enumerate(_list(given.get("applications"))):
        if isinstance(application, dict) and "regions" not in application:
            yield f"applications[{index}].regions: is required, since defaults has none"


def _names_of_nothing(settings: Settings) -> Iterable[str]:
    names = settings.archive.destination_names if settings.archive is not None else {}
    for region in sorted(names.keys() - set(settings.destination_regions)):
        yield (
            f"archive.destinationNames: {region} has no destination; the archive has some in "
            f"{_listed(settings.destination_regions)}; remove the name, or add the region to destinationRegions"
        )


def _wrong_topics(settings: Settings) -> Iterable[str]:
    archive = settings.archive
    topics = archive.alarms if archive is not None else None
    if archive is None or not topics:
        return
    for region in sorted({archive.region, *settings.destination_regions} - topics.keys()):
        yield f"archive.alarms: has no topic of {region}, where the archive has its stream or a destination; add one"
    for region, arn in topics.items():
        if arn.split(":")[3] != region:
            yield f"archive.alarms.{region}: {arn} is of another region, and an alarm tells topics of its own only"


def _oversized_trust(settings: Settings) -> Iterable[str]:
    """The trust policy of the sender role fills up first: a destination policy holds some 330 accounts."""
    if settings.archive is None:
        return
    trust = policies.sender_role_trust(
        home_region=settings.archive.region,
        account=settings.archive.account,
        sender_accounts=settings.sender_accounts,
        sender_organization=settings.sender_organization,
    )
    if len(trust) > MAX_TRUST_CHARACTERS:
        yield (
            f"archive.senders: the trust policy of {settings.archive.sender_role_name} would have {len(trust)} "
            f"characters for {len(settings.sender_accounts)} accounts, and IAM takes {MAX_TRUST_CHARACTERS}; admit "
            "your organization instead, like senders: {organization: o-exampleorg1}"
        )


def _too_many_partitions(settings: Settings) -> Iterable[str]:
    if settings.archive is None:
        return
    layout = settings.archive.delivery.layout
    if settings.applications:
        sources = [(a.account, r, name) for a in settings.applications for r, groups in a.regions.items()
                   for name in [*(g.name for g in groups.log_groups), *([""] if groups.all else [])]]  # fmt: skip
    else:  # which log groups there are, other stacks say
        sources = [(account, r, "") for account in settings.sender_accounts for r in settings.destination_regions]
    sources += [(settings.archive.account, settings.archive.region, g.name)
                for g in settings.archive.own_log_groups or ()]  # fmt: skip
    partitions = len({source[: len(LAYOUTS[layout].partitioned_by)] for source in sources})
    if partitions > MAX_PARTITIONS:
        yield (
            f"archive.delivery.layout: {layout} makes {partitions} partitions of this stack, and a stream writes "
            f"{MAX_PARTITIONS} at a time; choose one with fewer, like dated"
        )


def _clashes(settings: Settings) -> Iterable[str]:
    archive, applications = settings.archive, settings.applications
    for account in _repeated(application.account for application in applications):
        yield f"applications: account {account} stands in more than one entry; make them one"
    everyone = [*applications] if archive is None else [archive, *applications]
    for label in _repeated(account.label for account in everyone):
        yield f'applications: the alias "{label}" is used more than once; give each account its own'
    if archive is None:
        return
    senders = (archive.senders.accounts if archive.senders else None) or ()
    for key, accounts in (("applications", [a.account for a in applications]), ("archive.senders.accounts", senders)):
        if archive.account in accounts:
            yield (
                f"{key}: account {archive.account} is the archive itself, and a destination takes events of other "
                "accounts only; remove it"
            )


def _border_crossings(settings: Settings) -> Iterable[str]:
    """Nothing crosses from one partition of AWS into another: neither roles nor destinations."""
    archive, applications = settings.archive, settings.applications
    places = [] if archive is None else [("archive.region", archive.region)]
    places += [("archive.destinationRegions", region) for region in settings.destination_regions]
    places += [(f"applications, account {a.account}", region) for a in applications for region in a.regions]
    if archive is not None:
        function = archive.transform.code if archive.transform is not None else None
        for key, what, arn in (("key", "key", archive.key), ("transform.code", "function", function)):
            region = str(arn).split(":")[3] if str(arn).startswith("arn:") else archive.region
            if region != archive.region:
                yield (
                    f"archive.{key}: is of {region}, and the stream of {archive.region}; give a {what} of "
                    f"{archive.region}"
                )
    for where, region in places:
        home, first = places[0]
        if PARTITIONS[region] != PARTITIONS[first]:
            yield (
                f"{where}: {region} is in partition {PARTITIONS[region]}, but {first} ({home}) is in "
                f"{PARTITIONS[first]}, and logs cannot cross; use a stack of its own for each partition"
            )


def _described(detail: ErrorDetails) -> str:
    """Turn an error of pydantic into one line: where, what was given, what is allowed."""
    *parents, last = location = [part for part in detail["loc"] if part != "[key]"]
    where = _path(location)
    match detail["type"]:
        case "problem":
            return f"{where}: {detail['msg']}"
        case "missing":
            return f"{where}: is required: {_keys(parents)[str(last)]}"
        case "extra_forbidden":
            allowed = list(_keys(parents))
            near = difflib.get_close_matches(str(last), allowed, n=1)
            return f"{where}: unknown key; " + (f"did you mean {near[0]}?" if near else f"allowed: {_listed(allowed)}")
        case _:
            return f"{where}: {json.dumps(detail['input'])} does not fit; {detail['msg'][0].lower()}{detail['msg'][1:]}"


def _keys(location: Iterable[int | str]) -> dict[str, str]:
    """Key → description, for every key that is allowed at a place of the stack file."""
    section: type[Section] = Settings
    for part in location:
        fields = {field.alias: field for field in section.model_fields.values()}
        if part in fields:
            section = next(sections_of(fields[str(part)].annotation), section)
    return {str(field.alias): str(field.description) for field in section.model_fields.values()}


def sections_of(annotation: object) -> Iterator[type[Section]]:
    """Return the sections that a value of this type holds, at whatever depth of lists and unions."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for argument in get_args(annotation):
        yield from sections_of(argument)


def _repeated(values: Iterable[str]) -> list[str]:
    return [value for value, count in Counter(values).items() if count > 1]


def _path(location: Iterable[int | str]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values)) or "nothing"
