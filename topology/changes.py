"""The EventBridge rule that sees when anybody but the deployer changes what the archive depends on.

There is one in each region of an application account, and one in each region of the archive. CloudTrail's events only
reach the account and region in which something happens, and only where a trail logs management events (EventBridge User
Guide, "AWS service events delivered via AWS CloudTrail").
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from topology.names import own_filter_names
from topology.patterns import CANARY, OWN, SUBSCRIBER
from topology.regions import role_arn
from topology.settings import Application

CHANGES = "central-log-archive-changes"
"""Name of the rule, and in the archive of the policy that lets it write to its log group."""

CHANGES_LOG_GROUP = f"/aws/events/{CHANGES}"
"""The log group of the archive's rules. In application accounts they write to the scheduled canary, which is archived.

EventBridge only writes to log groups whose names begin like this.
"""

Matcher = str | dict[str, Any]


def sender_changes(application: Application, region: str) -> str:
    """Return the event pattern for a region of an application account.

    The function of ``autoSubscribe`` changes filters too, with a role that only Lambda may assume.
    """
    rules = [CANARY, CHANGES, SUBSCRIBER]
    alarms: list[Matcher] = [{"prefix": "central-log-archive-"}]
    roles = (application.deployer_role, SUBSCRIBER)
    return _pattern(
        [role_arn(region, application.account, role) for role in roles],
        {
            "alarmName": alarms,
            "alarmNames": alarms,
            "filterName": own_filter_names(region),
            "functionName": _function(SUBSCRIBER),
            "logGroupName": sorted(OWN),
            "name": rules,
            "policyName": [own_filter_names(region)[0], CANARY],
            "rule": rules,
        },
    )


def archive_changes(
    region: str,
    account: str,
    deployer_role: str,
    *,
    alarms: str,
    destinations: Sequence[str] = (),
    buckets: Sequence[str] = (),
    streams: Sequence[str] = (),
    functions: Sequence[str] = (),
    rules: Sequence[str] = (),
    keys: Sequence[str] = (),
) -> str:
    """Return the event pattern for a region of the archive, given the names of what it has there.

    Args:
        region: the region.
        account: ID of the archive's account.
        deployer_role: name of the deployer role.
        alarms: the beginning of the names of the alarms.
        destinations: ARNs of destinations.
        buckets: names of buckets.
        streams: names of streams.
        functions: names of Lambda functions.
        rules: names of further EventBridge rules.
        keys: ARNs of KMS keys.
    """
    all_rules = [CHANGES, *rules]
    return _pattern(
        [role_arn(region, account, deployer_role)],
        {
            "alarmName": [{"prefix": alarms}],
            "alarmNames": [{"prefix": alarms}],
            "bucketName": buckets,
            "deliveryStreamName": streams,
            "destinationName": [arn.partition(":destination:")[2] for arn in destinations],
            "filterName": own_filter_names(region)[:1] if streams else (),
            "functionName": [matcher for name in functions for matcher in _function(name)],
            "logGroupName": [CHANGES_LOG_GROUP],
            "name": all_rules,
            "policyName": [CHANGES],
            "rule": all_rules,
        },
        keys,
    )


def _pattern(deployers: list[str], names: Mapping[str, Iterable[Matcher]], keys: Iterable[str] = ()) -> str:
    """Return the event pattern for calls that changed something, by anybody but some roles.

    Which calls these are, AWS says: management events that do not only read. They name what they change in a request
    parameter, and a key in ``resources`` (CloudTrail User Guide, "CloudTrail record contents"). A denied call often has
    no parameters. AWS services that act by themselves have no session, as root and IAM users have none (CloudTrail User
    Guide, "CloudTrail userIdentity element"). Whoever writes to a log group creates log streams.

    The operators are those of the EventBridge User Guide, "Comparison operators for use in event patterns". A pattern
    has at most 2,048 characters ("Amazon EventBridge quotas"), and ``$or`` at most 1,000 combinations.

    Args:
        deployers: ARNs of the roles.
        names: request parameter → names, or matchers of them.
        keys: ARNs of KMS keys.
    """
    named = [{parameter: matchers} for parameter, each in names.items() if (matchers := list(each))]
    ours: dict[str, Any] = {"requestParameters": {"$or": named}}
    # The ID is enough, and a pattern must not be long.
    if ids := sorted({arn.rpartition("/")[2] for arn in keys}):
        ours = {"$or": [ours, {"resources": {"ARN": [{"suffix": f"/{each}"} for each in ids]}}]}
    missing = {"exists": False}
    detail = {
        "errorCode": [missing],
        "eventCategory": ["Management"],
        "eventName": [{"anything-but": "CreateLogStream"}],
        "readOnly": [False, missing],
        "userIdentity": {
            "type": [{"anything-but": "AWSService"}],
            "sessionContext": {"sessionIssuer": {"arn": [{"anything-but": deployers}, missing]}},
        },
        **ours,
    }
    # No other sender of events may use these sources (API operation PutEvents).
    pattern = {"source": [{"prefix": "aws."}], "detail-type": ["AWS API Call via CloudTrail"], "detail": detail}
    return json.dumps(pattern, separators=(",", ":"))


def _function(name: str) -> list[Matcher]:
    """Return what matches a function, which a call names with or without its ARN, and with or without a version.

    Lambda API Reference, ``FunctionName`` of UpdateFunctionConfiguration and others.
    """
    return [name, {"prefix": f"{name}:"}, {"suffix": f":{name}"}, {"wildcard": f"*:{name}:*"}]
