"""Types of the values in a stack file, each with the error for an invalid one."""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Iterable, Sized
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from topology.regions import PARTITIONS

RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288,
                  3653)  # fmt: skip
"""Retention periods that CloudWatch Logs accepts for a log group, in days (API operation PutRetentionPolicy)."""

DEPLOYER_ROLE = "central-log-archive-deployer"
"""The name that the templates in ``bootstrap/`` give the deployer role."""

_Item = TypeVar("_Item")
_Sized = TypeVar("_Sized", bound=Sized)


class Section(BaseModel):
    """A section of a stack file, with keys of its own."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, strict=True)

    def within(self, outer: Section, **changed: object) -> Self:
        """Return a copy that inherits the keys which the stack file sets in ``outer`` and not here.

        Args:
            outer: a section that has some keys in common with this one.
            changed: other fields of the copy, by name.
        """
        inherited = type(self).model_fields.keys() & outer.model_fields_set - self.model_fields_set
        return self.model_copy(update={**{field: getattr(outer, field) for field in inherited}, **changed})


def problem(text: str) -> PydanticCustomError:
    """Return an error whose text is shown to the operator as it is."""
    return PydanticCustomError("problem", "{text}", {"text": text})


def listed(values: Iterable[object]) -> str:
    """Return values as a list for display."""
    return ", ".join(map(str, values)) or "nothing"


def repeated(values: Iterable[str]) -> list[str]:
    """Return the values that occur more than once."""
    return [value for value, count in Counter(values).items() if count > 1]


def not_empty(value: _Sized) -> _Sized:
    """Reject an empty list or object."""
    if not value:
        raise problem("is empty; specify at least one")
    return value


def named(value: object) -> object:
    """Accept a bare name in place of an object with a name."""
    return {"name": value} if isinstance(value, str) else value


def enabled(value: object) -> object:
    """Accept ``true`` in place of an object without keys, and ``false`` in place of none."""
    if isinstance(value, bool):
        return {} if value else None
    return value


def matching(what: str, pattern: str, allowed: str) -> AfterValidator:
    """Return a validator that accepts what matches a regular expression.

    Args:
        what: what the value is, with an article.
        pattern: the regular expression.
        allowed: the same in words, for the error.
    """

    def check(value: str) -> str:
        return matched(value, what, pattern, allowed)

    return AfterValidator(check)


def matched(value: str, what: str, pattern: str, allowed: str) -> str:
    """Return a value, or reject it. The other arguments are those of ``matching``."""
    if not re.fullmatch(pattern, value):
        raise problem(f'"{value}" is not {what}; allowed: {allowed}')
    return value


def _account(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise problem(
            "is an unquoted number, which YAML may change; an account ID is a string of 12 digits: put it in quotes, "
            f'like "{int(value):012d}"'
        )
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{12}", value):
        raise problem(f'{json.dumps(value)} is not an account ID; allowed: 12 digits in quotes, like "111111111111"')
    return value


def _region(value: str) -> str:
    if value not in PARTITIONS:
        near = difflib.get_close_matches(value, PARTITIONS, n=3) or sorted(PARTITIONS)
        raise problem(f'"{value}" is not an AWS Region; did you mean {" or ".join(near)}?')
    return value


def _retention(value: int) -> int:
    if value not in RETENTION_DAYS:
        raise problem(f"{value} is not a retention period of CloudWatch Logs; allowed: {listed(RETENTION_DAYS)}")
    return value


def _as_tuple(value: object) -> object:
    """Accept a list, as JSON mode does by itself, unless a validator around this one has already parsed the value."""
    return tuple(value) if isinstance(value, list) else value


def _without_duplicates(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if duplicates := repeated(getattr(value, "name", value) for value in values):
        raise problem(f"{listed(duplicates)} is listed more than once; keep one entry")
    return values


Distinct = Annotated[
    tuple[_Item, ...], BeforeValidator(_as_tuple), AfterValidator(not_empty), AfterValidator(_without_duplicates)
]
AccountId = Annotated[str, BeforeValidator(_account)]
Region = Annotated[str, AfterValidator(_region)]
RetentionDays = Annotated[int, AfterValidator(_retention)]
Alias = Annotated[str, matching("an alias", r"[a-z][a-z0-9-]{0,39}",
                                "up to 40 lowercase letters, digits and hyphens, starting with a letter")]  # fmt: skip
RoleName = Annotated[str, matching("the name of an IAM role", r"[\w+=,.@-]{1,64}",
                                   "up to 64 letters, digits and _+=,.@-, no path, no ARN")]  # fmt: skip
StreamName = Annotated[str, matching("the name of a stream", r"[A-Za-z0-9_.-]{1,64}",
                                     "up to 64 letters, digits and _.-, no ARN")]  # fmt: skip
DestinationName = Annotated[str, matching("the name of a Logs destination", r"[^:*]{1,512}",
                                          "up to 512 characters, without : and *, no ARN")]  # fmt: skip
OrganizationId = Annotated[str, matching("the ID of an organization", r"o-[a-z0-9]{10,32}",
                                         "o- and 10 to 32 lowercase letters and digits")]  # fmt: skip
BucketName = Annotated[str, matching("the name of a bucket", r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
                                     "3 to 63 lowercase letters, digits, dots and hyphens, no ARN")]  # fmt: skip
_KEY_ARN, _ALLOWED_KEY = r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[a-z0-9-]+", "the ARN of a key (not of an alias)"
KeyArn = Annotated[str, matching("a KMS key", _KEY_ARN, _ALLOWED_KEY)]
KEY = ("a KMS key", rf"create|{_KEY_ARN}", f"create, or {_ALLOWED_KEY}")
"""What ``matching`` needs to accept a key."""
KeyChoice = Annotated[str, matching(*KEY)]
TopicArn = Annotated[str, matching("the ARN of an SNS topic", r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[\w-]{1,256}",
                                   "arn:aws:sns:REGION:ACCOUNT:NAME")]  # fmt: skip
PrincipalArn = Annotated[str, matching("the ARN of a principal",
                                       r"arn:aws[a-z-]*:iam::[0-9]{12}:(root|(role|user)/[\w+=,.@/-]{1,512})",
                                       "the ARN of a role, of a user, or of the root of an account")]  # fmt: skip
HandlerName = Annotated[str, matching("a handler", r"[A-Za-z_]\w*\.[A-Za-z_]\w*",
                                      "the name of a file and of its function, like main.handler")]  # fmt: skip
LogGroupPattern = Annotated[str, matching("the name of a log group, or a pattern", r"[A-Za-z0-9_./#*-]{1,512}",
                                          "1 to 512 letters, digits and _-/.#, and * for any of them")]  # fmt: skip
SystemField = Literal["@aws.account", "@aws.region", "@source.log"]
StorageClass = Literal["STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"]
DeployerRole = Annotated[RoleName, Field(description="name of the role that Pulumi assumes in the account")]


class Account(Section):
    """An AWS account that the stack deploys to."""

    account: AccountId = Field(description="the account ID, in quotes")
    alias: Alias | None = Field(
        default=None, description="a short name for display and for resource names; default: the account ID"
    )
    deployer_role: DeployerRole = DEPLOYER_ROLE
    _preview_role: str | None = PrivateAttr(default=None)

    @property
    def assumed_role(self) -> str:
        """Name of the role that the program assumes: the deployer role, unless a preview assumes another one."""
        return self._preview_role or self.deployer_role

    def assuming(self, preview_role: str | None) -> Self:
        """Return a copy in which a preview role, if there is one, is assumed instead of the deployer role."""
        copy = self.model_copy()
        copy._preview_role = preview_role
        return copy

    @property
    def label(self) -> str:
        """The display name of the account: its alias, or else its ID."""
        return self.alias or self.account
