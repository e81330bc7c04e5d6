"""What is read of an existing archive, and when it cannot be adopted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from accounts.inventory import Subscription
from accounts.stream import Stream, check_stream
from ops.adopt.existing_archive import Destination, ExistingArchive, Senders, admitted, read
from ops.errors import OperatorError
from tests.unit.fakes import Answer, Aws, Parameters, Question, Refusal, filters, log_groups, paged
from topology.regions import PARTITIONS
from topology.settings import Archive, SettingsError

CENTRAL, SHOP, BANK = "111111111111", "222222222222", "333333333333"
HOME, ABROAD = "us-gov-west-1", "us-gov-east-1"  # the regions of a small partition: all of them are read
ARN = "arn:aws-us-gov"
TARGET, OTHER_TARGET = (f"{ARN}:firehose:{HOME}:{CENTRAL}:deliverystream/{name}" for name in ("waf-logs", "other"))
SENDER, DELIVERY = f"{ARN}:iam::{CENTRAL}:role/sender", f"{ARN}:iam::{CENTRAL}:role/delivery"
DENIED = Refusal("AccessDenied")


def policy(*accounts: str) -> str:
    return json.dumps({"Statement": [{"Effect": "Allow", "Principal": {"AWS": list(accounts)}}]})


def destination(region: str, name: str, target: str = TARGET, policy: str = "") -> Destination:
    return Destination(name, f"{ARN}:logs:{region}:{CENTRAL}:destination:{name}", target, SENDER, policy)


def destinations(*listed: Destination) -> Answer:
    """These destinations, and one that leads elsewhere."""
    elsewhere = destination(HOME, "elsewhere", f"{ARN}:firehose:{ABROAD}:{CENTRAL}:deliverystream/waf-logs")
    found = [
        {
            "destinationName": each.name, "arn": each.arn, "targetArn": each.target, "roleArn": each.role,
            **({"accessPolicy": each.policy} if each.policy else {}),
        }
        for each in (elsewhere, *listed)
    ]  # fmt: skip
    return paged("destinations", found)


def account_policy(name: str, target: str) -> dict[str, Any]:
    return {"policyName": name, "policyDocument": json.dumps({"DestinationArn": target})}


STREAM = Stream(
    name="waf-logs",
    arn=TARGET,
    bucket="company-logs",
    role=DELIVERY,
    prefix="",
    extension="",
    time_zone="UTC",
    compression="UNCOMPRESSED",
    buffer_mib=5,
    buffer_seconds=300,
    processors={},
    partitioned=False,
    backup=False,
    converts=False,
    object_key=None,
    key=None,
    error_log_group=None,
)
DESCRIBED: dict[str, Any] = {
    "DeliveryStreamName": "waf-logs",
    "DeliveryStreamARN": TARGET,
    "DeliveryStreamStatus": "ACTIVE",
    "DeliveryStreamType": "DirectPut",
    "VersionId": "1",
    "HasMoreDestinations": False,
    "Destinations": [{"DestinationId": "d", "ExtendedS3DestinationDescription": {
        "BucketARN": f"{ARN}:s3:::company-logs",
        "RoleARN": DELIVERY,
        "CompressionFormat": "UNCOMPRESSED",
        "BufferingHints": {"SizeInMBs": 5, "IntervalInSeconds": 300},
        "EncryptionConfiguration": {"NoEncryptionConfig": "NoEncryption"},
    }}],
}  # fmt: skip


def describes(given: Parameters) -> dict[str, Any]:
    assert given == {"DeliveryStreamName": "waf-logs"}
    return {"DeliveryStreamDescription": DESCRIBED}


AT_HOME = destination(HOME, "waf", policy=policy(SHOP, CENTRAL))
AWAY = replace(destination(ABROAD, "waf-away"), role=f"{ARN}:iam::{CENTRAL}:role/other")
TO_HOME, TO_AWAY = Subscription("MyFilter", AT_HOME.arn, filter_pattern="ERROR"), Subscription("MyFilter", AWAY.arn)
TO_STREAM, TO_SIEM = Subscription("MyFilter", TARGET), Subscription("siem", "arn:siem")
OWN = Subscription(f"central-log-archive.{HOME}", AT_HOME.arn)


def encrypted(algorithm: str, **key: str) -> Answer:
    default = {"SSEAlgorithm": algorithm, **key}
    return {"ServerSideEncryptionConfiguration": {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}}


EXISTING: dict[Question, Answer] = {
    (CENTRAL, HOME, "GetBucketEncryption"): encrypted("AES256"),
    (CENTRAL, HOME, "DescribeDestinations"): destinations(AT_HOME),
    (CENTRAL, ABROAD, "DescribeDestinations"): destinations(AWAY),
    (CENTRAL, HOME, "DescribeDeliveryStream"): describes,
    (CENTRAL, HOME, "DescribeLogGroups"): log_groups("waf", "other"),
    (CENTRAL, HOME, "DescribeSubscriptionFilters"): filters(
        waf=[TO_STREAM, replace(OWN, destination=TARGET)], other=[TO_HOME]
    ),
    (SHOP, HOME, "DescribeLogGroups"): log_groups("shop", "quiet", "app"),
    (SHOP, HOME, "DescribeSubscriptionFilters"): filters(shop=[TO_SIEM, TO_HOME, OWN], quiet=[TO_SIEM], app=[TO_HOME]),
    (SHOP, HOME, "DescribeAccountPolicies"): {
        "accountPolicies": [account_policy("everything", AT_HOME.arn), account_policy("siem", "arn:siem")]
    },
    (SHOP, ABROAD, "DescribeLogGroups"): log_groups("shop"),
    (SHOP, ABROAD, "DescribeSubscriptionFilters"): filters(),
    (SHOP, ABROAD, "DescribeAccountPolicies"): {"accountPolicies": [account_policy("abroad", AWAY.arn)]},
}
OF_BANK: dict[Question, Answer] = {
    (BANK, HOME, "DescribeLogGroups"): log_groups(),
    (BANK, HOME, "DescribeAccountPolicies"): {"accountPolicies": []},
    (BANK, ABROAD, "DescribeLogGroups"): log_groups("bank"),
    (BANK, ABROAD, "DescribeSubscriptionFilters"): filters(bank=[TO_AWAY]),
    (BANK, ABROAD, "DescribeAccountPolicies"): {"accountPolicies": []},
}
FOUND = ExistingArchive(
    account=CENTRAL,
    region=HOME,
    deployer_role="deployer",
    stream=STREAM,
    bucket_account=CENTRAL,
    destinations={ABROAD: AWAY, HOME: AT_HOME},
    others={(HOME, "elsewhere"): SENDER, (ABROAD, "elsewhere"): SENDER},
    own_filters={"waf": [TO_STREAM]},
    filters={SHOP: {HOME: {"app": [TO_HOME], "shop": [TO_HOME]}}},
    account_policies=(
        f"account {SHOP}, region {ABROAD}: the policy abroad",
        f"account {SHOP}, region {HOME}: the policy everything",
    ),
)


def found(
    aws: Aws,
    answers: dict[Question, Answer],
    *,
    applications: Sequence[str] = (),
    bucket_account: str | None = None,
    account: str = CENTRAL,
    region: str = HOME,
    stream: str | None = None,
    progress: list[tuple[int, int]] | None = None,
) -> ExistingArchive:
    aws.answers = EXISTING | answers
    return read(
        account,
        region,
        stream=stream,
        applications=applications,
        bucket_account=bucket_account,
        deployer_role="deployer",
        stack="company",
        on_progress=lambda *state: None if progress is None else progress.append(state),
    )


def test_an_archive_is_read_with_all_that_leads_to_it(aws: Aws) -> None:
    progress: list[tuple[int, int]] = []
    assert found(aws, {}, progress=progress) == FOUND
    assert set(aws.assumed()) == {
        (f"{ARN}:iam::{CENTRAL}:role/deployer", HOME, "central-log-archive-company"),
        (f"{ARN}:iam::{SHOP}:role/deployer", ABROAD, "central-log-archive-company"),
    }
    assert progress == [(0, 1), (1, 1)]


def test_the_senders_are_those_whom_a_destination_admits_unless_they_are_named(aws: Aws) -> None:
    admit = {(CENTRAL, ABROAD, "DescribeDestinations"): destinations(replace(AWAY, policy=policy(BANK)))}
    of_bank = {ABROAD: {"bank": [TO_AWAY]}}
    assert found(aws, admit | OF_BANK).filters == {SHOP: FOUND.filters[SHOP], BANK: of_bank}
    assert found(aws, admit | OF_BANK, applications=[BANK]).filters == {BANK: of_bank}
    assert found(aws, OF_BANK, applications=[BANK, SHOP, BANK]).filters == {SHOP: FOUND.filters[SHOP], BANK: of_bank}


def test_every_region_of_the_partition_is_searched_for_destinations(aws: Aws) -> None:
    regions = [region for region, partition in PARTITIONS.items() if partition == "aws"]
    with pytest.raises(OperatorError, match="there is nothing to adopt"):
        found(
            aws, {(CENTRAL, each, "DescribeDestinations"): {"destinations": []} for each in regions}, region="eu-west-1"
        )
    assert {question[1] for question, _ in aws.calls if question[2] == "DescribeDestinations"} == set(regions)


def test_regions_that_cannot_be_read_are_reported(aws: Aws) -> None:
    assert found(aws, {(CENTRAL, ABROAD, "DescribeDestinations"): DENIED}) == replace(
        FOUND,
        destinations={HOME: AT_HOME},
        others={(HOME, "elsewhere"): SENDER},
        account_policies=FOUND.account_policies[1:],
        unread=(f"{ABROAD} of the central account",),
    )
    for operation in ("DescribeLogGroups", "DescribeAccountPolicies"):
        assert found(aws, {(SHOP, HOME, operation): DENIED}) == replace(
            FOUND,
            filters={SHOP: {}},
            account_policies=FOUND.account_policies[:1],
            unread=(f"{HOME} of account {SHOP}",),
        )


@pytest.mark.parametrize(
    ("answer", "key"),
    [
        (encrypted("AES256"), None),
        (encrypted("aws:kms"), None),  # the key that AWS manages, without a name
        (encrypted("aws:kms", KMSMasterKeyID=f"{ARN}:kms:{HOME}:{CENTRAL}:alias/aws/s3"), None),
        (encrypted("aws:kms", KMSMasterKeyID=f"{ARN}:kms:key/one"), f"{ARN}:kms:key/one"),
        (encrypted("aws:kms:dsse", KMSMasterKeyID="one"), "one"),
    ],
)  # fmt: skip
def test_the_default_key_of_the_bucket_is_read_unless_aws_manages_it(aws: Aws, answer: Answer, key: str | None) -> None:
    assert found(aws, {(CENTRAL, HOME, "GetBucketEncryption"): answer}) == replace(FOUND, bucket_key=key)


def test_a_bucket_whose_encryption_cannot_be_read_is_no_bucket_without_a_key(aws: Aws) -> None:
    denied: dict[Question, Answer] = {(CENTRAL, HOME, "GetBucketEncryption"): DENIED}
    with pytest.raises(OperatorError) as stopped:
        found(aws, denied)
    text = str(stopped.value)
    assert "the default encryption of the bucket company-logs cannot be read with" in text
    assert "name that with --bucket-account" in text
    assert text.endswith(
        "archive-account.yaml --stack-name central-log-archive --capabilities CAPABILITY_NAMED_IAM "
        "--parameter-overrides ExistingBucket=company-logs"
    )
    archive = found(aws, denied, bucket_account=BANK)
    assert (archive.bucket_key, archive.bucket_account) == (None, BANK)
    assert "AccessDenied" in (archive.bucket_problem or "")


IS_DEPLOYED = "; deploy bootstrap/archive-account.yaml there with TrustedPrincipals=PRINCIPAL Verifiers=PRINCIPAL"


def test_of_several_streams_one_is_chosen(aws: Aws) -> None:
    two = {(CENTRAL, HOME, "DescribeDestinations"): destinations(destination(HOME, "second", OTHER_TARGET), AT_HOME)}
    others = {**FOUND.others, (HOME, "second"): SENDER}
    assert found(aws, two, stream="waf-logs") == replace(FOUND, others=others)
    with pytest.raises(OperatorError) as stopped:
        found(aws, two)
    assert str(stopped.value) == (
        f"destinations lead to several streams in {HOME}: other, waf-logs; choose one with --stream"
    )


@pytest.mark.parametrize(
    ("answers", "options", "problem"),
    [
        (
            {(CENTRAL, HOME, "DescribeDestinations"): destinations()}
            | {(CENTRAL, ABROAD, "DescribeDestinations"): destinations()},
            {},
            f"there is nothing to adopt: no Logs destination of the account leads to a stream in {HOME}",
        ),
        (
            {},
            {"stream": "other"},
            f"there is nothing to adopt: no Logs destination of the account leads to the stream other in {HOME}",
        ),
        (
            {(CENTRAL, HOME, "DescribeDestinations"): destinations(AT_HOME, destination(HOME, "second"))},
            {},
            f"{HOME} has 2 destinations that lead to waf-logs, and the program supports one per region: second, waf; "
            "point all filters at one of them and delete the others",
        ),
        (
            {(CENTRAL, HOME, "AssumeRole"): DENIED},
            {},
            f"{CENTRAL} cannot be read with its deployer role {ARN}:iam::{CENTRAL}:role/deployer: An error occurred "
            f"(AccessDenied) when calling the AssumeRole operation: no{IS_DEPLOYED}",
        ),
        (
            {(CENTRAL, HOME, "DescribeDestinations"): DENIED},
            {},
            f"{CENTRAL} cannot be read with its deployer role {ARN}:iam::{CENTRAL}:role/deployer: An error occurred "
            f"(AccessDenied) when calling the DescribeDestinations operation: no{IS_DEPLOYED}",
        ),
        (
            {(SHOP, ABROAD, "AssumeRole"): DENIED, (BANK, ABROAD, "AssumeRole"): DENIED},
            {"applications": [SHOP, BANK]},
            "some sending accounts cannot be read; deploy bootstrap/application-account.yaml there with "
            f"ArchiveAccount={CENTRAL} TrustedPrincipals=PRINCIPAL Verifiers=PRINCIPAL, or name the accounts to read "
            "with --application:\n"
            f"  account {SHOP}: An error occurred (AccessDenied) when calling the AssumeRole operation: no\n"
            f"  account {BANK}: An error occurred (AccessDenied) when calling the AssumeRole operation: no",
        ),
    ],
)
def test_what_cannot_be_adopted_is_reported_with_the_reason(
    aws: Aws, answers: dict[Question, Answer], options: dict[str, Any], problem: str
) -> None:
    with pytest.raises(OperatorError) as stopped:
        found(aws, answers, **options)
    assert str(stopped.value) == problem
    assert stopped.value.status == 2


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"account": "7"}, '"7" is not a'),
        ({"applications": [SHOP, "8"]}, '"8" is not a'),
        ({"region": "eu-west-9"}, '"eu-west-9" is not a'),
    ],
)
def test_an_argument_that_is_not_valid_is_rejected_before_anything_is_read(
    aws: Aws, options: dict[str, Any], problem: str
) -> None:
    with pytest.raises(OperatorError, match=problem):
        found(aws, {}, **options)
    assert aws.calls == []


@pytest.mark.parametrize("operation", ["DescribeDeliveryStream", "DescribeLogGroups"])
@pytest.mark.parametrize("organization", [None, "o-exampleorg1"])
def test_missing_permissions_are_reported_with_everything_to_deploy(
    aws: Aws, operation: str, organization: str | None
) -> None:
    admits: dict[Question, Answer] = {(CENTRAL, HOME, operation): DENIED}
    more = ""
    if organization is not None:
        statement = {
            "Effect": "Allow",
            "Principal": "*",
            "Condition": {"StringEquals": {"aws:PrincipalOrgID": organization}},
        }
        document = json.dumps({"Statement": [statement]})
        admits[CENTRAL, HOME, "DescribeDestinations"] = destinations(replace(AT_HOME, policy=document))
        more = " FilterRoles=true"
    with pytest.raises(OperatorError) as stopped:
        found(aws, admits, applications=[SHOP])
    senders = f"SenderOrganization={organization}" if organization else f"SenderAccounts={SHOP}"
    deploy, options = "aws cloudformation deploy --template-file bootstrap", "--stack-name central-log-archive"
    parameters = "--capabilities CAPABILITY_NAMED_IAM --parameter-overrides RoleName=deployer"
    people = "TrustedPrincipals=PRINCIPAL Verifiers=PRINCIPAL"
    assert str(stopped.value) == (
        f"the stream waf-logs cannot be read with {ARN}:iam::{CENTRAL}:role/deployer: An error occurred (AccessDenied) "
        f"when calling the {operation} operation: no\n"
        "Deploy the templates, where PRINCIPAL is the ARN of who runs Pulumi and these commands, then run this command "
        "again:\n"
        f"{deploy}/archive-account.yaml {options} {parameters} {people} SenderRoleName=central-log-archive-sender "
        f"{senders} 'DestinationName=waf*' StreamName=waf-logs\n"
        f"{deploy}/application-account.yaml {options} {parameters} {people} ArchiveAccount={CENTRAL} "
        f"'DestinationName=waf*'{more}"
    )


@pytest.mark.parametrize("key", ["aws:PrincipalOrgID", "aws:principalorgid"])
@pytest.mark.parametrize("operator", ["StringEquals", "StringLike", "ForAnyValue:StringEqualsIfExists"])
def test_the_accounts_of_an_organization_have_to_be_named(aws: Aws, key: str, operator: str) -> None:
    statement = {"Effect": "Allow", "Principal": "*", "Condition": {operator: {key: "o-exampleorg1"}}}
    admits = {
        (CENTRAL, HOME, "DescribeDestinations"): destinations(
            replace(AT_HOME, policy=json.dumps({"Statement": [statement]}))
        )
    }
    with pytest.raises(OperatorError, match=r"the organization o-exampleorg1, whose accounts .* with --application"):
        found(aws, admits)
    assert found(aws, admits, applications=[SHOP]).senders.organizations == {"o-exampleorg1"}


def test_log_groups_that_cannot_have_another_filter_are_told_from_those_that_have_the_programs(aws: Aws) -> None:
    others = [replace(TO_SIEM, name=f"siem-{number}") for number in range(4)]
    both = [TO_HOME, OWN, *others[:3]]
    answers = {
        (SHOP, HOME, "DescribeLogGroups"): log_groups("full", "done", "room"),
        (SHOP, HOME, "DescribeSubscriptionFilters"): filters(
            full=[TO_HOME, *others], done=both, room=[TO_HOME, *others[:3]]
        ),
    }
    archive = found(aws, answers)
    assert archive.filters[SHOP][HOME].keys() == {"done", "full", "room"}
    assert archive.full == {(SHOP, HOME, "full")}


OF_ORGANIZATION = {"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-exampleorg1"}}}
OF_TWO = {"Condition": {"StringEquals": {"aws:PrincipalOrgID": ["o-exampleorg1", "o-exampleorg2"]}}}


@pytest.mark.parametrize(
    ("statements", "accounts", "organizations", "everyone"),
    [
        ([], [], [], False),
        ([{"Principal": {"AWS": [SHOP, BANK]}}, {"Principal": {"AWS": SHOP}}], [SHOP, BANK], [], False),
        ([{"Principal": {"AWS": [CENTRAL, f"{ARN}:iam::{SHOP}:root", f"{SHOP}3"]}}], [], [], False),
        ([{"Principal": "*", **OF_ORGANIZATION}], [], ["o-exampleorg1"], False),
        ([{"Principal": {"AWS": "*"}, **OF_TWO}], [], ["o-exampleorg1", "o-exampleorg2"], False),
        ([{"Principal": "*"}, {"Principal": "*", **OF_ORGANIZATION}], [], ["o-exampleorg1"], True),
        ([{"Principal": {"AWS": SHOP}, **OF_ORGANIZATION}], [SHOP], [], False),
        ([{"Effect": "Deny", "Principal": "*"}], [], [], False),
    ],
)
def test_the_policies_of_destinations_admit_accounts_organizations_or_everyone(
    statements: list[dict[str, object]], accounts: list[str], organizations: list[str], *, everyone: bool
) -> None:
    document = json.dumps({"Statement": [{"Effect": "Allow", **each} for each in statements]})
    found = [replace(AT_HOME, policy=document), replace(AWAY, policy="")]
    assert admitted(found, CENTRAL) == Senders(frozenset(accounts), frozenset(organizations), everyone)


FUNCTION = f"{ARN}:lambda:{HOME}:{CENTRAL}:function:mine"


def delivers(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - as AWS spells it
    delivery = DESCRIBED["Destinations"][0]["ExtendedS3DestinationDescription"]
    return {**DESCRIBED, "Destinations": [{"ExtendedS3DestinationDescription": {**delivery, **more}}]}


@pytest.mark.parametrize(
    ("described", "changed"),
    [
        (DESCRIBED, {}),
        (delivers(S3BackupMode="Enabled", Prefix="mine/"), {"backup": True, "prefix": "mine/"}),
        (delivers(S3BackupMode="Disabled"), {}),
        (delivers(FileExtension=".json"), {"extension": ".json"}),
        (delivers(CustomTimeZone="Asia/Tokyo"), {"time_zone": "Asia/Tokyo"}),
        (delivers(DynamicPartitioningConfiguration={"Enabled": True}), {"partitioned": True}),
        (delivers(DataFormatConversionConfiguration={"Enabled": True}), {"converts": True}),
        (delivers(DataFormatConversionConfiguration={"Enabled": False}), {}),
        (delivers(CloudWatchLoggingOptions={"Enabled": True, "LogGroupName": "/mine"}), {"error_log_group": "/mine"}),
        (delivers(CloudWatchLoggingOptions={"Enabled": False, "LogGroupName": "/mine"}), {}),
        (
            delivers(ProcessingConfiguration={"Enabled": True, "Processors": [{
                "Type": "Lambda", "Parameters": [{"ParameterName": "LambdaArn", "ParameterValue": FUNCTION}],
            }, {"Type": "Decompression"}]}),
            {"processors": {"Lambda": {"LambdaArn": FUNCTION}, "Decompression": {}}},
        ),
        (delivers(ProcessingConfiguration={"Enabled": False, "Processors": [{"Type": "Lambda"}]}), {}),
        (
            {**delivers(EncryptionConfiguration={"KMSEncryptionConfig": {"AWSKMSKeyARN": "of objects"}}),
             "DeliveryStreamEncryptionConfiguration": {"KeyARN": "of the stream"}},
            {"object_key": "of objects", "key": "of the stream"},
        ),
        ({**DESCRIBED, "DeliveryStreamEncryptionConfiguration": {"KeyARN": "of the stream"}}, {"key": "of the stream"}),
    ],
)  # fmt: skip
def test_a_stream_is_read_as_firehose_describes_it(described: dict[str, Any], changed: dict[str, Any]) -> None:
    assert Stream.of(described) == replace(STREAM, **changed)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"DeliveryStreamType": "KinesisStreamAsSource"}, "is not a Direct PUT stream that writes to S3"),
        (
            {"Destinations": [{"DestinationId": "d", "SplunkDestinationDescription": {}}]},
            "is not a Direct PUT stream that writes to S3",
        ),
        (
            {"DeliveryStreamStatus": "CREATING"},
            "the status of the stream waf-logs is CREATING; wait until it is ACTIVE",
        ),
    ],
)
def test_a_stream_that_cannot_be_adopted_is_rejected(aws: Aws, changed: dict[str, Any], why: str) -> None:
    described = {"DeliveryStreamDescription": {**DESCRIBED, **changed}}
    answers: dict[Question, Answer] = {(CENTRAL, HOME, "DescribeDeliveryStream"): described}
    with pytest.raises(OperatorError, match=why):
        found(aws, answers)


NAMED = {
    "account": CENTRAL, "region": HOME, "destinationRegions": [HOME], "streamName": "waf-logs",
    "senders": {"accounts": [SHOP]}, "transform": "bundled",
}  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "edited", "problem"),
    [
        ({"DeliveryStreamDescription": DESCRIBED}, {}, None),
        (Refusal("ResourceNotFoundException"), {"transform": None}, None),  # it will be created
        ({"DeliveryStreamDescription": DESCRIBED}, {"streamName": None, "transform": None}, None),
        (
            {"DeliveryStreamDescription": {**DESCRIBED, "DeliveryStreamStatus": "CREATING"}},
            {"delivery": {"layout": "partitioned"}},
            "the stream waf-logs does not partition records, unlike the layout, which requires a new stream; remove",
        ),
        (
            {"DeliveryStreamDescription": DESCRIBED},
            {"transform": None},
            "the stream waf-logs does not decompress records, which requires a new stream; remove archive.streamName",
        ),
        (
            {"DeliveryStreamDescription": {**DESCRIBED, "DeliveryStreamType": "MSKAsSource"}},
            {},
            "archive.streamName: the stream waf-logs is not a Direct PUT stream that writes to S3",
        ),
        (DENIED, {}, "cannot be read .*; deploy bootstrap/archive-account.yaml with StreamName=waf-logs"),
    ],
)
def test_a_stream_that_a_stack_file_names_is_checked_before_anything_is_deployed(
    aws: Aws, answer: Answer, edited: dict[str, Any], problem: str | None
) -> None:
    aws.answers = {(CENTRAL, HOME, "DescribeDeliveryStream"): answer}
    archive = Archive.model_validate({key: value for key, value in {**NAMED, **edited}.items() if value is not None})
    if problem is None:
        check_stream(archive, "company")
        return
    with pytest.raises(SettingsError, match=problem):
        check_stream(archive, "company")
