"""What the image apache/kafka makes of its environment, by the program with which it does so:
Kafka's jars hold it.
"""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from streams.kafka.embedded.jars import kafka_jars
from streams.kafka.embedded.jvm import environment, java
from streams.kafka.embedded.storage import last_useful_line, new_id

_SECONDS = 60.0


def configured(variables: Mapping[str, str], home: Path) -> Path:
    """The server.properties that Kafka starts with in a container; its data are formatted as they
    are there.

    The folder of the settings is empty before, as a tmpfs is. Fails where the image would refuse to
    start.
    """
    defaults, mounted, final = (home / name for name in ("default", "mounted", "final"))
    for folder in (defaults, mounted, final):
        folder.mkdir(parents=True)
    for name in ("server.properties", "log4j2.yaml", "tools-log4j2.yaml"):
        (defaults / name).touch()
    setup = java(kafka_jars(), "kafka.docker.KafkaDockerWrapper", "setup")
    setup += ["--default-configs-dir", str(defaults), "--mounted-configs-dir", str(mounted)]
    setup += ["--final-configs-dir", str(final)]
    done = subprocess.run(
        setup,
        env=environment() | {"CLUSTER_ID": new_id()} | dict(variables),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, last_useful_line(done.stdout + done.stderr)
    return final / "server.properties"


def lines_of(properties: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in properties.read_text().splitlines() if "=" in line)
