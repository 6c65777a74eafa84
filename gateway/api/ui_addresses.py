"""Which page shows a row: answers, searches and feeds link it."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

# Of a view, the page and the fields that its address names.
_PAGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "commands": ("commands", ("command_id",)),
    "transitions": ("commands", ("command_id",)),
    "experiments": ("experiments", ("subject", "experiment_id")),
    "subjects": ("models", ("subject",)),
    "decisions": ("decisions", ("decision_id",)),
    "failures": ("failures", ("failure_id",)),
    "patterns": ("failure-patterns", ("pattern",)),
    "trust": ("trust", ("agent_id",)),
}
_LISTS = {"lessons": "lessons", "cycles": "insights", "alert-log": "alerts", "alerts": "alerts"}


def page_of_row(view: str, fields: Mapping[str, Any]) -> str | None:
    """The address of the page that shows a row; None where no page does.

    >>> page_of_row("experiments", {"subject": "acme/bot", "experiment_id": "e 1"})
    '/ui/experiments/acme%2Fbot/e%201'
    """
    if view in _LISTS:
        return f"/ui/{_LISTS[view]}"
    if view not in _PAGES:
        return None
    page, names = _PAGES[view]
    return "/".join(["/ui", page, *(quote(fields[name], safe="") for name in names)])
