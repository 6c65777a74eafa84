"""Three brokers: leaders and coordinators die under load, and too few replicas stay in sync to
write anything.
"""

from collections.abc import Callable

from schemas.catalog import JOURNAL
from streams.kafka.admin.topics import create
from streams.kafka.embedded.storage import SETTINGS
from streams.kafka.reading import admin
from streams.runtime.clock import wait_until
from streams.runtime.settings import Settings
from tests.support.faults.case import Case, Outcome, Setting
from tests.support.faults.cluster import BROKERS, Cluster
from tests.support.faults.judge import judged
from tests.support.faults.work import at_work

WITHIN = 10.0
THIN_SECONDS = 5.0  # without enough replicas in sync
Strike = Callable[[Cluster, Settings], None]


def leader_dies(cluster: Cluster, _: Settings) -> None:
    cluster.kill(cluster.leader(JOURNAL, 0))


def leader_leaves(cluster: Cluster, _: Settings) -> None:
    cluster.stop(cluster.leader(JOURNAL, 1))


def transaction_coordinator_dies(cluster: Cluster, settings: Settings) -> None:
    cluster.kill(coordinator(cluster, "__transaction_state", f"{settings.group}-{settings.slot}"))


def group_coordinator_dies(cluster: Cluster, settings: Settings) -> None:
    cluster.kill(coordinator(cluster, "__consumer_offsets", settings.group))


def replicas_die(cluster: Cluster, _: Settings) -> None:
    """Two of three: what is left refuses to write. It ends when two are in sync again
    everywhere.
    """
    for node in BROKERS[1:]:
        cluster.kill(node)
    cluster.thins(in_sync=1)
    wait_until(lambda: False, THIN_SECONDS)
    cluster.revives()
    cluster.heals(in_sync=2)


STRIKES: tuple[Strike, ...] = (
    leader_dies,
    transaction_coordinator_dies,
    replicas_die,
    group_coordinator_dies,
    leader_leaves,
    transaction_coordinator_dies,
    leader_dies,
    replicas_die,
)


def coordinator(cluster: Cluster, topic: str, name: str) -> int:
    """Who coordinates a transactional id or a group: the leader of the partition that Java's hash
    of its name gives.
    """
    hashed = 0
    for letter in name:
        hashed = (31 * hashed + ord(letter)) & 0xFFFF_FFFF
    setting = {
        "__transaction_state": "transaction.state.log",
        "__consumer_offsets": "offsets.topic",
    }[topic]
    return cluster.leader(
        topic, (hashed & 0x7FFF_FFFF) % int(SETTINGS[f"{setting}.num.partitions"])
    )


def strike_all(setting: Setting) -> Outcome:
    """The dead stay dead until the processor has recovered; each strike falls on a whole
    cluster.
    """
    with Cluster(setting.directory) as cluster:
        settings = Settings(bootstrap=cluster.bootstrap, replication=len(BROKERS))
        create(admin(settings), settings)
        with at_work(settings, setting.directory) as work:

            def struck(strike: Strike) -> float:
                cluster.revives()
                work.goes_on(cluster.heals)
                seconds = work.suffers(lambda: strike(cluster, settings))
                print(f"   {strike.__name__}: {seconds:.2f} s", flush=True)
                return seconds

            slowest = max(struck(strike) for strike in STRIKES)
            cluster.revives()
            ends = work.finishes()
        return Outcome(len(STRIKES), judged(settings, ends), slowest)


CASES = (
    Case(
        "three brokers: leaders and coordinators change, replicas fall out of sync",
        strike_all,
        WITHIN,
        quick=False,
    ),
)
