"""One gateway over the rows of two tenants, for the tests that only ask."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.runtime.settings import Settings
from tests.support.gateway.served import Served
from tests.support.gateway.world import ALPHA, BRAVO, Tenant, write, write_journal
from tests.support.kafka.running import own_topics


@pytest.fixture(scope="package")
def two_tenants(kafka: str) -> Iterator[Settings]:
    with own_topics(kafka) as settings:
        write(settings, [*Tenant(ALPHA).records(), *Tenant(BRAVO).records()])
        write_journal(settings)
        yield settings


@pytest.fixture(scope="package")
def served(two_tenants: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("views")
    with Served(two_tenants, folder) as gateway:
        yield gateway
