"""The central log archive: stack file → settings → providers → log groups → archive → subscriptions → outputs."""

import os

import pulumi

from accounts.log_groups import plan_accounts
from accounts.session import is_loopback
from components import archive_outputs
from components.app_account_subscription import AppAccountSubscription, AppAccountSubscriptionArgs
from components.app_account_subscription.gaps import announce_gaps
from components.central_log_archive import CentralLogArchive, CentralLogArchiveArgs
from components.providers import Providers
from topology import settings

namespace = f"{pulumi.get_project()}:"
config = {key.removeprefix(namespace): text for key, text in pulumi.runtime.get_config_env().items()
          if key.startswith(namespace)}  # fmt: skip
try:
    stack = settings.load(config, pulumi.get_stack())
    if stack.preview_role is not None and not pulumi.runtime.is_dry_run():
        raise pulumi.RunError(f"previewRole: {stack.preview_role} is for previews only; remove it, or preview")
    # Before anything is made: what it refuses has touched nothing.
    plans = plan_accounts(stack.applications, pulumi.get_stack(), check_existing_filters=pulumi.runtime.is_dry_run())
except settings.SettingsError as error:
    raise pulumi.RunError(str(error)) from None
# On the sandbox everything goes away with the cloud: nothing there is worth keeping.
retain = stack.retain and not is_loopback(os.environ.get("AWS_ENDPOINT_URL", ""))
for warning in [warning for plan in plans.values() for warning in plan.warnings]:
    pulumi.warn(warning)
providers = Providers(pulumi.get_stack())

if stack.archive is not None:
    archive_outputs.announce_replacement(stack.archive, retain=retain)
    archive = CentralLogArchive(
        "archive",
        CentralLogArchiveArgs(
            account=stack.archive.account,
            region=stack.archive.region,
            destination_regions=stack.destination_regions,
            sender_accounts=stack.sender_accounts,
            sender_organization=stack.sender_organization,
            sender_role_name=stack.archive.sender_role_name,
            stream_name=stack.archive.stream_name,
            destination_names=stack.archive.destination_names,
            bucket=stack.archive.bucket,
            existing_bucket=stack.archive.existing_bucket,
            key=stack.archive.key,
            own_log_groups=stack.archive.own_log_groups or (),
            delivery=stack.archive.delivery,
            transform=stack.archive.transform,
            topics=stack.archive.alarms,
            retain=retain,
            providers=providers.of(stack.archive, {stack.archive.region, *stack.destination_regions}),
        ),
    )
    served = archive_outputs.Served(archive.destinations, archive.topics or None)
    pulumi.export("account", stack.archive.account)
    pulumi.export("region", stack.archive.region)
    pulumi.export("bucket", archive.bucket)
    pulumi.export("requiredBucketPolicy", archive.required_bucket_policy)
    pulumi.export("stream", archive.stream)
    pulumi.export("layout", stack.archive.delivery.layout)
    pulumi.export("originals", stack.archive.keeps_originals)
    pulumi.export("destinations", archive.destinations)
    pulumi.export("topics", archive.topics)
    pulumi.export("admittedAccounts", stack.sender_accounts)
    pulumi.export("admittedOrganization", stack.sender_organization)
elif stack.archive_stack is not None:
    served = archive_outputs.served(stack.archive_stack, stack)

if stack.applications:
    announce_gaps(plans, served.destinations)
for application in stack.applications:
    account = application.account
    AppAccountSubscription(
        application.label,
        AppAccountSubscriptionArgs(
            account=account,
            log_groups=plans[account].log_groups,
            account_wide=plans[account].account_wide,
            auto_subscribe=application.auto_subscribed,
            destinations=served.destinations,
            topics=served.topics and {region: served.topics[region] for region in application.regions},
            filter_role=stack.filters_have_roles,
            retain=retain,
            providers=providers.of(application, application.regions),
        ),
    )
