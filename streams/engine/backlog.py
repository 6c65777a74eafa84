"""What was delivered to a worker and is not folded yet, and how much of it the next turn takes.

A record that makes a row costs a hundred times what one costs that adds to a row, and a stranger
may send as many of either as it likes. So what waits is kept by its place, an input and a
partition of it, and each place that waits has an equal part of a turn: a flood at one place keeps
no other waiting for longer than a second.
"""

from collections.abc import Callable, Iterator, Sequence

from confluent_kafka import Consumer, Message, TopicPartition

from streams.kafka.batches import runs

# Folding of one turn. What comes in meanwhile waits for the end of it, and then for what the other
# places fold in the next one: a second is twice the two, with a commit and a fetch.
TURN_SECONDS = 0.2
# Records of a place that sent fewer last: so many of the slowest, some 5 ms each, end within a turn
# or so.
PIECE_MIN = 50
# In longer pieces records are folded hardly faster, and so many that each make a row, 200 us each,
# end within a second.
PIECE_MAX = 5_000
# A piece is at most so many times as long as the one before it of the same place: what its records
# cost may have changed in between.
GROWTH = 4

# A full poll is quick where it was folded and committed within this time: librdkafka holds some
# five more of them, so that what is behind those waits for half a second.
QUICK_SECONDS = 0.1

Place = tuple[str, int]  # topic and partition
Good = Callable[[list[Message]], list[Message]]


class Backlog:
    """Records by place, in the order of each place."""

    def __init__(self, order: Sequence[str], most: int, clock: Callable[[], float]) -> None:
        """order: of the topics, what others are judged by first. most: messages of a poll, and
        records of a place from which on no more of them are fetched. clock: seconds.
        """
        self._rank_of = {topic: rank for rank, topic in enumerate(order)}
        self._most, self._clock = most, clock
        self._waiting: dict[Place, list[Message]] = {}
        self._last: dict[Place, tuple[int, float]] = {}  # records, and seconds each, of a piece
        self._resting: set[Place] = set()  # of which no more is fetched
        self._polled_at = 0.0
        self._poll_was_full = False

    def poll(self, consumer: Consumer, seconds: float, good: Good) -> None:
        """Takes in what a consumer has: the next message as soon as it is there, and with it those
        that are there already. seconds: how long the next is waited for, where nothing waits here.
        good: gives the records among messages.

        A poll is as long as `most`, for what is behind it in librdkafka's queue is folded soon. Of
        a worker that is behind it is all there is, so that nothing waits in the queue behind a
        flood of another place.
        """
        behind = self._is_behind()
        self.regulate(consumer)
        first = consumer.poll(0.0 if self._waiting else seconds)
        # A rebalance within a call clears what was added before it: every partition begins anew
        # where its journal ends.
        self.add(good([first] if first is not None else []))
        self._poll_was_full = first is not None
        while self._poll_was_full:
            found = consumer.consume(self._most, timeout=0)
            self.add(good(found))
            self.regulate(consumer)
            self._poll_was_full = len(found) == self._most
            if not behind:
                break
        self._polled_at = self._clock()

    def _is_behind(self) -> bool:
        took = self._clock() - self._polled_at
        return bool(self._waiting) or (self._poll_was_full and took > QUICK_SECONDS)

    def regulate(self, consumer: Consumer) -> None:
        """Has no more fetched of places of which enough waits, until little of it is left. What
        librdkafka holds of them it lets go of, and fetches again.

        Its queue, full of one place, would keep it from fetching any other.
        """
        full = {place for place, records in self._waiting.items() if len(records) >= self._most}
        if enough := full - self._resting:
            consumer.pause([TopicPartition(*place) for place in enough])
            self._resting |= enough
        low = self._most / 4
        if lacking := {p for p in self._resting if len(self._waiting.get(p, ())) < low}:
            consumer.resume([TopicPartition(*place) for place in lacking])
            self._resting -= lacking

    def __len__(self) -> int:
        """How many places wait."""
        return len(self._waiting)

    def waits(self, place: Place) -> bool:
        """Whether records of a place wait."""
        return place in self._waiting

    def add(self, messages: list[Message]) -> None:
        """Takes in what was delivered."""
        for place, records in runs(messages).items():
            self._waiting.setdefault(place, []).extend(records)

    def drop(self, place: Place) -> None:
        """Lets go of what waits of a place, of which nothing more is fetched: who folds it reads it
        again.
        """
        self._waiting.pop(place, None)
        self._resting.discard(place)

    def clear(self) -> None:
        """Lets go of everything, as partitions come and go. What is not fetched is so until the
        next `regulate`.
        """
        self._waiting.clear()
        self._last.clear()

    def turn(self) -> Iterator[tuple[str, int, list[Message]]]:
        """(topic, partition, records) to be folded, round after round of all places that wait,
        until nothing waits or TURN_SECONDS are over.

        Whoever asks folds each before it asks for the next, and tells `folded`. What is dropped in
        between is not given.
        """
        until = self._clock() + TURN_SECONDS
        while self._waiting and self._clock() < until:
            seconds = TURN_SECONDS / len(self._waiting)
            for place in sorted(self._waiting, key=self._rank):
                if place in self._waiting:
                    yield (*place, self._take(place, seconds))

    def folded(self, place: Place, records: int, seconds: float) -> None:
        """Notes how many records a piece had, and how long it was folded."""
        self._last[place] = records, seconds / records

    def _take(self, place: Place, seconds: float) -> list[Message]:
        """The next piece of a place, as long as it is folded in so many seconds by what the last
        one took.
        """
        waiting = self._waiting[place]
        records, each = self._last.get(place, (0, 0.0))
        most = min(max(GROWTH * records, PIECE_MIN), PIECE_MAX)
        if most * each > seconds:
            most = max(int(seconds / each), 1)
        if most >= len(waiting):
            return self._waiting.pop(place)
        self._waiting[place] = waiting[most:]
        return waiting[:most]

    def _rank(self, place: Place) -> tuple[int, int]:
        return self._rank_of[place[0]], place[1]
