"""The resource types that the sandbox's plugin knows, by their tokens.

What a type asks of AWS follows the official plugin, reads included, because the permissions of the deployer roles are
rehearsed with it. Names and required inputs are not repeated here: they come from the SDK's own argument classes.
"""

from __future__ import annotations

from sandbox.plugin.resource_type import ResourceType
from sandbox.plugin.resources import athena, cloudwatch, events, firehose, glue, iam, kms, lambda_, logs, s3, sns, sqs

RESOURCE_TYPES: dict[str, ResourceType] = {
    "aws:athena/namedQuery:NamedQuery": athena.NamedQuery(),
    "aws:athena/workgroup:Workgroup": athena.Workgroup(),
    "aws:cloudwatch/dashboard:Dashboard": cloudwatch.Dashboard(),
    "aws:cloudwatch/eventRule:EventRule": events.EventRule(),
    "aws:cloudwatch/eventTarget:EventTarget": events.EventTarget(),
    "aws:cloudwatch/logAccountPolicy:LogAccountPolicy": logs.LogAccountPolicy(),
    "aws:cloudwatch/logResourcePolicy:LogResourcePolicy": logs.LogResourcePolicy(),
    "aws:cloudwatch/logDestination:LogDestination": logs.LogDestination(),
    "aws:cloudwatch/logDestinationPolicy:LogDestinationPolicy": logs.LogDestinationPolicy(),
    "aws:cloudwatch/logGroup:LogGroup": logs.LogGroup(),
    "aws:cloudwatch/logStream:LogStream": logs.LogStream(),
    "aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter": logs.LogSubscriptionFilter(),
    "aws:cloudwatch/metricAlarm:MetricAlarm": cloudwatch.MetricAlarm(),
    "aws:glue/catalogDatabase:CatalogDatabase": glue.CatalogDatabase(),
    "aws:glue/catalogTable:CatalogTable": glue.CatalogTable(),
    "aws:iam/role:Role": iam.Role(),
    "aws:iam/rolePolicy:RolePolicy": iam.RolePolicy(),
    "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream": firehose.FirehoseDeliveryStream(),
    "aws:kms/key:Key": kms.Key(),
    "aws:lambda/function:Function": lambda_.Function(),
    "aws:lambda/invocation:Invocation": lambda_.Invocation(),
    "aws:lambda/permission:Permission": lambda_.Permission(),
    "aws:s3/bucket:Bucket": s3.Bucket(),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": s3.BucketLifecycleConfiguration(),
    "aws:s3/bucketLogging:BucketLogging": s3.BucketLogging(),
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": s3.BucketObjectLockConfiguration(),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": s3.BucketOwnershipControls(),
    "aws:s3/bucketPolicy:BucketPolicy": s3.BucketPolicy(),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": s3.BucketPublicAccessBlock(),
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": s3.BucketReplicationConfig(),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        s3.BucketServerSideEncryptionConfiguration()
    ),
    "aws:s3/bucketVersioning:BucketVersioning": s3.BucketVersioning(),
    "aws:sns/topic:Topic": sns.Topic(),
    "aws:sns/topicPolicy:TopicPolicy": sns.TopicPolicy(),
    "aws:sqs/queue:Queue": sqs.Queue(),
}
