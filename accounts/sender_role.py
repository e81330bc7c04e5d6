"""The sender role, read from AWS."""

from __future__ import annotations

from accounts.session import AWS_ERRORS, AssumedRole
from topology import roles
from topology.sender_role import sender_role_problems, what_to_deploy
from topology.settings import Archive, SettingsError
from topology.stack_file import file_name


def check_sender_role(archive: Archive, stack: str) -> None:
    """Check that CloudWatch Logs may assume the sender role on behalf of every sender, and that it has its boundary.

    Raises:
        SettingsError: it may not, or the role cannot be read.
    """
    arn = roles.role_arn(archive, archive.region)
    try:
        iam = AssumedRole(arn, archive.region, stack).client("iam", archive.region)
        try:
            role = iam.get_role(RoleName=archive.sender_role_name)["Role"]
        except iam.exceptions.NoSuchEntityException:
            role = None
    except AWS_ERRORS as error:
        problems = [f"the sender role cannot be read through {arn}: {error}; {what_to_deploy(archive)}"]
    else:
        problems = list(sender_role_problems(archive, role))
    if problems:
        raise SettingsError.of(file_name(stack), [f"archive.senders: {problem}" for problem in problems])
