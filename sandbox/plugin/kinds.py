"""The resource types that the sandbox's plugin knows, an entry each.

What an entry asks of AWS follows the official plugin, reads included, because the rights of the deployer roles are
rehearsed with it. Names and required inputs are not written down here: they come from the SDK's own argument classes.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any, ClassVar

import pulumi
import pulumi_aws as sdk

from sandbox.plugin.aws import Aws, present
from sandbox.plugin.kind import Kind, Values, tag_list
from sandbox.plugin.subscriber import EventRule, EventTarget, Invocation, Permission, Queue
from sandbox.server import ROOT


class Bucket(Kind):
    arguments = sdk.s3.BucketArgs
    inputs = frozenset({"bucket", "forceDestroy", "tags"})
    computed = frozenset({"arn", "bucketDomainName", "bucketRegionalDomainName", "region"})
    replaced_by = frozenset({"bucket"})
    named_by, longest_name, tagged = "bucket", 63, True

    # What the official plugin reads of every bucket, and the error that stands for "not configured".
    _READS: ClassVar = (
        "get_bucket_accelerate_configuration", "get_bucket_acl", "get_bucket_cors", "get_bucket_encryption",
        "get_bucket_lifecycle_configuration", "get_bucket_location", "get_bucket_logging", "get_bucket_policy",
        "get_bucket_replication", "get_bucket_request_payment", "get_bucket_versioning", "get_bucket_website",
        "get_object_lock_configuration",
    )  # fmt: skip

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        s3, name = aws.client("s3"), str(inputs["bucket"])
        # us-east-1 is the region that must not be named (API operation CreateBucket).
        place = {} if aws.region == "us-east-1" else {"LocationConstraint": aws.region}
        s3.create_bucket(Bucket=name, **({"CreateBucketConfiguration": place} if place else {}))
        self.tag(aws, name, {}, tags, [])
        return name

    def read(self, aws: Aws, resource_id: str) -> Values | None:
        s3 = aws.client("s3")
        if present(s3.head_bucket, Bucket=resource_id) is None:
            return None
        for read in self._READS:
            present(getattr(s3, read), Bucket=resource_id)
        tags = present(s3.get_bucket_tagging, Bucket=resource_id) or {"TagSet": []}
        return {
            "bucket": resource_id,
            "arn": f"arn:{aws.partition}:s3:::{resource_id}",
            "bucketDomainName": f"{resource_id}.s3.amazonaws.com",
            "bucketRegionalDomainName": f"{resource_id}.s3.{aws.region}.amazonaws.com",
            "region": aws.region,
            "tagsAll": {tag["Key"]: tag["Value"] for tag in tags["TagSet"]},
        }

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        """Only ``forceDestroy`` and tags change in place: the first is the plugin's own, the second is ``tag``."""

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        s3 = aws.client("s3")
        if state.get("forceDestroy"):
            for page in s3.get_paginator("list_object_versions").paginate(Bucket=resource_id):
                for item in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                    s3.delete_object(Bucket=resource_id, Key=item["Key"], VersionId=item["VersionId"])
        present(s3.delete_bucket, Bucket=resource_id)

    def tag(self, aws: Aws, resource_id: str, state: Values, tags: dict[str, str], gone: list[str]) -> None:
        tag_set = [{"Key": key, "Value": value} for key, value in tags.items()]
        aws.client("s3").put_bucket_tagging(Bucket=resource_id, Tagging={"TagSet": tag_set})


class _BucketPart(Kind):
    """A setting of a bucket, with the bucket's name as its id."""

    replaced_by = frozenset({"bucket"})

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        self.update(aws, inputs["bucket"], inputs)
        return str(inputs["bucket"])


class BucketOwnershipControls(_BucketPart):
    arguments = sdk.s3.BucketOwnershipControlsArgs
    inputs = frozenset({"bucket", "rule"})

    def read(self, aws: Aws, resource_id: str) -> Values | None:
        found = present(aws.client("s3").get_bucket_ownership_controls, Bucket=resource_id)
        if found is None:
            return None
        (rule,) = found["OwnershipControls"]["Rules"]
        return {"bucket": resource_id, "rule": {"objectOwnership": rule["ObjectOwnership"]}}

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        rules = [{"ObjectOwnership": inputs["rule"]["objectOwnership"]}]
        aws.client("s3").put_bucket_ownership_controls(Bucket=resource_id, OwnershipControls={"Rules": rules})

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        present(aws.client("s3").delete_bucket_ownership_controls, Bucket=resource_id)


class BucketPublicAccessBlock(_BucketPart):
    arguments = sdk.s3.BucketPublicAccessBlockArgs
    _FLAGS: ClassVar = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    inputs = frozenset({"bucket", *_FLAGS})

    def read(self, aws: Aws, resource_id: str) -> Values | None:
        found = present(aws.client("s3").get_public_access_block, Bucket=resource_id)
        if found is None:
            return None
        block = found["PublicAccessBlockConfiguration"]
        return {"bucket": resource_id, **{flag: block[_pascal(flag)] for flag in self._FLAGS}}

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        block = {_pascal(flag): inputs.get(flag, False) for flag in self._FLAGS}
        aws.client("s3").put_public_access_block(Bucket=resource_id, PublicAccessBlockConfiguration=block)

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        present(aws.client("s3").delete_public_access_block, Bucket=resource_id)


class BucketVersioning(_BucketPart):
    arguments = sdk.s3.BucketVersioningInitArgs  # the plain name is a nested type's
    inputs = frozenset({"bucket", "versioningConfiguration"})

    def read(self, aws: Aws, resource_id: str) -> Values | None:
        found = present(aws.client("s3").get_bucket_versioning, Bucket=resource_id)
        if found is None or "Status" not in found:
            return None
        return {"bucket": resource_id, "versioningConfiguration": {"status": found["Status"]}}

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        self._put(aws, resource_id, inputs["versioningConfiguration"]["status"])

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        self._put(aws, resource_id, "Suspended")  # versioning is never off again

    @staticmethod
    def _put(aws: Aws, bucket: str, status: str) -> None:
        present(aws.client("s3").put_bucket_versioning, Bucket=bucket, VersioningConfiguration={"Status": status})


