"""A table as it stands: what was committed a moment ago counts, though a broker has not been told
of it yet.
"""

from collections.abc import Mapping
from typing import Any

import pytest

from schemas.catalog import TABLES_SUBJECTS
from schemas.codec.framing import Record
from schemas.records import SubjectRow
from streams.kafka.reading import end_offsets
from streams.kafka.table_reader import read_table
from streams.runtime.errors import MendstreamError
from tests.support.builders import CODEC
from tests.support.still import Still, still

PLACE = (TABLES_SUBJECTS, 0)


def begun(one: Still, experiments: int) -> int:
    """A worker's transaction with a row, whose end this partition's broker has not written."""
    epoch = one.kafka.init("worker")
    one.kafka.write_in(
        "worker", epoch, [(PLACE, b"bot", CODEC.encode(SubjectRow("bot", experiments, 0)), [])]
    )
    return epoch


def ends_later(one: Still, epoch: int, looks: int, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Has the end arrive at the so-manyeth look at where committed records end."""
    asked = list[bool]()

    def counted(client: Any, parts: Any, committed_only: bool = False) -> Any:
        if committed_only:
            asked.append(True)
            if len(asked) == looks:
                one.kafka.end("worker", epoch, commit=True)
        return end_offsets(client, parts, committed_only)

    monkeypatch.setattr("streams.kafka.table_reader.end_offsets", counted)
    return asked


def has_two(rows: Mapping[str, Record]) -> bool:
    row = rows.get("bot")
    return isinstance(row, SubjectRow) and row.experiments == 2


def test_what_is_not_there_yet_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with still() as one:
        one.send(TABLES_SUBJECTS, SubjectRow("bot", 1, 0), "bot")
        ends_later(one, begun(one, 2), 4, monkeypatch)
        assert read_table(one.settings, CODEC, TABLES_SUBJECTS) == {"bot": SubjectRow("bot", 1, 0)}
        assert read_table(one.settings, CODEC, TABLES_SUBJECTS, has_two) == {
            "bot": SubjectRow("bot", 2, 0)
        }


def test_where_all_is_committed_nothing_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with still() as one:
        one.send(TABLES_SUBJECTS, SubjectRow("bot", 1, 0), "bot")
        asked = ends_later(one, 0, 99, monkeypatch)
        assert read_table(one.settings, CODEC, TABLES_SUBJECTS, has_two) == {
            "bot": SubjectRow("bot", 1, 0)
        }
        assert len(asked) <= 3


def test_a_transaction_that_does_not_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.kafka.table_reader.SETTLE_SECONDS", 0.0)
    with still() as one:
        begun(one, 2)
        with pytest.raises(MendstreamError, match="a transaction on it is open"):
            read_table(one.settings, CODEC, TABLES_SUBJECTS, has_two)
