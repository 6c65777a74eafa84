"""Who is sent to mend a failure: by what it fails at and by whom trust speaks for."""

from collections.abc import Mapping

from agents.core.provenance import beside
from schemas.records import FailureType, Priority, TrustLevel

SPECIALISTS = {  # who is asked first, and who else could
    FailureType.ACCURACY: ("ai-ml-debugger", "qa-automation"),
    FailureType.LATENCY: ("backend-architect", "ai-ml-debugger"),
    FailureType.COST: ("backend-architect", "bi-engineer"),
    FailureType.SATISFACTION: ("bi-engineer", "ai-ml-debugger"),
    FailureType.CONVERSION: ("bi-engineer", "ai-ml-debugger"),
    FailureType.REVENUE: ("bi-engineer", "ai-ml-debugger"),
    FailureType.DATA_QUALITY: ("qa-automation", "backend-architect"),
    FailureType.AVAILABILITY: ("backend-architect", "qa-automation"),
    FailureType.OTHER: ("ai-ml-debugger", "qa-automation"),
}


def specialist_for(kind: str, subject: str, levels: Mapping[str, TrustLevel]) -> str:
    """The specialist with the highest boost among those who mend such failures; of equals the one
    named first.
    """
    able = SPECIALISTS[FailureType(kind)]
    heard = [
        name for name in able if _level(name, subject, levels)[0] != Priority.DISABLED
    ] or list(able)
    return max(heard, key=lambda name: (_level(name, subject, levels)[1], -able.index(name)))


def _level(name: str, subject: str, levels: Mapping[str, TrustLevel]) -> tuple[Priority, float]:
    level = levels.get(beside(subject, f"specialist:{name}"))
    return (level.priority, level.boost) if level is not None else (Priority.NORMAL, 0.0)
