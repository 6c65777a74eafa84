"""What is counted of the outputs, beside what is written."""

from agents.core.effects import Output
from schemas.catalog import TRANSITIONS
from schemas.records import Event, Order, Phase, Transition
from streams.engine.outbox import Emitter
from streams.engine.transaction import Outbox
from streams.runtime.metrics import REGISTRY
from tests.support.builders import CODEC, NOON, ONE


def late() -> Transition:
    return Transition(
        event_id="t-1",
        command_id="c-1",
        attempt=1,
        subject="bot",
        order=Order.ROLLBACK,
        before=Phase.ISSUED,
        event=Event.TIME_OUT,
        after=Phase.RETRYING,
        by="mendstream",
        detail="",
        fencing_token=1,
        moved_at=NOON,
    )


def counted() -> float:
    labels = {"order": "ROLLBACK", "event": "TIME_OUT"}
    return REGISTRY.get_sample_value("mendstream_command_transitions_total", labels) or 0.0


def test_each_move_of_a_command_is_counted_by_what_moved_it() -> None:
    before, outbox = counted(), Outbox()
    Emitter(CODEC, "mendstream/test", ONE).output(
        Output(TRANSITIONS, "bot", "t-1", late(), NOON), outbox
    )
    assert len(outbox.records) == 1
    assert counted() - before == 1
