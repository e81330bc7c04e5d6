"""Every mistake in a stack file is reported with where it is, what was given and how to fix it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from topology import policies
from topology.settings import Archive, Settings, SettingsError, load, unserved

ARCHIVE: dict[str, Any] = {
    "account": "111111111111",
    "region": "eu-west-1",
    "destinationRegions": ["eu-west-1"],
    "senders": {"accounts": ["222222222222"]},
}
SHOP: dict[str, Any] = {
    "account": "222222222222",
    "alias": "shop",
    "regions": {"eu-west-1": {"logGroups": ["aws-waf-logs-shop"]}},
}


def loaded(**config: object) -> Settings:
    return load({key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}, "test")


def archive_of(settings: Settings) -> Archive:
    assert settings.archive is not None
    return settings.archive


def problems(**config: object) -> list[str]:
    with pytest.raises(SettingsError) as error:
        loaded(**config)
    first, *lines = str(error.value).splitlines()
    count = "a problem" if len(lines) == 1 else f"{len(lines)} problems"
    assert first == f"Pulumi.test.yaml has {count}:"
    return [line.removeprefix("  ") for line in lines]


def with_group(group: object) -> dict[str, object]:
    return {
        "archiveStack": "archive",
        "applications": [{**SHOP, "regions": {"eu-west-1": {"logGroups": [group]}}}],
    }


def with_region(region: dict[str, object]) -> dict[str, object]:
    return {"archiveStack": "archive", "applications": [{**SHOP, "regions": {"eu-west-1": region}}]}


def with_bucket(bucket: dict[str, object]) -> dict[str, object]:
    return {"archive": {**ARCHIVE, "bucket": bucket}}


def with_transform(transform: object, **archive: object) -> dict[str, object]:
    return {"archive": {**ARCHIVE, "transform": transform, **archive}}


def with_analysis(**analysis: object) -> dict[str, object]:
    return {"archive": {**ARCHIVE, "analysis": analysis}}


TOPIC = "arn:aws:sns:us-east-1:111111111111:oncall"
READER = "arn:aws-cn:iam::111111111111:role/analysts"
MANY_READERS = [f"arn:aws:iam::111111111111:role/{'r' * 50}{number}" for number in range(30)]
CHINA = {"account": "333333333333", "regions": {"cn-north-1": {"logGroups": ["a"]}}}

MISTAKES: dict[str, tuple[dict[str, object], str]] = {
    "a function without its version": (
        with_transform("arn:aws:lambda:eu-west-1:111111111111:function:mine"),
        'archive.transform: code: "arn:aws:lambda:eu-west-1:111111111111:function:mine" is not the ARN of a version or'
        " alias of a function; such an ARN ends with :function:NAME:VERSION, or :$LATEST",
    ),
    "a function of another region": (
        with_transform("arn:aws:lambda:us-east-1:111111111111:function:mine:1"),
        "archive.transform.code: is in us-east-1, but the stream is in eu-west-1; use a function in eu-west-1",
    ),
    "settings of an existing function": (
        with_transform({"code": "arn:aws:lambda:eu-west-1:111111111111:function:mine:1", "memoryMiB": 256}),
        "archive.transform: an existing function is not changed; remove memoryMiB",
    ),
    "a folder without a handler": (
        with_transform("transform"),
        "archive.transform: a function from a folder requires a handler, like handler: main.handler",
    ),
    "a missing folder": (
        with_transform({"code": "bundeld", "handler": "main.handler"}),
        "archive.transform: code: the project has no file bundeld/main.py; specify the folder that contains it",
    ),
    "a handler of the bundled function": (
        with_transform({"code": "bundled", "handler": "main.handler"}),
        "archive.transform: the bundled function has its own handler; remove handler, or set code to a folder",
    ),
    "the log group of the transform": (
        {"archive": {**ARCHIVE, "ownLogGroups": ["archive-transform-logs-1234567"]}},
        "archive: ownLogGroups: the archive itself logs to archive-transform-logs-1234567, so archiving it would cause"
        " an endless loop; remove it",
    ),
    "the log group of an existing function": (
        with_transform("arn:aws:lambda:eu-west-1:111111111111:function:mine:1", ownLogGroups=["/aws/lambda/mine"]),
        "archive: ownLogGroups: the archive itself logs to /aws/lambda/mine, so archiving it would cause an endless "
        "loop; remove it",
    ),
    "a region without a topic": (
        {"archive": {**ARCHIVE, "destinationRegions": ["us-east-1"], "alarms": {"us-east-1": TOPIC}}},
        "archive.alarms: has no topic in eu-west-1, where the archive has its stream or a destination; add one",
    ),
    "a topic of another region": (
        {"archive": {**ARCHIVE, "alarms": {"eu-west-1": TOPIC}}},
        "archive.alarms.eu-west-1: arn:aws:sns:us-east-1:111111111111:oncall is in another region, but alarms only "
        "notify topics in their own; use a topic in eu-west-1",
    ),
    "a digest a day after its own": (
        {"archive": {**ARCHIVE, "integrity": {"graceHours": 24}}},
        "archive.integrity.graceHours: 24 is not valid; input should be less than or equal to 23",
    ),
    "digests in a bucket of another account": (
        {"archive": {**ARCHIVE, "existingBucket": {"name": "logs", "account": "999999999999"}, "integrity": True}},
        "archive: integrity: the bucket belongs to account 999999999999, and digests are signed in the bucket's own "
        "account only; remove integrity",
    ),
    "a first day that is no day": (
        with_analysis(since="2025-02-30"),
        'archive.analysis.since: "2025-02-30" is not a date; allowed: a day in quotes, like "2025-01-31"',
    ),
    "a first day with a time": (
        with_analysis(since="2025-02-01T00:00:00Z"),
        'archive.analysis.since: "2025-02-01T00:00:00Z" is not a date; allowed: a day in quotes, like "2025-01-31"',
    ),
    "a reader that is no principal": (
        with_analysis(readers=["analysts"]),
        'archive.analysis.readers[0]: "analysts" is not the ARN of a principal; allowed: the ARN of a role, of a user, '
        "or of the root of an account",
    ),
    "a reader of another partition": (
        with_analysis(readers=[READER]),
        f"archive.analysis.readers: {READER} is in partition aws-cn, but the archive is in aws; use a principal of "
        "that partition",
    ),
    "more readers than a trust policy holds": (
        with_analysis(readers=MANY_READERS),
        "archive.analysis.readers: the trust policy of the analyst role would have 2691 characters for 30 principals, "
        "and IAM accepts 2048; name accounts, like arn:aws:iam::111111111111:root, and let their IAM policies decide",
    ),
    "results that outlive nothing": (
        with_analysis(keepResultsDays=0),
        "archive.analysis.keepResultsDays: 0 is not valid; input should be greater than or equal to 1",
    ),
    "alarms of applications, but not of their archive": (
        {"archive": ARCHIVE, "alarms": True},
        "alarms: the archive of this stack has none; set archive.alarms, or remove alarms",
    ),
    "settings of an existing bucket": (
        {"archive": {**ARCHIVE, "existingBucket": "existing-bucket", "bucket": {"accessLogs": {"bucket": "logs"}}}},
        "archive: existingBucket: the settings of an existing bucket are not changed; remove bucket",
    ),
    "the ARN of a bucket": (
        {"archive": {**ARCHIVE, "existingBucket": "arn:aws:s3:::logs"}},
        (
            'archive.existingBucket.name: "arn:aws:s3:::logs" is not the name of a bucket; allowed: 3 to 63 '
            "lowercase letters, digits, dots and hyphens, no ARN"
        ),
    ),
    "the ARN of a stream": (
        {"archive": {**ARCHIVE, "streamName": "arn:aws:firehose:eu-west-1:111111111111:deliverystream/waf"}},
        'archive.streamName: "arn:aws:firehose:eu-west-1:111111111111:deliverystream/waf" is not the name of a stream; '
        "allowed: up to 64 letters, digits and _.-, no ARN",
    ),
    "a destination with a colon": (
        {"archive": {**ARCHIVE, "destinationRegions": ["us-east-1"], "destinationNames": {"us-east-1": "a:b"}}},
        'archive.destinationNames.us-east-1: "a:b" is not the name of a Logs destination; allowed: up to 512 '
        "characters, without : and *, no ARN",
    ),
    "a name without a destination": (
        {"archive": {**ARCHIVE, "destinationRegions": ["us-east-1"], "destinationNames": {"eu-west-1": "waf"}}},
        (
            "archive.destinationNames: eu-west-1 has no destination; the archive has destinations in "
            "us-east-1; remove the name, or add the region to destinationRegions"
        ),
    ),
    "a region that archives nothing": (
        {"archiveStack": "archive", "applications": [{**SHOP, "regions": {"eu-west-1": {"all": False}}}]},
        "applications[0].regions.eu-west-1: archives nothing; specify logGroups, all: true, or both",
    ),
    "a pattern to create": (
        with_group({"name": "/made/*", "create": True, "retentionDays": 7}),
        "applications[0].regions.eu-west-1.logGroups[0]: create: /made/* is a pattern; specify the name of the log "
        "group to create",
    ),
    "the alias of a key": (
        {"archive": {**ARCHIVE, "key": "arn:aws:kms:eu-west-1:111111111111:alias/logs"}},
        'archive.key: "arn:aws:kms:eu-west-1:111111111111:alias/logs" is not a KMS key; allowed: create, or the ARN of '
        "a key (not of an alias)",
    ),
    "a key of another region": (
        {"archive": {**ARCHIVE, "key": "arn:aws:kms:us-east-1:111111111111:key/k"}},
        "archive.key: is in us-east-1, but the stream is in eu-west-1; use a key in eu-west-1",
    ),
    "a key of another region for the stream only": (
        {"archive": {**ARCHIVE, "key": {"stream": "arn:aws:kms:us-east-1:111111111111:key/k"}}},
        "archive.key.stream: is in us-east-1, but the stream is in eu-west-1; use a key in eu-west-1",
    ),
    "an unknown part of the key": (
        {"archive": {**ARCHIVE, "key": {"bucket": "create"}}},
        "archive.key.bucket: unknown key; allowed: objects, stream, logGroups",
    ),
    "an unknown storage class": (
        with_bucket({"lifecycle": {"transitions": {"GLACIAL": 90}}}),
        "archive.bucket.lifecycle.transitions.GLACIAL: \"GLACIAL\" is not valid; input should be 'STANDARD_IA', "
        "'INTELLIGENT_TIERING', 'ONEZONE_IA', 'GLACIER_IR', 'GLACIER' or 'DEEP_ARCHIVE'",
    ),
    "a transition earlier than S3 allows": (
        with_bucket({"lifecycle": {"transitions": {"STANDARD_IA": 29}}}),
        "archive.bucket.lifecycle: transitions.STANDARD_IA: 29 days; S3 requires 30 or more",
    ),
    "a colder class within 30 days of infrequent access": (
        with_bucket({"lifecycle": {"transitions": {"STANDARD_IA": 30, "GLACIER": 59}}}),
        "archive.bucket.lifecycle: transitions.GLACIER: 59 days; S3 keeps objects in STANDARD_IA for at least 30 days, "
        "so use 60 or more, or remove STANDARD_IA",
    ),
    "another class of infrequent access within 30 days": (
        with_bucket({"lifecycle": {"transitions": {"STANDARD_IA": 40, "ONEZONE_IA": 69}}}),
        "archive.bucket.lifecycle: transitions.ONEZONE_IA: 69 days; S3 keeps objects in STANDARD_IA for at least 30 "
        "days, so use 70 or more, or remove STANDARD_IA",
    ),
    "a class that S3 does not reach from another": (
        with_bucket({"lifecycle": {"transitions": {"ONEZONE_IA": 30, "GLACIER_IR": 90}}}),
        "archive.bucket.lifecycle: transitions: S3 does not move objects from ONEZONE_IA to GLACIER_IR; remove one of "
        "the two",
    ),
    "transitions out of order": (
        with_bucket({"lifecycle": {"transitions": {"DEEP_ARCHIVE": 60, "GLACIER": 90}}}),
        "archive.bucket.lifecycle: DEEP_ARCHIVE: 60 days is not later than GLACIER at 90 days; increase the days",
    ),
    "an expiry before a transition": (
        with_bucket({"lifecycle": {"transitions": {"GLACIER": 90}, "expireDays": 90}}),
        "archive.bucket.lifecycle: expireDays: 90 days is not later than GLACIER at 90 days; increase the days",
    ),
    "an expiry under lock": (
        with_bucket({"lifecycle": {"expireDays": 364}, "objectLock": {"mode": "compliance", "days": 365}}),
        "archive.bucket: lifecycle.expireDays 364 is shorter than objectLock.days 365, so objects would still be "
        "locked; use at least 365",
    ),
    "an expiry of versions under lock": (
        with_bucket({"lifecycle": {"noncurrentDays": 1}, "objectLock": {"mode": "governance", "days": 2}}),
        "archive.bucket: lifecycle.noncurrentDays 1 is shorter than objectLock.days 2, so objects would still be "
        "locked; use at least 2",
    ),
    "a lock on a bucket that is not retained": (
        {**with_bucket({"objectLock": {"mode": "governance", "days": 2}}), "retain": False},
        "archive.bucket.objectLock: with retain: false the bucket is emptied and deleted, which Object Lock prevents; "
        "remove one of the two",
    ),
    "a break-glass role for a bucket that is not retained": (
        {**with_bucket({"breakGlassRole": "guardian"}), "retain": False},
        "archive.bucket.breakGlassRole: with retain: false the bucket is emptied and deleted, which only this role may "
        "do; remove one of the two",
    ),
    "a break-glass role that the deployer role is": (
        with_bucket({"breakGlassRole": "central-log-archive-deployer"}),
        "archive.bucket.breakGlassRole: central-log-archive-deployer is the deployer role, or one that it may create, "
        "so it would keep nothing from it; name another role",
    ),
    "a break-glass role that the deployer role may create": (
        with_bucket({"breakGlassRole": "archive-analyst-role-guardian"}),
        "archive.bucket.breakGlassRole: archive-analyst-role-guardian is the deployer role, or one that it may create, "
        "so it would keep nothing from it; name another role",
    ),
    "a replica of encrypted objects without a key": (
        {"archive": {**ARCHIVE, "key": "create", "bucket": {"replica": {"bucket": "vault"}}}},
        "archive: bucket.replica.key: is required, since key encrypts the objects; name a KMS key in the region of "
        "vault",
    ),
    "a key for replicas of objects that have none": (
        with_bucket({"replica": {"bucket": "vault", "key": "arn:aws:kms:us-east-1:111111111111:key/1"}}),
        "archive: bucket.replica.key: the objects have no KMS key, and neither have replicas; remove it",
    ),
    "a key for replicas in another partition": (
        {
            "archive": {
                **ARCHIVE,
                "key": "create",
                "bucket": {"replica": {"bucket": "vault", "key": "arn:aws-cn:kms:cn-north-1:111111111111:key/1"}},
            }
        },
        "archive.bucket.replica.key: arn:aws-cn:kms:cn-north-1:111111111111:key/1 is in another partition than "
        "eu-west-1, and S3 replicates within a partition only; use a key and a bucket in aws",
    ),
    "a key for replicas that is to be created": (
        with_bucket({"replica": {"bucket": "vault", "key": "create"}}),
        'archive.bucket.replica.key: "create" is not a KMS key; allowed: the ARN of a key (not of an alias)',
    ),
    "a replica in a bucket of the deployer role": (
        with_bucket({"replica": {"bucket": "archive-bucket-us", "account": "111111111111"}}),
        "archive.bucket.replica.bucket: archive-bucket-us is a bucket that the deployer role may change, so it would "
        "keep nothing from it; use a name that does not begin with archive-bucket- or archive-results-",
    ),
    "access logs to an ARN": (
        with_bucket({"accessLogs": {"bucket": "arn:aws:s3:::logs"}}),
        (
            'archive.bucket.accessLogs.bucket: "arn:aws:s3:::logs" is not the name of a bucket; allowed: 3 '
            "to 63 lowercase letters, digits, dots and hyphens, no ARN"
        ),
    ),
    "the log group of the stream's errors": (
        {"archive": {**ARCHIVE, "ownLogGroups": ["archive-delivery-errors-0123456"]}},
        "archive: ownLogGroups: the archive itself logs to archive-delivery-errors-0123456, so archiving it would "
        "cause an endless loop; remove it",
    ),
    "a pattern of the archive's own log groups": (
        {"archive": {**ARCHIVE, "ownLogGroups": ["archive-delivery-errors-*"]}},
        "archive: ownLogGroups: the archive itself logs to archive-delivery-errors-*, so archiving it would cause an "
        "endless loop; remove it",
    ),
    "a canary among the own log groups": (
        {"archive": {**ARCHIVE, "ownLogGroups": ["central-log-archive-canary"]}},
        "archive.ownLogGroups[0]: central-log-archive-canary belongs to the archive itself and cannot be an entry; "
        "remove it",
    ),
    "an own log group twice": (
        {"archive": {**ARCHIVE, "ownLogGroups": ["a", {"name": "a", "filterPattern": "x"}]}},
        "archive.ownLogGroups: a is listed more than once; keep one entry",
    ),
    "a function in addition to all": (
        with_region({"all": True, "autoSubscribe": True}),
        "applications[0].regions.eu-west-1: autoSubscribe: all already covers future log groups; remove one of the two",
    ),
    "a function without a pattern": (
        with_region({"logGroups": ["a"], "autoSubscribe": True}),
        "applications[0].regions.eu-west-1: autoSubscribe: no entry of logGroups is a pattern; add one, or remove "
        "autoSubscribe",
    ),
    "a log group of the program": (
        with_group("central-log-archive-canary"),
        "applications[0].regions.eu-west-1.logGroups[0]: central-log-archive-canary belongs to the archive itself and "
        "cannot be an entry; remove it",
    ),
    "an account without regions, where defaults has none": (
        {
            "archiveStack": "archive",
            "defaults": {"filterPattern": "ERROR"},
            "applications": [SHOP, {"account": "333333333333"}],
        },
        "applications[1].regions: is required, since defaults has none",
    ),
    "a mistake in defaults, reported once": (
        {
            "archiveStack": "archive",
            "defaults": {"regions": {"eu-west-1": {"logGroups": []}}},
            "applications": [{"account": "222222222222"}, {"account": "333333333333"}],
        },
        "defaults.regions.eu-west-1.logGroups: is empty; specify at least one",
    ),
    "a distribution, which AWS honors for Kinesis data streams only": (
        with_group({"name": "a", "distribution": "ByLogStream"}),
        "applications[0].regions.eu-west-1.logGroups[0].distribution: unknown key; allowed: filterPattern, "
        "emitSystemFields, name, create, retentionDays",
    ),
    "system fields of an account policy": (
        {
            "archiveStack": "archive",
            "applications": [{**SHOP, "regions": {"eu-west-1": {"all": {"emitSystemFields": ["@aws.region"]}}}}],
        },
        "applications[0].regions.eu-west-1.all.emitSystemFields: unknown key; allowed: filterPattern",
    ),
    "an own log group to create": (
        {"archive": {**ARCHIVE, "ownLogGroups": [{"name": "a", "create": True}]}},
        "archive.ownLogGroups[0].create: unknown key; allowed: filterPattern, emitSystemFields, name",
    ),
    "a buffer too large": (
        {"archive": {**ARCHIVE, "delivery": {"bufferMiB": 129}}},
        "archive.delivery.bufferMiB: 129 is not valid; input should be less than or equal to 128",
    ),
    "a buffer time too long": (
        {"archive": {**ARCHIVE, "delivery": {"bufferSeconds": 901}}},
        "archive.delivery.bufferSeconds: 901 is not valid; input should be less than or equal to 900",
    ),
    "an unknown compression": (
        {"archive": {**ARCHIVE, "delivery": {"compression": "zip"}}},
        "archive.delivery.compression: \"zip\" is not valid; input should be 'gzip', 'snappy' or 'none'",
    ),
    "partitions with a small buffer": (
        {"archive": {**ARCHIVE, "delivery": {"layout": "partitioned", "bufferMiB": 63}}},
        "archive.delivery: bufferMiB 63 is too small for layout partitioned; use 64 to 128, or layout: dated",
    ),
    "partitions with a short buffer time": (
        {"archive": {**ARCHIVE, "delivery": {"layout": "partitioned-by-group", "bufferSeconds": 59}}},
        "archive.delivery: bufferSeconds 59 is too short for layout partitioned-by-group; use 60 to 900, or layout: "
        "dated",
    ),
    "more partitions than a stream writes": (
        {
            "archive": {**ARCHIVE, "delivery": {"layout": "partitioned-by-group"}},
            "applications": [{**SHOP, "regions": {"eu-west-1": {"logGroups": [f"g{n}" for n in range(501)]}}}],
        },
        "archive.delivery.layout: partitioned-by-group creates 501 partitions for this stack, but a stream supports "
        "500; choose a layout with fewer, like dated",
    ),
    "no senders": (
        {"archive": {**ARCHIVE, "senders": {}}},
        "archive.senders: admits nobody; specify accounts, an organization, or both",
    ),
    "an empty list of senders": (
        {"archive": {**ARCHIVE, "senders": {"accounts": []}}},
        "archive.senders.accounts: is empty; specify at least one",
    ),
    "an invalid organization ID": (
        {"archive": {**ARCHIVE, "senders": {"organization": "ou-1234-12345678"}}},
        (
            'archive.senders.organization: "ou-1234-12345678" is not the ID of an organization; allowed: o- '
            "and 10 to 32 lowercase letters and digits"
        ),
    ),
    "more senders than a trust policy holds": (
        {"archive": {**ARCHIVE, "senders": {"accounts": [f"{number:012d}" for number in range(60)]}}},
        (
            "archive.senders: the trust policy of CWLtoKinesisFirehoseRole would have 2159 characters for 60"
            " accounts, and IAM accepts 2048; admit your organization instead, like senders: {organization: "
            "o-exampleorg1}"
        ),
    ),
    "an empty stack": (
        {"archive": {}, "applications": [], "archiveStack": ""},
        "the stack describes nothing; add an archive section, an applications section, or both",
    ),
    "an unknown section": (
        {"archive": ARCHIVE, "aplications": [SHOP]},
        "aplications: unknown key; did you mean applications?",
    ),
    "an unknown key unlike any other": (
        {"archive": {**ARCHIVE, "zzz": 1}},
        "archive.zzz: unknown key; allowed: account, alias, deployerRole, region, destinationRegions, senders, "
        "senderRoleName, streamName, destinationNames, bucket, existingBucket, key, ownLogGroups, exclude, delivery, "
        "transform, alarms, analysis, integrity",
    ),
    "an unquoted account": (
        {"archive": {**ARCHIVE, "account": 111111111111}},
        "archive.account: is an unquoted number, which YAML may change; an account ID is a string of 12 digits: put it"
        ' in quotes, like "111111111111"',
    ),
    "an unquoted account that lost its zero": (
        {"archive": ARCHIVE, "applications": [SHOP, {**SHOP, "account": 33333333333, "alias": "b"}]},
        "applications[1].account: is an unquoted number, which YAML may change; an account ID is a string of 12 "
        'digits: put it in quotes, like "033333333333"',
    ),
    "an account of 11 digits": (
        {"archive": {**ARCHIVE, "senders": {"accounts": ["22222222222"]}}},
        'archive.senders.accounts[0]: "22222222222" is not an account ID; allowed: 12 digits in quotes, like '
        '"111111111111"',
    ),
    "an account that is not a string": (
        {"archive": {**ARCHIVE, "account": True}},
        'archive.account: true is not an account ID; allowed: 12 digits in quotes, like "111111111111"',
    ),
    "a missing account": (
        {"archive": {key: value for key, value in ARCHIVE.items() if key != "account"}},
        "archive.account: is required: the account ID, in quotes",
    ),
    "an unknown region": (
        {"archive": {**ARCHIVE, "region": "eu-west-9"}},
        ('archive.region: "eu-west-9" is not an AWS Region; did you mean eu-west-3 or eu-west-2 or eu-west-1?'),
    ),
    "an unknown region as a key": (
        {"archiveStack": "archive", "applications": [{**SHOP, "regions": {"us-east1": {"logGroups": ["a"]}}}]},
        (
            'applications[0].regions.us-east1: "us-east1" is not an AWS Region; did you mean us-east-1 or '
            "us-west-1 or us-east-2?"
        ),
    ),
    "a destination region twice": (
        {"archive": {**ARCHIVE, "destinationRegions": ["eu-west-1", "us-east-1", "eu-west-1"]}},
        "archive.destinationRegions: eu-west-1 is listed more than once; keep one entry",
    ),
    "no destination region": (
        {"archive": {**ARCHIVE, "destinationRegions": []}},
        "archive.destinationRegions: is empty; specify at least one",
    ),
    "a sender twice": (
        {"archive": {**ARCHIVE, "senders": {"accounts": ["222222222222", "222222222222"]}}},
        "archive.senders.accounts: 222222222222 is listed more than once; keep one entry",
    ),
    "an alias with a space": (
        {"archive": {**ARCHIVE, "alias": "the archive"}},
        (
            'archive.alias: "the archive" is not an alias; allowed: up to 40 lowercase letters, digits and '
            "hyphens, starting with a letter"
        ),
    ),
    "a role given as an ARN": (
        {"archive": {**ARCHIVE, "deployerRole": "arn:aws:iam::111111111111:role/deployer"}},
        'archive.deployerRole: "arn:aws:iam::111111111111:role/deployer" is not the name of an IAM role; allowed: up '
        "to 64 letters, digits and _+=,.@-, no path, no ARN",
    ),
    "a string for a section": (
        {"archive": "archive"},
        'archive: "archive" is not valid; input should be an object',
    ),
    "a string for a boolean": (
        {"archive": ARCHIVE, "retain": "never"},
        'retain: "never" is not valid; input should be a valid boolean',
    ),
    "a log group with a space": (
        with_group("my group"),
        'applications[0].regions.eu-west-1.logGroups[0].name: "my group" is not the name of a log group, or a pattern; '
        "allowed: 1 to 512 letters, digits and _-/.#, and * for any of them",
    ),
    "a log group that is a number": (
        with_group(5),
        "applications[0].regions.eu-west-1.logGroups[0]: 5 is not valid; input should be an object",
    ),
    "a log group without a name": (
        with_group({"create": True, "retentionDays": 30}),
        "applications[0].regions.eu-west-1.logGroups[0].name: is required: a log group, or a pattern like "
        "`/aws/lambda/prod-*`; a name takes precedence over a pattern",
    ),
    "a misspelled key of a log group": (
        with_group({"name": "a", "retentionInDays": 30}),
        "applications[0].regions.eu-west-1.logGroups[0].retentionInDays: unknown key; did you mean retentionDays?",
    ),
    "a log group twice": (
        {
            "archiveStack": "archive",
            "applications": [{**SHOP, "regions": {"eu-west-1": {"logGroups": ["a", {"name": "a"}]}}}],
        },
        "applications[0].regions.eu-west-1.logGroups: a is listed more than once; keep one entry",
    ),
    "no log group": (
        {"archiveStack": "archive", "applications": [{**SHOP, "regions": {"eu-west-1": {"logGroups": []}}}]},
        "applications[0].regions.eu-west-1.logGroups: is empty; specify at least one",
    ),
    "no region": (
        {"archiveStack": "archive", "applications": [{**SHOP, "regions": {}}]},
        "applications[0].regions: is empty; specify at least one",
    ),
    "a group to create without retention": (
        with_group({"name": "a", "create": True}),
        "applications[0].regions.eu-west-1.logGroups[0]: create: true requires retentionDays, the days that the log "
        "group itself keeps its events; add it",
    ),
    "a retention for an existing group": (
        with_group({"name": "a", "retentionDays": 30}),
        "applications[0].regions.eu-west-1.logGroups[0]: the retention of an existing log group is not changed; remove"
        " retentionDays, or set create: true",
    ),
    "a retention that AWS does not know": (
        with_group({"name": "a", "create": True, "retentionDays": 31}),
        (
            "applications[0].regions.eu-west-1.logGroups[0].retentionDays: 31 is not a retention period of "
            "CloudWatch Logs; allowed: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, "
            "1827, 2192, 2557, 2922, 3288, 3653"
        ),
    ),
    "an account in two entries": (
        {"archiveStack": "archive", "applications": [SHOP, {**SHOP, "alias": "other"}]},
        "applications: account 222222222222 has more than one entry; merge them",
    ),
    "an alias of two accounts": (
        {"archiveStack": "archive", "applications": [SHOP, {**SHOP, "account": "333333333333"}]},
        'applications: the alias "shop" is used more than once; give each account its own',
    ),
    "the alias of the archive": (
        {"archive": {**ARCHIVE, "alias": "shop"}, "applications": [SHOP]},
        'applications: the alias "shop" is used more than once; give each account its own',
    ),
    "the archive among its senders": (
        {"archive": {**ARCHIVE, "senders": {"accounts": ["111111111111"]}}},
        (
            "archive.senders.accounts: account 111111111111 is the archive itself, and a destination accepts"
            " events from other accounts only; remove it"
        ),
    ),
    "the archive among the applications": (
        {"archive": {"account": "222222222222", "region": "eu-west-1"}, "applications": [SHOP]},
        (
            "applications: account 222222222222 is the archive itself, and a destination accepts events from"
            " other accounts only; remove it"
        ),
    ),
    "applications without an archive": (
        {"applications": [SHOP]},
        "archiveStack: is required in a stack without an archive section; name the stack that builds the archive, like "
        "archiveStack: archive",
    ),
    "two archives": (
        {"archive": ARCHIVE, "archiveStack": "archive"},
        "archiveStack: this stack has an archive section of its own; remove one of the two",
    ),
    "an archive that serves nothing": (
        {"archive": {"account": "111111111111", "region": "eu-west-1", "senders": ARCHIVE["senders"]}},
        "archive.destinationRegions: is required in a stack without applications to derive it from",
    ),
    "an archive that admits nobody": (
        {"archive": {"account": "111111111111", "region": "eu-west-1", "destinationRegions": ["eu-west-1"]}},
        "archive.senders: is required in a stack without applications to derive it from",
    ),
    "a region of another partition": (
        {"archiveStack": "archive", "applications": [SHOP, CHINA]},
        (
            "applications, account 333333333333: cn-north-1 is in partition aws-cn, but eu-west-1 "
            "(applications, account 222222222222) is in aws, and logs cannot cross; use a separate stack for"
            " each partition"
        ),
    ),
    "a destination in another partition": (
        {"archive": {**ARCHIVE, "destinationRegions": ["us-gov-west-1"]}},
        (
            "archive.destinationRegions: us-gov-west-1 is in partition aws-us-gov, but eu-west-1 "
            "(archive.region) is in aws, and logs cannot cross; use a separate stack for each partition"
        ),
    ),
    "an application that is not admitted": (
        {"archive": ARCHIVE, "applications": [{**SHOP, "account": "333333333333"}]},
        "applications, account 333333333333: the archive does not admit it; it admits 222222222222; add "
        '"333333333333" to archive.senders.accounts in Pulumi.test.yaml',
    ),
    "a region that is not served": (
        {
            "archive": ARCHIVE,
            "applications": [{**SHOP, "regions": {"us-east-1": {"logGroups": ["a"]}}}],
        },
        "applications, account 222222222222, region us-east-1: the archive does not serve the region; it serves "
        "eu-west-1; add us-east-1 to archive.destinationRegions in Pulumi.test.yaml",
    ),
}


@pytest.mark.parametrize(("config", "line"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_with_its_place_and_remedy(config: dict[str, object], line: str) -> None:
    assert problems(**config) == [line]


def test_all_mistakes_of_a_file_come_in_one_message() -> None:
    lines = problems(
        archive={**ARCHIVE, "account": 111111111111, "foo": 1},
        archiveStack="archive",
        applications=[SHOP, {**SHOP, "acount": "x"}, {**SHOP, "alias": "b"}, CHINA],
    )
    assert [line.split(";")[0].split(": ")[0] for line in lines] == [
        "archive.account",
        "archive.foo",
        "applications[1].acount",
        "archiveStack",
        "applications",
        "applications, account 333333333333",
    ]


def test_a_bare_name_stands_for_an_existing_log_group_whose_events_are_all_archived() -> None:
    bare, full = (loaded(**with_group(group)) for group in ("a", {"name": "a", "create": False, "filterPattern": ""}))
    assert bare == full


def test_an_account_without_an_alias_is_called_by_its_id() -> None:
    settings = loaded(
        archiveStack="archive", applications=[{key: value for key, value in SHOP.items() if key != "alias"}]
    )
    assert [application.label for application in settings.applications] == ["222222222222"]


def test_an_archive_with_applications_serves_and_admits_what_they_use() -> None:
    payments = {
        "account": "333333333333",
        "regions": {"us-east-1": {"logGroups": ["a"]}, "eu-west-1": {"logGroups": ["a"]}},
    }
    settings = loaded(archive={"account": "111111111111", "region": "eu-north-1"}, applications=[payments, SHOP])
    assert archive_of(settings).destination_regions == ("eu-west-1", "us-east-1")
    assert archive_of(settings).sender_accounts == ("222222222222", "333333333333")


def test_regions_and_senders_of_an_archive_take_precedence_over_those_of_its_applications() -> None:
    archive = {
        **ARCHIVE,
        "destinationRegions": ["us-east-1", "eu-west-1"],
        "senders": {"accounts": ["444444444444", "222222222222"]},
    }
    settings = loaded(archive=archive, applications=[SHOP])
    assert archive_of(settings).destination_regions == ("us-east-1", "eu-west-1")
    assert archive_of(settings).sender_accounts == ("444444444444", "222222222222")


@pytest.mark.parametrize(
    ("names", "parameters"),
    [
        ({}, {}),
        ({"eu-west-1": "waf"}, {"DestinationName": "waf"}),
        ({"eu-west-1": "waf", "us-east-1": "waf"}, {"DestinationName": "waf"}),
        ({"eu-west-1": "waf-eu", "us-east-1": "waf-us"}, {"DestinationName": "waf-*"}),
    ],
)
def test_permissions_on_destinations_are_limited_to_their_names(
    names: dict[str, str], parameters: dict[str, str]
) -> None:
    config = {**ARCHIVE, "destinationRegions": ["eu-west-1", "us-east-1"], "destinationNames": names}
    archive = load({"archive": json.dumps({**config, "streamName": "waf-logs"})}, "test").archive
    assert archive is not None
    assert archive.bootstrap_parameters_of_senders == parameters
    senders = {
        "SenderRoleName": "CWLtoKinesisFirehoseRole",
        "SenderAccounts": "222222222222",
        "SenderOrganization": "",
    }
    existing = {"KeyArn": "", "ExistingBucket": "", "ReplicaBucket": "", "ReplicaKeyArn": "", "FunctionArn": ""}
    assert archive.bootstrap_parameters == {**senders, **existing, "StreamName": "waf-logs", **parameters}


def test_a_bare_key_encrypts_everything_and_an_object_names_a_key_for_each() -> None:
    one, other = (f"arn:aws:kms:eu-west-1:111111111111:key/{name}" for name in ("one", "other"))

    def keys_of(key: object) -> tuple[list[str | None], str]:
        archive = loaded(archive={**ARCHIVE, "key": key}).archive
        assert archive is not None
        return [*archive.key.choices.values()], archive.bootstrap_parameters["KeyArn"]

    assert keys_of("create") == (["create"] * 3, "")
    assert keys_of(one) == ([one] * 3, one)
    assert keys_of({"objects": other, "stream": one}) == ([other, one, None], f"{one},{other}")


def test_the_role_that_replicates_is_limited_to_the_bucket_and_key_of_the_stack_file() -> None:
    key = "arn:aws:kms:eu-central-1:666666666666:key/1"
    replica = {"bucket": "vault", "account": "666666666666", "key": key}
    archive = loaded(archive={**ARCHIVE, "key": "create", "bucket": {"replica": replica}}).archive
    assert archive is not None
    parameters = archive.bootstrap_parameters
    assert (parameters["ReplicaBucket"], parameters["ReplicaKeyArn"]) == ("vault", key)


def test_previews_assume_the_preview_role_instead_of_every_deployer_role() -> None:
    given = {
        "archive": {**ARCHIVE, "deployerRole": "mine"},
        "defaults": {"deployerRole": "theirs"},
        "applications": [SHOP],
        "previewRole": "123",
    }
    settings = loaded(**given)
    assert settings.archive is not None
    (shop,) = settings.applications
    assert (settings.archive.assumed_role, shop.assumed_role) == ("123", "123")
    assert (settings.archive.deployer_role, shop.deployer_role) == ("mine", "theirs")
    assert loaded(**{**given, "previewRole": ""}).applications[0].assumed_role == "theirs"


def test_stateful_resources_are_retained_unless_the_stack_disables_it() -> None:
    assert loaded(archive=ARCHIVE).retain
    assert not loaded(archive=ARCHIVE, retain=False).retain


def test_what_an_archive_does_not_serve_is_reported_for_each_account_and_region() -> None:
    settings = loaded(archiveStack="archive", applications=[SHOP, {**SHOP, "account": "333333333333", "alias": "b"}])
    problems = unserved(
        settings.applications,
        regions=["us-east-1"],
        accounts=["333333333333"],
        organization=None,
        file="Pulumi.a.yaml",
    )
    assert list(problems) == [
        "applications, account 222222222222: the archive does not admit it; it admits 333333333333; add "
        '"222222222222" to archive.senders.accounts in Pulumi.a.yaml',
        "applications, account 222222222222, region eu-west-1: the archive does not serve the region; it serves "
        "us-east-1; add eu-west-1 to archive.destinationRegions in Pulumi.a.yaml",
        "applications, account 333333333333, region eu-west-1: the archive does not serve the region; it serves "
        "us-east-1; add eu-west-1 to archive.destinationRegions in Pulumi.a.yaml",
    ]


def test_an_organization_admits_accounts_that_nobody_lists() -> None:
    archive = {**ARCHIVE, "senders": {"organization": "o-exampleorg1"}}
    settings = loaded(archive=archive, applications=[SHOP])
    assert (archive_of(settings).sender_accounts, archive_of(settings).sender_organization) == ((), "o-exampleorg1")
    assert settings.filters_have_roles


def test_a_stack_can_enable_filter_roles_before_its_archive_requires_them() -> None:
    assert not loaded(archiveStack="archive", applications=[SHOP]).filters_have_roles
    assert loaded(archiveStack="archive", applications=[SHOP], filterRoles=True).filters_have_roles


def test_a_destination_policy_holds_every_account_that_the_trust_policy_holds() -> None:
    accounts = [f"{number:012d}" for number in range(56)]
    settings = loaded(archive={**ARCHIVE, "senders": {"accounts": accounts}})
    arn = f"arn:aws-us-gov:logs:ap-southeast-2:111111111111:destination:archive-destination-{'x' * 30}"
    policy = policies.destination_policy(
        destination_arn=arn,
        sender_accounts=archive_of(settings).sender_accounts,
        sender_organization=archive_of(settings).sender_organization,
    )
    assert len(policy.encode()) <= 5120


def test_the_partitions_of_an_archive_stack_are_its_senders_in_its_regions() -> None:
    senders = {"accounts": [f"{number:012d}" for number in range(51)]}
    regions = ["eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1", "eu-central-1", "us-east-1", "us-east-2",
               "us-west-1", "us-west-2", "ap-south-1"]  # fmt: skip
    archive = {**ARCHIVE, "senders": senders, "destinationRegions": regions, "delivery": {"layout": "partitioned"}}
    (problem,) = problems(archive=archive)
    assert "creates 510 partitions" in problem
    loaded(archive={**archive, "destinationRegions": regions[:9]})


def test_an_entry_inherits_from_its_account_and_then_from_the_defaults() -> None:
    settings = loaded(
        archiveStack="archive",
        defaults={
            "deployerRole": "deployer",
            "filterPattern": "WARN",
            "emitSystemFields": ["@aws.region"],
            "exclude": ["*noisy*"],
            "regions": {"eu-west-1": {"logGroups": ["a*"], "all": True}},
        },
        applications=[
            {"account": "222222222222"},
            {
                "account": "333333333333",
                "deployerRole": "other",
                "filterPattern": "ERROR",
                "exclude": ["*quiet*"],
                "regions": {
                    "us-east-1": {"logGroups": ["b", {"name": "c", "filterPattern": ""}]},
                    "eu-west-1": {"logGroups": ["d"], "exclude": ["e"]},
                },
            },
        ],
    )
    first, second = settings.applications
    (region,) = first.regions.values()
    (pattern,) = region.log_groups
    assert (first.deployer_role, second.deployer_role) == ("deployer", "other")
    assert pattern.filter_pattern == "WARN"
    assert pattern.emit_system_fields == ("@aws.region",)
    assert region.all is not None
    assert region.all.filter_pattern == "WARN"
    assert region.exclude == ("*noisy*",)
    assert list(second.regions) == ["us-east-1", "eu-west-1"]
    b, c = second.regions["us-east-1"].log_groups
    assert b.filter_pattern == "ERROR"
    assert (c.filter_pattern, c.emit_system_fields) == ("", ("@aws.region",))
    assert second.regions["us-east-1"].exclude == ("*quiet*",)
    assert second.regions["eu-west-1"].exclude == ("e",)


@pytest.mark.parametrize("entry", [{"name": "a", "emitSystemFields": ["@aws.region"]}])
def test_an_entry_with_a_name_can_hold_lists(entry: dict[str, Any]) -> None:
    shop = {**SHOP, "regions": {"eu-west-1": {"logGroups": [entry]}}}
    settings = loaded(archive={**ARCHIVE, "ownLogGroups": [entry]}, applications=[shop])
    (own,) = archive_of(settings).own_log_groups
    (group,) = settings.applications[0].regions["eu-west-1"].log_groups
    assert own.emit_system_fields == group.emit_system_fields == ("@aws.region",)
