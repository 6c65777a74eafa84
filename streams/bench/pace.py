"""How much of plain consuming is left with everything on: one broker, one topic, one run, printed
as a ratio.
"""

import json
import statistics
import sys
from pathlib import Path

from confluent_kafka import TopicPartition

from schemas.catalog import RESULTS, local_ids
from schemas.codec.framing import Codec
from streams.bench.workload import EXPERIMENTS, METRICS, Workload
from streams.engine.processor import Processor
from streams.engine.topology import DECIDING
from streams.kafka.admin.topics import create
from streams.kafka.embedded.broker import EmbeddedKafka
from streams.kafka.reading import admin, committed_reader, end_offsets
from streams.runtime.clock import monotonic
from streams.runtime.settings import Settings


def main(settings: Settings | None, records: int, json_file: Path | None, runs: int = 3) -> int:
    """Prints plain consuming, the processor, and the ratio, each the median of `runs`; writes them
    as JSON.
    """
    if settings is not None:
        return _run(settings, records, json_file, runs)
    with EmbeddedKafka(heap_mb=1024) as kafka:
        return _run(Settings(bootstrap=kafka.bootstrap), records, json_file, runs)


def _run(settings: Settings, records: int, json_file: Path | None, runs: int) -> int:
    client, codec = admin(settings), Codec(local_ids())
    create(client, settings)
    _say(
        f"{records:,} results a run: {EXPERIMENTS} experiments x 2 variants x {len(METRICS)} "
        "metrics, exactly once"
    )
    parts = [TopicPartition(RESULTS, p) for p in range(settings.partitions)]
    plain, full = [], []
    for run in range(runs + 1):
        starts = end_offsets(client, parts)
        Workload().write(settings, codec, records, run)
        ends = end_offsets(client, parts)
        consumed = _plain(settings, starts, records)
        processed = _processor(
            settings, codec, {(p.topic, p.partition): end for p, end in ends.items()}, records
        )
        if run:  # the first is a warm-up
            plain.append(consumed)
            full.append(processed)
        name = f"run {run}" if run else "warm-up"
        _say(
            f"{name}: plain consume {consumed:,.0f}/s, processor {processed:,.0f}/s, "
            f"{processed / consumed:.0%}"
        )
    ratio = statistics.median(f / p for f, p in zip(full, plain, strict=True))
    report = {
        "records": records,
        "plain_consume": round(statistics.median(plain)),
        "mendstream": round(statistics.median(full)),
        "ratio": round(ratio, 3),
    }
    _say(f"median: with the judge on, {ratio:.0%} of plain consume")
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=1) + "\n")
    return 0


def _say(text: str) -> None:
    print(text, flush=True)
    sys.stdout.flush()


def _plain(settings: Settings, starts: dict[TopicPartition, int], records: int) -> float:
    """Records a second that consume() hands over, nothing done with them."""
    consumer = committed_reader(
        settings,
        {
            "auto.offset.reset": "earliest",
            "queued.min.messages": 200_000,
            "queued.max.messages.kbytes": 131_072,
            # the default, a second, is how long a full queue would starve the loop
            "fetch.queue.backoff.ms": 2,
            "fetch.message.max.bytes": 4_194_304,
        },
        group="bench-plain",
    )
    consumer.assign(
        [TopicPartition(part.topic, part.partition, start) for part, start in starts.items()]
    )
    seen, began = 0, 0.0
    while seen < records:
        asked = monotonic()
        messages = consumer.consume(20_000, timeout=0.05)
        if messages and not began:
            began = asked
        seen += len(messages)
    took = monotonic() - began
    consumer.close()
    return records / took


def _processor(
    settings: Settings, codec: Codec, ends: dict[tuple[str, int], int], records: int
) -> float:
    """Records a second that the real processor, restored and waiting, applies and commits."""
    began = ended = 0.0

    def at(point: str) -> None:
        nonlocal began, ended
        if point == RESULTS and not began:
            began = monotonic()
        if point == "committed" and processor.progress(ends) >= sum(ends.values()):
            ended = monotonic()
            processor.stop()

    processor = Processor(settings, codec, at=at, topology=DECIDING)
    processor.run()
    return records / (ended - began)
