"""`mendstream table`: a rolling table as it stands."""

from typing import Annotated, Literal

import typer
from confluent_kafka import TopicPartition
from rich.console import Console
from rich.table import Table

from schemas.catalog import (
    TABLES_ALERTS,
    TABLES_ARMS,
    TABLES_COMMANDS,
    TABLES_EXPERIMENTS,
    TABLES_FOLLOWUPS,
    TABLES_LEARNING,
    TABLES_LESSONS,
    TABLES_METRICS,
    TABLES_PATTERNS,
    TABLES_RUNS,
    TABLES_SIGNALS,
    TABLES_SUBJECTS,
    TABLES_TRUST,
    TOPICS,
)
from schemas.refusals import DecodeError
from schemas.wire import Codec, Record
from streams.codecs import codec_for
from streams.config import Settings
from streams.console.given import Given, command
from streams.errors import MendstreamError
from streams.kafka import admin, end_offsets, read, start_offsets
from streams.show import cell, line, plain
from streams.topics import check

_TABLES = {
    "arms": TABLES_ARMS,
    "experiments": TABLES_EXPERIMENTS,
    "metrics": TABLES_METRICS,
    "commands": TABLES_COMMANDS,
    "subjects": TABLES_SUBJECTS,
    "failure-patterns": TABLES_PATTERNS,
    "signals": TABLES_SIGNALS,
    "followups": TABLES_FOLLOWUPS,
    "trust-scores": TABLES_TRUST,
    "runs": TABLES_RUNS,
    "lessons": TABLES_LESSONS,
    "learning": TABLES_LEARNING,
    "alerts": TABLES_ALERTS,
}
_Name = Literal[
    "arms",
    "experiments",
    "metrics",
    "commands",
    "subjects",
    "failure-patterns",
    "signals",
    "followups",
    "trust-scores",
    "runs",
    "lessons",
    "learning",
    "alerts",
]
# What fits on a screen; --json has everything.
_SHOWN = {
    "arms": "subject experiment_id metric variant segment count hits state effect low high",
    "experiments": "subject experiment_id control treatments status alpha metrics decided",
    "metrics": "subject metric segment reference_count reference_bad frozen versions",
    "commands": "issued_at order subject variant model_version phase reason",
    "subjects": "subject experiments tokens",
    "failure-patterns": "pattern status day week month total last_at subjects actions precursors",
    "signals": "signal seen last_at followers",
    "followups": "subject action pattern command_id issued_at ends_at",
    "trust-scores": "agent_id kind overall accuracy consistency timeliness reliability lower boost priority trend outcomes",
    "runs": "tenant run_id members touched_at",
    "lessons": "tenant category name status outcomes approved predicted correct",
    "learning": "tenant tracked outcomes fresh cycles cycled_at accuracies declining",
    "alerts": "rule key state value raised_at held",
}
_EPILOG = "Example: **mendstream table arms** - or **mendstream table metrics --json | jq .subject**"


def register(app: typer.Typer) -> None:
    command(app, "table", epilog=_EPILOG)(table)


def table(
    given: Given,
    name: Annotated[_Name, typer.Argument()],
    subject: Annotated[str | None, typer.Option(help="Only rows of this subject.")] = None,
    json: Annotated[bool, typer.Option("--json", help="JSON lines with every field, also at a terminal.")] = False,
) -> None:
    """Show a rolling table as it stands."""
    settings = given.settings()
    rows = _rows(settings, codec_for(settings), _TABLES[name])
    rows = {key: row for key, row in rows.items() if subject is None or getattr(row, "subject", None) == subject}
    console = Console()
    if json or not console.is_terminal:
        for key in sorted(rows):
            print(line(plain(rows[key])))
        return
    fields = [field for field in _SHOWN[name].split() if any(getattr(row, field) is not None for row in rows.values())]
    shown = Table(*(field.replace("_", " ") for field in fields), title=f"{_TABLES[name]}, {len(rows)} rows")
    for key in sorted(rows):
        shown.add_row(*(cell(field, getattr(rows[key], field)) for field in fields))
    console.print(shown)


def _rows(settings: Settings, codec: Codec, topic: str) -> dict[str, Record]:
    """The last record of each key, without those deleted since."""
    client = admin(settings)
    check(client, settings)
    parts = [TopicPartition(topic, number) for number in range(settings.partitions)]
    starts, ends = start_offsets(client, parts), end_offsets(client, parts, committed_only=True)
    name = TOPICS[topic].record
    assert name is not None, f"{topic} is a table"
    values: dict[str, bytes] = {}
    for batch in read(settings, {(p.topic, p.partition): (starts[p], ends[p]) for p in parts}):
        for record in batch:
            key, value = (record.key() or b"").decode(errors="replace"), record.value()
            if value is None:
                values.pop(key, None)
            else:
                values[key] = value
    try:
        return {key: codec.decode(name, value) for key, value in values.items()}
    except DecodeError as error:
        raise MendstreamError(
            f"{topic} holds a row that this version cannot read: {error.sentence}.",
            "Use the version of Mendstream that wrote it, or the Schema Registry that it used.",
        ) from error
