"""A stack's config as frozen, validated settings.

Validation is done here and not by the config schema in Pulumi.yaml, which does not check nested objects.
"""

from topology.settings.analysis import Analysis
from topology.settings.applications import (
    AllLogGroups,
    Application,
    Defaults,
    Filter,
    LogGroup,
    LogGroupFilter,
    RegionLogGroups,
    SubscribedLogGroup,
)
from topology.settings.archive import (
    BUNDLED,
    CREATE,
    PIPELINE_LOG_GROUPS,
    Archive,
    Bucket,
    Delivery,
    ExistingBucket,
    Keys,
    Lifecycle,
    Replica,
    Transform,
)
from topology.settings.checks import unserved
from topology.settings.integrity import Integrity
from topology.settings.loading import SettingsError, load, sections_of
from topology.settings.stack import Settings
from topology.settings.types import DEPLOYER_ROLE, Account, Section, listed

__all__ = [
    "BUNDLED",
    "CREATE",
    "DEPLOYER_ROLE",
    "PIPELINE_LOG_GROUPS",
    "Account",
    "AllLogGroups",
    "Analysis",
    "Application",
    "Archive",
    "Bucket",
    "Defaults",
    "Delivery",
    "ExistingBucket",
    "Filter",
    "Integrity",
    "Keys",
    "Lifecycle",
    "LogGroup",
    "LogGroupFilter",
    "RegionLogGroups",
    "Replica",
    "Section",
    "Settings",
    "SettingsError",
    "SubscribedLogGroup",
    "Transform",
    "listed",
    "load",
    "sections_of",
    "unserved",
]
