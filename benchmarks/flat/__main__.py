"""The baseline: the resources of an application stack, without components, settings or checks."""

import json
import os
from pathlib import Path

import pulumi
import pulumi_aws as aws

given = json.loads(Path(os.environ["FLAT_TOPOLOGY"]).read_text(encoding="utf-8"))
destinations = pulumi.StackReference(f"organization/{pulumi.get_project()}/archive").get_output("destinations")
for application in given["applications"]:
    account = application["account"]
    for region, wanted in application["regions"].items():
        provider = aws.Provider(
            f"{account}-{region}",
            region=region,
            allowed_account_ids=[account],
            assume_roles=[
                aws.ProviderAssumeRoleArgs(
                    role_arn=f"arn:aws:iam::{account}:role/central-log-archive-deployer", session_name="flat"
                )
            ],
        )
        canary = aws.cloudwatch.LogGroup(
            f"{account}-canary-{region}",
            name="central-log-archive-canary",
            retention_in_days=1,
            opts=pulumi.ResourceOptions(provider=provider),
        )
        log_groups = {**{group: group for group in wanted["logGroups"]}, "canary": canary.name}
        for group, log_group in log_groups.items():
            aws.cloudwatch.LogSubscriptionFilter(
                f"{account}-filter-{group}-{region}",
                name=f"central-log-archive.{region}",
                log_group=log_group,
                filter_pattern="",
                destination_arn=destinations[region],
                opts=pulumi.ResourceOptions(provider=provider),
            )
