"""The central log archive: stack file → settings → accounts → providers → archive → subscriptions → outputs."""

import os

import pulumi

from accounts.keys import check_given_keys
from accounts.log_groups import plan_accounts
from accounts.replication_role import check_replication_role
from accounts.sender_role import check_sender_role
from accounts.session import is_sandbox
from accounts.stream import check_stream
from components.app_account_subscription import AppAccountSubscription, AppAccountSubscriptionArgs
from components.archive_outputs import ArchiveEndpoints, endpoints_of_stack, export_archive, warn_of_changes
from components.central_log_archive import CentralLogArchive, CentralLogArchiveArgs
from components.providers import Providers
from topology.settings import SettingsError, load

name, is_preview = pulumi.get_stack(), pulumi.runtime.is_dry_run()
namespace = f"{pulumi.get_project()}:"
config = {key.removeprefix(namespace): text for key, text in pulumi.runtime.get_config_env().items()
          if key.startswith(namespace)}  # fmt: skip
# Before anything is created: what is rejected here has touched nothing.
try:
    stack = load(config, name)
    if stack.preview_role is not None and not is_preview:
        message = f"previewRole: {stack.preview_role} is for previews only; remove it, or preview"
        raise pulumi.RunError(message)
    plans = plan_accounts(stack, name, check_existing_filters=is_preview)
    if stack.archive is not None:
        check_sender_role(stack.archive, name)
        check_stream(stack.archive, name)
        check_replication_role(stack.archive, name)
    key_warnings = check_given_keys(stack.archive, name) if stack.archive is not None else []
except SettingsError as error:
    raise pulumi.RunError(str(error)) from None
for warning in [*key_warnings, *(warning for plan in plans.values() for warning in plan.warnings)]:
    pulumi.warn(warning)
# On the sandbox everything disappears with the cloud: nothing there is worth keeping.
retain = stack.retain and not is_sandbox(os.environ.get("AWS_ENDPOINT_URL", ""))
providers = Providers(name)

if stack.archive is not None:
    warn_of_changes(stack.archive, stack.applications, retain=retain)
    central = plans.get(stack.archive.account)
    archive = CentralLogArchive(
        "archive",
        CentralLogArchiveArgs(
            archive=stack.archive,
            own_log_groups=central.log_groups[stack.archive.region] if central is not None else [],
            retain=retain,
            providers=providers.of(stack.archive, stack.archive.regions),
        ),
    )
    export_archive(stack.archive, archive)
    endpoints = ArchiveEndpoints(archive.destinations, archive.topics or None)
elif stack.archive_stack is not None:
    endpoints = endpoints_of_stack(stack.archive_stack, stack)

for application in stack.applications:
    AppAccountSubscription(
        application.label,
        AppAccountSubscriptionArgs(
            application=application,
            plan=plans[application.account],
            archive=endpoints,
            filter_role=stack.filters_have_roles,
            retain=retain,
            providers=providers.of(application, application.regions),
        ),
    )
