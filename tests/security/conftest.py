"""One secured Kafka for the whole room."""

from collections.abc import Iterator

import pytest

from streams.kafka.admin.acls import ROLES, rights
from streams.kafka.embedded import jars
from streams.runtime.errors import MendstreamError
from tests.support.security.secured import Secured


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """The broker; each role is a user of its own name, with the rights of the role and no
    others.
    """
    try:
        jars.kafka_jars()
    except MendstreamError as error:
        pytest.skip(f"no embedded Kafka: {error}")
    with Secured(tmp_path_factory.mktemp("secured")) as here:
        for role in ROLES:
            here.grant(role, rights(role, here.as_(role), own_group=role))
        yield here
