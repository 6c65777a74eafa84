"""Gives tests one Kafka, closed sockets where none belong, and the same generated examples in every
run.

Environment: MENDSTREAM_BOOTSTRAP names a Kafka to use instead of starting one;
MENDSTREAM_TEST_KAFKA=container (or the option --kafka=container) runs the tests' brokers in
containers, for those who have Docker; MENDSTREAM_REQUIRE_ALL=1 makes each skipped test fail, but
for those on data that the project may not contain; MENDSTREAM_TEST_DATA names the folder of such
data; MENDSTREAM_SEED=<integer> draws more and other Hypothesis examples, from that seed.
"""

import os
import socket
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

from streams.kafka.embedded.broker import EmbeddedKafka
from streams.runtime import redaction
from streams.runtime.errors import MendstreamError
from tests.support import containers, ordering
from tests.support.containers import ContainerKafka
from tests.support.shared_data import FOLDER

CLOSED_ROOMS = {
    "unit",
    "laws",
    "data",
    "golden",
    "reference",
}  # directories below tests/ whose tests reach nothing outside their process
SEED = os.environ.get("MENDSTREAM_SEED")
REQUIRE_ALL = os.environ.get("MENDSTREAM_REQUIRE_ALL") == "1"

_DATA_MISSING = pytest.StashKey[bool]()

settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile(
    "explore", derandomize=False, deadline=None, print_blob=True, max_examples=1000
)
settings.load_profile("explore" if SEED else "ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kafka",
        choices=("embedded", "container"),
        default=os.environ.get(containers.VARIABLE) or "embedded",
        help="what the tests' brokers are: processes of this machine, or containers of "
        f"{containers.IMAGE} (needs Docker)",
    )
    ordering.add_options(parser)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What needs no Kafka first; last of all those whose processors end by errors, which leave
    their clients behind. Within these, in the order that was asked for.
    """
    ordering.shuffle(items, config)
    items.sort(
        key=lambda item: (
            "security" in item.path.parts,
            item.get_closest_marker("kafka") is not None,
        )
    )
    if containers.asked() and (reason := containers.no_engine()):
        for item in items:
            if item.get_closest_marker("kafka") is not None:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Hands the seed to Hypothesis' plugin, unless --hypothesis-seed names another; it reads the
    option after this.
    """
    ordering.draw_seed(config)
    if SEED and config.getoption("--hypothesis-seed") is None:
        config.option.hypothesis_seed = SEED
    try:
        containers.choose(config.getoption("--kafka"))
    except MendstreamError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_report_header(config: pytest.Config) -> str:
    profile = f"explore, seed {SEED}" if SEED else "ci"
    skips = "fail the run" if REQUIRE_ALL else "are allowed"
    kafka = (
        f"container {containers.IMAGE}"
        if containers.asked()
        else os.environ.get("MENDSTREAM_BOOTSTRAP", "embedded")
    )
    order = ordering.described(config)
    return f"mendstream: Kafka {kafka}; examples {profile}; {order}; skips {skips}"


@pytest.fixture(autouse=True)
def no_secrets() -> Iterator[None]:
    """Lets no test's secrets put stars into the sentences of the next."""
    yield
    redaction.forget()


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """The bootstrap address of one Kafka for the whole run.

    Who needs topics takes some of a prefix of their own (tests/support/kafka/running.py:
    own_topics); who kills or configures a broker starts another.
    """
    # imports the engine, which closed rooms may not need
    from tests.support.kafka.running import SHARED

    if bootstrap := os.environ.get("MENDSTREAM_BOOTSTRAP"):
        yield bootstrap
        return
    if containers.asked():
        with ContainerKafka(SHARED) as container:
            yield container.bootstrap
        return
    embedded = EmbeddedKafka(settings=SHARED)
    try:
        embedded.start()
    except MendstreamError as error:
        yield from _instead_of_embedded(str(error), SHARED)
        return
    try:
        yield embedded.bootstrap
    finally:
        embedded.stop()


def _instead_of_embedded(why: str, settings: Mapping[str, str]) -> Iterator[str]:
    if reason := containers.no_engine():
        pytest.skip(f"no Kafka: MENDSTREAM_BOOTSTRAP is not set; {why} {reason}")
    with ContainerKafka(settings) as container:
        yield container.bootstrap


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips a test whose data, named by its marker `shared_data`, are not there."""
    for name in [name for marker in item.iter_markers("shared_data") for name in marker.args]:
        if not (FOLDER / name).is_file():
            item.stash[_DATA_MISSING] = True
            pytest.skip(
                f"{name} is missing: it may not be part of the project; MENDSTREAM_TEST_DATA names "
                "its folder"
            )


@pytest.fixture(autouse=True)
def _closed_sockets(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails a test of a closed room at once when Python code connects or binds a socket.

    `pytest.fail` raises a BaseException's child that no `except OSError` in the code under test can
    swallow. librdkafka opens its sockets in C, past this guard; that the core does not import it is
    the import contracts' matter.
    """
    if Path(request.path).relative_to(Path(__file__).parent).parts[0] not in CLOSED_ROOMS:
        return

    def refuse(opened: socket.socket, address: object) -> NoReturn:
        # the code under test may close it only after an OSError, and the next test would be blamed
        opened.close()
        pytest.fail(f"a test outside tests/kafka and tests/faults opened a socket to {address}")

    for way in ("connect", "connect_ex", "bind"):
        monkeypatch.setattr(socket.socket, way, refuse)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if not item.stash.get(_DATA_MISSING, False):
        _fail_if_skipped(report, item.nodeid)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_if_skipped(report, collector.nodeid)
    return report


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport, nodeid: str) -> None:
    """Under MENDSTREAM_REQUIRE_ALL=1 a skip becomes a failure that names the test and its reason;
    xfail stays.
    """
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = (
            f"{nodeid} was skipped, and MENDSTREAM_REQUIRE_ALL=1 allows no skip: {reason}"
        )
