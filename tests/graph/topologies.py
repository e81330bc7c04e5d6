"""Random topologies, as the config of a stack."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

ENCRYPTED = ("objects", "stream", "logGroups")
"""What a key encrypts."""
REGIONS = ("ap-southeast-2", "eu-central-1", "eu-west-1", "us-east-1", "us-west-2")

_accounts = st.integers(min_value=0, max_value=10**12 - 1).map("{:012d}".format)
_log_group_names = st.text("abcXYZ019_./#-", min_size=1, max_size=20)
_created = st.fixed_dictionaries(
    {"name": _log_group_names, "create": st.just(value=True), "retentionDays": st.sampled_from([1, 30, 3653])}
)
_log_groups = st.one_of(
    _log_group_names,
    st.fixed_dictionaries({"name": _log_group_names, "filterPattern": st.sampled_from(["", "ERROR", "{ $.a = 1 }"])}),
    _created,
)


def _name(group: str | dict[str, Any]) -> str:
    return group if isinstance(group, str) else str(group["name"])


_regions = st.dictionaries(
    st.sampled_from(REGIONS),
    st.fixed_dictionaries(
        {"logGroups": st.lists(_log_groups, min_size=1, max_size=3, unique_by=_name)},
        optional={
            "all": st.sampled_from([True, {"filterPattern": "ERROR"}]),
            "exclude": st.lists(st.sampled_from(["a*", "*z", "/named"]), min_size=1, unique=True),
        },
    ),
    min_size=1,
    max_size=3,
)


_account_filters = st.fixed_dictionaries(
    {},
    optional={
        "filterPattern": st.sampled_from(["", "WARN"]),
        "emitSystemFields": st.just(["@aws.region"]),
    },
)
_own_log_groups = st.lists(
    st.one_of(
        _log_group_names,
        st.fixed_dictionaries({"name": _log_group_names, "filterPattern": st.sampled_from(["", "ERROR"])}),
        st.just("pattern/*"),
    ),
    min_size=1,
    max_size=3,
    unique_by=_name,
)
_buckets = st.fixed_dictionaries(
    {},
    optional={
        "lifecycle": st.fixed_dictionaries(
            {},
            optional={
                "transitions": st.just({"STANDARD_IA": 30, "DEEP_ARCHIVE": 180}),
                "expireDays": st.integers(365, 3650),
                "noncurrentDays": st.integers(365, 3650),
            },
        ),
        "objectLock": st.fixed_dictionaries(
            {"mode": st.sampled_from(["governance", "compliance"]), "days": st.integers(1, 365)}
        ),
        "accessLogs": st.just({"bucket": "access-logs"}),
        "replica": st.sampled_from([{"bucket": "replicas"}, {"bucket": "replicas", "account": "999999999999"}]),
    },
)
_deliveries = st.fixed_dictionaries(
    {},
    optional={
        "bufferMiB": st.integers(64, 128),
        "bufferSeconds": st.integers(60, 900),
        "compression": st.sampled_from(["gzip", "snappy", "none"]),
        "layout": st.sampled_from(["dated", "partitioned", "partitioned-by-group"]),
    },
)


def _keys(region: str, account: str) -> st.SearchStrategy[Any]:
    """Nothing, a key for everything, or a key each for some of it."""
    given = [f"arn:aws:kms:{region}:{account}:key/given-{number}" for number in (1, 2)]
    one = st.sampled_from(["create", *given])
    return st.one_of(st.none(), one, st.fixed_dictionaries({}, optional=dict.fromkeys(ENCRYPTED, one)))


def _transforms(region: str, account: str) -> st.SearchStrategy[Any]:
    any_function = {"retries": st.integers(0, 300), "backup": st.booleans()}
    created = {"memoryMiB": st.integers(128, 10240), "timeoutSeconds": st.integers(1, 300), **any_function}
    given = f"arn:aws:lambda:{region}:{account}:function:given:7"
    return st.one_of(
        st.sampled_from([None, "bundled", given]),
        st.fixed_dictionaries({"code": st.just("bundled")}, optional=created),
        st.fixed_dictionaries({"code": st.just("sandbox"), "handler": st.just("command.main")}, optional=created),
        st.fixed_dictionaries({"code": st.just(given)}, optional=any_function),
    )


@st.composite
def one_graph_stacks(draw: st.DrawFn) -> dict[str, Any]:
    """Config of a stack with an archive and one to four applications."""
    archive, *accounts = draw(st.lists(_accounts, min_size=2, max_size=5, unique=True))
    applications = [
        {
            "account": account,
            **({"alias": f"app-{index}"} if draw(st.booleans()) else {}),
            **draw(_account_filters),
            "regions": draw(_regions),
        }
        for index, account in enumerate(accounts)
    ]
    delivery = {"delivery": draw(_deliveries)} if draw(st.booleans()) else {}
    own = {"ownLogGroups": draw(_own_log_groups)} if draw(st.booleans()) else {}
    bucket: dict[str, Any] = draw(
        st.one_of(
            st.just({}),
            _buckets.map(lambda bucket: {"bucket": bucket}),
            st.sampled_from(["existing-bucket", {"name": "existing-bucket", "account": "999999999999"}]).map(
                lambda existing: {"existingBucket": existing}
            ),
        )
    )
    region = draw(st.sampled_from(REGIONS))
    key = draw(_keys(region, archive))
    if (key if isinstance(key, str) else (key or {}).get("objects")) and "replica" in bucket.get("bucket", {}):
        replica = {**bucket["bucket"]["replica"], "key": f"arn:aws:kms:{region}:{archive}:key/replicas"}
        bucket = {"bucket": {**bucket["bucket"], "replica": replica}}
    transform = draw(_transforms(region, archive))
    used = {place for application in applications for place in application["regions"]} | {region}
    topics = {place: f"arn:aws:sns:{place}:{archive}:given" for place in used}
    alarms = draw(st.sampled_from([None, "create", topics]))
    integrity = draw(st.sampled_from([None, True, {"graceHours": 12}]))
    existing = bucket.get("existingBucket", "")
    analysis = draw(st.sampled_from([None, True, {"scanLimitGiB": 1, "accounts": ["999999999999"], "reuseMinutes": 0}]))
    organization = {"senders": {"organization": "o-exampleorg1"}} if draw(st.booleans()) else {}
    return {
        "archive": {
            "account": archive,
            "region": region,
            **organization,
            **delivery,
            **own,
            **bucket,
            **({"key": key} if key else {}),
            **({"transform": transform} if transform else {}),
            **({"alarms": alarms} if alarms else {}),
            **({"analysis": analysis} if analysis else {}),
            **({"integrity": integrity} if integrity and "account" not in existing else {}),
        },
        "applications": applications,
    }


def split(config: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the same topology as the config of two stacks: the archive's, and that of its applications."""
    applications = config["applications"]
    archive = {
        **config["archive"],
        "destinationRegions": sorted({region for application in applications for region in application["regions"]}),
        "senders": config["archive"].get("senders", {"accounts": [each["account"] for each in applications]}),
    }
    roles = {"filterRoles": True} if organization_of(config) else {}
    alarms = {"alarms": True} if "alarms" in archive else {}
    return {"archive": archive}, {"archiveStack": "archive", "applications": applications, **roles, **alarms}


