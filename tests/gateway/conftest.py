"""Gateways over the rows of two tenants: one for the tests that only ask, one that a browser looks
at.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from streams.runtime.settings import Settings
from tests.support.gateway.browser import Person, browser
from tests.support.gateway.pages import HOSTILE
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


@pytest.fixture(scope="module")  # while it runs, no other event loop may in this thread
def opened() -> Iterator[Browser]:
    with browser() as one:
        yield one


@pytest.fixture(scope="package")
def watched(kafka: str) -> Iterator[Settings]:
    with own_topics(kafka) as made:
        write(made, [*Tenant(ALPHA).records(), *Tenant(HOSTILE).records()])
        with ticking(made):
            yield made


@contextmanager
def ticking(settings: Settings) -> Iterator[None]:
    """Journal entries as a processor writes them, one a second and partition."""
    stop = threading.Event()

    def tick() -> None:
        while not stop.wait(1.0):
            write_journal(settings)

    write_journal(settings)
    thread = threading.Thread(target=tick, name="journal")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.fixture(scope="package")
def gateway(watched: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One where nobody is asked who he is, and no processor runs."""
    with Served(watched, tmp_path_factory.mktemp("views"), no_auth=True) as served:
        yield served


@pytest.fixture
def person(opened: Browser, gateway: Served) -> Iterator[Person]:
    with Person(opened, gateway.address) as one:
        yield one
