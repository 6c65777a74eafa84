"""Keeps what each check of an audit looked at, found, and could not look at."""

from dataclasses import dataclass, field
from typing import Any

KEPT = 20  # findings told of each check: more say no more, and a broken log has millions


@dataclass(slots=True)
class Check:
    """One promise. looked_at: what was compared, in words; found: how many findings, of which the
    first are kept.
    """

    name: str
    looked_at: str = ""
    found: int = 0
    findings: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    def find(self, sentence: str) -> None:
        self.found += 1
        if len(self.findings) < KEPT:
            self.findings.append(sentence)

    def leave(self, sentence: str) -> None:
        """Notes what could not be checked, and why; said once."""
        if sentence not in self.unchecked and len(self.unchecked) < KEPT:
            self.unchecked.append(sentence)

    def as_json(self) -> dict[str, Any]:
        return {
            "check": self.name,
            "looked_at": self.looked_at,
            "found": self.found,
            "findings": self.findings,
            "unchecked": self.unchecked,
        }
