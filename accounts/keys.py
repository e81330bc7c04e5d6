"""The policies of the KMS keys that a stack file gives, read from AWS."""

from __future__ import annotations

from accounts.session import AWS_ERRORS, AssumedRole
from topology import given_keys, roles
from topology.settings import Archive


def read_key_policies(role: AssumedRole, archive: Archive) -> dict[str, str]:
    """Return ARN → policy of each given key of the archive's own account.

    Raises:
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError: AWS denies it, or cannot be reached.
    """
    kms = role.client("kms", archive.region)
    return {
        key: kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
        for key in archive.key.given
        if key.split(":")[4] == archive.account
    }


def check_given_keys(archive: Archive, stack: str) -> list[str]:
    """Return a warning for each given key whose policy does not allow what the archive needs, or cannot be read."""
    if not archive.key.given:
        return []
    arn = roles.role_arn(archive, archive.region)
    try:
        policies = read_key_policies(AssumedRole(arn, archive.region, stack), archive)
    except AWS_ERRORS as error:
        problem = (
            f"could not be read through {arn}, so it was not checked: {error}; deploy bootstrap/archive-account.yaml "
            f"with KeyArn={archive.bootstrap_parameters['KeyArn']}. Its statements have to include"
        )
        needed = given_keys.needed_statements(archive)
        return [given_keys.key_warning(key, problem, needed[key]) for key in archive.key.given]
    return list(given_keys.key_warnings(archive, policies))
