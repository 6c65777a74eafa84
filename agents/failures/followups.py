"""Follows up what a subject's failures led to: what was seen before, and whether the commands
against them helped.

A command against a failure helped if it was carried out and the same pattern did not come back for
six hours.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from agents.core.batch import Finding
from agents.core.effects import Output
from agents.core.provenance import Provenance, beside, scoped
from schemas.catalog import PATTERN_FACTS, TRUST_FACTS
from schemas.ids import JOINER
from schemas.records import (
    AgentKind,
    CommandRow,
    CommandStatus,
    FailureAnalysis,
    FollowupRow,
    PatternFact,
    PatternFactKind,
    Phase,
    Sighting,
    SightingsRow,
    TrustFact,
)
from state.partition.failure_tables import FailureTables
from state.storage.table import row_key

RECOVERY_MS = 6 * 3_600_000  # of the broker's clock
FORGOTTEN_MS = 7 * 24 * 3_600_000  # a command that nobody reports of for so long tells nothing
_REPORTED = (Phase.COMPLETED, Phase.RETRYING, Phase.FAILED, Phase.REFUSED)
FOLLOWED_KEPT = 4  # patterns that followed one sighting; by then it tells of nothing in particular
SIGHTINGS_KEPT = 64  # of a subject; past it the signal that was seen most often gives its oldest
SIGHTED_MS = 24 * 3_600_000  # of event time, before a failure


def sightings_of(subject: str, tables: FailureTables) -> tuple[Sighting, ...]:
    """Returns what the subject's metrics showed lately, in the order of the log."""
    row = tables.sightings.get(row_key(subject))
    return row.signals if row is not None else ()


def sight(
    subject: str, signal: str, occurred_at: int, place: Provenance, tables: FailureTables
) -> list[Output]:
    """Remembers a signal, and tells those who know what follows it.

    One record may show a signal twice, in the whole and in a segment, which is one sighting of it.
    """
    row, sighting = tables.sightings.get(row_key(subject)), Sighting(signal, occurred_at)
    if row is not None and row.touched_at == place.now and sighting in row.signals:
        return []
    fact = PatternFact(
        event_id=place.event_id("followups", row_key("signal", subject, signal, str(occurred_at))),
        key=scoped(subject, signal),
        kind=PatternFactKind.SIGNAL,
        subject=subject,
        signal=scoped(subject, signal),
        occurred_at=occurred_at,
    )
    kept = (*sightings_of(subject, tables), sighting)
    tables.sightings.put(SightingsRow(subject, _kept(kept), place.now))
    return [_told(fact, place)]


def _kept(sightings: tuple[Sighting, ...]) -> tuple[Sighting, ...]:
    """As many as there is room for: one that comes again and again takes it from no other
    signal.
    """
    while len(sightings) > SIGHTINGS_KEPT:
        times = Counter(one.signal for one in sightings)
        most = max(times.values())
        at = next(at for at, one in enumerate(sightings) if times[one.signal] == most)
        sightings = sightings[:at] + sightings[at + 1 :]
    return sightings


def failed(
    analysis: FailureAnalysis,
    own_signal: str,
    advised: bool,
    place: Provenance,
    tables: FailureTables,
) -> list[Output]:
    """A failure's facts: for its pattern, for the signals before it, and for commands that did not
    help.

    advised: whether patterns are asked what to do about it; they are as well where what was done
    did not help.
    """
    followed = sorted(tables.followups.rows_of(analysis.subject), key=lambda one: one.command_id)
    unhelped = [row for row in followed if row.pattern == analysis.pattern and row.ends_at >= 0]
    parent = analysis.pattern.partition("|")[0]
    fact = PatternFact(
        event_id=place.event_id("followups", f"failure|{analysis.failure_id}"),
        key=parent,
        kind=PatternFactKind.FAILURE,
        subject=analysis.subject,
        pattern=analysis.pattern,
        metric=analysis.metric,
        loss=analysis.loss,
        failure_id=analysis.failure_id,
        decision_id=analysis.decision_id,
        experiment_id=analysis.experiment_id,
        variant=analysis.variant,
        model_version=analysis.model_version,
        segments=tuple(
            cause.name for cause in analysis.causes if cause.kind in ("SEGMENT", "MIX_SHIFT")
        ),
        hypotheses=analysis.hypotheses if advised or unhelped else (),
        evidence=analysis.evidence,
        occurred_at=analysis.occurred_at,
    )
    # What did not help is told first: the advice is to know of it.
    outputs = [output for row in unhelped for output in _closed(row, 0.0, place, tables)]
    outputs.append(_told(fact, place))
    sightings = list(sightings_of(analysis.subject, tables))
    for at, one in enumerate(sightings):
        lead = analysis.occurred_at - one.occurred_at
        if one.signal != own_signal and 0 <= lead <= SIGHTED_MS and _tells(one, analysis.pattern):
            sightings[at] = replace(one, followed=(*one.followed, analysis.pattern))
            outputs.append(_told(_followed(analysis, one, lead, at, place), place))
    if sightings:
        tables.sightings.put(SightingsRow(analysis.subject, tuple(sightings), place.now))
    return outputs


