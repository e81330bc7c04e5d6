"""What analysts query the archive with: the Data Catalog's table and views, a workgroup, a role, and a dashboard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.central_log_archive.bucket import make_private
from components.central_log_archive.dashboard import Dashboard
from components.central_log_archive.key import KeyArns
from components.central_log_archive.role import make_role
from components.role_policy import make_role_policy
from components.scope import Scope, known_after
from queries import QUERIES
from topology import policies, tables
from topology.layouts import LAYOUTS
from topology.settings import Archive

_BYTES_PER_GIB = 1024**3
_UNREAD_CLASSES = ("GLACIER", "DEEP_ARCHIVE")


@dataclass(frozen=True)
class Analysis:
    """What queries the archive.

    Attributes:
        output: what the stack output says of it.
        readers: ARNs of the roles that read the bucket.
    """

    output: dict[str, pulumi.Input[str | int]]
    readers: list[pulumi.Output[str]]


def report_unread(archive: Archive) -> None:
    """Warn of events that will be in no answer, without an error from Athena."""
    for finding in unread(archive):
        pulumi.warn(finding)


def unread(archive: Archive) -> Iterator[str]:
    """Yield which events of the archive queries will not read.

    Athena ignores objects in these storage classes (Athena User Guide, "Considerations and limitations for SQL queries
    in Amazon Athena").
    """
    for storage_class, days in archive.bucket.lifecycle.steps:
        if storage_class in _UNREAD_CLASSES:
            yield (
                f"archive.analysis: objects move to {storage_class} after {days} days, and Athena passes over them "
                "without an error: queries see the last "
                f"{days} days. Use GLACIER_IR in archive.bucket.lifecycle to query older events too."
            )
            break
    if archive.delivery.is_partitioned and archive.has_unlisted_senders:
        yield (
            "archive.analysis: queries read the partitions of listed accounts only, and accounts may send that no "
            f"stack file lists. Queries read {', '.join(archive.queried_accounts)}; add the others to "
            "archive.analysis.accounts."
        )


def make_results_bucket(scope: Scope) -> aws.s3.Bucket:
    """Create the bucket for the results of queries. They can be had again, so it is deleted with what is in it.

    Args:
        scope: the home region.
    """
    return aws.s3.Bucket(f"{scope.name}-results", force_destroy=True, opts=scope.child())


def make_analysis(
    scope: Scope,
    archive: Archive,
    *,
    bucket: pulumi.Output[str],
    results: aws.s3.Bucket,
    keys: KeyArns,
) -> Analysis:
    """Create everything else.

    Args:
        scope: the home region.
        archive: settings of the archive, with ``analysis``.
        bucket: name of the bucket that events are delivered to.
        results: the bucket for results.
        keys: ARNs of the KMS keys. That of the objects encrypts results too: they are events.
    """
    settings = archive.analysis
    assert settings is not None  # noqa: S101
    name = scope.name
    protected = make_private(
        scope,
        f"{name}-results",
        results.bucket,
        key_arn=keys.objects,
        policy=pulumi.Output.all(bucket=results.arn, key=keys.objects).apply(
            lambda arns: policies.bucket_policy(bucket_arn=arns["bucket"], key_arn=arns["key"])
        ),
        retain=False,
    )
    aws.s3.BucketLifecycleConfiguration(
        f"{name}-results-lifecycle",
        bucket=results.bucket,
        rules=[
            aws.s3.BucketLifecycleConfigurationRuleArgs(
                id="results",
                status="Enabled",
                filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
                expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=settings.keep_results_days),
                abort_incomplete_multipart_upload=(
                    aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(days_after_initiation=1)
                ),
            )
        ],
        opts=scope.child(),
    )
    database, catalog = _make_catalog(scope, archive, bucket)
    workgroup = aws.athena.Workgroup(
        f"{name}-analysis",
        description="Queries the central log archive",
        force_destroy=True,  # its history and its saved queries go with it
        configuration=aws.athena.WorkgroupConfigurationArgs(
            enforce_workgroup_configuration=True,
            engine_version=aws.athena.WorkgroupConfigurationEngineVersionArgs(
                selected_engine_version="Athena engine version 3"
            ),
            bytes_scanned_cutoff_per_query=settings.scan_limit_gib * _BYTES_PER_GIB,
            publish_cloudwatch_metrics_enabled=True,
            result_configuration=aws.athena.WorkgroupConfigurationResultConfigurationArgs(
                output_location=results.bucket.apply(lambda bucket: f"s3://{bucket}/"),
                expected_bucket_owner=scope.account,
                encryption_configuration=(
                    aws.athena.WorkgroupConfigurationResultConfigurationEncryptionConfigurationArgs(
                        encryption_option="SSE_S3" if keys.objects is None else "SSE_KMS", kms_key_arn=keys.objects
                    )
                ),
            ),
        ),
        opts=scope.child(depends_on=protected),
    )
    queried = pulumi.Output.all(
        bucket=bucket, results=results.arn, workgroup=workgroup.name, database=database.name, key=keys.objects
    ).apply(
        lambda known: policies.Queried(
            home_region=scope.region,
            account=scope.account,
            database=known["database"],
            workgroup=known["workgroup"],
            bucket_arn=f"{known['results'].rpartition(':')[0]}:{known['bucket']}",
            results_arn=known["results"],
            key_arn=known["key"],
        )
    )
    shown = Dashboard(scope, archive, queried=queried, bucket=bucket, key_arn=keys.log_groups)
    # In the layout partitioned-by-group, whoever runs a query in the console names a log group.
    groups = 1 if "group" in LAYOUTS[archive.delivery.layout].parts else None
    for query in QUERIES.values():
        aws.athena.NamedQuery(
            f"{name}-query-{query.name}",
            name=query.name,
            description=f"{query.title}. {query.purpose}",
            query=query.text(groups),
            database=database.name,
            workgroup=workgroup.name,
            opts=scope.child(),
        )
    role = make_role(
        f"{name}-analyst-role",
        scope,
        description="Queries the central log archive",
        trust=policies.analyst_role_trust(home_region=scope.region, account=scope.account, readers=settings.readers),
    )
    policy = make_role_policy(
        f"{name}-analyst-policy",
        scope,
        role=role,
        policy=pulumi.Output.all(queried, shown.function.arn, shown.dashboard.dashboard_arn).apply(
            lambda known: policies.analyst_role_policy(known[0], function_arn=known[1], dashboard_arn=known[2])
        ),
    )
    output: dict[str, pulumi.Input[str | int]] = {
        "account": scope.account,
        "region": scope.region,
        "database": known_after(database.name, *catalog),
        "workgroup": workgroup.name,
        "analystRole": known_after(role.arn, policy),
        "reuseMinutes": settings.reuse_minutes,
        "dashboard": shown.dashboard.dashboard_name,
    }
    return Analysis(output, readers=[role.arn, shown.role.arn])


def _make_catalog(
    scope: Scope, archive: Archive, bucket: pulumi.Output[str]
) -> tuple[aws.glue.CatalogDatabase, list[aws.glue.CatalogTable]]:
    """Create database, table and views. Another layout has a table of its own, which exists before the views move."""
    settings, layout = archive.analysis, archive.delivery.layout
    assert settings is not None  # noqa: S101
    name, database_name = scope.name, tables.database_name(pulumi.get_stack())
    database = aws.glue.CatalogDatabase(
        f"{name}-database", name=database_name, description="The central log archive", opts=scope.child()
    )
    table = tables.records_table(
        layout=layout,
        accounts=archive.queried_accounts,
        regions=archive.queried_regions,
        since=settings.since,
    )
    records = aws.glue.CatalogTable(
        f"{name}-records",
        name=table.name,
        database_name=database.name,
        owner=tables.OWNER,
        table_type="EXTERNAL_TABLE",
        parameters=bucket.apply(table.parameters),
        partition_keys=[
            aws.glue.CatalogTablePartitionKeyArgs(name=key.name, type=key.type) for key in table.partition_keys
        ],
        storage_descriptor=aws.glue.CatalogTableStorageDescriptorArgs(
            columns=_columns(table.columns),
            location=bucket.apply(table.location),
            input_format=tables.INPUT_FORMAT,
            output_format=tables.OUTPUT_FORMAT,
            ser_de_info=aws.glue.CatalogTableStorageDescriptorSerDeInfoArgs(
                serialization_library=tables.SERDE, parameters=tables.SERDE_PARAMETERS
            ),
        ),
        opts=scope.child(),
    )
    created = [records]
    for view in (
        tables.events_view(layout=layout, account=archive.account, regions=archive.regions),
        tables.waf_view(),
    ):
        created.append(
            aws.glue.CatalogTable(
                f"{name}-view-{view.name}",
                name=view.name,
                database_name=database.name,
                owner=tables.OWNER,
                table_type="VIRTUAL_VIEW",
                parameters=tables.VIEW_PARAMETERS,
                view_original_text=view.original_text(database_name),
                view_expanded_text=tables.VIEW_EXPANDED_TEXT,
                storage_descriptor=aws.glue.CatalogTableStorageDescriptorArgs(
                    columns=_columns(view.columns),
                    # Athena and Trino require one, though a view reads nothing by it.
                    ser_de_info=aws.glue.CatalogTableStorageDescriptorSerDeInfoArgs(
                        name="-", serialization_library="-"
                    ),
                ),
                # A view reads the one before it.
                opts=scope.child(depends_on=created[-1:]),
            )
        )
    return database, created


def _columns(columns: Iterable[tables.Column]) -> Sequence[aws.glue.CatalogTableStorageDescriptorColumnArgs]:
    return [aws.glue.CatalogTableStorageDescriptorColumnArgs(name=each.name, type=each.type) for each in columns]
