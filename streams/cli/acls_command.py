"""`mendstream topics acls`: what each role may do at Kafka, printed or granted."""

from typing import Annotated

import typer

from streams.cli.support.options import Given
from streams.files.rendering import line
from streams.kafka.admin.acls import ROLES, RoleName, at_kafka, create, rights
from streams.kafka.reading import admin
from streams.runtime.errors import MendstreamError
from streams.runtime.terminal import Screen, listed, say

EPILOG = """\
Examples: **mendstream topics acls** lists the rights of all roles; **mendstream topics acls
deployer --principal rollout --create** lets the user rollout read commands and report their status,
in the consumer group rollout. Creating needs the right ALTER on the cluster; rights that are there
already stay.
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
    create_them: Annotated[bool, typer.Option("--create", help="Create them at Kafka.")] = False,
) -> None:
    """Print the ACLs that each role needs, or create those of one role."""
    if role is None and (create_them or principal or own_group):
        raise MendstreamError(
            "Rights are granted to one role at a time.",
            f"Name it before the options: {', '.join(ROLES)}.",
        )
    settings = given.settings()
    rows = []
    for name in [role] if role else ROLES:
        whom = principal or name
        granted = rights(name, settings, own_group or whom.removeprefix("User:"))
        whom = whom if ":" in whom else f"User:{whom}"
        if create_them:
            create(admin(settings), settings, whom, granted)
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
        Screen(stderr=True, soft_wrap=True).print(f"{len(rows)} rights are granted.")


def _show(rows: list[dict[str, str]]) -> None:
    console = Screen()
    if not console.is_terminal:
        say("\n".join(line(row) for row in rows))
        return
    listed(console, [*rows[0]], [[*row.values()] for row in rows], "rights")
