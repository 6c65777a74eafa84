"""Under which names, and how severe, alerts can come: what a route that leads to nobody's alert is
known by.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from agents.alerts.rules import DEFAULT_RULES, WARNING, WARNING_SEVERITY
from schemas.records import Severity

BY_WEIGHT = list(
    Severity
)  # UNKNOWN, a newer writer's, is let through nowhere but where everything is


def weighs(severity: Severity, least: Severity) -> bool:
    """Returns whether a severity is this or a worse one."""
    return BY_WEIGHT.index(severity) >= BY_WEIGHT.index(least)


def fault(
    pattern: str, least: Severity, own: Iterable[str], others: Iterable[tuple[str, Severity]]
) -> str:
    """Why no alert can have a name that fits a pattern and a severity that is this or a worse one;
    empty where one can.

    own: the names of policies' own rules, which may be of any severity. others: names and
    severities of alerts that no rule raises. * in a pattern stands for any text.
    """
    own = list(own)
    names = [
        *((rule.name, rule.severity) for rule in DEFAULT_RULES),
        *others,
        *((name, BY_WEIGHT[-1]) for name in own),
    ]
    fitting = [severity for name, severity in names if fnmatchcase(name, pattern)]
    if _fits_a_warning(pattern):
        fitting.append(WARNING_SEVERITY)
    if not fitting:
        known = ", ".join([*(name for name, _ in names), f"{WARNING}..."])
        return (
            f"no alert is named {pattern!r}: write one of {known}, or name a policy's own rule "
            "under policy_rules"
        )
    if not any(weighs(severity, least) for severity in fitting):
        worst = max(fitting, key=BY_WEIGHT.index)
        return (
            f"no alert named {pattern!r} is {least} or worse, but {worst} at most: lower the "
            "severity"
        )
    return ""


def _fits_a_warning(pattern: str) -> bool:
    """Returns whether a pattern may fit the name of a warning, which goes on with a failure's own
    words.
    """
    literal = min((pattern.partition(wild)[0] for wild in "*?["), key=len)
    if literal == pattern:
        return pattern.startswith(WARNING) and pattern != WARNING
    return literal.startswith(WARNING) or WARNING.startswith(literal)
