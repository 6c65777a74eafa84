"""`mendstream topics acls`: what each role may do at Kafka, printed or granted."""

from typing import Annotated

import typer

from streams.cli.support.options import Given
from streams.files.rendering import line
from streams.kafka.admin.acls import (
    ROLES,
    RoleName,
    at_kafka,
    create,
    rights,
    taken_over,
    withdraw,
)
from streams.kafka.reading import admin
from streams.runtime.errors import MendstreamError
from streams.runtime.terminal import Screen, listed, say

EPILOG = """\
Examples: **mendstream topics acls** lists the rights of all roles; **mendstream topics acls
deployer --principal rollout --create** lets the user rollout read commands and report their status,
in the consumer group rollout. Creating needs the right ALTER on the cluster; rights that are there
already stay. Where a gateway runs, **mendstream topics acls operator --principal ann
--beside-gateway --create** leaves out what would let ann write another person's name, and withdraws
it if she has it.
"""


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
            create(admin(settings), settings, whom, granted)
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
