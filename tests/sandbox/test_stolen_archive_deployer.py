"""What a thief of the archive's deployer role tries, with the role of the bootstrap template."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from sandbox.instance import MANAGEMENT_ACCOUNT
from sandbox.prepare import prepare
from sandbox.server import ROOT
from tests.sandbox.conftest import Cloud
from tests.stacks import EXAMPLES_FOLDER
from topology import policies
from topology.changes import CHANGES, CHANGES_LOG_GROUP
from topology.sender_role import trusts

ARCHIVE, STRANGER, HOME = "111111111111", "999999999999", "eu-west-1"
BOUNDARY = f"arn:aws:iam::{ARCHIVE}:policy/central-log-archive-boundary"
EVERYTHING = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*:*", "Resource": "*"}]})
TRUSTING_THE_STRANGER = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{STRANGER}:root"}, "Action": "sts:AssumeRole"}
        ],
    }
)
Client = Callable[[str], Any]


@pytest.fixture(scope="module", autouse=True)
def _bootstrap(cloud: Cloud) -> None:
    prepare([EXAMPLES_FOLDER / "Pulumi.archive.yaml"], {"AWS_ENDPOINT_URL": cloud.endpoint})
    destroyable(cloud, "no")


def destroyable(cloud: Cloud, choice: str) -> None:
    """Deploy the bootstrap template with another Destroyable."""
    formation, stack = cloud.client("cloudformation", account=ARCHIVE), "central-log-archive"
    given = formation.describe_stacks(StackName=stack)["Stacks"][0]["Parameters"]
    kept = [each for each in given if each["ParameterKey"] != "Destroyable"]
    formation.update_stack(
        StackName=stack,
        TemplateBody=(ROOT / "bootstrap/archive-account.yaml").read_text(encoding="utf-8"),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[*kept, {"ParameterKey": "Destroyable", "ParameterValue": choice}],
    )
    formation.get_waiter("stack_update_complete").wait(StackName=stack, WaiterConfig={"Delay": 0.05, "MaxAttempts": 99})


@pytest.fixture(scope="module")
def thief(cloud: Cloud) -> Client:
    return session(cloud, MANAGEMENT_ACCOUNT, "central-log-archive-deployer")


def session(cloud: Cloud, account: str, role: str) -> Client:
    """Assume a role of the archive as the root user of an account; return what makes its clients."""
    credentials = cloud.client("sts", account=account).assume_role(
        RoleArn=f"arn:aws:iam::{ARCHIVE}:role/{role}", RoleSessionName="thief"
    )["Credentials"]
    return lambda service: boto3.client(
        service,
        endpoint_url=cloud.endpoint,
        region_name=HOME,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


def refused(call: Callable[..., Any], **parameters: Any) -> bool:  # noqa: ANN401 - any call of boto3
    """Return whether AWS denies a call; any other error is raised."""
    try:
        call(**parameters)
    except ClientError as error:
        if "AccessDenied" not in str(error):
            raise
        return True
    return False


def bucket_of(cloud: Cloud, name: str) -> str:
    """Make a versioned bucket with one event."""
    s3 = cloud.client("s3", account=ARCHIVE)
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": HOME})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=name, Key="logs/one", Body=b"event")
    return name


def version_of(cloud: Cloud, bucket: str) -> dict[str, str]:
    """Return the parameters that identify the version of the event in a bucket."""
    (version,) = cloud.client("s3", account=ARCHIVE).list_object_versions(Bucket=bucket)["Versions"]
    return {"Bucket": bucket, "Key": "logs/one", "VersionId": version["VersionId"]}


def admit(bucket: str, principal: str) -> str:
    """Return a bucket policy that lets a principal do everything."""
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "s3:*"}
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Resource": resources}]})


def role_of_the_thief(thief: Client, name: str) -> str:
    """Make a role within the boundary that a stranger may assume, and that its own policy allows everything."""
    iam = thief("iam")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUSTING_THE_STRANGER, PermissionsBoundary=BOUNDARY)
    iam.put_role_policy(RoleName=name, PolicyName="everything", PolicyDocument=EVERYTHING)
    return name


def test_no_role_is_made_without_the_boundary(thief: Client) -> None:
    wanted = {"RoleName": "archive-delivery-role-x", "AssumeRolePolicyDocument": TRUSTING_THE_STRANGER}
    assert refused(thief("iam").create_role, **wanted)
    assert refused(thief("iam").create_role, **wanted, PermissionsBoundary="arn:aws:iam::aws:policy/ReadOnlyAccess")


def test_a_role_that_has_no_boundary_gets_no_policy_but_may_get_the_boundary(cloud: Cloud, thief: Client) -> None:
    root, iam = cloud.client("iam", account=ARCHIVE), thief("iam")
    root.create_role(RoleName="archive-delivery-role-old", AssumeRolePolicyDocument=TRUSTING_THE_STRANGER)
    policy = {"RoleName": "archive-delivery-role-old", "PolicyName": "p", "PolicyDocument": EVERYTHING}
    assert refused(iam.put_role_policy, **policy)
    iam.put_role_permissions_boundary(RoleName="archive-delivery-role-old", PermissionsBoundary=BOUNDARY)
    assert not refused(iam.put_role_policy, **policy)


def test_the_boundary_can_be_neither_taken_off_nor_exchanged_nor_edited(cloud: Cloud, thief: Client) -> None:
    iam, role = thief("iam"), {"RoleName": role_of_the_thief(thief, "archive-delivery-role-bound")}
    cloud.client("iam", account=ARCHIVE).create_policy(PolicyName="everything", PolicyDocument=EVERYTHING)
    everything = f"arn:aws:iam::{ARCHIVE}:policy/everything"
    assert refused(iam.delete_role_permissions_boundary, **role)
    assert refused(iam.put_role_permissions_boundary, **role, PermissionsBoundary=everything)
    assert refused(iam.attach_role_policy, **role, PolicyArn=everything)
    assert refused(iam.create_policy_version, PolicyArn=BOUNDARY, PolicyDocument=EVERYTHING, SetAsDefault=True)
    assert refused(iam.set_default_policy_version, PolicyArn=BOUNDARY, VersionId="v1")
    assert refused(iam.delete_policy, PolicyArn=BOUNDARY)
    assert refused(iam.create_policy, PolicyName="archive-delivery-role-p", PolicyDocument=EVERYTHING)


@pytest.mark.parametrize("kind", ["analyst", "dashboard", "delivery", "transform"])
def test_a_role_of_the_thief_is_no_administrator(cloud: Cloud, thief: Client, kind: str) -> None:
    stranger = session(cloud, STRANGER, role_of_the_thief(thief, f"archive-{kind}-role-evil"))
    iam = stranger("iam")
    assert refused(iam.create_user, UserName="stranger")
    assert refused(iam.put_role_policy, RoleName="archive-x", PolicyName="p", PolicyDocument=EVERYTHING)
    assert refused(
        stranger("sts").assume_role,
        RoleArn=f"arn:aws:iam::{ARCHIVE}:role/central-log-archive-deployer",
        RoleSessionName="again",
    )
    assert refused(stranger("kms").create_key)
    assert refused(stranger("secretsmanager").list_secrets)


@pytest.mark.parametrize("kind", ["analyst", "dashboard", "delivery", "transform"])
def test_a_role_of_the_thief_neither_puts_records_nor_deletes_objects(cloud: Cloud, thief: Client, kind: str) -> None:
    stranger = session(cloud, STRANGER, role_of_the_thief(thief, f"archive-{kind}-role-forger"))
    bucket = bucket_of(cloud, f"archive-bucket-{kind}")
    assert refused(stranger("firehose").put_record, DeliveryStreamName="archive-stream-1", Record={"Data": b"forged"})
    s3 = stranger("s3")
    assert refused(s3.delete_object, Bucket=bucket, Key="logs/one")
    assert refused(s3.delete_bucket_policy, Bucket=bucket)
    assert refused(s3.put_object, Bucket=bucket, Key="logs/one", Body=b"") == (kind != "delivery")
    assert refused(s3.get_object, Bucket=bucket, Key="logs/one") == (kind not in ("analyst", "delivery"))


def test_only_a_function_uses_what_the_role_of_a_function_may(cloud: Cloud, thief: Client) -> None:
    role = f"arn:aws:iam::{ARCHIVE}:role/{role_of_the_thief(thief, 'archive-transform-role-function')}"
    stream = f"arn:aws:firehose:{HOME}:{ARCHIVE}:deliverystream/archive-stream-1"
    function = f"arn:aws:lambda:{HOME}:{ARCHIVE}:function:archive-transform"

    def decision(*context: dict[str, Any]) -> str:
        found = cloud.client("iam", account=ARCHIVE).simulate_principal_policy(
            PolicySourceArn=role,
            ActionNames=["firehose:PutRecordBatch"],
            ResourceArns=[stream],
            ContextEntries=context,
        )
        return str(found["EvaluationResults"][0]["EvalDecision"])

    def source(arn: str) -> dict[str, Any]:
        return {"ContextKeyName": "lambda:SourceFunctionArn", "ContextKeyValues": [arn], "ContextKeyType": "string"}

    assert decision() == "explicitDeny"
    assert decision(source(f"{function}-1234567")) == "allowed"
    assert decision(source(f"arn:aws:lambda:{HOME}:{STRANGER}:function:archive-transform-1")) == "explicitDeny"


def test_neither_bucket_nor_objects_are_deleted_even_if_the_bucket_policy_allows_it(
    cloud: Cloud, thief: Client
) -> None:
    bucket, s3 = bucket_of(cloud, "archive-bucket-kept"), thief("s3")
    s3.put_bucket_policy(Bucket=bucket, Policy=admit(bucket, thief("sts").get_caller_identity()["Arn"]))
    assert refused(s3.delete_object, **version_of(cloud, bucket))
    assert refused(s3.delete_object, Bucket=bucket, Key="logs/one")
    assert refused(s3.delete_bucket, Bucket=bucket)
    assert refused(s3.delete_bucket_policy, Bucket=bucket)


def test_a_session_that_the_bucket_policy_names_is_within_the_boundary(cloud: Cloud, thief: Client) -> None:
    bucket, role = bucket_of(cloud, "archive-bucket-named"), role_of_the_thief(thief, "archive-analyst-role-named")
    session_arn = f"arn:aws:sts::{ARCHIVE}:assumed-role/{role}/thief"
    thief("s3").put_bucket_policy(Bucket=bucket, Policy=admit(bucket, session_arn))
    assert refused(session(cloud, STRANGER, role)("s3").delete_object, **version_of(cloud, bucket))


def test_only_a_destroyable_archive_is_destroyed(cloud: Cloud, thief: Client) -> None:
    bucket, s3 = bucket_of(cloud, "archive-bucket-destroyable"), thief("s3")
    destroyable(cloud, "yes")
    try:
        s3.delete_object(**version_of(cloud, bucket))
        s3.delete_bucket(Bucket=bucket)
    finally:
        destroyable(cloud, "no")


def test_results_of_queries_are_deleted_with_the_stack(cloud: Cloud, thief: Client) -> None:
    bucket, s3 = bucket_of(cloud, "archive-results-1"), thief("s3")
    s3.delete_object(**version_of(cloud, bucket))
    s3.delete_bucket(Bucket=bucket)


def test_keys_of_others_are_neither_tagged_nor_deleted(cloud: Cloud, thief: Client) -> None:
    kms, tags = thief("kms"), [{"TagKey": "managed-by", "TagValue": "central-log-archive"}]
    other = cloud.client("kms", account=ARCHIVE).create_key()["KeyMetadata"]["KeyId"]
    assert refused(kms.tag_resource, KeyId=other, Tags=tags)
    assert refused(kms.schedule_key_deletion, KeyId=other)
    assert refused(kms.disable_key, KeyId=other)
    assert refused(kms.create_key, Tags=[{"TagKey": "managed-by", "TagValue": "somebody"}])
    assert refused(kms.create_key)


def test_the_key_of_the_archive_is_not_deleted_although_its_policy_allows_it(cloud: Cloud, thief: Client) -> None:
    policy = policies.key_policy(
        home_region=HOME, account=ARCHIVE, deployer_role="central-log-archive-deployer", bucket_arns=[], log_groups=[]
    )
    kms = thief("kms")
    tags = [{"TagKey": "managed-by", "TagValue": "central-log-archive"}]
    key = kms.create_key(Policy=policy, Tags=tags)["KeyMetadata"]["KeyId"]
    assert not refused(kms.enable_key_rotation, KeyId=key)
    assert refused(kms.schedule_key_deletion, KeyId=key)
    destroyable(cloud, "yes")
    try:
        kms.schedule_key_deletion(KeyId=key)
    finally:
        destroyable(cloud, "no")


LOCK = policies.Lock(role_arn=f"arn:aws:iam::{ARCHIVE}:role/guardian", fingerprint="0")


def test_a_locked_bucket_is_changed_by_the_break_glass_role_only(cloud: Cloud, thief: Client) -> None:
    bucket, iam = bucket_of(cloud, "archive-bucket-locked"), cloud.client("iam", account=ARCHIVE)
    for role in ("guardian", "administrator"):
        trust = TRUSTING_THE_STRANGER.replace(STRANGER, ARCHIVE)
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust)
        iam.put_role_policy(RoleName=role, PolicyName="everything", PolicyDocument=EVERYTHING)
    locked = policies.bucket_policy(bucket_arn=f"arn:aws:s3:::{bucket}", key_arn=None, lock=LOCK)
    thief("s3").put_bucket_policy(Bucket=bucket, Policy=locked)

    rule = {"ID": "x", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}
    enabled = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}}
    blocked = {"BlockPublicAcls": False, "BlockPublicPolicy": False}

    def attacks(s3: Any) -> list[bool]:  # noqa: ANN401 - boto3
        name = {"Bucket": bucket}
        return [
            refused(s3.put_bucket_policy, **name, Policy=admit(bucket, f"arn:aws:iam::{STRANGER}:root")),
            refused(s3.delete_bucket_policy, **name),
            refused(s3.put_bucket_lifecycle_configuration, **name, LifecycleConfiguration={"Rules": [rule]}),
            refused(s3.put_bucket_versioning, **name, VersioningConfiguration={"Status": "Suspended"}),
            refused(s3.put_object_lock_configuration, **name, ObjectLockConfiguration=enabled),
            refused(s3.put_public_access_block, **name, PublicAccessBlockConfiguration=blocked),
            refused(s3.put_bucket_logging, **name, BucketLoggingStatus={}),
            refused(s3.delete_object, **version_of(cloud, bucket)),
            refused(s3.delete_object, **name, Key="logs/one"),
            refused(s3.delete_bucket, **name),
        ]

    assert all(attacks(thief("s3")))
    assert all(attacks(session(cloud, ARCHIVE, "administrator")("s3")))
    guardian = session(cloud, ARCHIVE, "guardian")("s3")
    guardian.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    guardian.delete_object(**version_of(cloud, bucket))
    guardian.delete_bucket_policy(Bucket=bucket)
    assert not refused(thief("s3").put_bucket_policy, Bucket=bucket, Policy=locked)


def test_the_root_user_unlocks_a_bucket_whose_break_glass_role_is_gone(cloud: Cloud, thief: Client) -> None:
    bucket = bucket_of(cloud, "archive-bucket-orphaned")
    lock = policies.Lock(role_arn=f"arn:aws:iam::{ARCHIVE}:role/gone", fingerprint="0")
    locked = policies.bucket_policy(bucket_arn=f"arn:aws:s3:::{bucket}", key_arn=None, lock=lock)
    thief("s3").put_bucket_policy(Bucket=bucket, Policy=locked)
    assert refused(thief("s3").delete_bucket_policy, Bucket=bucket)
    cloud.client("s3", account=ARCHIVE).delete_bucket_policy(Bucket=bucket)
    assert not refused(thief("s3").put_bucket_versioning, Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


def test_whom_the_sender_role_trusts_is_not_changed(cloud: Cloud, thief: Client) -> None:
    iam, role = thief("iam"), {"RoleName": "CWLtoKinesisFirehoseRole"}
    before = cloud.client("iam", account=ARCHIVE).get_role(**role)["Role"]
    assert refused(iam.update_assume_role_policy, **role, PolicyDocument=TRUSTING_THE_STRANGER)
    assert refused(iam.delete_role, **role)
    assert refused(iam.put_role_permissions_boundary, **role, PermissionsBoundary=BOUNDARY)
    assert refused(
        iam.create_role, **role, AssumeRolePolicyDocument=TRUSTING_THE_STRANGER, PermissionsBoundary=BOUNDARY
    )
    assert cloud.client("iam", account=ARCHIVE).get_role(**role)["Role"] == before
    assert not refused(iam.put_role_policy, **role, PolicyName="everything", PolicyDocument=EVERYTHING)


def test_nobody_but_cloudwatch_logs_for_the_senders_assumes_the_sender_role(cloud: Cloud) -> None:
    name = "CWLtoKinesisFirehoseRole"
    trust = cloud.client("iam", account=ARCHIVE).get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    assert trusts(trust, HOME, "222222222222", None)
    assert not trusts(trust, HOME, STRANGER, None)
    for account in (STRANGER, ARCHIVE):
        with pytest.raises(ClientError, match="AccessDenied"):
            session(cloud, account, name)


def test_the_rule_that_sees_changes_has_no_other_target(thief: Client) -> None:
    events, written = thief("events"), policies.log_group_arn(HOME, ARCHIVE, CHANGES_LOG_GROUP)
    events.put_rule(Name=CHANGES, EventPattern=json.dumps({"account": [ARCHIVE]}))
    for target in (
        f"arn:aws:sns:{HOME}:{STRANGER}:thief",
        f"arn:aws:lambda:{HOME}:{ARCHIVE}:function:archive-digest-x",
    ):
        assert refused(events.put_targets, Rule=CHANGES, Targets=[{"Id": "thief", "Arn": target}]), target
    events.put_targets(Rule=CHANGES, Targets=[{"Id": CHANGES, "Arn": written}])
    events.remove_targets(Rule=CHANGES, Ids=[CHANGES])
    events.delete_rule(Name=CHANGES)
