"""Views hold what the tables hold, whatever ended the process that kept them."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from gateway.views.definitions import VIEWS
from gateway.views.tenants import WHOLE, TenantScope
from gateway.views.view_feed import ViewFeed
from gateway.views.view_reader import PAGE_MAX, PageQuery, Snapshot, StoredRow, ViewReader
from schemas.catalog import TABLES_COMMANDS
from schemas.records import Phase
from streams.kafka.table_reader import read_table
from streams.runtime.clock import wait_until
from streams.runtime.errors import MendstreamError
from streams.runtime.settings import Settings
from tests.support.gateway.world import (
    ALPHA,
    BRAVO,
    CODEC,
    Kept,
    Tenant,
    write,
    write_journal,
)
from tests.support.kafka.console import ROOT, environment
from tests.support.kafka.logs import ends_of
from tests.support.kafka.running import SECONDS, environment_of, own_topics

pytestmark = pytest.mark.kafka
KILLS = 5


@pytest.fixture
def settings(kafka: str) -> Iterator[Settings]:
    with own_topics(kafka) as made:
        yield made


@contextmanager
def kept(settings: Settings, folder: Path) -> Iterator[tuple[ViewFeed, ViewReader]]:
    """Views that have caught up, and what reads them."""
    with ViewFeed(settings, CODEC, folder) as feed, ViewReader(feed.file.path) as reader:
        assert wait_until(lambda: feed.built.is_set() or feed.failure is not None, SECONDS)
        if feed.failure is not None:
            raise feed.failure
        yield feed, reader


def tables_of(settings: Settings) -> dict[str, dict[str, bytes]]:
    """Each table as Kafka has it, encoded."""
    return {
        view.name: {
            key: CODEC.encode(row) for key, row in read_table(settings, CODEC, view.topic).items()
        }
        for view in VIEWS.values()
        if not view.is_log
    }


def rows_of(view: Snapshot) -> dict[str, dict[str, bytes]]:
    return {
        one.name: {row.key: row.value for row in view.beginning(one.name, WHOLE, "", 1_000_000)}
        for one in VIEWS.values()
        if not one.is_log
    }


def every_page(reader: ViewReader, scope: TenantScope, query: PageQuery) -> list[StoredRow]:
    """All rows of a list of commands, each page from where the one before ended."""
    rows: list[StoredRow] = []
    while True:
        page = reader.ask(partial(Snapshot.page, view="commands", scope=scope, query=query))
        rows += page
        if len(page) < query.limit:
            return rows
        query = replace(query, after=(page[-1].order, page[-1].key))


def command(tenant: Tenant, number: int, phase: Phase) -> Kept:
    key = tenant.id(f"command-{number}")
    row = replace(tenant.command_row(), command_id=key, phase=phase, issued_at=number)
    return Kept(TABLES_COMMANDS, key, CODEC.encode(row), tenant.subject)


def test_views_equal_the_tables_after_changes_and_deletions(
    settings: Settings, tmp_path: Path
) -> None:
    alpha, bravo = Tenant(ALPHA), Tenant(BRAVO)
    write(settings, [*alpha.records(), *bravo.records()])
    with kept(settings, tmp_path) as (feed, reader):
        write(settings, [command(alpha, n, Phase.ISSUED) for n in range(300)])
        write(settings, [command(alpha, n, Phase.FAILED) for n in range(0, 300, 2)])
        gone = [
            Kept(TABLES_COMMANDS, alpha.id(f"command-{n}"), None, alpha.subject) for n in (4, 5)
        ]
        write(settings, gone)
        wanted = tables_of(settings)
        assert wait_until(lambda: reader.ask(rows_of) == wanted, SECONDS)
        counts = reader.ask(lambda view: view.counts("commands", TenantScope((ALPHA,))))
        assert counts == {"PENDING_APPROVAL": 1, "COMPLETED": 2, "ISSUED": 149, "FAILED": 149}
        assert feed.failure is None


def test_a_file_is_gone_on_with_and_read_no_more_than_is_new(
    settings: Settings, tmp_path: Path
) -> None:
    alpha = Tenant(ALPHA)
    write(settings, [command(alpha, n, Phase.ISSUED) for n in range(50)])
    with kept(settings, tmp_path) as (feed, _):
        path, before = feed.file.path, dict(feed.positions)
    # What was read before is not read again: it may be spoilt without anybody noticing.
    with sqlite3.connect(path) as file:
        file.execute("UPDATE v_commands SET value = x'00' WHERE key = ?", (alpha.id("command-1"),))
    file.close()
    write(settings, [command(alpha, 2, Phase.FAILED)])
    with kept(settings, tmp_path) as (feed, reader):
        rows = reader.ask(rows_of)["commands"]
        assert feed.file.path == path
        assert all(feed.positions[place] >= at for place, at in before.items())
        assert rows[alpha.id("command-1")] == b"\0"
        assert len(rows) == 50


@pytest.mark.parametrize("harm", ["damaged", "old", "another start of the machine", "half made"])
def test_a_file_that_cannot_be_trusted_is_built_anew(
    settings: Settings, tmp_path: Path, harm: str
) -> None:
    write(settings, [command(Tenant(ALPHA), n, Phase.ISSUED) for n in range(5)])
    with kept(settings, tmp_path) as (feed, _):
        path = feed.file.path
    if harm == "damaged":
        path.write_bytes(b"no database" * 1_000)
    else:
        change = {
            "old": "UPDATE meta SET value = '1' WHERE name = 'written_at'",
            "another start of the machine": "UPDATE meta SET value = 'x' WHERE name = 'boot'",
            "half made": "DELETE FROM meta",
        }[harm]
        with sqlite3.connect(path) as file:
            file.execute(change)
            file.execute("UPDATE v_commands SET value = x'00'")
        file.close()
    with kept(settings, tmp_path) as (_, reader):
        wanted = tables_of(settings)
        assert wait_until(lambda: reader.ask(rows_of) == wanted, SECONDS)


def test_a_file_of_other_topics_is_left_alone_until_another_has_caught_up(
    kafka: str, tmp_path: Path
) -> None:
    with own_topics(kafka) as first:
        write(first, [command(Tenant(ALPHA), 1, Phase.ISSUED)])
        with kept(first, tmp_path) as (feed, _):
            old = feed.file.path
    with own_topics(kafka) as second, kept(second, tmp_path) as (feed, reader):
        assert feed.file.path != old
        assert not old.exists(), "what nothing reads any more stays"
        assert reader.ask(rows_of)["commands"] == {}


def test_two_gateways_do_not_share_a_folder(settings: Settings, tmp_path: Path) -> None:
    with kept(settings, tmp_path), pytest.raises(MendstreamError, match="VIEWS_DIRECTORY"):
        ViewFeed(settings, CODEC, tmp_path).__enter__()


def test_pages_of_several_tenants_are_one_list(settings: Settings, tmp_path: Path) -> None:
    alpha, bravo = Tenant(ALPHA), Tenant(BRAVO)
    write(settings, [command(alpha, n, Phase.ISSUED) for n in range(0, 40, 2)])
    write(settings, [command(bravo, n, Phase.ISSUED) for n in range(1, 40, 2)])
    with kept(settings, tmp_path) as (_, reader):
        for scope in (WHOLE, TenantScope((ALPHA, BRAVO))):
            query = PageQuery("issued_at", limit=7)
            rows = every_page(reader, scope, query)
            assert [row.order for row in rows] == [*reversed(range(40))]
        only = reader.ask(
            lambda view: view.page(
                "commands", TenantScope((ALPHA,)), PageQuery("issued_at", limit=PAGE_MAX)
            )
        )
        assert [row.order for row in only] == [*range(38, -1, -2)]


def test_a_search_finds_a_part_of_a_word_of_the_own_tenant_alone(
    settings: Settings, tmp_path: Path
) -> None:
    write(settings, [*Tenant(ALPHA).records(), *Tenant(BRAVO).records()])
    with kept(settings, tmp_path) as (_, reader):
        for scope, text, found in (
            (TenantScope((ALPHA,)), "uokka-check", {ALPHA}),
            (TenantScope((ALPHA,)), "ombat-check", set()),
            (TenantScope((ALPHA,)), '" OR tenant : "', set()),
            (TenantScope(()), "uokka-check", set()),
            (WHOLE, "-checkout", {ALPHA, BRAVO}),
        ):
            rows = reader.ask(lambda view, s=scope, t=text: view.search(s, t, 50))  # type: ignore[misc]
            assert {row.tenant for row in rows} == found, text


def test_a_search_has_room_for_the_own_tenant_whatever_others_have(
    settings: Settings, tmp_path: Path
) -> None:
    write(settings, [*Tenant(ALPHA).records()])
    with kept(settings, tmp_path) as (feed, reader):
        write(settings, [command(Tenant(BRAVO), n, Phase.ISSUED) for n in range(20)])
        wanted = {place: at for place, at in ends_of(settings, TABLES_COMMANDS).items() if at}
        assert wait_until(
            lambda: all(feed.positions[place] >= at for place, at in wanted.items()), SECONDS
        )
        rows = reader.ask(lambda view: view.search(TenantScope((ALPHA,)), "-checkout", 1))
        assert [row.tenant for row in rows] == [ALPHA]


def test_a_feed_killed_in_the_middle_of_writing_loses_and_doubles_nothing(
    settings: Settings, tmp_path: Path
) -> None:
    """A process is killed again and again while rows change; what it leaves is gone on with."""
    alpha, bravo = Tenant(ALPHA), Tenant(BRAVO)
    write_journal(settings)
    stop = threading.Event()

    def produce() -> None:
        number = 0
        while not stop.is_set():
            phases = [Phase.ISSUED, Phase.FAILED]
            some = [command(alpha, n % 997, phases[n % 2]) for n in range(number, number + 400)]
            some += [command(bravo, n % 499, phases[n % 2]) for n in range(number, number + 100)]
            some.append(
                Kept(TABLES_COMMANDS, alpha.id(f"command-{number % 997}"), None, alpha.subject)
            )
            write(settings, some)
            number += 401

    producer = threading.Thread(target=produce, name="producer")
    producer.start()
    try:
        for kill in range(KILLS):
            _killed_while_writing(settings, tmp_path, 0.02 + kill * 0.03)
    finally:
        stop.set()
        producer.join(SECONDS)
    with kept(settings, tmp_path) as (_, reader):
        wanted = tables_of(settings)
        assert wait_until(lambda: reader.ask(rows_of) == wanted, SECONDS)
        assert len(wanted["commands"]) > 1_000
        counts = reader.ask(lambda view: view.counts("commands", WHOLE))
        assert sum(counts.values()) == len(wanted["commands"])


def _killed_while_writing(settings: Settings, folder: Path, share: float) -> None:
    """Kills a feed once its file has grown. share: of a second after it began to write."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.gateway.victim", str(folder)],
        cwd=ROOT,
        env=environment(environment_of(settings)),
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"open\n"
    path = next(folder.glob("views-*.sqlite"))
    before = _written_at(path)
    assert wait_until(lambda: _written_at(path) > before, SECONDS), "it never wrote anything"
    wait_until(lambda: False, share)  # somewhere in the middle of what it does all the time
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


def _written_at(path: Path) -> int:
    with sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True) as file:
        row = file.execute("SELECT value FROM meta WHERE name = 'written_at'").fetchone()
    file.close()
    return int(row[0]) if row else 0
