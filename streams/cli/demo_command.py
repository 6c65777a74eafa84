"""`mendstream demo`: from nothing to right commands, live."""

import json
import math
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated, Any

import typer

from schemas.catalog import POLICIES, SPECS
from schemas.codec.framing import Codec
from streams.cli.apply_commands import read_policies, read_specs
from streams.cli.support.local_pages import LocalPages
from streams.cli.support.options import Given, command, interruptible
from streams.demo.datasets import DATA, DemoEvent, events
from streams.demo.feed import DemoView, Feed, RecordCounts, faults
from streams.demo.live_screen import LiveScreen, Progress, picture
from streams.kafka import schema_ids
from streams.kafka.admin import topics
from streams.kafka.embedded.broker import EmbeddedKafka
from streams.kafka.publisher import Publisher
from streams.kafka.reading import admin
from streams.runtime.clock import monotonic, wait_until
from streams.runtime.errors import MendstreamError, cannot_write
from streams.runtime.settings import Settings
from streams.runtime.supervisor import Worker
from streams.runtime.terminal import Screen as Plain
from streams.runtime.terminal import say

_CHUNK = 500  # records published between two looks at what came back: some 20 ms
STALLED_SECONDS = (
    60.0  # without any progress of the processor; a restart and a restore take a few seconds
)
START_SECONDS = 300.0  # a processor that starts on a machine for the first time compiles
_EPILOG = """\
Examples: **mendstream demo**, **mendstream demo --json demo.json**, **mendstream demo --keep**
(then look around with **mendstream table arms** and **mendstream watch commands**).
"""


def register(app: typer.Typer) -> None:
    command(app, "demo", epilog=_EPILOG)(demo)


def demo(
    given: Given,
    json_: Annotated[
        Path | None, typer.Option("--json", help="Write what came of it into this file too.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything running until Ctrl-C.")
    ] = False,
    picture_: Annotated[Path | None, typer.Option("--picture", hidden=True)] = None,
) -> int:
    """Run real data through it: a Kafka of its own, a processor, 240 000 records, and what it
    orders.
    """
    interruptible()
    for path in (json_, picture_):
        if path is not None:
            _written(path, "")  # better told before the work than after it
    with ExitStack() as stack:
        log = stack.enter_context(_log_file())
        settings = stack.enter_context(_kafka(given.settings()))
        codec, publisher = _prepared(settings)
        feed = stack.enter_context(Feed(settings, codec, admin(settings)))
        feed.catch_up()
        before = feed.view.fates()
        # What a worker notes for its successor goes with the demo.
        worker = stack.enter_context(
            Worker(settings.model_copy(update={"crash_directory": str(log.parent)}), log)
        )
        pages = _pages(stack, given, settings, log.parent)
        with LiveScreen(settings.bootstrap) as screen:
            screen.say(
                "Reading the data sets: 80 000 people, 60 000 shop recommendations, 100 000 car "
                "loans."
            )
            progress = _run(events(), publisher, feed, _Children(worker, pages), screen)
        fates = feed.view.fates().since(before)
        _summary(feed.view, progress, fates, screen.live)
        if json_ is not None:
            _written(
                json_,
                json.dumps(_outcome(feed.view, progress, fates), indent=1, ensure_ascii=False)
                + "\n",
            )
        if picture_ is not None:
            _written(picture_, _svg(feed.view, progress, settings.bootstrap))
        wrong = faults(feed.view.commands)
        if wrong:
            raise MendstreamError(
                f"The demo did not come out right: {'; '.join(wrong)}.", "Please report it."
            )
        if keep:
            _wait(_Children(worker, pages), settings, log)
    return 0


@contextmanager
def _log_file() -> Iterator[Path]:
    """Yields the file where the processor's lines go; it stays where an error names it."""
    directory = Path(mkdtemp(prefix="mendstream-demo-"))
    try:
        yield directory / "processor.log"
    except MendstreamError as error:
        if str(directory) not in str(error):
            shutil.rmtree(directory)
        raise
    except BaseException:
        shutil.rmtree(directory)
        raise
    shutil.rmtree(directory)


@contextmanager
def _kafka(settings: Settings) -> Iterator[Settings]:
    """The settings for the Kafka that was named, or for one of the demo's own."""
    if "bootstrap" in settings.model_fields_set:
        # Another slot than a processor that may run there already: with the same one it would be
        # fenced.
        slot = settings.slot if "slot" in settings.model_fields_set else "demo"
        yield settings.model_copy(update={"slot": slot})
        return
    say("Starting Kafka...")
    with EmbeddedKafka() as kafka:
        yield settings.model_copy(update={"bootstrap": kafka.bootstrap})


def _prepared(settings: Settings) -> tuple[Codec, Publisher]:
    """Topics, schemas, policies and specs, all acknowledged before the processor starts."""
    schema_ids.register(settings)
    topics.create(admin(settings), settings)
    codec = schema_ids.codec_for(settings)
    publisher = Publisher(settings, codec)
    for policy in read_policies(DATA / "demo-policies.yaml"):
        publisher.publish(POLICIES, policy.policy_id, policy)
    for spec in read_specs(DATA / "demo-specs.yaml"):
        publisher.publish(SPECS, spec.subject, spec)
    publisher.flush()
    return codec, publisher


