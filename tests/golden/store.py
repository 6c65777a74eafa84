"""Where recorded behaviour is kept: one JSON object a line, and the agents' version that decided
it.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from tests.golden.behaviour import Behaviour

_FOLDER = Path(__file__).with_name("recorded")
_VERSION = _FOLDER / "version.json"


def recorded_version() -> str:
    """The agents' version that decided what is recorded; empty where nothing is."""
    return json.loads(_VERSION.read_text())["agents"] if _VERSION.is_file() else ""


def load() -> dict[str, Behaviour]:
    """Everything recorded, by the log's name."""
    found = {}
    for path in sorted(_FOLDER.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            behaviour = Behaviour.from_json(line)
            found[behaviour.name] = behaviour
    return found


def save(behaviours: Iterable[Behaviour], version: str) -> None:
    """Replaces everything recorded. Logs of one kind (`law: ...`) share a file."""
    lines: dict[str, list[str]] = {}
    for behaviour in behaviours:
        kind = behaviour.name.partition(":")[0]
        lines.setdefault(kind, []).append(behaviour.to_json())
    _FOLDER.mkdir(exist_ok=True)
    for kind, some in lines.items():
        (_FOLDER / f"{kind}.jsonl").write_text("\n".join(some) + "\n")
    _VERSION.write_text(json.dumps({"agents": version}) + "\n")