class BucketServerSideEncryptionConfiguration(_BucketPart):
    arguments = sdk.s3.BucketServerSideEncryptionConfigurationInitArgs  # the plain name is a nested type's
    inputs = frozenset({"bucket", "rules"})

    def read(self, aws: Aws, resource_id: str) -> Values | None:
        found = present(aws.client("s3").get_bucket_encryption, Bucket=resource_id)
        if found is None:
            return None
        rules = [
            {
                "applyServerSideEncryptionByDefault": _given(
                    sseAlgorithm=rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"],
                    kmsMasterKeyId=rule["ApplyServerSideEncryptionByDefault"].get("KMSMasterKeyID"),
                ),
                "bucketKeyEnabled": rule.get("BucketKeyEnabled", False),
            }
            for rule in found["ServerSideEncryptionConfiguration"]["Rules"]
        ]
        return {"bucket": resource_id, "rules": rules}

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        rules = [
            {
                "ApplyServerSideEncryptionByDefault": _given(
                    SSEAlgorithm=rule["applyServerSideEncryptionByDefault"]["sseAlgorithm"],
                    KMSMasterKeyID=rule["applyServerSideEncryptionByDefault"].get("kmsMasterKeyId"),
                ),
                "BucketKeyEnabled": rule.get("bucketKeyEnabled", False),
            }
            for rule in inputs["rules"]
        ]
        aws.client("s3").put_bucket_encryption(Bucket=resource_id, ServerSideEncryptionConfiguration={"Rules": rules})

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        present(aws.client("s3").delete_bucket_encryption, Bucket=resource_id)


class BucketPolicy(_BucketPart):
    arguments = sdk.s3.BucketPolicyArgs
    inputs = frozenset({"bucket", "policy"})

    def read(self, aws: Aws, resource_id: str) -> Values | None:
        found = present(aws.client("s3").get_bucket_policy, Bucket=resource_id)
        return None if found is None else {"bucket": resource_id, "policy": found["Policy"]}

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        aws.client("s3").put_bucket_policy(Bucket=resource_id, Policy=inputs["policy"])

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        present(aws.client("s3").delete_bucket_policy, Bucket=resource_id)


class BucketLifecycleConfiguration(_BucketPart):
    arguments = sdk.s3.BucketLifecycleConfigurationArgs
    inputs = frozenset({"bucket", "rules"})

    def read(self, aws: Aws, resource_id: str) -> Values | None:
        found = present(aws.client("s3").get_bucket_lifecycle_configuration, Bucket=resource_id)
        if found is None:
            return None
        rules = [
            _given(
                id=rule["ID"],
                status=rule["Status"],
                filter={"prefix": rule["Filter"].get("Prefix", "")},
                transitions=[
                    {"storageClass": each["StorageClass"], "days": each["Days"]} for each in rule.get("Transitions", [])
                ],
                expiration=_renamed(rule.get("Expiration"), _camel),
                noncurrentVersionExpiration=_renamed(rule.get("NoncurrentVersionExpiration"), _camel),
                abortIncompleteMultipartUpload=_renamed(rule.get("AbortIncompleteMultipartUpload"), _camel),
            )
            for rule in found["Rules"]
        ]
        return {"bucket": resource_id, "rules": rules}

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        rules = [
            _given(
                ID=rule["id"],
                Status=rule["status"],
                Filter={"Prefix": rule.get("filter", {}).get("prefix", "")},
                Transitions=[
                    {"StorageClass": each["storageClass"], "Days": int(each["days"])}
                    for each in rule.get("transitions", [])
                ]
                or None,
                Expiration=_renamed(rule.get("expiration"), _pascal),
                NoncurrentVersionExpiration=_renamed(rule.get("noncurrentVersionExpiration"), _pascal),
                AbortIncompleteMultipartUpload=_renamed(rule.get("abortIncompleteMultipartUpload"), _pascal),
            )
            for rule in inputs["rules"]
        ]
        aws.client("s3").put_bucket_lifecycle_configuration(Bucket=resource_id, LifecycleConfiguration={"Rules": rules})

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        present(aws.client("s3").delete_bucket_lifecycle, Bucket=resource_id)


