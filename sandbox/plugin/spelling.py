"""Pulumi's spelling of AWS's parameters, and back: ``kmsMasterKeyId`` is ``KMSMasterKeyID``.

A property is spelled differently from AWS's member, but it is the same words in the same place. botocore's model of an
operation knows AWS's spelling, so no resource type has to repeat a structure in both spellings.
"""

from __future__ import annotations

import json
from typing import Any

from botocore import xform_name

# A list of such pairs in AWS, like tags and dimensions, is a map in Pulumi.
_PAIRS = {("Key", "Value"), ("TagKey", "TagValue"), ("Name", "Value")}


def property_name(member: str) -> str:
    """Spell a member of a structure of AWS the way Pulumi does."""
    first, *others = str(xform_name(member)).replace("cloud_watch", "cloudwatch").split("_")
    return first + "".join(word.capitalize() for word in others)


def to_aws(shape: Any, value: Any) -> Any:  # noqa: ANN401 - botocore has no types, and a value has any
    """Spell a value the way AWS does; properties that are None are left out.

    Args:
        shape: botocore's model of the value.
        value: a property value.

    Raises:
        KeyError: a structure of AWS has no such member.
    """
    match shape.type_name:
        case "structure":
            names = {property_name(member): member for member in shape.members}
            given = {names[key]: inner for key, inner in value.items() if inner is not None}
            return {member: to_aws(shape.members[member], inner) for member, inner in given.items()}
        case "list" if isinstance(value, dict):
            key_name, value_name = shape.member.members
            return [{key_name: key, value_name: inner} for key, inner in value.items()]
        case "list":
            return [to_aws(shape.member, item) for item in value]
        case "integer" | "long":
            return int(value)  # the engine knows floats only
    return value


def from_aws(shape: Any, value: Any) -> Any:  # noqa: ANN401 - as above
    """Spell a value of AWS the way Pulumi does.

    Args:
        shape: botocore's model of the value.
        value: the value as boto3 returns it.
    """
    match shape.type_name:
        case "structure":
            members = shape.members.items()
            return {property_name(name): from_aws(member, value[name]) for name, member in members if name in value}
        case "list" if shape.member.type_name == "structure" and tuple(shape.member.members) in _PAIRS:
            key_name, value_name = shape.member.members
            return {pair[key_name]: pair[value_name] for pair in value}
        case "list":
            return [from_aws(shape.member, item) for item in value]
        case "timestamp":
            return value.isoformat()
        case "string" if isinstance(value, dict):
            return json.dumps(value)  # boto3 parses the policies of IAM
    return value
