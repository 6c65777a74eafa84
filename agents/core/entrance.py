"""The entrance of a compiled loop over records, the same for every high-volume input: a record is
decoded where it lies, checked, told from what belongs elsewhere, and told from a duplicate.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from agents.core.batch import Ints
from agents.core.record_batch import Batch
from schemas.codec.flat_schema import flat_fields
from schemas.codec.framing import Codec
from schemas.codec.record_scan import Fields, Form, Writers, form_of, room_for, scan, writers_of
from schemas.compiled import inlined
from schemas.text_hash import hash_text, mix, partition_of_text, sealed
from schemas.validation.record_checks import has_sound_parts, plausible, roles_of
from schemas.words import Bytes
from state.partition.ingress_memory import IngressMemory
from state.seen_ids import carrier

Hashes = NDArray[np.uint64]

# Why every loop may stop: at the end of the batch, at a record that the compiled decoder does not
# take, at one that makes no sense whatever its metric is, at one of another partition, and at one
# whose id was seen.
END, UNDECODED, IMPLAUSIBLE, ELSEWHERE, DUPLICATE = range(5)
GOES_ON = -1  # to the next stage
ARRIVED, ADMITTED = range(2)  # how far a record has come; loops go on counting from here
EVENT_ID, SUBJECT = range(2)  # the first fields of every such record


class Entrance(NamedTuple):
    """What decides whether a record is let in.

    seen, seen_used: ids by hash to the offset that carried them last, within a window of so many
    offsets. partition, of so many partitions.
    """

    seen: Hashes
    seen_used: Ints
    window: int
    partition: int
    partitions: int


class Scanned(NamedTuple):
    """The record in hand as decoded.

    writers, form, roles: the schemas that a record may be written with, how it is encoded, and how
    it is checked. fields: where they lie.
    carrier: (1,) the offset that carried its id before, -1 where none did.
    """

    writers: Writers
    form: Form
    roles: NDArray[np.int8]
    fields: Fields
    carrier: Ints


def entrance_of(memory: IngressMemory, topic: str) -> Entrance:
    """The entrance of an input; valid until ids are made room for, or swept."""
    seen = memory.seen(topic)
    return Entrance(seen.slots, seen.used, seen.window, memory.partition, memory.partitions)


def scanned_of(record: str, codec: Codec) -> Scanned:
    """Room for a record in hand; codec: it knows the schemas that it may be written with."""
    names = [field.name for field in flat_fields(record)]
    assert names[:2] == ["event_id", "subject"], f"{record} does not begin with id and subject"
    form = form_of(record)
    fields, nowhere = room_for(form), np.full(1, -1)
    writers = writers_of(record, codec.schema_id(record), codec.older(record))
    return Scanned(writers, form, roles_of(record), fields, nowhere)


@inlined
def admit(batch: Batch, entrance: Entrance, scanned: Scanned, at: int, reached: int) -> int:
    """Decodes a record, and lets it in where it has just ARRIVED; why the loop stops, or
    GOES_ON. The id of what is let in is known from then on.
    """
    data, start, end = batch.data, batch.starts[at], batch.starts[at + 1]
    if not scan(data, start, end, scanned.writers, scanned.form, scanned.fields):
        return UNDECODED
    if reached > ARRIVED:
        return GOES_ON
    subject = scanned.fields[SUBJECT]
    if not plausible(data, scanned.fields, scanned.roles, batch.appended[at]):
        return IMPLAUSIBLE
    if not has_sound_parts(data, subject.start, subject.length):
        return IMPLAUSIBLE
    home = partition_of_text(data, subject.start, subject.length, entrance.partitions)
    if home != entrance.partition:
        return ELSEWHERE
    named = mix(hash_of(data, scanned.fields, SUBJECT), hash_of(data, scanned.fields, EVENT_ID))
    scanned.carrier[0] = carrier(
        entrance.seen, entrance.seen_used, entrance.window, sealed(named), batch.offsets[at]
    )
    return DUPLICATE if scanned.carrier[0] >= 0 else GOES_ON


@inlined
def hash_of(data: Bytes, fields: Fields, name: int) -> np.uint64:
    """The hash of a name of the record in hand, by the number of its field."""
    return hash_text(data, fields[name].start, fields[name].length)