class BucketObjectLockConfiguration(_BucketPart):
    arguments = sdk.s3.BucketObjectLockConfigurationInitArgs  # the plain name is a nested type's
    inputs = frozenset({"bucket", "rule"})

    def read(self, aws: Aws, resource_id: str) -> Values | None:
        found = present(aws.client("s3").get_object_lock_configuration, Bucket=resource_id)
        if found is None or "Rule" not in found["ObjectLockConfiguration"]:
            return None
        retention = found["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
        return {
            "bucket": resource_id,
            "rule": {"defaultRetention": {"mode": retention["Mode"], "days": retention["Days"]}},
        }

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        retention = inputs["rule"]["defaultRetention"]
        rule = {"DefaultRetention": {"Mode": retention["mode"], "Days": int(retention["days"])}}
        self._put(aws, resource_id, {"Rule": rule})

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        self._put(aws, resource_id, {})  # the lock itself is never off again

    @staticmethod
    def _put(aws: Aws, bucket: str, rule: Values) -> None:
        configuration = {"ObjectLockEnabled": "Enabled", **rule}
        present(aws.client("s3").put_object_lock_configuration, Bucket=bucket, ObjectLockConfiguration=configuration)


class BucketLogging(_BucketPart):
    arguments = sdk.s3.BucketLoggingInitArgs  # the plain name is a nested type's
    inputs = frozenset({"bucket", "targetBucket", "targetPrefix"})

    def read(self, aws: Aws, resource_id: str) -> Values | None:
        found = present(aws.client("s3").get_bucket_logging, Bucket=resource_id) or {}
        logging = found.get("LoggingEnabled")
        if logging is None:
            return None
        return {
            "bucket": resource_id, "targetBucket": logging["TargetBucket"], "targetPrefix": logging["TargetPrefix"],
        }  # fmt: skip

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        target = {"TargetBucket": inputs["targetBucket"], "TargetPrefix": inputs["targetPrefix"]}
        aws.client("s3").put_bucket_logging(Bucket=resource_id, BucketLoggingStatus={"LoggingEnabled": target})

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        present(aws.client("s3").put_bucket_logging, Bucket=resource_id, BucketLoggingStatus={})


class Role(Kind):
    arguments = sdk.iam.RoleArgs
    inputs = frozenset({"assumeRolePolicy", "description", "name", "tags"})
    computed = frozenset({"arn", "createDate", "uniqueId"})
    replaced_by = frozenset({"name"})
    named_by, tagged = "name", True

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        aws.client("iam").create_role(
            RoleName=inputs["name"],
            AssumeRolePolicyDocument=inputs["assumeRolePolicy"],
            Description=inputs.get("description", ""),
            Tags=tag_list(tags),
        )
        return str(inputs["name"])

    def read(self, aws: Aws, resource_id: str) -> Values | None:
        iam = aws.client("iam")
        found = present(iam.get_role, RoleName=resource_id)
        if found is None:
            return None
        for policy in iam.list_role_policies(RoleName=resource_id)["PolicyNames"]:
            present(iam.get_role_policy, RoleName=resource_id, PolicyName=policy)
        iam.list_attached_role_policies(RoleName=resource_id)
        role = found["Role"]
        return {
            "name": resource_id,
            "arn": role["Arn"],
            "assumeRolePolicy": json.dumps(role["AssumeRolePolicyDocument"]),
            "description": role.get("Description", ""),
            "createDate": role["CreateDate"].isoformat(),
            "uniqueId": role["RoleId"],
            "tagsAll": {tag["Key"]: tag["Value"] for tag in role.get("Tags", [])},
        }

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        iam = aws.client("iam")
        iam.update_assume_role_policy(RoleName=resource_id, PolicyDocument=inputs["assumeRolePolicy"])
        iam.update_role(RoleName=resource_id, Description=inputs.get("description", ""))

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        iam = aws.client("iam")
        present(iam.list_instance_profiles_for_role, RoleName=resource_id)
        present(iam.delete_role, RoleName=resource_id)

    def tag(self, aws: Aws, resource_id: str, state: Values, tags: dict[str, str], gone: list[str]) -> None:
        aws.client("iam").tag_role(RoleName=resource_id, Tags=tag_list(tags))
        if gone:
            aws.client("iam").untag_role(RoleName=resource_id, TagKeys=gone)


class RolePolicy(Kind):
    arguments = sdk.iam.RolePolicyArgs
    inputs = frozenset({"name", "policy", "role"})
    replaced_by = frozenset({"name", "role"})
    named_by, longest_name = "name", 128

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        resource_id = f"{inputs['role']}:{inputs['name']}"
        self.update(aws, resource_id, inputs)
        return resource_id

    def read(self, aws: Aws, resource_id: str) -> Values | None:
        role, name = resource_id.split(":")
        found = present(aws.client("iam").get_role_policy, RoleName=role, PolicyName=name)
        return None if found is None else {"role": role, "name": name, "policy": json.dumps(found["PolicyDocument"])}

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        role, name = resource_id.split(":")
        aws.client("iam").put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=inputs["policy"])

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        role, name = resource_id.split(":")
        present(aws.client("iam").delete_role_policy, RoleName=role, PolicyName=name)


class LogGroup(Kind):
    arguments = sdk.cloudwatch.LogGroupArgs
    inputs = frozenset({"kmsKeyId", "name", "retentionInDays", "tags"})
    computed = frozenset({"arn"})
    replaced_by = frozenset({"name"})
    named_by, longest_name, tagged = "name", 512, True

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        key = _given(kmsKeyId=inputs.get("kmsKeyId"))
        aws.client("logs").create_log_group(logGroupName=inputs["name"], tags=tags, **key)
        self._retain(aws, inputs)
        return str(inputs["name"])

    def read(self, aws: Aws, resource_id: str) -> Values | None:
        logs = aws.client("logs")
        groups = logs.describe_log_groups(logGroupNamePrefix=resource_id)["logGroups"]
        group = next((group for group in groups if group["logGroupName"] == resource_id), None)
        if group is None:
            return None
        arn = group["arn"].removesuffix(":*")
        return _given(
            name=resource_id,
            arn=arn,
            kmsKeyId=group.get("kmsKeyId"),
            retentionInDays=group.get("retentionInDays", 0),
            tagsAll=logs.list_tags_for_resource(resourceArn=arn)["tags"],
        )

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        logs = aws.client("logs")
        if key := inputs.get("kmsKeyId"):
            logs.associate_kms_key(logGroupName=resource_id, kmsKeyId=key)
        else:
            logs.disassociate_kms_key(logGroupName=resource_id)
        self._retain(aws, inputs)

    @staticmethod
    def _retain(aws: Aws, inputs: Values) -> None:
        logs, name = aws.client("logs"), inputs["name"]
        if days := inputs.get("retentionInDays"):
            logs.put_retention_policy(logGroupName=name, retentionInDays=int(days))
        else:
            present(logs.delete_retention_policy, logGroupName=name)

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        present(aws.client("logs").delete_log_group, logGroupName=resource_id)

    def tag(self, aws: Aws, resource_id: str, state: Values, tags: dict[str, str], gone: list[str]) -> None:
        _tag_logs(aws, state["arn"], tags, gone)


class LogStream(Kind):
    arguments = sdk.cloudwatch.LogStreamArgs
    inputs = frozenset({"logGroupName", "name"})
    computed = frozenset({"arn"})
    replaced_by = inputs
    named_by, longest_name = "name", 512

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        group, name = inputs["logGroupName"], inputs["name"]
        aws.client("logs").create_log_stream(logGroupName=group, logStreamName=name)
        return f"{group}:{name}"

    def read(self, aws: Aws, resource_id: str) -> Values | None:
        group, name = resource_id.rsplit(":", 1)
        found = present(aws.client("logs").describe_log_streams, logGroupName=group, logStreamNamePrefix=name)
        for stream in (found or {"logStreams": []})["logStreams"]:
            if stream["logStreamName"] == name:
                arn = f"arn:{aws.partition}:logs:{aws.region}:{aws.account}:log-group:{group}:log-stream:{name}"
                return {"logGroupName": group, "name": name, "arn": arn}
        return None

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        group, name = resource_id.rsplit(":", 1)
        present(aws.client("logs").delete_log_stream, logGroupName=group, logStreamName=name)