def ordered(
    command: CommandRow,
    action: str,
    pattern: str,
    detector: str,
    finding: Finding,
    place: Provenance,
    tables: FailureTables,
) -> None:
    """Follows a command up from now on."""
    row = FollowupRow(
        command_id=command.command_id,
        subject=command.subject,
        pattern=pattern,
        action=action,
        detector=detector,
        specialist=finding.specialist,
        metric=finding.metric,
        model_version=command.model_version,
        issued_at=place.now,
        ends_at=-1,
    )
    tables.followups.put(row)
    tables.followup_ends.put(row.command_id, place.now + FORGOTTEN_MS)


def reported(
    status: CommandStatus,
    command: CommandRow,
    awaited: str,
    place: Provenance,
    tables: FailureTables,
) -> list[Output]:
    """A command that has ended or failed once: its deployer is judged now, the rest once it is
    known whether it helped.

    awaited: the version that it made, from whose first moment in service on that can be seen;
    empty: from this moment on.
    """
    row = tables.followups.get(command.command_id)
    if row is None or row.ends_at >= 0 or row.awaits_version or command.phase not in _REPORTED:
        return []
    if command.phase == Phase.REFUSED:  # nothing was tried, and to refuse is no fault
        _drop(row, tables)
        return []
    done = command.phase == Phase.COMPLETED
    late = max(0, status.reported_at - command.expires_at)
    outputs = [
        _trust(
            row,
            f"deployer:{status.reporter}",
            AgentKind.DEPLOYER,
            float(done),
            late,
            not done,
            place,
        )
    ]
    if command.phase == Phase.RETRYING:
        return outputs
    if not done:
        return [*outputs, *_closed(row, 0.0, place, tables, tried=False)]
    if awaited:
        tables.followups.put(replace(row, awaits_version=awaited))
    else:
        _look_from_now_on(row, place, tables)
    return outputs


def serving(subject: str, version: str, place: Provenance, tables: FailureTables) -> None:
    """A version is in service: whether the commands that made it help can be seen from this moment
    on.
    """
    for row in tables.followups.rows_of(subject):
        if row.awaits_version == version:
            _look_from_now_on(row, place, tables)


def _look_from_now_on(row: FollowupRow, place: Provenance, tables: FailureTables) -> None:
    tables.followups.put(replace(row, ends_at=place.now + RECOVERY_MS, awaits_version=""))
    tables.followup_ends.put(row.command_id, place.now + RECOVERY_MS)


def dropped(command_id: str, tables: FailureTables) -> None:
    """A command that ended without being carried out tells nothing; neither does one of which
    nobody knows.
    """
    row = tables.followups.get(command_id)
    if row is not None and row.ends_at < 0:
        _drop(row, tables)


def tick(place: Provenance, tables: FailureTables) -> list[Output]:
    """Commands after which the failure did not come back have helped."""
    outputs: list[Output] = []
    for command_id in tables.followup_ends.due(place.now):
        row = tables.followups.get(command_id)
        assert row is not None, f"{command_id} is due without a row"
        if row.ends_at >= 0:
            outputs += _closed(row, 1.0, place, tables)
        else:
            _drop(row, tables)
    return outputs


