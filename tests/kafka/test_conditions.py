"""Topics that somebody else configured, on a real Kafka: refused, told, and mended by the command
that is named.
"""

from typing import Any

import pytest
from typer.testing import CliRunner

from schemas.catalog import RESULTS, TABLES_COMMANDS
from streams.cli.app import application
from streams.engine.processor import Processor
from streams.engine.topology import DECIDING
from streams.kafka.admin.topic_conditions import FIX, unmet
from streams.kafka.admin_types import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from streams.kafka.reading import admin
from streams.runtime.clock import wait_until
from streams.runtime.errors import MendstreamError
from tests.support.kafka.logs import CODEC
from tests.support.kafka.running import SECONDS, own_topics, where

pytestmark = pytest.mark.kafka
ENTRY: Any = ConfigEntry


def test_topics_that_lose_records_are_refused_told_and_mended(kafka: str) -> None:
    with own_topics(kafka, partitions=1) as settings:
        client = admin(settings)
        for name, setting, value in (
            (RESULTS, "message.timestamp.type", "CreateTime"),
            (TABLES_COMMANDS, "cleanup.policy", "delete"),
        ):
            entry = ENTRY(setting, value, incremental_operation=AlterConfigOpType.SET)
            asked = [ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry])]
            for future in client.incremental_alter_configs(asked).values():
                future.result()
        assert wait_until(lambda: len(unmet(client, settings)) == 2, SECONDS)
        with pytest.raises(
            MendstreamError, match=r"cleanup\.policy is delete, so rows are deleted by age"
        ):
            Processor(settings, CODEC, topology=DECIDING)
        check = [*FIX.split()[1:-1], *where(settings)]
        told = CliRunner().invoke(application(), check)
        assert (told.exit_code, "2 conditions are not met" in told.output) == (1, True)
        mended = CliRunner().invoke(application(), [*check, "--fix"])
        assert (mended.exit_code, "set to LogAppendTime" in mended.output) == (0, True)
        assert (
            CliRunner()
            .invoke(application(), check)
            .output.endswith("all topics are there with 1 partitions\n")
        )
