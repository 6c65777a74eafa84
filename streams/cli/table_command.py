"""`mendstream table`: a rolling table as it stands."""

from collections.abc import Sequence
from typing import Annotated, Literal

import typer

from schemas.catalog import (
    TABLES_AGENT_DAYS,
    TABLES_ALERTS,
    TABLES_ANOMALIES,
    TABLES_ARMS,
    TABLES_BUDGETS,
    TABLES_COMMANDS,
    TABLES_EXPERIMENTS,
    TABLES_FOLLOWUPS,
    TABLES_LEARNING,
    TABLES_LESSONS,
    TABLES_METRICS,
    TABLES_PATTERNS,
    TABLES_POLICIES,
    TABLES_RUNS,
    TABLES_SIGNALS,
    TABLES_SUBJECTS,
    TABLES_TRUST,
    TABLES_TRUST_LEVELS,
)
from schemas.codec.framing import Record
from streams.cli.support.options import Given, command
from streams.cli.support.row_formats import (
    Columns,
    Format,
    FormatOption,
    chosen_columns,
    chosen_format,
    fields_of,
    say_rows,
)
from streams.files.rendering import cell, plain
from streams.kafka.schema_ids import codec_for
from streams.kafka.table_reader import read_table
from streams.runtime.terminal import Screen, listed

_TABLES = {
    "arms": TABLES_ARMS,
    "experiments": TABLES_EXPERIMENTS,
    "metrics": TABLES_METRICS,
    "anomalies": TABLES_ANOMALIES,
    "commands": TABLES_COMMANDS,
    "subjects": TABLES_SUBJECTS,
    "failure-patterns": TABLES_PATTERNS,
    "signals": TABLES_SIGNALS,
    "followups": TABLES_FOLLOWUPS,
    "trust-scores": TABLES_TRUST,
    "agent-days": TABLES_AGENT_DAYS,
    "runs": TABLES_RUNS,
    "lessons": TABLES_LESSONS,
    "learning": TABLES_LEARNING,
    "budgets": TABLES_BUDGETS,
    "alerts": TABLES_ALERTS,
    "policies": TABLES_POLICIES,
    "trust-levels": TABLES_TRUST_LEVELS,
}
_Name = Literal[
    "arms",
    "experiments",
    "metrics",
    "anomalies",
    "commands",
    "subjects",
    "failure-patterns",
    "signals",
    "followups",
    "trust-scores",
    "agent-days",
    "runs",
    "lessons",
    "learning",
    "budgets",
    "alerts",
    "policies",
    "trust-levels",
]
# What fits on a screen; --json has everything.
_SHOWN = {
    "arms": "subject experiment_id metric variant segment count hits state effect likely low high "
    "log_e_harm log_e_gain evidence_kind",
    "experiments": "subject experiment_id control treatments status alpha metrics decided",
    "metrics": "subject metric segment reference_count reference_bad frozen versions",
    "anomalies": "subject metric segment points pattern since seen expected_low expected_high "
    "level level_since told",
    "commands": "command_id issued_at order subject variant model_version phase attempt waits_for "
    "reason",
    "subjects": "subject experiments discoveries next_alpha_part tokens frozen_by",
    "failure-patterns": "pattern status day week month total last_at subjects actions precursors",
    "signals": "signal seen last_at followers",
    "followups": "subject action pattern command_id issued_at ends_at",
    "trust-scores": "agent_id kind overall accuracy consistency timeliness reliability lower boost "
    "priority trend outcomes",
    "agent-days": "agent_id day tracked approved partial rejected confidence quality",
    "runs": "tenant run_id members touched_at",
    "lessons": "tenant category name status outcomes approved predicted correct",
    "learning": "tenant tracked outcomes fresh cycles cycled_at accuracies declining",
    "budgets": "tenant shared spent denied",
    "alerts": "rule key state value raised_at held",
    "policies": "policy_id subjects rollback deploy retrain improve approvers",
    "trust-levels": "agent_id kind overall boost priority changed_at",
}
_EPILOG = (
    "Examples: **mendstream table arms**; **mendstream table metrics --json | jq .subject**; "
    "**mendstream table arms --columns subject,variant,count,effect --format csv > arms.csv**"
)


def register(app: typer.Typer) -> None:
    command(app, "table", epilog=_EPILOG)(table)


def table(
    given: Given,
    name: Annotated[_Name, typer.Argument()],
    subject: Annotated[str | None, typer.Option(help="Only rows of this subject.")] = None,
    columns: Columns = None,
    form: FormatOption = None,
    json: Annotated[
        bool, typer.Option("--json", help="JSON lines with every field, also at a terminal.")
    ] = False,
) -> None:
    """Show a rolling table as it stands."""
    settings = given.settings()
    found = read_table(settings, codec_for(settings), _TABLES[name])
    rows = [
        found[key]
        for key in sorted(found)
        if subject is None or getattr(found[key], "subject", None) == subject
    ]
    console = Screen()
    chosen = chosen_format(form, json, console)
    known = fields_of(_TABLES[name])
    if chosen != Format.TABLE:
        say_rows(map(plain, rows), chosen_columns(columns, known), chosen)
        return
    fields = chosen_columns(columns, known) if columns is not None else _shown_of(name, rows)
    shown = [[cell(field, getattr(row, field)) for field in fields] for row in rows]
    listed(
        console,
        [field.replace("_", " ") for field in fields],
        shown,
        f"{_TABLES[name]}, {len(rows)} rows",
    )


def _shown_of(name: str, rows: Sequence[Record]) -> list[str]:
    """What fits on a screen, without what is null in all rows."""
    return [
        field
        for field in _SHOWN[name].split()
        if any(getattr(row, field) is not None for row in rows)
    ]