def rebuild(tables: FailureTables) -> None:
    """Works out what is derived, after rows were restored."""
    tables.followup_ends.rebuild(
        (row.command_id, row.ends_at if row.ends_at >= 0 else row.issued_at + FORGOTTEN_MS)
        for row in tables.followups.rows()
    )


def version_judged(
    subject: str,
    version: str | None,
    score: float,
    about: str,
    place: Provenance,
    tables: FailureTables,
) -> Iterable[Output]:
    """Returns the facts that a verdict says of a model version."""
    if version is None or not tables.trust.enabled:
        return []
    fact = TrustFact(
        event_id=place.event_id("followups", f"version|{about}"),
        agent_id=version_agent(subject, version),
        kind=AgentKind.MODEL_VERSION,
        score=score,
        quality=score,
        about=about,
        occurred_at=place.now,
    )
    return [Output(TRUST_FACTS, fact.agent_id, fact.event_id, fact, place.now)]


def version_agent(subject: str, version: str) -> str:
    """The name under which a model version is trusted; no other subject's version has it.

    >>> version_agent("acme/support-bot", "v2")
    'acme/version:support-bot@v2'
    """
    tenant, slash, line = subject.partition(JOINER)
    whole = (line if slash else tenant).replace("%", "%25").replace("@", "%40")
    return beside(subject, f"version:{whole}@{version}")


def _closed(
    row: FollowupRow, helped: float, place: Provenance, tables: FailureTables, tried: bool = True
) -> list[Output]:
    """Tells the pattern whether the action helped; where it was carried out, also what that says of
    who wanted it.
    """
    _drop(row, tables)
    fact = PatternFact(
        event_id=place.event_id("followups", f"action|{row.command_id}"),
        key=row.pattern.partition("|")[0],
        kind=PatternFactKind.ACTION,
        subject=row.subject,
        pattern=row.pattern,
        metric=row.metric,
        action=row.action,
        helped=helped,
        occurred_at=place.now,
    )
    if not tried:
        return []
    outputs = [
        _told(fact, place),
        _trust(row, f"playbook:{row.action}", AgentKind.PLAYBOOK, helped, 0, False, place),
    ]
    outputs.append(
        _trust(row, f"detector:{row.detector}", AgentKind.DETECTOR, helped, 0, False, place)
    )
    if row.specialist:
        outputs.append(
            _trust(
                row, f"specialist:{row.specialist}", AgentKind.RECOMMENDER, helped, 0, False, place
            )
        )
    return outputs if tables.trust.enabled else outputs[:1]


def _drop(row: FollowupRow, tables: FailureTables) -> None:
    tables.followups.drop(row.command_id)
    tables.followup_ends.drop(row.command_id)


def _tells(one: Sighting, pattern: str) -> bool:
    """Returns whether it is told that a pattern followed a sighting: each once, and no more than a
    few.
    """
    return pattern not in one.followed and len(one.followed) < FOLLOWED_KEPT


def _followed(
    analysis: FailureAnalysis, one: Sighting, lead_ms: int, at: int, place: Provenance
) -> PatternFact:
    return PatternFact(
        event_id=place.event_id("followups", f"followed|{analysis.failure_id}|{at}"),
        key=scoped(analysis.subject, one.signal),
        kind=PatternFactKind.FOLLOWED,
        subject=analysis.subject,
        pattern=analysis.pattern,
        signal=scoped(analysis.subject, one.signal),
        lead_ms=lead_ms,
        occurred_at=analysis.occurred_at,
    )


def _trust(
    row: FollowupRow,
    name: str,
    kind: AgentKind,
    score: float,
    late_ms: int,
    broke: bool,
    place: Provenance,
) -> Output:
    fact = TrustFact(
        event_id=place.event_id("followups", f"trust|{name}|{row.command_id}"),
        agent_id=beside(row.subject, name),
        kind=kind,
        score=score,
        quality=score,
        lateness_ms=late_ms,
        failed=broke,
        about=row.command_id,
        occurred_at=place.now,
    )
    return Output(TRUST_FACTS, fact.agent_id, fact.event_id, fact, place.now)


def _told(fact: PatternFact, place: Provenance) -> Output:
    return Output(PATTERN_FACTS, fact.key, fact.event_id, fact, place.now)
