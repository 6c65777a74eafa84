"""`mendstream recommend`, `outcome` and `initialise-trust`: what agents and the people who judge
them say.
"""

from typing import Annotated

import typer

from schemas.catalog import OUTCOMES, RECOMMENDATIONS, REQUESTS
from schemas.codec.framing import Record
from schemas.ids import event_uuid
from schemas.records import (
    AgentKind,
    Judgement,
    Recommendation,
    RecommendationOutcome,
    Request,
    RequestKind,
)
from schemas.validation.field_checks import Fault
from schemas.validation.requests_and_recommendations import (
    check_outcome,
    check_recommendation,
    check_request,
)
from streams.cli.support.delivery import deliver, hint, refuse_faults
from streams.cli.support.options import Given, command
from streams.runtime.clock import now_ms
from streams.runtime.terminal import say

_Agent = Annotated[str, typer.Argument(help="[tenant/]agent", show_default=False)]
_Run = Annotated[str, typer.Argument(help="The run that it belongs to.", show_default=False)]
_RECOMMEND = """\
Example: **mendstream recommend planner run-17 --kind strategy --content "roll back" --confidence
0.8**

Agents of one run that recommend the same content agree, so say the same thing in the same words.
The id that is printed names the recommendation to **mendstream outcome**. The same recommendation
again, word by word, changes nothing.
"""
_OUTCOME = """\
Example: **mendstream outcome planner run-17 approved --quality 0.9 --by ann**

Without --recommendation it is the outcome of everything that was recommended in the run, whichever
agent did.
"""
_INITIALISE = "Example: **mendstream initialise-trust deployer:argo --kind DEPLOYER --by ann**"


def register(app: typer.Typer) -> None:
    command(app, "recommend", epilog=_RECOMMEND)(recommend)
    command(app, "outcome", epilog=_OUTCOME)(outcome)
    command(app, "initialise-trust", epilog=_INITIALISE)(initialise_trust)


def recommend(
    given: Given,
    agent: _Agent,
    run: _Run,
    kind: Annotated[str, typer.Option(help="What is recommended, such as strategy.")],
    content: Annotated[str, typer.Option(help="The recommendation.")],
    confidence: Annotated[float, typer.Option(min=0.0, max=1.0, help="How sure the agent is.")],
    reasoning: Annotated[str, typer.Option(help="Why.")] = "",
    subject: Annotated[
        str | None, typer.Option(help="[tenant/]model line that it is about.")
    ] = None,
    due_seconds: Annotated[
        int | None, typer.Option(help="From now until it is of use; it may be past.")
    ] = None,
) -> None:
    """Track a recommendation of an agent."""
    now = now_ms()
    record = Recommendation(
        event_id=event_uuid(
            "recommendation",
            agent,
            run,
            kind,
            content,
            f"{confidence}",
            reasoning,
            subject or "",
            f"{due_seconds}",
        ),
        agent_id=agent,
        run_id=run,
        kind=kind,
        content=content,
        confidence=confidence,
        reasoning=reasoning,
        subject=subject,
        made_at=now,
        due_at=now + due_seconds * 1_000 if due_seconds is not None else None,
    )
    _publish(given, RECOMMENDATIONS, agent, record, check_recommendation(record))


def outcome(
    given: Given,
    agent: _Agent,
    run: _Run,
    judgement: Annotated[Judgement, typer.Argument(case_sensitive=False, show_default=False)],
    quality: Annotated[float, typer.Option(min=0.0, max=1.0, help="How good it was.")],
    by: Annotated[str, typer.Option(help="Who judged it.")],
    recommendation: Annotated[
        str | None, typer.Option(help="The id of one recommendation.")
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="The agent ended with an error.")
    ] = False,
    feedback: Annotated[str, typer.Option(help="In words.")] = "",
) -> None:
    """Say what came of the recommendations of a run, or of one of them."""
    record = RecommendationOutcome(
        event_id=event_uuid(
            "outcome",
            agent,
            run,
            recommendation or "",
            judgement,
            f"{quality}",
            by,
            f"{failed}",
            feedback,
        ),
        agent_id=agent,
        run_id=run,
        recommendation_id=recommendation,
        judgement=judgement,
        quality=quality,
        failed=failed,
        feedback=feedback,
        judged_by=by,
        judged_at=now_ms(),
    )
    _publish(given, OUTCOMES, agent, record, check_outcome(record))


def initialise_trust(
    given: Given,
    agent: _Agent,
    by: Annotated[str, typer.Option(help="Who asks for it.")],
    kind: Annotated[
        AgentKind, typer.Option(case_sensitive=False, help="What the agent is.")
    ] = AgentKind.RECOMMENDER,
) -> None:
    """Begin an agent's trust anew: what was known of it is forgotten."""
    now = now_ms()
    record = Request(
        event_id=event_uuid("initialise trust", agent, kind, by, now),
        subject=agent,
        kind=RequestKind.INITIALISE_TRUST,
        detail=kind,
        requested_by=by,
        requested_at=now,
    )
    _publish(given, REQUESTS, agent, record, check_request(record))


def _publish(given: Given, topic: str, key: str, record: Record, faults: list[Fault]) -> None:
    refuse_faults(faults)
    became = deliver(given.settings(), topic, [(key, record)])
    say(record.event_id)  # type: ignore[attr-defined]
    hint(became)
