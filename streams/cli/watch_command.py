"""`mendstream watch`: what is on a topic, decoded."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import typer
from confluent_kafka import KafkaError, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from rich.text import Text

from schemas.catalog import COMMANDS, TOPICS
from streams.cli.support.options import Given, command
from streams.cli.support.row_formats import (
    Columns,
    Format,
    FormatOption,
    chosen_columns,
    chosen_format,
    fields_of,
    say_rows,
)
from streams.files.rendering import cell, line, message
from streams.kafka.admin.permissions import check_visible
from streams.kafka.error_messages import explained
from streams.kafka.reading import READER, admin, committed_reader, end_offsets, start_offsets
from streams.kafka.schema_ids import codec_for
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings
from streams.runtime.terminal import Screen, say, words
from streams.runtime.visible_text import clean

_EPILOG = """\
Examples: **mendstream watch commands** shows every command; **mendstream watch models.metrics --key
support-bot --from end**; **mendstream watch dead-letters --no-follow** lists what was refused, and
why; **mendstream watch decisions --no-follow --columns at,subject,verdict,order --format csv**.
"""


_PLACE = ("at", "topic", "partition", "offset", "key")


def register(app: typer.Typer) -> None:
    command(app, "watch", epilog=_EPILOG)(watch)


def watch(
    given: Given,
    topic: Annotated[
        str, typer.Argument(help="A topic, with or without .v1, or `commands` for all four.")
    ],
    follow: Annotated[bool, typer.Option(help="Wait for more at the end.")] = True,
    key: Annotated[str | None, typer.Option(help="Only records with this key.")] = None,
    from_: Annotated[
        Literal["beginning", "end"], typer.Option("--from", help="Where to begin.")
    ] = "beginning",
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after so many records.")] = None,
    columns: Columns = None,
    form: FormatOption = None,
    json: Annotated[bool, typer.Option("--json", help="JSON lines, also at a terminal.")] = False,
) -> None:
    """Show the records of a topic, decoded, and follow it."""
    names = _named(topic)
    known = [*_PLACE, *dict.fromkeys(field for each in names for field in fields_of(each))]
    fields = chosen_columns(columns, known)
    settings = given.settings()
    codec, client = codec_for(settings), admin(settings)
    shown = 0
    console = Screen(soft_wrap=True)
    for record in _records(client, settings, _partitions(client, settings, names), from_, follow):
        if key is not None and record.key() != key.encode():
            continue
        found = message(record, codec)
        chosen = chosen_format(form, json, console)
        if chosen == Format.CSV or (columns is not None and chosen == Format.JSON):
            say_rows([_flat(found)], fields, chosen, heads=not shown)
        elif chosen == Format.JSON:
            say(line(found))
        elif columns is not None:
            flat = _flat(found)
            console.print(words("  ".join(cell(name, flat.get(name)) for name in fields)))
        else:
            console.print(_pretty(found))
        shown += 1
        if shown == limit:
            return


def _flat(found: dict[str, Any]) -> dict[str, Any]:
    """The fields of a record beside where it stands."""
    value = found.get("value")
    return {**(value if isinstance(value, dict) else {}), **{name: found[name] for name in _PLACE}}


def _named(topic: str) -> list[str]:
    if topic == "commands":
        return list(COMMANDS.values())
    for name in (topic, f"{topic}.v1"):
        if name in TOPICS:
            return [name]
    raise MendstreamError(
        f"There is no topic {topic!r}.", f"There are commands, {', '.join(TOPICS)}."
    )


def _partitions(client: AdminClient, settings: Settings, names: list[str]) -> list[TopicPartition]:
    there = client.list_topics(timeout=10.0).topics
    missing = [name for name in names if name not in there]
    if missing:
        check_visible(client, settings, missing)
        raise MendstreamError(
            f"Topics are missing: {', '.join(map(settings.topic, missing))}.",
            "Run `mendstream topics create`.",
        )
    return [TopicPartition(name, number) for name in names for number in there[name].partitions]


def _records(
    client: AdminClient, settings: Settings, parts: list[TopicPartition], begin: str, follow: bool
) -> Iterator[Message]:
    """Committed records; not following, up to the ends as they are at the start."""
    starts = start_offsets(client, parts) if begin == "beginning" else end_offsets(client, parts)
    ends = end_offsets(client, parts)
    waiting = {(p.topic, p.partition) for p in parts if starts[p] < ends[p]}
    if not follow and not waiting:
        return
    consumer = committed_reader(settings, {"enable.partition.eof": True})
    try:
        consumer.assign([TopicPartition(p.topic, p.partition, starts[p]) for p in parts])
        while follow or waiting:
            record = consumer.poll(0.2)
            if record is None:
                continue
            error = record.error()
            if error is None:
                yield record
            elif error.code() == KafkaError._PARTITION_EOF:
                waiting.discard((record.topic() or "", record.partition() or 0))
            elif error.code() not in (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN):
                raise explained(error, settings, record.topic(), READER)
            else:
                say(f"Kafka is out of reach, waiting for it: {error.str()}", err=True)
    finally:
        consumer.close()


def _pretty(found: dict[str, Any]) -> Text:
    value = found.get("value")
    text = Text(f"{found['at'][:19].replace('T', ' ')} ", style="dim")
    text.append(f"{found['topic'].removesuffix('.v1')} ", style="cyan")
    text.append(clean(f"{found['key']} "), style="bold")
    if isinstance(value, dict) and "reason" in value:
        text.append(clean(f"{value['reason']} "), style="yellow")
        value = {name: item for name, item in value.items() if name not in ("reason", "subject")}
    for name in ("problem", "headers"):
        if name in found:
            text.append(clean(f"{found[name]} "), style="red")
    text.append(clean(value) if isinstance(value, str) else line(value or {}), style="default")
    return text
