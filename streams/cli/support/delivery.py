"""Writes what a person said to its topic, and says what became of it."""

from collections.abc import Iterable

from schemas.codec.framing import Record
from schemas.validation.field_checks import Fault
from streams.kafka.admin.topics import check
from streams.kafka.publisher import Publisher
from streams.kafka.reading import admin
from streams.kafka.schema_ids import codec_for
from streams.operations.record_fates import Aftermath, Became
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings
from streams.runtime.terminal import say


def deliver(
    settings: Settings, topic: str, keyed: Iterable[tuple[str, Record]], everywhere: bool = False
) -> Became:
    """Publishes records under their keys and waits for their fates.

    everywhere: to each partition, because it concerns subjects of all. Raises MendstreamError for
    the first refused.
    """
    check(admin(settings), settings, (topic,))
    codec = codec_for(settings)
    aftermath = Aftermath(settings, codec)
    publisher = Publisher(settings, codec, linger_ms=0)
    for key, record in keyed:
        for partition in range(settings.partitions) if everywhere else (None,):
            publisher.publish(topic, key, record, partition)
    publisher.flush()
    became = aftermath.became(publisher.written)
    for refused in became.refused.values():
        raise MendstreamError(
            f"It was refused, {refused.reason}: {refused.sentence}.",
            "Say it otherwise; what was not refused is in force.",
        )
    return became


def refuse_faults(faults: Iterable[Fault]) -> None:
    """Raises MendstreamError for the first fault for which the processor would refuse a record."""
    for _, sentence in faults:
        raise MendstreamError(f"The processor would refuse it: {sentence}.", "Say it otherwise.")


def doubt(became: Became) -> str:
    """Returns why a record may not be in force, as the end of a sentence; empty where it was taken
    in.
    """
    if became.unseen:
        return f"whether it was taken in cannot be seen: {became.unseen}"
    if became.waiting:
        return "not in force yet: no processor has taken it in; it will be as soon as one runs"
    if became.known:
        return (
            "known already: a record with the same event_id came before, so this one changes "
            "nothing"
        )
    return ""


def hint(became: Became) -> None:
    """Says on standard error what is in doubt; standard output holds the id alone, for programs."""
    if said := doubt(became):
        say(said, err=True)
