"""The role that replicates the archive, read from AWS: the bootstrap creates it, and the program does not change it."""

from __future__ import annotations

from accounts.session import AWS_ERRORS, AssumedRole
from topology import roles
from topology.policies import allowing, as_list
from topology.regions import PARTITIONS
from topology.settings import Archive, SettingsError
from topology.stack_file import file_name


def check_replication_role(archive: Archive, stack: str) -> None:
    """Check that the role that replicates the archive may do so into the bucket of the stack file, with its key.

    Raises:
        SettingsError: it may not, or cannot be read.
    """
    replica = archive.bucket.replica
    if replica is None:
        return
    deployer = roles.role_arn(archive, archive.region)
    needed = [f"arn:{PARTITIONS[archive.region]}:s3:::{replica.bucket}/*", *filter(None, [replica.key])]
    try:
        iam = AssumedRole(deployer, archive.region, stack).client("iam", archive.region)
        policy = iam.get_role_policy(RoleName=roles.REPLICATION_ROLE, PolicyName="replicate")["PolicyDocument"]
    except AWS_ERRORS as error:
        problem = f"cannot be read through {deployer}: {error}"
    else:
        allowed = {resource for statement in allowing(policy) for resource in as_list(statement["Resource"])}
        if allowed.issuperset(needed):
            return
        problem = f"may not write {' with '.join(needed)}"
    parameters = {key: value for key, value in archive.bootstrap_parameters.items() if key.startswith("Replica")}
    given = " ".join(f"{key}={value}" for key, value in parameters.items() if value)
    raise SettingsError.of(
        file_name(stack),
        [
            f"archive.bucket.replica: the role {roles.REPLICATION_ROLE} {problem}; deploy "
            f"bootstrap/archive-account.yaml with {given}"
        ],
    )