class LogDestination(Kind):
    arguments = sdk.cloudwatch.LogDestinationArgs
    inputs = frozenset({"name", "roleArn", "tags", "targetArn"})
    computed = frozenset({"arn"})
    replaced_by = frozenset({"name"})
    named_by, longest_name, tagged = "name", 512, True

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        self.update(aws, inputs["name"], inputs)
        # Tags in PutDestination itself make its test message fail, so the official plugin adds them afterwards too.
        _tag_logs(aws, self._arn(aws, inputs["name"]), tags, [])
        return str(inputs["name"])

    def read(self, aws: Aws, resource_id: str) -> Values | None:
        destination = find_destination(aws, resource_id)
        if destination is None:
            return None
        return {
            "name": resource_id,
            "arn": destination["arn"],
            "roleArn": destination["roleArn"],
            "targetArn": destination["targetArn"],
            "tagsAll": aws.client("logs").list_tags_for_resource(resourceArn=destination["arn"])["tags"],
        }

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        aws.client("logs").put_destination(
            destinationName=resource_id, roleArn=inputs["roleArn"], targetArn=inputs["targetArn"]
        )

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        present(aws.client("logs").delete_destination, destinationName=resource_id)

    def tag(self, aws: Aws, resource_id: str, state: Values, tags: dict[str, str], gone: list[str]) -> None:
        _tag_logs(aws, state["arn"], tags, gone)

    @staticmethod
    def _arn(aws: Aws, name: str) -> str:
        return f"arn:{aws.partition}:logs:{aws.region}:{aws.account}:destination:{name}"


class LogDestinationPolicy(Kind):
    arguments = sdk.cloudwatch.LogDestinationPolicyArgs
    inputs = frozenset({"accessPolicy", "destinationName", "forceUpdate"})
    replaced_by = frozenset({"destinationName"})

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        self.update(aws, inputs["destinationName"], inputs)
        return str(inputs["destinationName"])

    def read(self, aws: Aws, resource_id: str) -> Values | None:
        destination = find_destination(aws, resource_id)
        if destination is None or not destination.get("accessPolicy"):
            return None
        return {"destinationName": resource_id, "accessPolicy": destination["accessPolicy"]}

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        aws.client("logs").put_destination_policy(
            destinationName=resource_id,
            accessPolicy=inputs["accessPolicy"],
            forceUpdate=inputs.get("forceUpdate", False),
        )

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        """AWS has no DeleteDestinationPolicy: the policy goes with its destination."""


class LogSubscriptionFilter(Kind):
    arguments = sdk.cloudwatch.LogSubscriptionFilterArgs
    inputs = frozenset(
        {"destinationArn", "distribution", "emitSystemFields", "filterPattern", "logGroup", "name", "roleArn"}
    )
    replaced_by = frozenset({"destinationArn", "logGroup", "name"})
    named_by, longest_name = "name", 512

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        resource_id = f"{inputs['logGroup']}|{inputs['name']}"
        self.update(aws, resource_id, inputs)
        return resource_id

    def read(self, aws: Aws, resource_id: str) -> Values | None:
        group, name = resource_id.split("|")
        describe = aws.client("logs").describe_subscription_filters
        found = present(describe, logGroupName=group, filterNamePrefix=name) or {"subscriptionFilters": []}
        for subscription in found["subscriptionFilters"]:
            if subscription["filterName"] == name:
                return _given(
                    logGroup=group,
                    name=name,
                    destinationArn=subscription["destinationArn"],
                    filterPattern=subscription["filterPattern"],
                    distribution=subscription["distribution"],
                    roleArn=subscription.get("roleArn") or None,
                    emitSystemFields=sorted(subscription.get("emitSystemFields", ())),
                )
        return None

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        group, name = resource_id.split("|")
        aws.client("logs").put_subscription_filter(
            logGroupName=group,
            filterName=name,
            **_given(
                destinationArn=inputs["destinationArn"],
                filterPattern=inputs["filterPattern"],
                distribution=inputs.get("distribution"),
                roleArn=inputs.get("roleArn"),
                emitSystemFields=inputs.get("emitSystemFields"),
            ),
        )

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        group, name = resource_id.split("|")
        present(aws.client("logs").delete_subscription_filter, logGroupName=group, filterName=name)


class LogAccountPolicy(Kind):
    arguments = sdk.cloudwatch.LogAccountPolicyArgs
    inputs = frozenset({"policyDocument", "policyName", "policyType", "selectionCriteria"})
    replaced_by = frozenset({"policyName", "policyType", "selectionCriteria"})

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        self.update(aws, inputs["policyName"], inputs)
        return str(inputs["policyName"])

    def read(self, aws: Aws, resource_id: str) -> Values | None:
        found = aws.client("logs").describe_account_policies(
            policyType="SUBSCRIPTION_FILTER_POLICY", policyName=resource_id
        )["accountPolicies"]
        if not found:
            return None
        (policy,) = found
        return {key: policy[key] for key in self.inputs if key in policy}

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        aws.client("logs").put_account_policy(**inputs)

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        delete = aws.client("logs").delete_account_policy
        present(delete, policyName=resource_id, policyType="SUBSCRIPTION_FILTER_POLICY")


