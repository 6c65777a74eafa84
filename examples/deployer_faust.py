"""A deployer with Faust: python -m examples.deployer_faust BOOTSTRAP KEYS-FILE STATE-FILE"""

import sys
from typing import Any

import faust

from examples.duties import Duties
from streams.executor.committed import Transport

TOPIC, STATUS_TOPIC = "commands.rollback.v1", "commands.status.v1"


def act(command: dict[str, Any]) -> None:
    """Yours: route the traffic of the target to the version."""
    print(command["command_id"], command["target"], "->", command["to_version"], flush=True)


def application(bootstrap: str, keys_file: str, state_file: str) -> faust.App:
    duties = Duties(keys_file, state_file, act)
    app = faust.App("deployer-faust", broker=f"kafka://{bootstrap}", datadir=f"{state_file}.faust", web_enabled=False,
                    topic_allow_declare=False, topic_disable_leader=True, consumer_auto_offset_reset="earliest",
                    broker_session_timeout=6.0, broker_heartbeat_interval=2.0)  # fmt: skip
    app.transport = Transport(app.conf.broker_consumer, app)  # Faust's own reads what was aborted, too
    raw: dict[str, Any] = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
    statuses = app.topic(STATUS_TOPIC, **raw)

    @app.agent(app.topic(TOPIC, **raw))
    async def obey(stream: Any) -> None:
        async for event in stream.events():
            message = event.message
            for status in duties.take(TOPIC, message.key, message.value, [*message.headers]):
                await (await statuses.send(key=message.key, value=status))

    return app


if __name__ == "__main__":
    faust.Worker(application(*sys.argv[1:]), loglevel="INFO", redirect_stdouts=False).execute_from_commandline()