def organization_of(config: dict[str, Any]) -> str | None:
    """Return the organization that the archive admits, if any."""
    organization: str | None = config["archive"].get("senders", {}).get("organization")
    return organization


def keys_of(config: dict[str, Any]) -> dict[str, str | None]:
    """Return what a key encrypts → the ARN of its key, if any."""
    archive = config["archive"]
    key = archive.get("key")
    chosen = key if isinstance(key, dict) else dict.fromkeys(ENCRYPTED, key)
    created = f"arn:aws:kms:{archive['region']}:{archive['account']}:key/archive-key-1234567"
    return {part: created if chosen.get(part) == "create" else chosen.get(part) for part in ENCRYPTED}


NONSENSE = {"nonsense": 1}
_REQUIRED = {"account", "region", "regions", "logGroups", "mode", "days", "code"}


def _places(value: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any] | list[Any], Any]]:  # noqa: ANN401 - YAML
    """Path, container and key of every value in a config, however deep."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        here = f"{path}[{key}]" if isinstance(key, int) else f"{path}.{key}".removeprefix(".")
        yield here, value, key
        yield from _places(inner, here)


@st.composite
def broken_stacks(draw: st.DrawFn) -> tuple[dict[str, Any], str]:
    """Config of a stack with one mistake at a random place, and the path that its error has to contain."""
    config = copy.deepcopy(draw(one_graph_stacks()))
    places = list(_places(config))
    kinds: dict[str, list[tuple[str, Any, Any]]] = {
        "an invalid value": [place for place in places if not isinstance(place[1][place[2]], dict | list)],
        "an unknown key": [place for place in places if isinstance(place[1][place[2]], dict)],
        "a missing key": [
            place
            for place in places
            if place[2] in _REQUIRED
            and not place[0].endswith("existingBucket.account")
            and not (place[2] == "logGroups" and "all" in place[1])
        ],
        "an unquoted account": [place for place in places if place[2] == "account"],
    }
    kind = draw(st.sampled_from(sorted(kinds)))
    path, container, key = draw(st.sampled_from(kinds[kind]))
    if kind == "an invalid value":
        container[key] = NONSENSE
    elif kind == "an unknown key":
        container[key]["nonsense"] = 1
        path += ".nonsense"
    elif kind == "a missing key":
        del container[key]
        path = path.removesuffix(".logGroups")  # all is enough; without both, the error is one of the region
    else:
        container[key] = 111111111111
    return config, path
