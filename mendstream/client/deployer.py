"""Does a deployer's duties for a handler that carries commands out."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mendstream.client.connection import connection_of
from mendstream.client.following import LOOK_SECONDS, CommandIntake, OnRefused
from mendstream.client.handling import Answer, Handler, ending_of
from schemas.records import Command

CHECK_SECONDS = 10.0
ORDERS = ("ROLLBACK", "DEPLOY")  # a trainer's are RETRAIN and IMPROVE


class Commands:
    """Follows the command topics, and obeys each command once."""

    def __init__(
        self,
        bootstrap: str | None = None,
        *,
        state: str | Path,
        reporter: str,
        keys: str | Path | None = None,
        obeys: str | None = None,
        scheme_1_until_ms: int | None = None,
        orders: Sequence[str] = ORDERS,
        group: str | None = None,
        on_refused: OnRefused | None = None,
        topic_prefix: str | None = None,
        registry_url: str | None = None,
        registry_auth: str | None = None,
        kafka: Mapping[str, Any] | None = None,
        check_seconds: float = CHECK_SECONDS,
    ) -> None:
        """Connects; bootstrap, topic_prefix, registry_url, registry_auth and kafka are those of
        `Results`.

        state: the file in which commands that ended are remembered, of this process alone; it has
        to outlast a restart. reporter: the deployer's name in its reports. keys: the file of public
        keys whose signatures are obeyed, from `mendstream keys public`; without it whoever can
        write to the topics commands, which is logged. obeys: the consumer group of the processors
        that are obeyed, `mendstream` behind the topic prefix where absent. scheme_1_until_ms: from
        when on a signature of scheme 1 alone is refused. orders: of which orders. group: the
        consumer group of this deployer, `deployer` behind the prefix where absent. on_refused: is
        given what is not obeyed, besides the log. check_seconds: for which Kafka is waited for.

        Raises ClientError where Kafka or the registry does not answer, where a topic is missing, or
        where keys or state cannot be used.
        """
        connection = connection_of(bootstrap, topic_prefix, registry_url, registry_auth, kafka)
        self._follower = CommandIntake(
            connection, state, reporter, orders, group, on_refused, check_seconds
        )
        self._follower.open(keys, obeys, scheme_1_until_ms, check_seconds)

    def follow(self, handler: Handler) -> None:
        """Has a handler carry out each command that is to be, one after the other, until `stop`.

        The handler is called in a thread of its own, with the command, and is called again for the
        same one where the program died before it could note how it ended. It returns None, a
        sentence, or `Done`. It raises `CandidateFailed` where the version was put to work and did
        not do it, `Superseded` where a later command has the target; whatever else it raises is
        reported as the deployer's own failure, logged, and tried again by the processor.

        Raises ClientError where Kafka refuses this program or does not take a report; what was not
        answered then comes again.
        """
        with ThreadPoolExecutor(1, "mendstream-handler") as hands:
            while not self._follower.stopping:
                command = self._follower.next()
                if command is not None:
                    self._carry_out(hands.submit(handler, command), command)

    def report(
        self,
        detail: str = "",
        *,
        traffic_share: float | None = None,
        share_from: int | None = None,
        share_until: int | None = None,
    ) -> None:
        """Says, from within the handler, that its command goes on, and what share of the traffic
        the variant has, in [0, 1], from and until when (ms since 1970).

        That a command goes on is said by itself each quarter of an hour. Raises ClientError.
        """
        self._follower.report(detail, traffic_share, share_from, share_until)

    def stop(self) -> None:
        """Lets `follow` return once the command that is under way has ended; from any thread, and
        from a handler of signals.
        """
        self._follower.stop()

    def close(self) -> None:
        """Leaves the consumer group. What was not answered comes again."""
        self._follower.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _carry_out(self, running: Future[Answer], command: Command) -> None:
        while not wait((running,), LOOK_SECONDS).done:
            self._follower.keep()
        self._follower.end(ending_of(running.result, command))
