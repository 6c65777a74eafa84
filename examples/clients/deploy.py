"""Carries commands out: python deploy.py BOOTSTRAP KEYS-FILE STATE-FILE"""

import sys

from mendstream.client import Command, Commands


def act(command: Command) -> str:
    """Yours: route the traffic of the target to the version. It may be asked for twice."""
    print(command.command_id, command.target, "->", command.to_version, flush=True)
    return f"{command.target} serves {command.to_version}"


bootstrap, keys, state = sys.argv[1:]
with Commands(bootstrap, keys=keys, state=state, reporter="example") as commands:
    commands.follow(act)
