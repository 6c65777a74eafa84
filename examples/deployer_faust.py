"""A deployer with Faust: python -m examples.deployer_faust BOOTSTRAP KEYS-FILE STATE-FILE [GROUP
[MS]]

GROUP: of the processors that are obeyed, mendstream behind the topic prefix unless named. MS: from
when on signatures of scheme 1 alone are refused. MENDSTREAM_TOPIC_PREFIX in the environment: what
the names of their topics begin with.
"""

import asyncio
import os
import sys
from typing import Any

import faust
from aiokafka.admin import AIOKafkaAdminClient

from examples.duties import Duties
from streams.executor.faust_transport import Transport
from streams.verifier import Origin

TOPIC, STATUS_TOPIC = "commands.rollback.v1", "commands.status.v1"


def act(command: dict[str, Any]) -> None:
    """Yours: route the traffic of the target to the version."""
    print(command["command_id"], command["target"], "->", command["to_version"], flush=True)


def duties_of(
    keys_file: str, state_file: str, cluster: str, group: str = "mendstream", until: str = ""
) -> Duties:
    return Duties(keys_file, state_file, act, Origin(cluster, group), int(until) if until else None)


async def cluster_of(bootstrap: str) -> str:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        return str((await admin.describe_cluster())["cluster_id"])
    finally:
        await admin.close()


def application(bootstrap: str, state_file: str, duties: Duties, prefix: str = "") -> faust.App:
    app = faust.App(
        f"{prefix}deployer-faust",
        broker=f"kafka://{bootstrap}",
        datadir=f"{state_file}.faust",
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=6.0,
        broker_heartbeat_interval=2.0,
    )
    app.transport = Transport(
        app.conf.broker_consumer, app
    )  # Faust's own reads what was aborted, too
    raw: dict[str, Any] = {
        "key_type": bytes,
        "value_type": bytes,
        "key_serializer": "raw",
        "value_serializer": "raw",
    }
    topic, statuses = f"{prefix}{TOPIC}", app.topic(f"{prefix}{STATUS_TOPIC}", **raw)

    @app.agent(app.topic(topic, **raw))
    async def obey(stream: Any) -> None:
        async for event in stream.events():
            message = event.message
            for status in duties.take(topic, message.key, message.value, [*message.headers]):
                await (await statuses.send(key=message.key, value=status))

    return app


def main(bootstrap: str, keys_file: str, state_file: str, *obeyed: str) -> None:
    prefix = os.environ.get("MENDSTREAM_TOPIC_PREFIX", "")
    cluster = asyncio.new_event_loop().run_until_complete(cluster_of(bootstrap))
    duties = duties_of(keys_file, state_file, cluster, *(obeyed or (f"{prefix}mendstream",)))
    app = application(bootstrap, state_file, duties, prefix)
    faust.Worker(app, loglevel="INFO", redirect_stdouts=False).execute_from_commandline()


if __name__ == "__main__":
    main(*sys.argv[1:])
