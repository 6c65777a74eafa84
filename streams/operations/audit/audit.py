"""Makes all checks, one after the other, and says of each what it looked at and what it found."""

from dataclasses import dataclass
from typing import Any

from confluent_kafka.admin import AdminClient

from schemas.codec.framing import Codec
from streams.history.reexecution import ProgressCallback
from streams.history.replay import compared
from streams.kafka.admin.topics import check as check_topics
from streams.kafka.reading import admin
from streams.kafka.schema_ids import codec_for
from streams.operations.audit.checks import Check
from streams.operations.audit.committed_offsets import check_offsets
from streams.operations.audit.input_fates import check_fates, check_letters
from streams.operations.audit.journal_chain import history
from streams.operations.audit.standing_commands import check_commands
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings


@dataclass(frozen=True, slots=True)
class Audit:
    """All checks that were made."""

    checks: tuple[Check, ...]

    @property
    def found(self) -> int:
        return sum(check.found for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        return {"found": self.found, "checks": [check.as_json() for check in self.checks]}


def audit(settings: Settings, quick: bool, told: ProgressCallback) -> Audit:
    """Checks a deployment, at work or at rest. quick: without the replay, which folds everything
    again.
    """
    client = admin(settings)
    check_topics(client, settings)
    codec = codec_for(settings)
    journal, offsets, fates, letters, commands, outputs = (
        Check(name)
        for name in ("journal", "offsets", "fates", "dead letters", "commands", "replay")
    )
    told("reading the journal")
    histories = [history(settings, codec, client, p, journal) for p in range(settings.partitions)]
    journal.looked_at = (
        f"{sum(len(each.numbers) for each in histories)} entries of {len(histories)} partitions"
    )
    told("comparing the group's offsets")
    check_offsets(settings, codec, client, histories, offsets)
    offsets.looked_at = (
        f"{sum(len(each.next_offsets) for each in histories)} next offsets of "
        f"group {settings.group!r}"
    )
    told("counting the inputs")
    fates.looked_at = f"{check_fates(settings, client, histories, fates)} records of the inputs"
    told("counting the dead letters")
    letters.looked_at = f"{check_letters(settings, client, histories, letters)} dead letters"
    told("reading the commands")
    commands.looked_at = f"{check_commands(settings, codec, client, commands)} commands"
    made = [journal, offsets, fates, letters, commands]
    if not quick:
        told("folding log and journal again")
        _check_outputs(settings, codec, client, told, outputs)
        made.append(outputs)
    return Audit(tuple(made))


def _check_outputs(
    settings: Settings, codec: Codec, client: AdminClient, told: ProgressCallback, check: Check
) -> None:
    """Checks whether the inputs give what stands. At work only the outputs can be compared, up to
    where the replay began.
    """
    try:
        report = compared(settings, codec, client, told)
    except MendstreamError as error:
        check.leave(str(error))
        return
    check.looked_at = (
        f"{report.records} records in {report.entries} transactions, {len(report.commands)} "
        "commands, "
        f"{len(report.tables)} tables"
    )
    for difference in report.unexplained if report.went_on else report.differences:
        check.find(f"differs: {difference}")
    if report.went_on and len(report.differences) > len(report.unexplained):
        check.leave(
            "a worker went on meanwhile: rows that differ are not told; stop the workers to "
            "compare them"
        )
