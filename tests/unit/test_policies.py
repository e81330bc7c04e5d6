"""Every policy document, literally: any change of a permission has to show up in this file."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from topology import policies


def statements(document: str) -> list[dict[str, object]]:
    parsed = json.loads(document)
    assert parsed.pop("Version") == "2012-10-17"
    listed = parsed.pop("Statement")
    assert parsed == {}
    assert isinstance(listed, list)
    return listed


def test_the_bucket_denies_every_request_without_tls() -> None:
    assert statements(policies.bucket_policy(bucket_arn="arn:aws:s3:::logs", key_arn=None)) == [
        {
            "Sid": "DenyInsecureTransport",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": ["arn:aws:s3:::logs", "arn:aws:s3:::logs/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ]


def test_a_locked_bucket_denies_everybody_but_one_role_to_delete_it_or_to_change_what_protects_it() -> None:
    lock = policies.Lock(role_arn="arn:aws:iam::111111111111:role/guardian", fingerprint="0123")
    document = policies.bucket_policy(bucket_arn="arn:aws:s3:::logs", key_arn=None, lock=lock)
    assert statements(document)[1:] == [
        {
            "Sid": "OnlyBreakGlass0123",
            "Effect": "Deny",
            "Principal": "*",
            "Action": [
                "s3:BypassGovernanceRetention", "s3:DeleteBucket", "s3:DeleteBucketPolicy", "s3:DeleteObject",
                "s3:DeleteObjectVersion", "s3:PutBucketLogging", "s3:PutBucketObjectLockConfiguration",
                "s3:PutBucketOwnershipControls", "s3:PutBucketPolicy", "s3:PutBucketPublicAccessBlock",
                "s3:PutBucketVersioning", "s3:PutEncryptionConfiguration", "s3:PutLifecycleConfiguration",
                "s3:PutObjectLegalHold", "s3:PutObjectRetention", "s3:PutReplicationConfiguration",
            ],
            "Resource": ["arn:aws:s3:::logs", "arn:aws:s3:::logs/*"],
            "Condition": {
                "ArnNotLike": {
                    "aws:PrincipalArn": [
                        "arn:aws:iam::111111111111:role/guardian",
                        "arn:aws:iam::111111111111:role/*/guardian",
                    ]
                }
            },
        }
    ]  # fmt: skip


KEY = "arn:aws:kms:eu-west-1:111111111111:key/k"
THROUGH_S3 = {
    "StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"},
    "StringLike": {"kms:EncryptionContext:aws:s3:arn": ["arn:aws:s3:::logs", "arn:aws:s3:::logs/*"]},
}


def test_a_bucket_with_a_key_denies_objects_that_are_not_encrypted_with_it() -> None:
    _, *denials = statements(policies.bucket_policy(bucket_arn="arn:aws:s3:::logs", key_arn=KEY))
    assert {(each["Effect"], each["Principal"], each["Action"], str(each["Resource"])) for each in denials} == {
        ("Deny", "*", "s3:PutObject", "['arn:aws:s3:::logs/*']")
    }
    assert [each["Condition"] for each in denials] == [
        {"StringNotEqualsIfExists": {"s3:x-amz-server-side-encryption": "aws:kms"}},
        {"StringNotEqualsIfExists": {"s3:x-amz-server-side-encryption-aws-kms-key-id": KEY}},
        {"Null": {"s3:x-amz-server-side-encryption-customer-algorithm": "false"}},
    ]


def test_the_key_encrypts_the_bucket_the_stream_and_the_log_groups_of_the_archive_and_nothing_else() -> None:
    policy = policies.key_policy(
        home_region="eu-west-1", account="111111111111", deployer_role="deployer", bucket_arns=["arn:aws:s3:::logs"],
        log_groups=["errors-*"],
    )  # fmt: skip
    administer, deploy, objects, stream, records, groups = statements(policy)
    root, deployer = ({"AWS": f"arn:aws:iam::111111111111:{principal}"} for principal in ("root", "role/deployer"))
    assert [each["Principal"] for each in (administer, objects, records)] == [root] * 3
    assert [each["Principal"] for each in (deploy, stream)] == [deployer] * 2
    assert "Condition" not in administer
    assert deploy["Action"] == [
        "kms:DescribeKey", "kms:EnableKeyRotation", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus",
        "kms:ListResourceTags", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource",
        "kms:UpdateKeyDescription",
    ]  # fmt: skip
    administrative = administer["Action"]
    assert isinstance(administrative, list)
    uses = {"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:CreateGrant", "kms:ReEncryptFrom"}
    assert not uses & set(administrative)
    assert not [action for action in administrative if "*" in action]
    assert (objects["Action"], objects["Condition"]) == (["kms:Decrypt", "kms:GenerateDataKey"], THROUGH_S3)
    assert (stream["Action"], stream["Condition"]) == (
        "kms:CreateGrant",
        {
            "StringEquals": {"kms:ViaService": "firehose.eu-west-1.amazonaws.com"},
            "Bool": {"kms:GrantIsForAWSResource": "true"},
        },
    )
    assert (records["Action"], records["Resource"], records["Condition"]) == (
        ["kms:Decrypt", "kms:GenerateDataKey"],
        "*",
        {"StringEquals": {"kms:ViaService": "firehose.eu-west-1.amazonaws.com"}},
    )
    assert groups["Principal"] == {"Service": "logs.eu-west-1.amazonaws.com"}
    arn = "arn:aws:logs:eu-west-1:111111111111:log-group:errors-*"
    assert groups["Condition"] == {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": [arn]}}


def test_the_delivery_role_encrypts_with_the_key_through_s3_for_its_bucket_only() -> None:
    policy = policies.delivery_role_policy(
        home_region="eu-west-1",
        bucket_arn="arn:aws:s3:::logs",
        error_log_stream_arn="arn:e",
        key_arn=KEY,
        cross_account_bucket=False,
        function_arn=None,
    )
    assert statements(policy)[-1] == {
        "Sid": "EncryptObjects",
        "Effect": "Allow",
        "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
        "Resource": KEY,
        "Condition": THROUGH_S3,
    }


def test_the_delivery_role_invokes_the_transform_and_no_other_function() -> None:
    function = "arn:aws:lambda:eu-west-1:111111111111:function:t:$LATEST"
    policy = policies.delivery_role_policy(
        home_region="eu-west-1",
        bucket_arn="arn:b",
        error_log_stream_arn="arn:e",
        key_arn=None,
        cross_account_bucket=False,
        function_arn=function,
    )
    assert statements(policy)[-1] == {
        "Sid": "Transform",
        "Effect": "Allow",
        "Action": ["lambda:GetFunctionConfiguration", "lambda:InvokeFunction"],
        "Resource": function,
    }


def test_the_transform_resubmits_to_its_stream_and_logs_and_nothing_else() -> None:
    group = "arn:aws:logs:eu-west-1:111111111111:log-group:t"
    policy = policies.transform_role_policy(
        home_region="eu-west-1", stream_arn="arn:s", log_group_arn=group, key_arn=None
    )
    assert statements(policy) == [
        {"Sid": "PutAgain", "Effect": "Allow", "Action": "firehose:PutRecordBatch", "Resource": "arn:s"},
        {
            "Sid": "Log",
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": f"{group}:*",
        },
    ]
    assert statements(policies.function_role_trust()) == [
        {
            "Sid": "Lambda",
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ]


def test_firehose_may_assume_the_delivery_role_for_the_archives_account_only() -> None:
    assert statements(policies.delivery_role_trust(account="111111111111")) == [
        {
            "Sid": "FirehoseOfThisAccount",
            "Effect": "Allow",
            "Principal": {"Service": "firehose.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:ExternalId": "111111111111"}},
        }
    ]


def test_the_delivery_role_writes_objects_and_its_errors_and_nothing_else() -> None:
    policy = policies.delivery_role_policy(
        home_region="eu-west-1",
        bucket_arn="arn:aws:s3:::logs",
        error_log_stream_arn="arn:aws:logs:eu-west-1:111111111111:log-group:e:*",
        key_arn=None,
        cross_account_bucket=False,
        function_arn=None,
    )
    assert statements(policy) == [
        {
            "Sid": "FindTheBucket",
            "Effect": "Allow",
            "Action": ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"],
            "Resource": "arn:aws:s3:::logs",
        },
        {
            "Sid": "WriteObjects",
            "Effect": "Allow",
            "Action": ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"],
            "Resource": "arn:aws:s3:::logs/*",
        },
        {
            "Sid": "ReportErrors",
            "Effect": "Allow",
            "Action": "logs:PutLogEvents",
            "Resource": "arn:aws:logs:eu-west-1:111111111111:log-group:e:*",
        },
    ]


def test_cloudwatch_logs_may_assume_the_sender_role_for_senders_and_the_archive_only() -> None:
    trust = policies.sender_role_trust(
        home_region="eu-west-1",
        account="111111111111",
        sender_accounts=["333333333333", "222222222222"],
        sender_organization=None,
    )
    assert statements(trust) == [
        {
            "Sid": "LogsOfSendersAndArchive",
            "Effect": "Allow",
            "Principal": {"Service": "logs.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {
                "StringLike": {
                    "aws:SourceArn": [
                        "arn:aws:logs:*:111111111111:*",
                        "arn:aws:logs:*:222222222222:*",
                        "arn:aws:logs:*:333333333333:*",
                    ]
                }
            },
        }
    ]


def test_the_sources_of_the_sender_role_are_in_the_partition_of_the_home_region() -> None:
    trust = policies.sender_role_trust(
        home_region="us-gov-west-1", account="111111111111", sender_accounts=[], sender_organization=None
    )
    assert '"arn:aws-us-gov:logs:*:111111111111:*"' in trust


def test_the_sender_role_puts_records_into_the_stream_and_nothing_else() -> None:
    stream = "arn:aws:firehose:eu-west-1:111111111111:deliverystream/archive"
    policy = policies.sender_role_policy(home_region="eu-west-1", stream_arn=stream, key_arn=None)
    assert statements(policy) == [
        {
            "Sid": "PutRecords",
            "Effect": "Allow",
            "Action": ["firehose:PutRecord", "firehose:PutRecordBatch"],
            "Resource": stream,
        }
    ]


def test_who_puts_records_into_an_encrypted_stream_may_use_its_key_through_firehose_only() -> None:
    senders = policies.sender_role_policy(home_region="eu-west-1", stream_arn="arn:s", key_arn=KEY)
    transform = policies.transform_role_policy(
        home_region="eu-west-1", stream_arn="arn:s", log_group_arn="arn:g", key_arn=KEY
    )
    assert [statements(policy)[-1] for policy in (senders, transform)] == 2 * [
        {
            "Sid": "PutRecordsWithKey",
            "Effect": "Allow",
            "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
            "Resource": KEY,
            "Condition": {"StringEquals": {"kms:ViaService": "firehose.eu-west-1.amazonaws.com"}},
        }
    ]


def test_a_destination_admits_the_senders_by_bare_account_ids() -> None:
    destination = "arn:aws:logs:eu-west-1:111111111111:destination:archive"
    policy = policies.destination_policy(
        destination_arn=destination, sender_accounts=["333333333333", "222222222222"], sender_organization=None
    )
    assert statements(policy) == [
        {
            "Sid": "SubscribeFromAccounts",
            "Effect": "Allow",
            "Principal": {"AWS": ["222222222222", "333333333333"]},
            "Action": ["logs:PutAccountPolicy", "logs:PutSubscriptionFilter"],
            "Resource": destination,
        }
    ]


def test_an_organization_is_admitted_by_a_condition_in_addition_to_the_accounts() -> None:
    destination = "arn:aws:logs:eu-west-1:111111111111:destination:archive"
    policy = policies.destination_policy(
        destination_arn=destination, sender_accounts=["222222222222"], sender_organization="o-exampleorg1"
    )
    accounts, organization = statements(policy)
    assert accounts["Principal"] == {"AWS": ["222222222222"]}
    assert organization == {
        "Sid": "SubscribeFromOrganization",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": ["logs:PutAccountPolicy", "logs:PutSubscriptionFilter"],
        "Resource": destination,
        "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-exampleorg1"}},
    }


def test_cloudwatch_logs_may_assume_the_sender_role_for_an_organization_and_the_archive() -> None:
    trust = policies.sender_role_trust(
        home_region="eu-west-1", account="111111111111", sender_accounts=[], sender_organization="o-exampleorg1"
    )
    archive, organization = statements(trust)
    assert archive["Condition"] == {"StringLike": {"aws:SourceArn": ["arn:aws:logs:*:111111111111:*"]}}
    assert organization["Principal"] == {"Service": "logs.amazonaws.com"}
    assert organization["Condition"] == {"StringEquals": {"aws:SourceOrgID": "o-exampleorg1"}}


@pytest.mark.parametrize(
    ("region", "partition", "principal"),
    [
        ("ap-southeast-5", "aws", "logs.amazonaws.com"),  # an opt-in region
        ("cn-north-1", "aws-cn", "logs.amazonaws.com.cn"),
        ("us-gov-west-1", "aws-us-gov", "logs.amazonaws.com"),
    ],
)
def test_every_arn_and_principal_is_in_the_partition_of_its_region(region: str, partition: str, principal: str) -> None:
    trusts = [
        policies.sender_role_trust(
            home_region=region, account="111111111111", sender_accounts=[], sender_organization="o-exampleorg1"
        ),
    ]
    for statement in [statement for trust in trusts for statement in statements(trust)]:
        assert statement["Principal"] == {"Service": principal}
    key = policies.key_policy(
        home_region=region,
        account="111111111111",
        deployer_role="deployer",
        bucket_arns=[f"arn:{partition}:s3:::logs"],
        log_groups=["errors-*"],
    )
    suffix = ".amazonaws.com" + ".cn" * (partition == "aws-cn")
    assert set(re.findall(rf"(?:s3|firehose|logs)\.{region}[a-z.]+", key)) == {
        f"{service}.{region}{suffix}" for service in ("s3", "firehose", "logs")
    }
    for document in [*trusts, key]:
        assert set(re.findall("arn:([a-z-]+):", document)) == {partition}


def test_only_alarms_of_the_archive_and_its_senders_publish_to_a_topic_and_only_over_tls() -> None:
    topic = "arn:aws:sns:eu-west-1:111111111111:archive-alarms"
    accounts = ["222222222222", "111111111111", "111111111111"]
    policy = policies.topic_policy(topic_arn=topic, region="eu-west-1", accounts=accounts, organization="o-exampleorg1")
    tls, by_account, by_organization = statements(policy)
    assert (tls["Effect"], tls["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    for statement in (by_account, by_organization):
        assert statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
        assert (statement["Effect"], statement["Action"], statement["Resource"]) == ("Allow", "sns:Publish", topic)
    assert by_account["Condition"] == {
        "ArnLike": {
            "aws:SourceArn": [
                "arn:aws:cloudwatch:eu-west-1:111111111111:alarm:*",
                "arn:aws:cloudwatch:eu-west-1:222222222222:alarm:*",
            ]
        }
    }
    assert by_organization["Condition"] == {"StringEquals": {"aws:SourceOrgID": "o-exampleorg1"}}


def test_a_bucket_in_another_account_has_to_admit_the_delivery_role_and_nobody_else() -> None:
    role = "arn:aws:iam::111111111111:role/archive-delivery-role"
    find, write = statements(
        policies.cross_account_bucket_policy(bucket_arn="arn:aws:s3:::logs", role_arn=role, reader_arns=[])
    )
    assert find["Principal"] == write["Principal"] == {"AWS": role}
    assert write["Action"] == ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject", "s3:PutObjectAcl"]
    assert (find["Resource"], write["Resource"]) == ("arn:aws:s3:::logs", "arn:aws:s3:::logs/*")
    allowed = policies.delivery_role_policy(
        home_region="eu-west-1",
        bucket_arn="arn:aws:s3:::logs",
        error_log_stream_arn="arn:e",
        key_arn=None,
        cross_account_bucket=True,
        function_arn=None,
    )
    assert statements(allowed)[1]["Action"] == write["Action"]


def test_a_bucket_in_another_account_has_to_let_the_analyst_role_read_events_and_nothing_else() -> None:
    delivery, analyst = (f"arn:aws:iam::111111111111:role/{name}" for name in ("delivery", "analyst"))
    *_, find, read = statements(
        policies.cross_account_bucket_policy(bucket_arn="arn:aws:s3:::logs", role_arn=delivery, reader_arns=[analyst])
    )
    assert find["Principal"] == read["Principal"] == {"AWS": analyst}
    assert (find["Action"], find["Condition"]) == ("s3:ListBucket", {"StringLike": {"s3:prefix": "logs/*"}})
    assert (read["Action"], read["Resource"]) == ("s3:GetObject", "arn:aws:s3:::logs/logs/*")


def queried(key_arn: str | None = None) -> policies.Queried:
    return policies.Queried(
        home_region="eu-west-1",
        account="111111111111",
        database="events",
        workgroup="analysis",
        bucket_arn="arn:aws:s3:::logs",
        results_arn="arn:aws:s3:::results",
        key_arn=key_arn,
    )


def analyst_statements(key_arn: str | None = None) -> dict[str, dict[str, Any]]:
    document = policies.analyst_role_policy(
        queried(key_arn), function_arn="arn:function", dashboard_arn="arn:dashboard"
    )
    return {str(statement["Sid"]): statement for statement in statements(document)}


def test_the_function_of_the_dashboard_may_do_what_the_analyst_may_and_log() -> None:
    document = policies.dashboard_role_policy(queried(KEY), log_group_arn="arn:aws:logs:eu-west-1:1:log-group:d")
    *shared, log = statements(document)
    analyst = analyst_statements(KEY)
    assert {each["Sid"]: each for each in shared} == {
        sid: each for sid, each in analyst.items() if sid not in ("ReadNamedQueries", "Look", "Widgets")
    }
    assert log["Resource"] == "arn:aws:logs:eu-west-1:1:log-group:d:*"
    assert (analyst["Look"]["Action"], analyst["Look"]["Resource"]) == ("cloudwatch:GetDashboard", "arn:dashboard")
    assert (analyst["Widgets"]["Action"], analyst["Widgets"]["Resource"]) == ("lambda:InvokeFunction", "arn:function")


def test_the_analyst_role_queries_in_one_workgroup_and_one_database() -> None:
    allowed = analyst_statements()
    assert allowed["Query"]["Resource"] == "arn:aws:athena:eu-west-1:111111111111:workgroup/analysis"
    glue = "arn:aws:glue:eu-west-1:111111111111"
    assert allowed["ReadTheCatalog"]["Resource"] == [
        f"{glue}:catalog",
        f"{glue}:database/events",
        f"{glue}:table/events/*",
    ]
    assert all(action.startswith("glue:Get") for action in allowed["ReadTheCatalog"]["Action"])


def test_the_analyst_role_reads_events_but_writes_only_results() -> None:
    allowed = analyst_statements()
    of_archive = [each for each in allowed.values() if "arn:aws:s3:::logs" in str(each["Resource"])]
    assert {str(each["Action"]) for each in of_archive} == {"s3:ListBucket", "s3:GetObject"}
    assert allowed["ReadEvents"]["Resource"] == "arn:aws:s3:::logs/logs/*"
    assert allowed["FindEvents"]["Condition"] == {"StringLike": {"s3:prefix": "logs/*"}}
    writing = [each for each in allowed.values() if "s3:PutObject" in each["Action"]]
    assert [each["Resource"] for each in writing] == ["arn:aws:s3:::results/*"]
    assert not any("Delete" in str(each["Action"]) for each in allowed.values())


def test_the_analyst_role_uses_the_key_through_s3_for_events_and_results_only() -> None:
    assert "EncryptObjects" not in analyst_statements()
    use = analyst_statements(KEY)["EncryptObjects"]
    assert use["Resource"] == KEY
    assert use["Condition"] == {
        "StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"},
        "StringLike": {
            "kms:EncryptionContext:aws:s3:arn": [
                "arn:aws:s3:::logs", "arn:aws:s3:::logs/*", "arn:aws:s3:::results", "arn:aws:s3:::results/*",
            ]
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("readers", "trusted"),
    [([], ["arn:aws:iam::111111111111:root"]), (["arn:b", "arn:a"], ["arn:a", "arn:b"])],
)
def test_readers_assume_the_analyst_role_and_without_any_the_account_decides(
    readers: list[str], trusted: list[str]
) -> None:
    (trust,) = statements(policies.analyst_role_trust(home_region="eu-west-1", account="111111111111", readers=readers))
    assert trust["Principal"] == {"AWS": trusted}


@pytest.mark.parametrize(("role", "more"), [(None, {}), ("arn:r", {"RoleArn": "arn:r"})])
def test_an_account_policy_has_destination_pattern_and_role(role: str | None, more: dict[str, str]) -> None:
    document = policies.account_policy(destination_arn="arn:d", filter_pattern="ERROR", role_arn=role)
    assert json.loads(document) == {"DestinationArn": "arn:d", "FilterPattern": "ERROR", **more}


@pytest.mark.parametrize(
    ("principal", "named"),
    [
        ({"AWS": "222222222222"}, ["222222222222"]),
        ({"AWS": ["222222222222", "333333333333"]}, ["222222222222", "333333333333"]),
        ({"AWS": "*"}, ["*"]),
        ("*", ["*"]),
        ({"Service": "logs.amazonaws.com"}, []),
    ],
)
def test_principals_are_read_in_either_notation(principal: object, named: list[str]) -> None:
    assert policies.principals({"Effect": "Allow", "Principal": principal}) == named
    assert policies.principals({"Effect": "Allow"}) == []


@pytest.mark.parametrize("policy", [None, "", '{"Statement": []}', {"Statement": {"Effect": "Deny"}}])
def test_a_document_that_allows_nothing_has_no_allow_statement(policy: str | dict[str, Any] | None) -> None:
    assert policies.allowing(policy) == []
    assert policies.allowing('{"Statement": {"Effect": "Allow"}}') == [{"Effect": "Allow"}]


def test_the_digest_role_lists_what_arrived_and_writes_digests_but_reads_no_event() -> None:
    policy = policies.digest_role_policy(
        home_region="eu-west-1",
        bucket_arn="arn:aws:s3:::archive",
        log_group_arn="arn:logs",
        signing_key_arn="arn:key/signing",
        key_arn=None,
    )
    by_sid = {each["Sid"]: each for each in json.loads(policy)["Statement"]}
    assert by_sid.keys() == {"ListArrivals", "Digests", "Sign", "Log"}
    assert by_sid["Digests"]["Resource"] == "arn:aws:s3:::archive/digests/*"
    assert by_sid["ListArrivals"]["Condition"] == {"StringLike": {"s3:prefix": ["digests/*", "logs/*"]}}
    assert by_sid["Sign"]["Resource"] == "arn:key/signing"


def test_only_one_role_may_sign_and_whoever_may_use_keys_verifies() -> None:
    signer = "arn:aws:iam::111111111111:role/archive-digest-role-1"
    policy = policies.signing_key_policy(
        home_region="eu-west-1", account="111111111111", deployer_role="deployer", signer_arn=signer
    )
    statements = json.loads(policy)["Statement"]
    signing = [each for each in statements if "kms:Sign" in policies.as_list(each["Action"])]
    allowed, denied = signing
    assert (allowed["Effect"], allowed["Principal"]) == ("Allow", {"AWS": signer})
    assert (denied["Effect"], denied["Principal"]) == ("Deny", "*")
    assert denied["Condition"] == {"ArnNotEquals": {"aws:PrincipalArn": signer}}
    (verify,) = [each for each in statements if "kms:Verify" in policies.as_list(each["Action"])]
    assert verify["Principal"] == {"AWS": "arn:aws:iam::111111111111:root"}
