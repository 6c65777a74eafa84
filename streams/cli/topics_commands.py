"""`mendstream topics`: create them, check them, describe them, say who may use them."""

from typing import Annotated

import typer

from streams.cli.support.options import Given, command
from streams.files.rendering import line
from streams.kafka import schema_ids
from streams.kafka.admin import topic_conditions, topics
from streams.kafka.admin.acls import (
    ROLES,
    RoleName,
    at_kafka,
    rights,
    taken_over,
    withdraw,
)
from streams.kafka.admin.acls import create as grant
from streams.kafka.reading import admin
from streams.runtime.clock import wait_until
from streams.runtime.errors import MendstreamError
from streams.runtime.terminal import Screen, listed, say

_SETTLE_SECONDS = 10.0  # until which brokers have heard of a setting that was altered
_CHECK = """\
Example: **mendstream topics check --fix**

What would lose, mistime or refuse records is a fault, and a processor does not start with it; what
merely differs from what **mendstream topics create** makes is shown. Records that came before the
broker's clock was set keep their producers' times.
"""

_ACLS = """\
Examples: **mendstream topics acls** lists the rights of all roles; **mendstream topics acls
deployer --principal rollout --create** lets the user rollout read commands and report their status,
in the consumer group rollout. Creating needs the right ALTER on the cluster; rights that are there
already stay. Where a gateway runs, **mendstream topics acls operator --principal ann
--beside-gateway --create** leaves out what would let ann write another person's name, and withdraws
it if she has it.
"""


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="The topics, as they should be and as they are.", no_args_is_help=True)
    command(
        group,
        "create",
        epilog="Example: **mendstream topics create --partitions 12 --bootstrap kafka:9092**",
    )(create)
    command(group, "check", epilog=_CHECK)(check)
    command(
        group, "describe", epilog="Example: **mendstream topics describe --bootstrap kafka:9092**"
    )(describe)
    command(group, "acls", epilog=_ACLS)(acls)
    app.add_typer(group, name="topics")


def create(given: Given) -> None:
    """Create the topics that are missing, check the others, and register the schemas."""
    settings = given.settings()
    schema_ids.register(settings)
    created = topics.create(admin(settings), settings)
    say(
        "\n".join(f"created {settings.topic(name)}" for name in created)
        if created
        else "all topics are there"
    )


def check(
    given: Given,
    fix: Annotated[
        bool, typer.Option("--fix", help="Alter the settings that would lose or refuse records.")
    ] = False,
) -> int | None:
    """Say what is wrong with the topics, if anything is; then this ends with 1."""
    settings = given.settings()
    client = admin(settings)
    topics.check(client, settings)
    faults = topic_conditions.unmet(client, settings)
    if fix and faults:
        for each in topic_conditions.fix(client, settings, faults):
            say(f"{settings.topic(each.topic)}: {each.setting} set to {each.wanted}")
        wait_until(
            lambda: not any(each.setting for each in topic_conditions.unmet(client, settings)),
            _SETTLE_SECONDS,
        )
        faults = topic_conditions.unmet(client, settings)
    for each in faults:
        say(f"{settings.topic(each.topic)}: {each.sentence}")
    if faults:
        raise MendstreamError(
            f"{len(faults)} conditions are not met.", topic_conditions.remedy(faults)
        )
    differing = [
        (topic.name, differs) for topic, _, differs in topics.describe(client, settings) if differs
    ]
    for name, differs in differing:
        say(
            f"{settings.topic(name)} is configured otherwise: "
            f"{', '.join(f'{key}={value}' for key, value in differs.items())}"
        )
    say(f"all topics are there with {settings.partitions} partitions")
    return None


def describe(given: Given) -> None:
    """List the topics with what they hold."""
    settings = given.settings()
    rows = [
        {
            "topic": settings.topic(topic.name),
            "record": topic.record or "bytes as they came",
            "partitions": str(count) if count else "missing",
            "kept": "each key's last"
            if topic.cleanup == "compact"
            else _days(topic.retention_days),
            "configured otherwise": ", ".join(f"{key}={value}" for key, value in differs.items()),
        }
        for topic, count, differs in topics.describe(admin(settings), settings)
    ]
    console = Screen()
    if not console.is_terminal:
        say("\n".join(line(row) for row in rows))
        return
    listed(console, [*rows[0]], [[*row.values()] for row in rows], "topics")


def _days(days: int | None) -> str:
    return "everything" if days is None else f"{days} days"


def acls(
    given: Given,
    role: Annotated[
        RoleName | None,
        typer.Argument(help="The role; all of them if left out.", show_default=False),
    ] = None,
    principal: Annotated[
        str | None,
        typer.Option(help="Who gets the rights: a user, or Type:name. By default the role's name."),
    ] = None,
    own_group: Annotated[
        str | None,
        typer.Option(help="Consumer group of a deployer or auditor. By default the user's name."),
    ] = None,
    beside_gateway: Annotated[
        bool,
        typer.Option(
            "--beside-gateway",
            help="Without writing requests and reviews, whose persons a gateway knows by their "
            "tokens; with --create that is withdrawn too.",
        ),
    ] = False,
    create_them: Annotated[bool, typer.Option("--create", help="Create them at Kafka.")] = False,
) -> None:
    """Print the ACLs that each role needs, or create those of one role."""
    if role is None and (create_them or principal or own_group):
        raise MendstreamError(
            "Rights are granted to one role at a time.",
            f"Name it before the options: {', '.join(ROLES)}.",
        )
    settings = given.settings()
    rows, withdrawn = [], 0
    for name in [role] if role else ROLES:
        whom = principal or name
        granted = rights(name, settings, own_group or whom.removeprefix("User:"), beside_gateway)
        whom = whom if ":" in whom else f"User:{whom}"
        if create_them:
            grant(admin(settings), settings, whom, granted)
            if beside_gateway:
                withdrawn = withdraw(admin(settings), settings, whom, taken_over(name))
        rows += [
            {
                "role": name,
                "principal": whom,
                "operation": right.operation,
                "resource": right.kind,
                "name": right.name,
                "pattern": right.pattern,
            }
            for right in at_kafka(granted, settings)
        ]
    _show(rows)
    if create_them:
        more = f" {withdrawn} were withdrawn." if beside_gateway else ""
        Screen(stderr=True, soft_wrap=True).print(f"{len(rows)} rights are granted.{more}")


def _show(rows: list[dict[str, str]]) -> None:
    console = Screen()
    if not console.is_terminal:
        say("\n".join(line(row) for row in rows))
        return
    listed(console, [*rows[0]], [[*row.values()] for row in rows], "rights")
