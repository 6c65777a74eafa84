"""A deployer of asyncio: python -m tests.support.kafka.async_deployer BOOTSTRAP KEYS-FILE
STATE-FILE
"""

import asyncio
import sys

from mendstream.client import AsyncCommands, Command


async def act(command: Command) -> str:
    print(command.command_id, command.target, "->", command.to_version, flush=True)
    await asyncio.sleep(0)
    return f"{command.target} serves {command.to_version}"


async def main(bootstrap: str, keys: str, state: str) -> None:
    async with AsyncCommands(bootstrap, keys=keys, state=state, reporter="test") as commands:
        await commands.follow(act)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
