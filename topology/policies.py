"""IAM and resource policy documents, as pure functions of plain values. Each returns compact JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from topology.regions import PARTITIONS, role_arn


@dataclass(frozen=True, kw_only=True)
class Lock:
    """What keeps a bucket as it is.

    Attributes:
        role_arn: ARN of the break-glass role, the only one that may change it.
        fingerprint: of the settings of the bucket: a policy that differs stands for settings that do.
    """

    role_arn: str
    fingerprint: str


def bucket_policy(*, bucket_arn: str, key_arn: str | None, lock: Lock | None = None) -> str:
    """Deny requests without TLS and, if there is a key, objects that are not encrypted with it.

    With a lock, also deny everybody but one role to delete the bucket or what is in it, and to change what protects it.
    The root user of the account may still replace or delete the policy (Amazon S3 API Reference, "PutBucketPolicy").

    Within the archive's account, the policies of roles grant access, so nothing is allowed here. A request without
    encryption headers is denied too, since a negated condition holds if its key is absent (IAM User Guide, "IAM JSON
    policy elements: Condition operators"). Firehose and Athena send them.
    """
    statements = [
        _deny("DenyInsecureTransport", "s3:*", [bucket_arn, f"{bucket_arn}/*"], "Bool", "aws:SecureTransport", "false")
    ]
    if key_arn is not None:
        encryption = "s3:x-amz-server-side-encryption"
        objects = [f"{bucket_arn}/*"]
        put, unlike = "s3:PutObject", "StringNotEqualsIfExists"
        statements += [
            _deny("DenyOtherEncryption", put, objects, unlike, encryption, "aws:kms"),
            _deny("DenyOtherKeys", put, objects, unlike, f"{encryption}-aws-kms-key-id", key_arn),
            _deny("DenyKeysOfCallers", put, objects, "Null", f"{encryption}-customer-algorithm", "false"),
        ]
    if lock is not None:
        before, _, name = lock.role_arn.partition(":role/")
        others = {"ArnNotLike": {"aws:PrincipalArn": [lock.role_arn, f"{before}:role/*/{name}"]}}
        everything = {"Principal": "*", "Action": _BREAK_GLASS, "Resource": [bucket_arn, f"{bucket_arn}/*"]}
        statements.append({"Sid": f"{_LOCKED}{lock.fingerprint}", "Effect": "Deny", **everything, "Condition": others})
    return _document(*statements)


def is_locked(policy: str | None) -> bool:
    """Return whether a bucket policy lets only a break-glass role change it."""
    return any(str(statement.get("Sid", "")).startswith(_LOCKED) for statement in statements(policy))


_LOCKED = "OnlyBreakGlass"
_BREAK_GLASS = [
    "s3:BypassGovernanceRetention", "s3:DeleteBucket", "s3:DeleteBucketPolicy", "s3:DeleteObject",
    "s3:DeleteObjectVersion", "s3:PutBucketLogging", "s3:PutBucketObjectLockConfiguration",
    "s3:PutBucketOwnershipControls", "s3:PutBucketPolicy", "s3:PutBucketPublicAccessBlock", "s3:PutBucketVersioning",
    "s3:PutEncryptionConfiguration", "s3:PutLifecycleConfiguration", "s3:PutObjectLegalHold", "s3:PutObjectRetention",
    "s3:PutReplicationConfiguration",
]  # fmt: skip


def key_policy(
    *, home_region: str, account: str, deployer_role: str, bucket_arns: Iterable[str], log_groups: Iterable[str]
) -> str:
    """Let the archive's account administer its key, and use it through S3, Firehose and CloudWatch Logs only.

    The deployer role is named, so that it may do what follows the creation of the key immediately. A permission by a
    tag of the key would take up to five minutes to count (AWS KMS Developer Guide, "ABAC for AWS KMS").

    Args:
        home_region: region of the key.
        account: ID of the archive's account.
        deployer_role: name of the deployer role.
        bucket_arns: ARNs of the buckets whose objects it encrypts.
        log_groups: names of the log groups that it encrypts; ``*`` stands for the suffix of an auto-named one.
    """
    allow = {"Effect": "Allow", "Resource": "*"}
    root = {"AWS": f"arn:{PARTITIONS[home_region]}:iam::{account}:root"}
    deployer = {"AWS": role_arn(home_region, account, deployer_role)}
    uses = key_uses(
        home_region=home_region,
        account=account,
        deployer_role=deployer_role,
        bucket_arns=bucket_arns,
        log_groups=log_groups,
    )
    return _document(
        {"Sid": "Administer", **allow, "Principal": root, "Action": _ADMINISTER},
        {"Sid": "Deploy", **allow, "Principal": deployer, "Action": _DEPLOY},
        *(statement for statements in uses.values() for statement in statements),
    )


def key_uses(
    *, home_region: str, account: str, deployer_role: str, bucket_arns: Iterable[str], log_groups: Iterable[str]
) -> dict[str, list[dict[str, Any]]]:
    """Return what a key encrypts (objects, stream, logGroups) → statements that its policy needs for that.

    Which roles of the account may use it is up to their own policies. S3 passes the ARN of the bucket, or of an object,
    as encryption context (Amazon S3 User Guide, "Reducing the cost of SSE-KMS with Amazon S3 Bucket Keys").
    Firehose creates a grant for itself when a stream is encrypted, on behalf of the deployer role (API operation
    StartDeliveryStreamEncryption). CloudWatch Logs passes the log group's ARN, and has a regional principal here
    (CloudWatch Logs User Guide, "Encrypt log data in CloudWatch Logs using AWS KMS").

    Args:
        home_region: region of the key.
        account: ID of the archive's account.
        deployer_role: name of the deployer role.
        bucket_arns: ARNs of the buckets whose objects it encrypts.
        log_groups: names of the log groups; ``*`` stands for the suffix of an auto-named one.
    """
    partition = PARTITIONS[home_region]
    root = {"AWS": f"arn:{partition}:iam::{account}:root"}
    groups = [f"arn:{partition}:logs:{home_region}:{account}:log-group:{name}" for name in log_groups]
    return {
        "objects": [{**_encrypt_objects(home_region, bucket_arns, "*"), "Principal": root}],
        "stream": [
            {
                "Sid": "EncryptTheStream",
                "Effect": "Allow",
                "Principal": {"AWS": role_arn(home_region, account, deployer_role)},
                "Action": "kms:CreateGrant",
                "Resource": "*",
                "Condition": {
                    "StringEquals": {"kms:ViaService": regional_host("firehose", home_region)},
                    "Bool": {"kms:GrantIsForAWSResource": "true"},
                },
            },
            {**_put_records_with_key(home_region, "*"), "Principal": root},
        ],
        "logGroups": [
            {
                "Sid": "EncryptLogGroups",
                "Effect": "Allow",
                "Principal": {"Service": regional_host("logs", home_region)},
                "Action": [
                    "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey",
                    "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo",
                ],
                "Resource": "*",
                "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
            },
        ],
    }  # fmt: skip


def _encrypt_objects(home_region: str, bucket_arns: Iterable[str], key_arn: str) -> dict[str, Any]:
    """Let a role encrypt the objects of buckets with a key, in multipart uploads too, which decrypt."""
    return {
        "Sid": "EncryptObjects",
        "Effect": "Allow",
        "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
        "Resource": key_arn,
        "Condition": _through_s3(home_region, bucket_arns),
    }


def _put_records_with_key(home_region: str, key_arn: str) -> dict[str, Any]:
    """Let a role put records into a stream that a customer managed key encrypts.

    Callers of PutRecord and PutRecordBatch need both actions, for streams created from 20 April 2026 on and for all
    streams from 28 February 2027 on (notice of AWS, quoted in ministryofjustice/modernisation-platform#12957).
    """
    return {
        "Sid": "PutRecordsWithKey",
        "Effect": "Allow",
        "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
        "Resource": key_arn,
        "Condition": {"StringEquals": {"kms:ViaService": regional_host("firehose", home_region)}},
    }


_ADMINISTER = [
    "kms:CancelKeyDeletion", "kms:DescribeKey", "kms:DisableKey", "kms:DisableKeyRotation", "kms:EnableKey",
    "kms:EnableKeyRotation", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListGrants", "kms:ListKeyPolicies",
    "kms:ListKeyRotations", "kms:ListResourceTags", "kms:PutKeyPolicy", "kms:RevokeGrant", "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource", "kms:UpdateKeyDescription",
]  # fmt: skip

# What the provider calls to create, read, update, tag and delete a key.
_DEPLOY = [
    "kms:DescribeKey", "kms:EnableKeyRotation", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags",
    "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource", "kms:UpdateKeyDescription",
]  # fmt: skip


def cross_account_bucket_policy(*, bucket_arn: str, role_arn: str, reader_arns: Iterable[str]) -> str:
    """Let the delivery role write to a bucket in another account, and the roles of analysis, if any, read events.

    This is what the owner of the bucket has to allow.

    Firehose grants the owner full access to the objects, which requires ``s3:PutObjectAcl`` (Firehose Developer Guide,
    "Controlling access with Amazon Data Firehose").
    """
    statements = [(role_arn, each) for each in _write_objects(bucket_arn, cross_account=True)]
    statements += [(reader, each) for reader in reader_arns for each in _read_events(bucket_arn)]
    return _document(*({**statement, "Principal": {"AWS": principal}} for principal, statement in statements))


def _write_objects(bucket_arn: str, *, cross_account: bool) -> list[dict[str, Any]]:
    objects = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
    if cross_account:
        objects.append("s3:PutObjectAcl")
    return [
        {
            "Sid": "FindTheBucket",
            "Effect": "Allow",
            "Action": ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"],
            "Resource": bucket_arn,
        },
        {"Sid": "WriteObjects", "Effect": "Allow", "Action": objects, "Resource": f"{bucket_arn}/*"},
    ]


def delivery_role_trust(*, account: str) -> str:
    """Let Amazon Data Firehose assume the delivery role, for streams of ``account`` only.

    Firehose passes the stream's account as external ID (Firehose Developer Guide, "Controlling access with Amazon Data
    Firehose", 2023; later editions of the page show no condition).
    """
    return _document(
        _trust("FirehoseOfThisAccount", "firehose.amazonaws.com", {"StringEquals": {"sts:ExternalId": account}})
    )


def delivery_role_policy(
    *,
    home_region: str,
    bucket_arn: str,
    cross_account_bucket: bool,
    error_log_stream_arn: str,
    key_arn: str | None,
    function_arn: str | None,
) -> str:
    """Let the delivery role write objects, log its own errors and invoke the transform, and nothing else.

    The S3 actions are those that Firehose requires for multipart uploads (Firehose Developer Guide, "Controlling access
    with Amazon Data Firehose").

    Args:
        home_region: region of the stream.
        bucket_arn: ARN of the bucket.
        cross_account_bucket: whether the bucket belongs to another account.
        error_log_stream_arn: ARN of the log stream for errors.
        key_arn: ARN of the KMS key of the objects, if any.
        function_arn: ARN of the transform's function, if any.
    """
    statements: list[dict[str, Any]] = [
        *_write_objects(bucket_arn, cross_account=cross_account_bucket),
        {
            "Sid": "ReportErrors",
            "Effect": "Allow",
            "Action": "logs:PutLogEvents",
            "Resource": error_log_stream_arn,
        },
    ]
    if key_arn is not None:
        statements.append(_encrypt_objects(home_region, [bucket_arn], key_arn))
    if function_arn is not None:
        statements.append(
            {
                "Sid": "Transform",
                "Effect": "Allow",
                "Action": ["lambda:GetFunctionConfiguration", "lambda:InvokeFunction"],
                "Resource": function_arn,
            }
        )
    return _document(*statements)


def function_role_trust() -> str:
    """Let Lambda assume the role of a function. Lambda passes no source that a condition could check."""
    return _document(_trust("Lambda", "lambda.amazonaws.com", {}))


def transform_role_policy(*, home_region: str, stream_arn: str, log_group_arn: str, key_arn: str | None) -> str:
    """Let the transform resubmit records to the stream, and log; nothing else.

    Args:
        home_region: region of the stream.
        stream_arn: ARN of the stream.
        log_group_arn: ARN of the function's log group.
        key_arn: ARN of the KMS key of the stream, if it has one.
    """
    return _document(
        {"Sid": "PutAgain", "Effect": "Allow", "Action": "firehose:PutRecordBatch", "Resource": stream_arn},
        _log_into(log_group_arn),
        *([_put_records_with_key(home_region, key_arn)] if key_arn is not None else []),
    )


def _log_into(log_group_arn: str) -> dict[str, Any]:
    """Let a function write its log."""
    return {
        "Sid": "Log",
        "Effect": "Allow",
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": f"{log_group_arn}:*",
    }


def digest_role_policy(
    *, home_region: str, bucket_arn: str, log_group_arn: str, signing_key_arn: str, key_arn: str | None
) -> str:
    """Let the function of the digests list what arrived, write and read digests, sign and verify them, and log.

    It can read no event: a list has all that a digest says of an object.

    Args:
        home_region: region of the archive.
        bucket_arn: ARN of the archive's bucket.
        log_group_arn: ARN of the function's log group.
        signing_key_arn: ARN of the key that signs.
        key_arn: ARN of the KMS key of the objects, if any.
    """
    return _document(
        {
            "Sid": "ListArrivals",
            "Effect": "Allow",
            "Action": ["s3:ListBucket", "s3:ListBucketVersions"],
            "Resource": bucket_arn,
            "Condition": {"StringLike": {"s3:prefix": ["digests/*", "logs/*"]}},
        },
        {
            "Sid": "Digests",
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject"],
            "Resource": f"{bucket_arn}/digests/*",
        },
        {"Sid": "Sign", "Effect": "Allow", "Action": ["kms:Sign", "kms:Verify"], "Resource": signing_key_arn},
        _log_into(log_group_arn),
        *([_encrypt_objects(home_region, [bucket_arn], key_arn)] if key_arn is not None else []),
    )


def signing_key_policy(*, home_region: str, account: str, deployer_role: str, signer_arn: str) -> str:
    """Let one role sign, and whoever the IAM policies of the account let verify; deny everybody else to sign.

    Args:
        home_region: region of the key.
        account: ID of the archive's account.
        deployer_role: name of the deployer role.
        signer_arn: ARN of the role of the function that signs.
    """
    allow = {"Effect": "Allow", "Resource": "*"}
    root = {"AWS": f"arn:{PARTITIONS[home_region]}:iam::{account}:root"}
    deployer = {"AWS": role_arn(home_region, account, deployer_role)}
    others = {"ArnNotEquals": {"aws:PrincipalArn": signer_arn}}
    return _document(
        {"Sid": "Administer", **allow, "Principal": root, "Action": _ADMINISTER},
        {"Sid": "Deploy", **allow, "Principal": deployer, "Action": _DEPLOY},
        {"Sid": "Verify", **allow, "Principal": root, "Action": ["kms:GetPublicKey", "kms:Verify"]},
        {"Sid": "Sign", **allow, "Principal": {"AWS": signer_arn}, "Action": "kms:Sign"},
        {
            "Sid": "DenyOtherSigners",
            "Effect": "Deny",
            "Principal": "*",
            "Action": ["kms:CreateGrant", "kms:Sign"],
            "Resource": "*",
            "Condition": others,
        },
    )


def analyst_role_trust(*, home_region: str, account: str, readers: Iterable[str]) -> str:
    """Let the readers assume the analyst role; without any, whoever the IAM policies of the account let assume it."""
    principals = sorted(readers) or [f"arn:{PARTITIONS[home_region]}:iam::{account}:root"]
    return _document(
        {"Sid": "Readers", "Effect": "Allow", "Principal": {"AWS": principals}, "Action": "sts:AssumeRole"}
    )


@dataclass(frozen=True, kw_only=True)
class Queried:
    """What a role needs permissions on to query the archive.

    Attributes:
        home_region: region of the archive.
        account: ID of the archive's account.
        database: name of the database.
        workgroup: name of the workgroup.
        bucket_arn: ARN of the archive's bucket.
        results_arn: ARN of the bucket for results.
        key_arn: ARN of the KMS key of the objects in both, if any.
    """

    home_region: str
    account: str
    database: str
    workgroup: str
    bucket_arn: str
    results_arn: str
    key_arn: str | None

    @property
    def workgroup_arn(self) -> str:
        """ARN of the workgroup."""
        partition = PARTITIONS[self.home_region]
        return f"arn:{partition}:athena:{self.home_region}:{self.account}:workgroup/{self.workgroup}"


def analyst_role_policy(queried: Queried, *, function_arn: str, dashboard_arn: str) -> str:
    """Let the analyst role query the events in a workgroup, read its named queries and the results, use the dashboard.

    It may do nothing else.

    Args:
        queried: what it queries.
        function_arn: ARN of the function behind the dashboard's widgets, which CloudWatch invokes as who looks at it.
        dashboard_arn: ARN of the dashboard.
    """
    return _document(
        *_query_events(queried),
        {
            "Sid": "ReadNamedQueries",
            "Effect": "Allow",
            "Action": ["athena:BatchGetNamedQuery", "athena:GetNamedQuery", "athena:ListNamedQueries"],
            "Resource": queried.workgroup_arn,
        },
        {"Sid": "Look", "Effect": "Allow", "Action": "cloudwatch:GetDashboard", "Resource": dashboard_arn},
        {"Sid": "Widgets", "Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": function_arn},
    )


def dashboard_role_policy(queried: Queried, *, log_group_arn: str) -> str:
    """Let the function of the dashboard query the events as the analyst role does, and log; nothing else.

    Args:
        queried: what it queries.
        log_group_arn: ARN of the function's log group.
    """
    return _document(*_query_events(queried), _log_into(log_group_arn))


def _query_events(queried: Queried) -> list[dict[str, Any]]:
    """Let a role query events in a workgroup, and read the results.

    Athena uses the permissions of who asks, on the Data Catalog and on both buckets (Athena User Guide, "Control access
    to Amazon S3 from Athena" and "Configure access to databases and tables in the AWS Glue Data Catalog"). On a table,
    they include its database and the catalog. ``errors/`` and ``originals/`` are not readable.
    """
    home_region, account, database = queried.home_region, queried.account, queried.database
    bucket_arn, results_arn = queried.bucket_arn, queried.results_arn
    partition = PARTITIONS[home_region]
    glue = f"arn:{partition}:glue:{home_region}:{account}"
    query = {
        "Sid": "Query",
        "Effect": "Allow",
        "Action": [
            "athena:GetQueryExecution", "athena:GetQueryResults", "athena:StartQueryExecution",
            "athena:StopQueryExecution",
        ],
        "Resource": queried.workgroup_arn,
    }  # fmt: skip
    catalog = {
        "Sid": "ReadTheCatalog",
        "Effect": "Allow",
        "Action": ["glue:GetDatabase", "glue:GetTable"],
        "Resource": [f"{glue}:catalog", f"{glue}:database/{database}", f"{glue}:table/{database}/*"],
    }
    results = [
        {
            "Sid": "FindResults",
            "Effect": "Allow",
            "Action": ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"],
            "Resource": results_arn,
        },
        {
            "Sid": "WriteAndReadResults",
            "Effect": "Allow",
            "Action": ["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject"],
            "Resource": f"{results_arn}/*",
        },
    ]
    statements = [query, catalog, *_read_events(bucket_arn), *results]
    if queried.key_arn is not None:
        statements.append(_encrypt_objects(home_region, [bucket_arn, results_arn], queried.key_arn))
    return statements


def _read_events(bucket_arn: str) -> list[dict[str, Any]]:
    return [
        {
            "Sid": "FindEvents",
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": bucket_arn,
            "Condition": {"StringLike": {"s3:prefix": "logs/*"}},
        },
        {"Sid": "ReadEvents", "Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{bucket_arn}/logs/*"},
    ]


def sender_role_trust(
    *, home_region: str, account: str, sender_accounts: Iterable[str], sender_organization: str | None
) -> str:
    """Let CloudWatch Logs assume the sender role, on behalf of the senders and of the archive itself.

    The archive's own account is included because CloudWatch Logs sends the test message of a new destination on its
    behalf (CloudWatch Logs User Guide, "Cross-account cross-Region subscriptions", step 2). The region is a wildcard:
    the account prevents a confused deputy, and an ARN for each account and region would soon exceed the 2,048
    characters of a trust policy ("IAM and STS quotas"). An organization is identified by ``aws:SourceOrgID``
    (CloudWatch Logs User Guide, "Confused deputy prevention").
    """
    sources = [_log_arns(home_region, source) for source in sorted({account, *sender_accounts})]
    logs = logs_principal(home_region)
    statements = [_trust("LogsOfSendersAndArchive", logs, {"StringLike": {"aws:SourceArn": sources}})]
    if sender_organization is not None:
        condition = {"StringEquals": {"aws:SourceOrgID": sender_organization}}
        statements.append(_trust("LogsOfTheOrganization", logs, condition))
    return _document(*statements)


def sender_role_policy(*, home_region: str, stream_arn: str, key_arn: str | None) -> str:
    """Let the sender role put records into the stream, and nothing else.

    Args:
        home_region: region of the stream.
        stream_arn: ARN of the stream.
        key_arn: ARN of the KMS key of the stream, if it has one.
    """
    return _document(
        {
            "Sid": "PutRecords",
            "Effect": "Allow",
            "Action": ["firehose:PutRecord", "firehose:PutRecordBatch"],
            "Resource": stream_arn,
        },
        *([_put_records_with_key(home_region, key_arn)] if key_arn is not None else []),
    )


def topic_policy(*, topic_arn: str, region: str, accounts: Iterable[str], organization: str | None) -> str:
    """Let only alarms of the archive and of its senders publish to a topic, and only over TLS.

    Alarms are identified by their ARNs (Amazon SNS Developer Guide, "Example cases for Amazon SNS access control"),
    accounts of an organization by ``aws:SourceOrgID``.
    """
    publish = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": topic_arn,
    }
    alarms = [f"arn:{PARTITIONS[region]}:cloudwatch:{region}:{account}:alarm:*" for account in sorted(set(accounts))]
    statements = [
        _deny("DenyInsecureTransport", "sns:Publish", [topic_arn], "Bool", "aws:SecureTransport", "false"),
        {"Sid": "AlarmsOfAccounts", **publish, "Condition": {"ArnLike": {"aws:SourceArn": alarms}}},
    ]
    if organization is not None:
        condition = {"StringEquals": {"aws:SourceOrgID": organization}}
        statements.append({"Sid": "AlarmsOfTheOrganization", **publish, "Condition": condition})
    return _document(*statements)


def destination_policy(*, destination_arn: str, sender_accounts: Iterable[str], sender_organization: str | None) -> str:
    """Let the senders subscribe log groups to the destination, individually or for a whole account.

    Principals are bare account IDs: PutDestinationPolicy rejects ARNs. An organization is admitted by a condition on
    all principals (CloudWatch Logs User Guide, "Cross-account cross-Region subscriptions", step 2).
    """
    statements = []
    if accounts := sorted(sender_accounts):
        statements.append(_subscribe("SubscribeFromAccounts", accounts, destination_arn))
    if sender_organization is not None:
        condition = {"StringEquals": {"aws:PrincipalOrgID": sender_organization}}
        statements.append({**_subscribe("SubscribeFromOrganization", "*", destination_arn), "Condition": condition})
    return _document(*statements)


def account_policy(*, destination_arn: str, filter_pattern: str, role_arn: str | None) -> str:
    """Subscribe the log groups of an account and region to a destination (API operation PutAccountPolicy)."""
    role = {} if role_arn is None else {"RoleArn": role_arn}
    policy = {"DestinationArn": destination_arn, "FilterPattern": filter_pattern, **role}
    return json.dumps(policy, separators=(",", ":"))


def log_group_created() -> str:
    """Return the event pattern that matches the creation of a log group.

    EventBridge receives these events in regions where a trail logs management events (EventBridge User Guide, "Events
    delivered via AWS CloudTrail").
    """
    detail = {"eventSource": ["logs.amazonaws.com"], "eventName": ["CreateLogGroup"], "errorCode": [{"exists": False}]}
    pattern = {"source": ["aws.logs"], "detail-type": ["AWS API Call via CloudTrail"], "detail": detail}
    return json.dumps(pattern, separators=(",", ":"))


def events_policy(region: str, account: str, *, log_group: str, rules: Iterable[str]) -> str:
    """Let EventBridge write the events that rules match, or schedule, to a log group.

    The principals and actions are those of the EventBridge User Guide, "CloudWatch Logs permissions". EventBridge names
    the rule only with the events, not when it creates the log stream.
    """
    write = {
        "Effect": "Allow",
        "Principal": {"Service": ["delivery.logs.amazonaws.com", "events.amazonaws.com"]},
        "Resource": f"{log_group_arn(region, account, log_group)}:*",
    }
    arns = [f"arn:{PARTITIONS[region]}:events:{region}:{account}:rule/{rule}" for rule in rules]
    return _document(
        {"Sid": "CreateLogStreams", **write, "Action": "logs:CreateLogStream"},
        {"Sid": "PutEvents", **write, "Action": "logs:PutLogEvents",
         "Condition": {"ArnEquals": {"aws:SourceArn": arns}}},
    )  # fmt: skip


def log_group_arn(region: str, account: str, name: str) -> str:
    """Return the ARN of a log group, as the target of a rule."""
    return f"arn:{PARTITIONS[region]}:logs:{region}:{account}:log-group:{name}"


def logs_principal(region: str) -> str:
    """Return the service principal of CloudWatch Logs, which has a different name in the China partition.

    Within a partition it is the same in every region, including opt-in regions: trust policies use no regional
    principals (IAM User Guide, "AWS JSON policy elements: Principal").
    """
    return "logs.amazonaws.com.cn" if PARTITIONS[region] == "aws-cn" else "logs.amazonaws.com"


def statements(policy: str | Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return the statements of a policy document; none without a document."""
    document = json.loads(policy) if isinstance(policy, str) and policy else policy or {}
    return as_list(document.get("Statement", []))


def allowing(policy: str | Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return the Allow statements of a policy document."""
    return [statement for statement in statements(policy) if statement["Effect"] == "Allow"]


def requires_tls(policy: str | Mapping[str, Any] | None) -> bool:
    """Return whether a bucket policy denies all requests without TLS, to everyone."""
    return any(
        statement["Effect"] == "Deny"
        and "*" in principals(statement)
        and {"*", "s3:*"} & set(as_list(statement.get("Action", [])))
        and _matches_requests_without_tls(statement.get("Condition", {}))
        for statement in statements(policy)
    )


def _matches_requests_without_tls(condition: Mapping[str, Mapping[str, Any]]) -> bool:
    """Return whether the condition matches every request without TLS: any further condition would exempt some."""
    compared = {key.lower(): str(value).lower() for key, value in condition.get("Bool", {}).items()}
    return set(condition) == {"Bool"} and compared == {"aws:securetransport": "false"}


def principals(statement: Mapping[str, Any]) -> list[str]:
    """Return the accounts, roles and users in a statement's principal; ``*`` is everyone, in either notation."""
    named = statement.get("Principal") or {}
    return as_list(named if isinstance(named, str) else named.get("AWS", []))


def condition_values(statement: Mapping[str, Any], key: str) -> list[str]:
    """Return the values that the conditions of a statement compare a key with, of those that a request must equal.

    Names of keys are not case-sensitive (IAM User Guide, "IAM JSON policy elements: Condition").

    Args:
        statement: a statement of a policy document.
        key: a condition key.
    """
    return [
        value
        for operator, keys in (statement.get("Condition") or {}).items()
        if operator.rpartition(":")[2].removesuffix("IfExists") in _EQUALITY
        for name, values in keys.items()
        if name.lower() == key.lower()
        for value in as_list(values)
    ]


_EQUALITY = ("ArnEquals", "ArnLike", "StringEquals", "StringEqualsIgnoreCase", "StringLike")


def as_list(value: Any) -> list[Any]:  # noqa: ANN401 - a part of a policy document
    """Return an element of a policy document, which may be a single value or a list, as a list."""
    return value if isinstance(value, list) else [value]


def _deny(sid: str, action: str, resources: list[str], operator: str, key: str, value: str) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": resources,
        "Condition": {operator: {key: value}},
    }


def _through_s3(region: str, bucket_arns: Iterable[str]) -> dict[str, Any]:
    """Limit use to S3 and buckets. The encryption context is a bucket's ARN with a bucket key, else an object's ARN."""
    return {
        "StringEquals": {"kms:ViaService": regional_host("s3", region)},
        "StringLike": {
            "kms:EncryptionContext:aws:s3:arn": [arn for bucket in bucket_arns for arn in (bucket, f"{bucket}/*")]
        },
    }


def regional_host(service: str, region: str) -> str:
    """Return the regional host name of a service, as used in KMS policies."""
    return f"{service}.{region}.amazonaws.com" + (".cn" if PARTITIONS[region] == "aws-cn" else "")


def _subscribe(sid: str, accounts: list[str] | str, destination_arn: str) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"AWS": accounts},
        "Action": ["logs:PutAccountPolicy", "logs:PutSubscriptionFilter"],
        "Resource": destination_arn,
    }


def _log_arns(region: str, account: str) -> str:
    return f"arn:{PARTITIONS[region]}:logs:*:{account}:*"


def _trust(sid: str, service: str, condition: dict[str, Any]) -> dict[str, Any]:
    statement = {"Sid": sid, "Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return {**statement, "Condition": condition} if condition else statement


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))
