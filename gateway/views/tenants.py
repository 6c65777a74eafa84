"""Tells whose a record is, and what a caller may see.

Isolation rests on this file: every row that is stored has one tenant, found here, and every
question to the store names the tenants that it is asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.alerts.alert_metrics import METRICS
from schemas.ids import DEFAULT_TENANT, JOINER, tenant_of
from schemas.validation.text import EVERYTHING

Fields = Mapping[str, Any]  # a record's fields by their Avro names

# Alerts about these are keyed by the tenant's name itself, which holds no slash.
TENANT_METRICS = frozenset(name for name, metric in METRICS.items() if metric.about == "tenant")


@dataclass(frozen=True, slots=True)
class TenantScope:
    """The tenants that a caller may see. everything: those of the whole installation, and what is
    nobody's own; `names` is empty then.
    """

    names: tuple[str, ...]
    everything: bool = False

    def sees(self, tenant: str) -> bool:
        """Returns whether a tenant's rows may be shown.

        >>> TenantScope(("acme",)).sees("acme"), TenantScope(("acme",)).sees("other")
        (True, False)
        """
        return self.everything or tenant in self.names

    def sees_subject(self, subject: str) -> bool:
        """Returns whether a subject, or what is asked of many subjects, is of these tenants alone.

        >>> TenantScope(("acme",)).sees_subject("acme/*")
        True
        >>> TenantScope(("default",)).sees_subject("*")
        False
        """
        return self.everything or (subject != EVERYTHING and tenant_of(subject) in self.names)


WHOLE = TenantScope((), everything=True)


def of_subject(fields: Fields) -> str:
    """The tenant of a row with a subject; what concerns every subject is nobody's own.

    >>> of_subject({"subject": "acme/*"}), of_subject({"subject": "*"})
    ('acme', '*')
    """
    subject: str = fields["subject"]
    return EVERYTHING if subject == EVERYTHING else tenant_of(subject)


def of_agent(fields: Fields) -> str:
    """The tenant of a row with an agent."""
    return tenant_of(fields["agent_id"])


def of_tenant(fields: Fields) -> str:
    """The tenant that a row names."""
    tenant: str = fields["tenant"]
    return tenant


def of_alert(fields: Fields) -> str:
    """The tenant of an alert.

    >>> of_alert({"key": "acme", "metric": "learning.quality"})
    'acme'
    >>> of_alert({"key": "acme/bot", "metric": "decisions.harm"})
    'acme'
    """
    key: str = fields["key"]
    return key if fields["metric"] in TENANT_METRICS else tenant_of(key)


def of_alert_row(fields: Fields) -> str:
    """The tenant of a row of alerts: that of its crowd; of a row of an older Mendstream, which has
    none, that of its key.

    >>> of_alert_row({"crowd": "acme/", "key": "acme/bot"})
    'acme'
    >>> of_alert_row({"crowd": "", "key": "bot"})
    'default'
    """
    crowd: str = fields["crowd"]
    return crowd.removesuffix(JOINER) or tenant_of(fields["key"])


def of_written(fields: Fields) -> str:
    """The tenant of a record that people write; a policy is nobody's own."""
    return of_subject(fields) if "subject" in fields else EVERYTHING


def of_nobody(_fields: Fields) -> str:
    """The mark of what is folded over all tenants, or made for several: only a caller who may see
    everything is shown it as it is.
    """
    return EVERYTHING


def may_govern(pattern: str, tenant: str) -> bool:
    """Returns whether a policy's pattern of subjects can match a subject of a tenant.

    >>> may_govern("acme/*", "acme"), may_govern("ac*", "acme"), may_govern("acme/*", "other")
    (True, True, False)
    >>> may_govern("*", "acme"), may_govern("shop-*", "default"), may_govern("shop-*", "acme")
    (True, True, False)
    """
    if not pattern.endswith(EVERYTHING):
        return tenant_of(pattern) == tenant
    prefix = pattern.removesuffix(EVERYTHING)
    if tenant == DEFAULT_TENANT:
        return JOINER not in prefix
    own = f"{tenant}{JOINER}"
    return prefix.startswith(own) or own.startswith(prefix)