class FirehoseDeliveryStream(Kind):
    arguments = sdk.kinesis.FirehoseDeliveryStreamArgs
    inputs = frozenset({"destination", "extendedS3Configuration", "name", "serverSideEncryption", "tags"})
    computed = frozenset({"arn", "destinationId", "versionId"})
    replaced_by = frozenset({"destination", "name"})
    named_by, tagged = "name", True

    def replaces(self, key: str, old: Any, new: Any) -> bool:  # noqa: ANN401 - as in Kind
        """A stream is partitioned from its making on, or never."""
        if key == "extendedS3Configuration":
            return ("dynamicPartitioningConfiguration" in old) != ("dynamicPartitioningConfiguration" in new)
        return super().replaces(key, old, new)

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        firehose = aws.client("firehose")
        made = firehose.create_delivery_stream(
            DeliveryStreamName=inputs["name"],
            DeliveryStreamType="DirectPut",
            ExtendedS3DestinationConfiguration=_s3_to_aws(inputs["extendedS3Configuration"]),
            Tags=tag_list(tags),
        )
        # Encryption starts once the stream is there, as the official plugin does it.
        self._encrypt(aws, inputs)
        return str(made["DeliveryStreamARN"])

    def read(self, aws: Aws, resource_id: str) -> Values | None:
        firehose, name = aws.client("firehose"), resource_id.rsplit("/", 1)[-1]
        found = present(firehose.describe_delivery_stream, DeliveryStreamName=name)
        if found is None:
            return None
        stream = found["DeliveryStreamDescription"]
        destination = stream["Destinations"][0]
        encryption = stream.get("DeliveryStreamEncryptionConfiguration", {})
        tags = firehose.list_tags_for_delivery_stream(DeliveryStreamName=name)["Tags"]
        return {
            "name": name,
            "arn": stream["DeliveryStreamARN"],
            "destination": "extended_s3",
            "destinationId": destination["DestinationId"],
            "versionId": stream["VersionId"],
            "extendedS3Configuration": _s3_from_aws(destination["ExtendedS3DestinationDescription"]),
            "serverSideEncryption": {
                "enabled": encryption.get("Status") == "ENABLED",
                **_given(keyType=encryption.get("KeyType"), keyArn=encryption.get("KeyARN")),
            },
            "tagsAll": {tag["Key"]: tag["Value"] for tag in tags},
        }  # fmt: skip

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        firehose, name = aws.client("firehose"), resource_id.rsplit("/", 1)[-1]
        stream = firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
        firehose.update_destination(
            DeliveryStreamName=name,
            CurrentDeliveryStreamVersionId=stream["VersionId"],
            DestinationId=stream["Destinations"][0]["DestinationId"],
            ExtendedS3DestinationUpdate=_s3_to_aws(inputs["extendedS3Configuration"], backup="S3BackupUpdate"),
        )
        self._encrypt(aws, inputs)

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        name = resource_id.rsplit("/", 1)[-1]
        present(aws.client("firehose").delete_delivery_stream, DeliveryStreamName=name)

    def tag(self, aws: Aws, resource_id: str, state: Values, tags: dict[str, str], gone: list[str]) -> None:
        aws.client("firehose").tag_delivery_stream(DeliveryStreamName=state["name"], Tags=tag_list(tags))
        if gone:
            aws.client("firehose").untag_delivery_stream(DeliveryStreamName=state["name"], TagKeys=gone)

    @staticmethod
    def _encrypt(aws: Aws, inputs: Values) -> None:
        firehose, encryption = aws.client("firehose"), inputs.get("serverSideEncryption", {})
        if encryption.get("enabled"):
            key = _given(KeyType=encryption.get("keyType", "AWS_OWNED_CMK"), KeyARN=encryption.get("keyArn"))
            firehose.start_delivery_stream_encryption(
                DeliveryStreamName=inputs["name"], DeliveryStreamEncryptionConfigurationInput=key
            )


class Key(Kind):
    arguments = sdk.kms.KeyArgs
    inputs = frozenset({"description", "enableKeyRotation", "policy", "tags"})
    computed = frozenset({"arn", "keyId"})
    tagged = True

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        tag_set = [{"TagKey": key, "TagValue": value} for key, value in tags.items()]
        made = aws.client("kms").create_key(
            Description=inputs.get("description", ""), Tags=tag_set, **_given(Policy=inputs.get("policy"))
        )
        key = made["KeyMetadata"]["KeyId"]
        self._rotate(aws, key, inputs)
        return str(key)

    def read(self, aws: Aws, resource_id: str) -> Values | None:
        kms = aws.client("kms")
        found = present(kms.describe_key, KeyId=resource_id)
        if found is None or found["KeyMetadata"]["KeyState"] == "PendingDeletion":
            return None
        return {
            "arn": found["KeyMetadata"]["Arn"],
            "keyId": resource_id,
            "description": found["KeyMetadata"]["Description"],
            "enableKeyRotation": kms.get_key_rotation_status(KeyId=resource_id)["KeyRotationEnabled"],
            "policy": kms.get_key_policy(KeyId=resource_id, PolicyName="default")["Policy"],
            "tagsAll": {
                tag["TagKey"]: tag["TagValue"] for tag in kms.list_resource_tags(KeyId=resource_id)["Tags"]
            },
        }  # fmt: skip

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        kms = aws.client("kms")
        kms.update_key_description(KeyId=resource_id, Description=inputs.get("description", ""))
        kms.put_key_policy(KeyId=resource_id, PolicyName="default", Policy=inputs["policy"])
        self._rotate(aws, resource_id, inputs)

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        present(aws.client("kms").schedule_key_deletion, KeyId=resource_id)

    def tag(self, aws: Aws, resource_id: str, state: Values, tags: dict[str, str], gone: list[str]) -> None:
        tag_set = [{"TagKey": key, "TagValue": value} for key, value in tags.items()]
        aws.client("kms").tag_resource(KeyId=resource_id, Tags=tag_set)
        if gone:
            aws.client("kms").untag_resource(KeyId=resource_id, TagKeys=gone)

    @staticmethod
    def _rotate(aws: Aws, key: str, inputs: Values) -> None:
        kms = aws.client("kms")
        change = kms.enable_key_rotation if inputs.get("enableKeyRotation") else kms.disable_key_rotation
        change(KeyId=key)


