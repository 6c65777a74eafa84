"""`mendstream topics`: create them, check them, describe them, say who may use them."""

import typer
from rich.console import Console
from rich.table import Table

from streams import codecs, topics
from streams.console import acls
from streams.console.given import Given, command
from streams.kafka import admin
from streams.show import line


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="The topics, as they should be and as they are.", no_args_is_help=True)
    command(group, "create", epilog="Example: **mendstream topics create --partitions 12 --bootstrap kafka:9092**")(
        create
    )
    command(group, "check")(check)
    command(group, "describe")(describe)
    command(group, "acls", epilog=acls.EPILOG)(acls.acls)
    app.add_typer(group, name="topics")


def create(given: Given) -> None:
    """Create the topics that are missing, check the others, and register the schemas."""
    settings = given.settings()
    codecs.register(settings)
    created = topics.create(admin(settings), settings)
    print("\n".join(f"created {name}" for name in created) if created else "all topics are there")


def check(given: Given) -> None:
    """Say what is wrong with the topics, if anything is."""
    settings = given.settings()
    client = admin(settings)
    topics.check(client, settings)
    differing = [(topic.name, differs) for topic, _, differs in topics.describe(client, settings) if differs]
    for name, differs in differing:
        print(f"{name} is configured otherwise: {', '.join(f'{key}={value}' for key, value in differs.items())}")
    print(f"all topics are there with {settings.partitions} partitions")


def describe(given: Given) -> None:
    """List the topics with what they hold."""
    settings = given.settings()
    rows = [
        {
            "topic": topic.name,
            "record": topic.record or "bytes as they came",
            "partitions": str(count) if count else "missing",
            "kept": "each key's last" if topic.cleanup == "compact" else _days(topic.retention_days),
            "configured otherwise": ", ".join(f"{key}={value}" for key, value in differs.items()),
        }
        for topic, count, differs in topics.describe(admin(settings), settings)
    ]
    console = Console()
    if not console.is_terminal:
        print("\n".join(line(row) for row in rows))
        return
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*row.values())
    console.print(table)


def _days(days: int | None) -> str:
    return "everything" if days is None else f"{days} days"
