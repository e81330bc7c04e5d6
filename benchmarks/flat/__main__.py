"""The same resources as an application stack of the program, without components, settings or checks: the yardstick."""

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
        for group in wanted["logGroups"]:
            aws.cloudwatch.LogSubscriptionFilter(
                f"{account}-filter-{group}-{region}",
                name=f"central-log-archive.{region}",
                log_group=group,
                filter_pattern="",
                destination_arn=destinations[region],
                opts=pulumi.ResourceOptions(provider=provider),
            )
