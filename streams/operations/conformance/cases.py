"""Asks a deployer case by case: each gives the sentence in which it is found wanting, or None."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.catalog import COMMANDS
from schemas.records import RollbackCommand, Status
from streams.operations.conformance.probe import Headers, Probe
from streams.signing.signer import Signer
from streams.signing.verifier import KEY_ID, SIGNATURE, SIGNATURE_2

Trial = Callable[[Probe], str | None]
SILENT = "it said nothing of a good command in time: is it running, and does it serve every target?"

_SIGNED_BY = (KEY_ID, SIGNATURE, SIGNATURE_2)


@dataclass(frozen=True, slots=True)
class Case:
    """signed: whether it is only for deployers that verify signatures; kills: whether it kills the
    deployer.
    """

    name: str
    trial: Trial
    signed: bool = False
    kills: bool = False

    def fault(self, probe: Probe) -> str | None:
        """In what the deployer is found wanting, None where it passes."""
        return self.trial(probe) or probe.wrong_effects(self.kills)


def carried_out(probe: Probe) -> str | None:
    command = probe.command()
    probe.send(command)
    if not probe.ended(command):
        return SILENT
    if probe.said(command) & {Status.FAILED, Status.REFUSED}:
        return (
            "it did not carry a good command out: "
            f"{probe.reports(command)[-1].detail or 'without a reason'}"
        )
    wrong = [one for one in probe.reports(command) if one.fencing_token != command.fencing_token]
    return (
        f"it reported fencing token {wrong[0].fencing_token}, not {command.fencing_token}"
        if wrong
        else None
    )


def twice(probe: Probe) -> str | None:
    command = probe.command()
    probe.send(command)
    probe.send(command)
    if not probe.passed():
        return SILENT
    ends = {one.event_id for one in probe.reports(command) if one.status == Status.COMPLETED}
    if len(ends) > 1:
        return "it carried the same command out twice: two COMPLETED with event_ids of their own"
    return None if ends else "it did not carry out a command that came twice"


def tried_again(probe: Probe) -> str | None:
    first = probe.command()
    probe.send(first)
    if not probe.ended(first):
        return SILENT
    again = replace(probe.command(), command_id=first.command_id, attempt=2)
    probe.send(again)
    if not probe.ended(again):
        return "it did not answer a second attempt at a command that it had finished"
    return (
        None
        if Status.COMPLETED in probe.said(again)
        else "it did not answer a second attempt with how the first ended"
    )


def impatient(probe: Probe) -> str | None:
    """The processor heard of nothing in time, and tries again while the first attempt may be under
    way.
    """
    first = probe.command()
    again = replace(probe.command(), command_id=first.command_id, attempt=2)
    probe.send(first)
    probe.send(again)
    if not probe.ended(again):
        return "it did not answer a second attempt that came while the first was under way"
    return (
        None
        if Status.COMPLETED in probe.said(again)
        else "it refused a second attempt at what it had carried out"
    )


def replayed(probe: Probe) -> str | None:
    old = probe.command()
    probe.send(old)
    if not probe.ended(old) or not probe.passed():
        return SILENT
    before = {one.event_id for one in probe.reports(old) if one.status == Status.COMPLETED}
    probe.send(old)
    if not probe.passed():
        return "after an old command that came again it did not go on with the next"
    after = {one.event_id for one in probe.reports(old) if one.status == Status.COMPLETED}
    return None if before == after else "it carried out an old command again, on top of a newer one"


def stale(probe: Probe) -> str | None:
    old, new = probe.command(), probe.command()
    probe.send(new)
    if not probe.ended(new):
        return SILENT
    return _left_alone(
        probe, old, lambda: probe.send(old), "a fencing token older than the target's last"
    )


def expired(probe: Probe) -> str | None:
    late = probe.command(expires_at=1)
    return _left_alone(probe, late, lambda: probe.send(late), "a time that had passed")


def aborted(probe: Probe) -> str | None:
    command = probe.command()
    probe.send(command, abort=True)
    if not probe.passed():
        return SILENT
    said = sorted(probe.said(command))
    return (
        f"it reads what was aborted, and said {said[0]}: set isolation.level=read_committed"
        if said
        else None
    )


def unsigned(probe: Probe) -> str | None:
    command = probe.command()

    def bare(value: bytes, headers: Headers) -> tuple[bytes, Headers]:
        return value, [one for one in headers if one[0] not in _SIGNED_BY]

    return _left_alone(
        probe, command, lambda: probe.send(command, bare), "no signature", genuine=False
    )


def _thief(probe: Probe) -> Signer:
    """Who signs as the processor does, with a key of his own."""
    key, signer = Ed25519PrivateKey.generate(), probe.signer
    if signer is None:
        return Signer(key)
    return Signer(key, signer.origin, topic_prefix=signer.topic_prefix)


def forged(probe: Probe) -> str | None:
    command, thief = probe.command(), _thief(probe)

    def signed(value: bytes, headers: Headers) -> tuple[bytes, Headers]:
        kept = [one for one in headers if one[0] not in _SIGNED_BY]
        return value, [*kept, *thief.headers(COMMANDS["ROLLBACK"], command.subject, value, command)]

    return _left_alone(
        probe,
        command,
        lambda: probe.send(command, signed),
        "a signature of a key that nobody trusts",
        genuine=False,
    )


def resigned(probe: Probe) -> str | None:
    command, thief = probe.command(), _thief(probe)

    def signed(value: bytes, headers: Headers) -> tuple[bytes, Headers]:
        others = dict(thief.headers(COMMANDS["ROLLBACK"], command.subject, value, command)[1:])
        return value, [(name, others.get(name, text)) for name, text in headers]

    return _left_alone(
        probe,
        command,
        lambda: probe.send(command, signed),
        "a trusted key's id and another's signature",
        genuine=False,
    )


def altered(probe: Probe) -> str | None:
    command = probe.command()

    def changed(value: bytes, headers: Headers) -> tuple[bytes, Headers]:
        return value.replace(b"baseline", b"evilline"), headers

    return _left_alone(
        probe,
        command,
        lambda: probe.send(command, changed),
        "another content than was signed",
        genuine=False,
    )


def rekeyed(probe: Probe) -> str | None:
    command = probe.command()
    return _left_alone(
        probe,
        command,
        lambda: probe.send(command, key="another-subject"),
        "another key than its subject",
        genuine=False,
    )


def crashed(restart: str) -> Trial:
    """restart: a shell command that ends the deployer as kill -9 does and starts it again."""

    def trial(probe: Probe) -> str | None:
        command = probe.command()
        probe.send(command)
        if not probe.until(lambda: bool(probe.said(command))):
            return SILENT
        done = subprocess.run(restart, shell=True, check=False)  # the person's own command
        if done.returncode != 0:
            return f"{restart!r} ended with {done.returncode}"
        if not probe.ended(command) or not probe.passed():
            return "after its crash it never said how the command ended"
        ends = {one.event_id for one in probe.reports(command) if one.status == Status.COMPLETED}
        return (
            None
            if len(ends) == 1
            else f"after its crash it said {len(ends)} times that the command was completed"
        )

    return trial


def _left_alone(
    probe: Probe, bad: RollbackCommand, send: Callable[[], None], what: str, genuine: bool = True
) -> str | None:
    """A bad command must not be carried out, and must not keep the deployer from the next one.

    genuine: it is the processor's own, so it is to be answered; what is forged may bear the id of a
    real command.
    """
    send()
    if not probe.passed():
        return f"after a command with {what} it did not go on with the next"
    if Status.COMPLETED in probe.said(bad):
        return f"it carried out a command with {what}"
    if not genuine:
        return (
            f"it answered a command with {what}, which may bear the id of a real one"
            if probe.said(bad)
            else None
        )
    refused = Status.REFUSED in probe.said(bad)
    return None if refused else f"it left a command with {what} alone, but did not say REFUSED"


CASES = (
    Case("carries a good command out and says so", carried_out),
    Case("carries out once what comes twice", twice),
    Case("answers a second attempt with how the first ended", tried_again),
    Case("answers a second attempt that comes before the first has ended", impatient),
    Case("leaves alone what is replayed", replayed),
    Case("refuses a stale fencing token", stale),
    Case("refuses what has expired", expired),
    Case("does not see what was aborted", aborted),
    Case("refuses an unsigned command", unsigned, signed=True),
    Case("refuses a key that nobody trusts", forged, signed=True),
    Case("refuses a trusted key's name over another's signature", resigned, signed=True),
    Case("refuses another content than was signed", altered, signed=True),
    Case("refuses another key than the subject", rekeyed, signed=True),
)
