"""Adds the present schemas to released.json, the list that later changes are held against; refuses
an unsafe one.
"""

import json
from pathlib import Path

from schemas.catalog import TOPICS, schema_text
from schemas.codec.evolution import unsafe

PATH = Path(__file__).with_name("released.json")
RELEASED: dict[str, list[str]] = (
    json.loads(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}
)
_LEVELS = {
    topic.record: topic.compatibility for topic in TOPICS.values() if topic.record is not None
}


def faults(record: str, released: list[str]) -> list[str]:
    """Why the present schema may not follow the released ones; empty where it may."""
    reasons = (unsafe(old, schema_text(record), _LEVELS[record]) for old in released)
    return [reason for reason in reasons if reason is not None]


def main() -> None:
    released = {record: list(RELEASED.get(record, [])) for record in _LEVELS}
    wrong = {
        record: found for record, texts in released.items() if (found := faults(record, texts))
    }
    if wrong:
        raise SystemExit(f"not released: {json.dumps(wrong, indent=1)}")
    for record, texts in released.items():
        present = json.dumps(json.loads(schema_text(record)))
        if present not in texts[-1:]:
            texts.append(present)
    PATH.write_text(json.dumps(released, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
