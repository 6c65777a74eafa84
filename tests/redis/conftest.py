"""Gives tests a Redis of their own."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.redis_server import RedisServer


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with TemporaryDirectory(
        prefix="mendstream-redis-"
    ) as directory:  # a socket's path may have 107 characters
        running = RedisServer(Path(directory))
        try:
            yield running
        finally:
            running.close()
