"""How large what we write may be, and so what the topics must take."""

DEAD_LETTER_BYTES = (
    16 * 1024 * 1024
)  # a broker takes a record of 1 MB, compressed, and as a dead letter it must fit whole
# Of any other record, table row or journal entry: Kafka's own default for a topic, so that nobody
# has to raise it.
RECORD_BYTES = 1_048_588