class Function(Kind):
    arguments = sdk.lambda_.FunctionArgs
    inputs = frozenset({
        "architectures", "code", "deadLetterConfig", "description", "environment", "handler", "loggingConfig",
        "memorySize", "name", "role", "runtime", "tags", "timeout",
    })  # fmt: skip
    computed = frozenset({"arn", "codeSha256"})
    replaced_by = frozenset({"name"})
    named_by, tagged = "name", True

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        aws.client("lambda").create_function(
            Code={"ZipFile": _zipped(inputs["code"])},
            Architectures=inputs.get("architectures", ["x86_64"]),
            Tags=tags,
            **self._configuration(inputs),
        )
        return str(inputs["name"])

    def read(self, aws: Aws, resource_id: str) -> Values | None:
        client = aws.client("lambda")
        found = present(client.get_function, FunctionName=resource_id)
        if found is None:
            return None
        client.list_versions_by_function(FunctionName=resource_id)
        present(client.get_function_code_signing_config, FunctionName=resource_id)
        function = found["Configuration"]
        return {
            "name": resource_id,
            "arn": function["FunctionArn"],
            "architectures": function["Architectures"],
            "codeSha256": function["CodeSha256"],
            **({"deadLetterConfig": {"targetArn": arn}} if (arn := _dead_letters(function)) else {}),
            "description": function.get("Description", ""),
            "environment": {"variables": function.get("Environment", {}).get("Variables", {})},
            "handler": function["Handler"],
            "loggingConfig": {_camel(key): value for key, value in function["LoggingConfig"].items()},
            "memorySize": function["MemorySize"],
            "role": function["Role"],
            "runtime": function["Runtime"],
            "timeout": function["Timeout"],
            "tagsAll": found.get("Tags", {}),
        }

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        client = aws.client("lambda")
        client.update_function_configuration(**self._configuration(inputs))
        client.update_function_code(
            FunctionName=resource_id,
            ZipFile=_zipped(inputs["code"]),
            Architectures=inputs.get("architectures", ["x86_64"]),
        )

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        present(aws.client("lambda").delete_function, FunctionName=resource_id)

    def tag(self, aws: Aws, resource_id: str, state: Values, tags: dict[str, str], gone: list[str]) -> None:
        aws.client("lambda").tag_resource(Resource=state["arn"], Tags=tags)
        if gone:
            aws.client("lambda").untag_resource(Resource=state["arn"], TagKeys=gone)

    @staticmethod
    def _configuration(inputs: Values) -> Values:
        return {
            "FunctionName": inputs["name"],
            "Role": inputs["role"],
            "Runtime": inputs["runtime"],
            "Handler": inputs["handler"],
            "DeadLetterConfig": {"TargetArn": inputs.get("deadLetterConfig", {}).get("targetArn", "")},
            "Description": inputs.get("description", ""),
            "MemorySize": int(inputs.get("memorySize", 128)),
            "Timeout": int(inputs.get("timeout", 3)),
            "Environment": {"Variables": inputs.get("environment", {}).get("variables", {})},
            "LoggingConfig": {_pascal(key): value for key, value in inputs.get("loggingConfig", {}).items()},
        }


class MetricAlarm(Kind):
    arguments = sdk.cloudwatch.MetricAlarmArgs
    inputs = frozenset({
        "alarmActions", "alarmDescription", "comparisonOperator", "evaluationPeriods", "metricQueries", "name",
        "okActions", "tags", "threshold", "treatMissingData",
    })  # fmt: skip
    computed = frozenset({"arn"})
    replaced_by = frozenset({"name"})
    named_by, longest_name, tagged = "name", 255, True

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        self._put(aws, inputs, Tags=tag_list(tags))
        return str(inputs["name"])

    def read(self, aws: Aws, resource_id: str) -> Values | None:
        cloudwatch = aws.client("cloudwatch")
        found = cloudwatch.describe_alarms(AlarmNames=[resource_id], AlarmTypes=["MetricAlarm"])["MetricAlarms"]
        if not found:
            return None
        (alarm,) = found
        tags = cloudwatch.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"]
        return {
            "name": resource_id,
            "arn": alarm["AlarmArn"],
            "alarmActions": alarm["AlarmActions"],
            "alarmDescription": alarm["AlarmDescription"],
            "comparisonOperator": alarm["ComparisonOperator"],
            "evaluationPeriods": alarm["EvaluationPeriods"],
            "metricQueries": [_query_from_aws(query) for query in alarm["Metrics"]],
            "okActions": alarm["OKActions"],
            "threshold": alarm["Threshold"],
            "treatMissingData": alarm["TreatMissingData"],
            "tagsAll": {tag["Key"]: tag["Value"] for tag in tags},
        }

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        self._put(aws, inputs)

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        aws.client("cloudwatch").delete_alarms(AlarmNames=[resource_id])

    def tag(self, aws: Aws, resource_id: str, state: Values, tags: dict[str, str], gone: list[str]) -> None:
        aws.client("cloudwatch").tag_resource(ResourceARN=state["arn"], Tags=tag_list(tags))
        if gone:
            aws.client("cloudwatch").untag_resource(ResourceARN=state["arn"], TagKeys=gone)

    @staticmethod
    def _put(aws: Aws, inputs: Values, **tags: Any) -> None:  # noqa: ANN401 - AWS's own form
        aws.client("cloudwatch").put_metric_alarm(
            AlarmName=inputs["name"],
            AlarmDescription=inputs.get("alarmDescription", ""),
            ComparisonOperator=inputs["comparisonOperator"],
            EvaluationPeriods=int(inputs["evaluationPeriods"]),
            Threshold=inputs["threshold"],
            TreatMissingData=inputs.get("treatMissingData", "missing"),
            Metrics=[_query_to_aws(query) for query in inputs["metricQueries"]],
            AlarmActions=inputs.get("alarmActions", []),
            OKActions=inputs.get("okActions", []),
            **tags,
        )


class Dashboard(Kind):
    arguments = sdk.cloudwatch.DashboardArgs
    inputs = frozenset({"dashboardBody", "dashboardName"})
    computed = frozenset({"dashboardArn"})
    replaced_by = frozenset({"dashboardName"})

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        self.update(aws, inputs["dashboardName"], inputs)
        return str(inputs["dashboardName"])

    def read(self, aws: Aws, resource_id: str) -> Values | None:
        found = present(aws.client("cloudwatch").get_dashboard, DashboardName=resource_id)
        if found is None:
            return None
        return {
            "dashboardName": resource_id,
            "dashboardBody": found["DashboardBody"],
            "dashboardArn": f"arn:{aws.partition}:cloudwatch::{aws.account}:dashboard/{resource_id}",
        }

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        aws.client("cloudwatch").put_dashboard(DashboardName=resource_id, DashboardBody=inputs["dashboardBody"])

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        present(aws.client("cloudwatch").delete_dashboards, DashboardNames=[resource_id])


