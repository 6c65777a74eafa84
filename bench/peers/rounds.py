"""A round: new records on the input, and each peer through all of them."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from bench.peers.least_program import CHANGELOG
from bench.peers.pace import Committed, Pace, TooSlow, pace
from bench.peers.peers import ROOT, ROWS, Peer, Run
from schemas.catalog import JOURNAL, RESULTS, TOPICS, local_ids
from schemas.codec.framing import Codec
from streams.bench.running import running
from streams.bench.workload import Workload
from streams.kafka.admin import topics
from streams.kafka.admin_types import NewTopic
from streams.kafka.reading import admin, end_offsets, start_offsets
from streams.runtime.clock import wait_until
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings

PATIENCE = 300.0
USUAL = Workload()
_OURS = (
    JOURNAL,
    *(
        name
        for name, topic in TOPICS.items()
        if topic.cleanup == "compact" and name.startswith("tables.")
    ),
)


class Rounds:
    """One broker's rounds."""

    def __init__(
        self, bootstrap: str, records: int, folder: Path, workload: Workload = USUAL
    ) -> None:
        """records: that are timed in a round."""
        self._workload = workload
        self.settings = Settings(bootstrap=bootstrap)
        self._client, self._records, self._folder = admin(self.settings), records, folder
        self._codec = Codec(local_ids())
        self.schema = folder / "schema.json"
        self.schema.write_text((ROOT / "schemas" / "avro" / "ExperimentResult.avsc").read_text())
        topics.create(self._client, self.settings)
        self._parts = [TopicPartition(RESULTS, p) for p in range(self.settings.partitions)]
        _make(self._client, (ROWS, CHANGELOG), self.settings.partitions)
        workload.write(self.settings, self._codec, 0, 0)  # the specs

    def write(self, number: int) -> None:
        """New records; those before are gone."""
        ends = end_offsets(self._client, self._parts)
        gone = [
            TopicPartition(part.topic, part.partition, end) for part, end in ends.items() if end
        ]
        for future in self._client.delete_records(gone).values() if gone else ():
            future.result()
        self._workload.write(self.settings, self._codec, 2 * self._records, number)

    def sweep(self, number: int) -> None:
        """Each key once, and then new records of keys at random, which are timed."""
        assert self._records >= self._workload.keys, "as many warm up as are timed"
        self._workload.write(self.settings, self._codec, self._records, number, sweep=True)
        self._workload.write(self.settings, self._codec, self._records, number + 1)

    def run(self, peer: Peer, number: int) -> Pace:
        """A peer through the records of a round. Raises SystemExit with what it said if it does not
        come to the end.
        """
        self._forget()
        starts, ends = (
            start_offsets(self._client, self._parts),
            end_offsets(self._client, self._parts),
        )
        starts = {part: end - int((end - starts[part]) * peer.share) for part, end in ends.items()}
        total = sum(ends[part] - start for part, start in starts.items())
        group = f"{peer.name.replace('_', '-')}-{number}"
        if peer.share < 1.0:
            _begin_at(self._client, group, starts)
        directory = self._folder / group
        directory.mkdir()
        run = Run(self.settings.bootstrap, group, directory, self.schema)
        with started(peer, run) as pids, Committed(self.settings, group, starts) as committed:
            try:
                return pace(committed, pids, total // 2, total, PATIENCE)
            except TooSlow as error:
                raise SystemExit(
                    f"{peer.title}: {error}\n{log_of(run).read_text()[-3_000:]}"
                ) from error

    def _forget(self) -> None:
        """Our tables and journal begin anew: a journal belongs to one group."""
        names = [*_OURS, CHANGELOG]
        for future in self._client.delete_topics(names).values():
            future.result()
        _make(self._client, (CHANGELOG,), self.settings.partitions)
        assert wait_until(lambda: _made(self._client, self.settings), PATIENCE)


def log_of(run: Run) -> Path:
    return run.directory.with_suffix(".log")


@contextmanager
def started(
    peer: Peer, run: Run, more: Mapping[str, str] = MappingProxyType({})
) -> Iterator[list[int]]:
    """The ids of a peer's processes, with more in their environment; they are stopped on the way
    out.
    """
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                running(
                    peer.command(run),
                    {**peer.environment(run), "MENDSTREAM_SLOT": str(n), **more},
                    log_of(run),
                    ROOT,
                )
            )
            for n in range(peer.processes)
        ]


def _made(client: AdminClient, settings: Settings) -> bool:
    try:
        topics.create(client, settings)
    except (MendstreamError, KafkaException):
        return False
    return True


def _make(client: AdminClient, names: tuple[str, ...], partitions: int) -> None:
    """Makes topics, again and again while one of that name is still being deleted."""

    def made() -> bool:
        missing = [NewTopic(name, partitions, 1) for name in names if not _there(client, name)]
        try:
            for future in client.create_topics(missing).values() if missing else ():
                future.result()
        except KafkaException:
            return False
        return not missing

    assert wait_until(made, PATIENCE)


def _there(client: AdminClient, name: str) -> bool:
    return name in client.list_topics(timeout=10.0).topics


def _begin_at(client: AdminClient, group: str, starts: dict[TopicPartition, int]) -> None:
    places = [TopicPartition(part.topic, part.partition, start) for part, start in starts.items()]
    asked = client.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, places)])
    asked[group].result()