@dataclass(frozen=True, slots=True)
class _Children:
    """The processes that run beside the demo. pages: None where there are none."""

    worker: Worker
    pages: LocalPages | None

    def news(self) -> list[str]:
        """What there is to say of them since the last call. Raises MendstreamError where the
        processor keeps ending.
        """
        restarted = ["The processor ended and is started again."] if self.worker.watch() else []
        told = self.pages.news() if self.pages is not None else None
        return restarted + ([told] if told is not None else [])

    def tell(self, say: Callable[[str], None]) -> bool:
        """Says what there is to say; never the end of it."""
        for told in self.news():
            say(told)
        return False


def _pages(stack: ExitStack, given: Given, settings: Settings, folder: Path) -> LocalPages | None:
    """The pages of the demo's own Kafka. Of another they would let everybody on this machine order
    what he likes there.
    """
    if "bootstrap" in given.settings().model_fields_set:
        say("For its pages: mendstream gateway, which says what it needs for this Kafka.")
        return None
    pages = stack.enter_context(LocalPages(settings, folder))
    say(pages.promise)
    return pages


def _run(
    data: list[DemoEvent], publisher: Publisher, feed: Feed, children: _Children, screen: LiveScreen
) -> Progress:
    """Publishes everything and waits until the processor has taken it in."""
    earlier, sent_before = feed.view.positions(), publisher.sent
    progress = Progress(len(data))

    def look(seconds: float, last: bool = False) -> None:
        feed.poll(seconds)
        progress.note(publisher.sent - sent_before, feed.view.positions() - earlier)
        screen.draw(feed.view, progress, last)
        children.tell(screen.say)

    for start in range(0, len(data), _CHUNK):
        for event in data[start : start + _CHUNK]:
            publisher.publish(event.topic, event.record.subject, event.record)
        look(0.0)
    publisher.flush()
    ends = {where: end for where, end in publisher.next_offsets.items() if where[0] != POLICIES}
    moved, at = monotonic(), -1
    while not feed.view.reached(ends):
        look(0.1)
        if progress.applied != at:
            moved, at = monotonic(), progress.applied
        patience = STALLED_SECONDS if progress.applied else START_SECONDS
        if monotonic() - moved > patience:
            raise MendstreamError(
                f"The processor has applied {progress.applied} of {progress.total} records and "
                f"then nothing for {patience:.0f} s.",
                f"See its lines in {children.worker.log}, or those of another processor of the "
                "group that holds the partitions.",
            )
    # Commands were committed with the journal entry that was waited for, but on other partitions of
    # the feed.
    wait_until(lambda: not feed.poll(0.2), 2.0)
    look(0.0, last=True)
    return progress


def _summary(view: DemoView, progress: Progress, fates: RecordCounts, drawn: bool) -> None:
    rate = progress.total / max(progress.seconds, 1e-3)
    say(
        f"\n{progress.total} records in {progress.seconds:.1f} s ({rate:,.0f}/s): "
        f"{fates.duplicates} duplicates, "
        f"{fates.dead_letters} dead letters, {fates.forwarded} forwarded; {len(view.commands)} "
        f"commands{'' if drawn else ':'}"
    )
    for order, each in () if drawn else view.commands:
        say(f"  {order} {each.reason}")


def _outcome(view: DemoView, progress: Progress, fates: RecordCounts) -> dict[str, Any]:
    return {
        "records": progress.total,
        "seconds": round(progress.seconds, 3),
        "commands": [
            {
                "type": order,
                "subject": each.subject,
                "experiment_id": each.experiment_id,
                "variant": each.variant,
                "model_version": each.model_version,
                "reason": each.reason,
                "issued_at": each.issued_at,
            }
            for order, each in sorted(
                view.commands, key=lambda one: (one[1].issued_at, one[1].command_id)
            )
        ],
        "duplicates": fates.duplicates,
        "dead_letters": fates.dead_letters,
        "forwarded": fates.forwarded,
    }


def _svg(view: DemoView, progress: Progress, where: str) -> str:
    console = Plain(
        record=True, width=112, file=StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(picture(view, progress, where))
    return console.export_svg(title="mendstream demo")


def _written(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise cannot_write(path, error, "Name another file.") from error


def _wait(children: _Children, settings: Settings, log: Path) -> None:
    say(f"\nEverything runs on; the processor's lines are in {log}. In another terminal:")
    program = Path(sys.executable).with_name("mendstream")
    for what in (
        "table arms",
        "table metrics",
        "watch commands",
        "watch dead-letters",
        "topics describe",
    ):
        prefix = f" --topic-prefix {settings.topic_prefix}" if settings.topic_prefix else ""
        say(f"  {program} {what} --bootstrap {settings.bootstrap}{prefix}")
    if children.pages is not None:
        say(f"The pages are at {children.pages.address}.")
    say("Ctrl-C ends it.")
    wait_until(lambda: children.tell(say), math.inf)