class Topic(Kind):
    arguments = sdk.sns.TopicArgs
    inputs = frozenset({"name", "tags"})
    computed = frozenset({"arn"})
    replaced_by = frozenset({"name"})
    named_by, longest_name, tagged = "name", 256, True

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        return str(aws.client("sns").create_topic(Name=inputs["name"], Tags=tag_list(tags))["TopicArn"])

    def read(self, aws: Aws, resource_id: str) -> Values | None:
        sns = aws.client("sns")
        if present(sns.get_topic_attributes, TopicArn=resource_id) is None:
            return None
        tags = sns.list_tags_for_resource(ResourceArn=resource_id)["Tags"]
        return {
            "name": resource_id.rsplit(":", 1)[-1],
            "arn": resource_id,
            "tagsAll": {tag["Key"]: tag["Value"] for tag in tags},
        }

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        """Only tags change in place."""

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        present(aws.client("sns").delete_topic, TopicArn=resource_id)

    def tag(self, aws: Aws, resource_id: str, state: Values, tags: dict[str, str], gone: list[str]) -> None:
        aws.client("sns").tag_resource(ResourceArn=resource_id, Tags=tag_list(tags))
        if gone:
            aws.client("sns").untag_resource(ResourceArn=resource_id, TagKeys=gone)


class TopicPolicy(Kind):
    arguments = sdk.sns.TopicPolicyArgs
    inputs = frozenset({"arn", "policy"})
    replaced_by = frozenset({"arn"})

    def create(self, aws: Aws, inputs: Values, tags: dict[str, str]) -> str:
        self.update(aws, inputs["arn"], inputs)
        return str(inputs["arn"])

    def read(self, aws: Aws, resource_id: str) -> Values | None:
        found = present(aws.client("sns").get_topic_attributes, TopicArn=resource_id)
        return None if found is None else {"arn": resource_id, "policy": found["Attributes"]["Policy"]}

    def update(self, aws: Aws, resource_id: str, inputs: Values) -> None:
        self._put(aws, resource_id, inputs["policy"])

    def delete(self, aws: Aws, resource_id: str, state: Values) -> None:
        """A topic has a policy always: what is left lets its owner do what AWS lets him at first."""
        owner = {
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": ["SNS:Publish", "SNS:Subscribe"],
            "Resource": resource_id,
            "Condition": {"StringEquals": {"AWS:SourceOwner": aws.account}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [owner]})
        present(self._put, aws=aws, topic=resource_id, policy=policy)

    @staticmethod
    def _put(aws: Aws, topic: str, policy: str) -> None:
        aws.client("sns").set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)


KINDS: dict[str, Kind] = {
    "aws:cloudwatch/eventRule:EventRule": EventRule(),
    "aws:cloudwatch/eventTarget:EventTarget": EventTarget(),
    "aws:lambda/invocation:Invocation": Invocation(),
    "aws:lambda/permission:Permission": Permission(),
    "aws:sqs/queue:Queue": Queue(),
    "aws:cloudwatch/dashboard:Dashboard": Dashboard(),
    "aws:cloudwatch/metricAlarm:MetricAlarm": MetricAlarm(),
    "aws:sns/topic:Topic": Topic(),
    "aws:sns/topicPolicy:TopicPolicy": TopicPolicy(),
    "aws:cloudwatch/logAccountPolicy:LogAccountPolicy": LogAccountPolicy(),
    "aws:cloudwatch/logDestination:LogDestination": LogDestination(),
    "aws:cloudwatch/logDestinationPolicy:LogDestinationPolicy": LogDestinationPolicy(),
    "aws:cloudwatch/logGroup:LogGroup": LogGroup(),
    "aws:cloudwatch/logStream:LogStream": LogStream(),
    "aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter": LogSubscriptionFilter(),
    "aws:iam/role:Role": Role(),
    "aws:iam/rolePolicy:RolePolicy": RolePolicy(),
    "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream": FirehoseDeliveryStream(),
    "aws:kms/key:Key": Key(),
    "aws:lambda/function:Function": Function(),
    "aws:s3/bucket:Bucket": Bucket(),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": BucketLifecycleConfiguration(),
    "aws:s3/bucketLogging:BucketLogging": BucketLogging(),
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": BucketObjectLockConfiguration(),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": BucketOwnershipControls(),
    "aws:s3/bucketPolicy:BucketPolicy": BucketPolicy(),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": BucketPublicAccessBlock(),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        BucketServerSideEncryptionConfiguration()
    ),
    "aws:s3/bucketVersioning:BucketVersioning": BucketVersioning(),
}
"""Type token → what the plugin does for it."""


def _dead_letters(function: Values) -> str | None:
    return function.get("DeadLetterConfig", {}).get("TargetArn") or None


def find_destination(aws: Aws, name: str) -> Values | None:
    """Return the Logs destination of that name, as AWS describes it, or None."""
    described = aws.client("logs").describe_destinations(DestinationNamePrefix=name)["destinations"]
    return next((destination for destination in described if destination["destinationName"] == name), None)


def _zipped(code: pulumi.Archive) -> bytes:
    """Pack an archive of files, always into the same bytes; paths are from the project's root."""
    if isinstance(code, pulumi.FileArchive):
        folder = ROOT / code.path
        return _packed(
            {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        )
    if isinstance(code, pulumi.AssetArchive):
        return _packed({name: _read(asset) for name, asset in code.assets.items()})
    raise NotImplementedError(f"the sandbox's plugin packs files, not {type(code).__name__}")


def _read(asset: pulumi.Asset | pulumi.Archive) -> bytes:
    match asset:
        case pulumi.FileAsset():
            return (ROOT / asset.path).read_bytes()
        case pulumi.StringAsset():
            return asset.text.encode()
    raise NotImplementedError(f"the sandbox's plugin packs files and texts, not {type(asset).__name__}")


def _packed(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name), content)
    return packed.getvalue()


