"""The types that confluent-kafka's administration client takes and gives, by their public names.

The package gives them out of private modules, and does not tell type checkers that it does. This is
the one place that says so; everybody else imports from here.
"""

from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AlterConfigOpType,
    ClusterMetadata,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourcePatternType,
    ResourceType,
)

__all__ = [
    "AclBinding",
    "AclBindingFilter",
    "AclOperation",
    "AclPermissionType",
    "AlterConfigOpType",
    "ClusterMetadata",
    "ConfigEntry",
    "ConfigResource",
    "NewTopic",
    "OffsetSpec",
    "ResourcePatternType",
    "ResourceType",
]