def _s3_to_aws(given: Values, *, backup: str = "S3BackupConfiguration") -> Values:
    processing = given.get("processingConfiguration", {})
    logging = given.get("cloudwatchLoggingOptions", {})
    partitioning = given.get("dynamicPartitioningConfiguration")
    processors = [
        {
            "Type": processor["type"],
            "Parameters": [
                {"ParameterName": p["parameterName"], "ParameterValue": p["parameterValue"]}
                for p in processor.get("parameters", [])
            ],
        }
        for processor in processing.get("processors", [])
    ]
    originals = given.get("s3BackupConfiguration")
    return _given(
        **_objects_to_aws(given),
        **({backup: _objects_to_aws(originals)} if originals else {}),
        S3BackupMode=given.get("s3BackupMode"),
        FileExtension=given.get("fileExtension"),
        DynamicPartitioningConfiguration=partitioning and {"Enabled": partitioning.get("enabled", False)},
        ProcessingConfiguration={"Enabled": processing.get("enabled", False), "Processors": processors},
        CloudWatchLoggingOptions=_given(
            Enabled=logging.get("enabled", False),
            LogGroupName=logging.get("logGroupName"),
            LogStreamName=logging.get("logStreamName"),
        ),
    )


def _objects_to_aws(given: Values) -> Values:
    """Where and how objects are written: the stream's events and, in the same form, its originals."""
    return _given(
        BucketARN=given["bucketArn"],
        RoleARN=given["roleArn"],
        Prefix=given.get("prefix"),
        ErrorOutputPrefix=given.get("errorOutputPrefix"),
        CompressionFormat=given.get("compressionFormat", "UNCOMPRESSED"),
        EncryptionConfiguration=(
            {"KMSEncryptionConfig": {"AWSKMSKeyARN": given["kmsKeyArn"]}}
            if "kmsKeyArn" in given
            else {"NoEncryptionConfig": "NoEncryption"}
        ),
        BufferingHints={
            "SizeInMBs": int(given.get("bufferingSize", 5)),
            "IntervalInSeconds": int(given.get("bufferingInterval", 300)),
        },
    )


def _objects_from_aws(described: Values) -> Values:
    return _given(
        bucketArn=described["BucketARN"],
        roleArn=described["RoleARN"],
        prefix=described.get("Prefix"),
        errorOutputPrefix=described.get("ErrorOutputPrefix"),
        compressionFormat=described["CompressionFormat"],
        kmsKeyArn=described.get("EncryptionConfiguration", {}).get("KMSEncryptionConfig", {}).get("AWSKMSKeyARN"),
        bufferingSize=described["BufferingHints"]["SizeInMBs"],
        bufferingInterval=described["BufferingHints"]["IntervalInSeconds"],
    )


def _s3_from_aws(described: Values) -> Values:
    processing = described.get("ProcessingConfiguration", {"Enabled": False})
    logging = described.get("CloudWatchLoggingOptions", {"Enabled": False})
    return _given(
        **_objects_from_aws(described),
        s3BackupMode=described.get("S3BackupMode"),
        s3BackupConfiguration=(
            _objects_from_aws(described["S3BackupDescription"]) if "S3BackupDescription" in described else None
        ),
        fileExtension=described.get("FileExtension"),
        dynamicPartitioningConfiguration=described.get("DynamicPartitioningConfiguration")
        and {"enabled": described["DynamicPartitioningConfiguration"]["Enabled"]},
        processingConfiguration={
            "enabled": processing["Enabled"],
            "processors": [
                {
                    "type": processor["Type"],
                    "parameters": [
                        {"parameterName": p["ParameterName"], "parameterValue": p["ParameterValue"]}
                        for p in processor.get("Parameters", [])
                    ],
                }
                for processor in processing.get("Processors", [])
            ],
        },
        cloudwatchLoggingOptions=_given(
            enabled=logging["Enabled"],
            logGroupName=logging.get("LogGroupName"),
            logStreamName=logging.get("LogStreamName"),
        ),
    )


def _query_to_aws(given: Values) -> Values:
    metric = given.get("metric")
    return _given(
        Id=given["id"],
        Expression=given.get("expression"),
        Label=given.get("label"),
        ReturnData=given.get("returnData", False),
        Period=int(given["period"]) if "period" in given else None,
        MetricStat=metric
        and {
            "Metric": {
                "Namespace": metric["namespace"],
                "MetricName": metric["metricName"],
                "Dimensions": [{"Name": name, "Value": value} for name, value in metric["dimensions"].items()],
            },
            "Period": int(metric["period"]),
            "Stat": metric["stat"],
        },
    )


def _query_from_aws(described: Values) -> Values:
    stat = described.get("MetricStat")
    return _given(
        id=described["Id"],
        expression=described.get("Expression"),
        label=described.get("Label"),
        returnData=described.get("ReturnData"),
        period=described.get("Period"),
        metric=stat
        and {
            "namespace": stat["Metric"]["Namespace"],
            "metricName": stat["Metric"]["MetricName"],
            "dimensions": {each["Name"]: each["Value"] for each in stat["Metric"]["Dimensions"]},
            "period": stat["Period"],
            "stat": stat["Stat"],
        },
    )


def _tag_logs(aws: Aws, arn: str, tags: dict[str, str], gone: list[str]) -> None:
    if tags:
        aws.client("logs").tag_resource(resourceArn=arn, tags=tags)
    if gone:
        aws.client("logs").untag_resource(resourceArn=arn, tagKeys=gone)


def _given(**values: Any) -> Values:  # noqa: ANN401 - whatever AWS or the program gives
    return {key: value for key, value in values.items() if value is not None}


def _pascal(name: str) -> str:
    return name[0].upper() + name[1:]


def _camel(name: str) -> str:
    return name[0].lower() + name[1:]


def _renamed(numbers: dict[str, Any] | None, name: Callable[[str], str]) -> dict[str, int] | None:
    """The same numbers under the names of the other side: AWS's, or the SDK's."""
    return None if numbers is None else {name(key): int(number) for key, number in numbers.items()}
