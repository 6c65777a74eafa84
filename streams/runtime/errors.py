"""Tells a person that something outside Mendstream is wrong: one sentence for the fault, one for
the remedy.
"""

from streams.runtime.redaction import redacted


class RedactedError(Exception):
    """A fault whose sentence goes to logs, statuses and screens: whatever it quotes, no secret is
    in it.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(redacted(sentence))


class MendstreamError(RedactedError):
    """A fault that the person at the keyboard can mend.

    The command line prints `error: <fault> <remedy>` and exits 1, without a traceback.
    """

    def __init__(self, fault: str, remedy: str) -> None:
        super().__init__(f"{fault} {remedy}")
        self.fault = redacted(fault)
        self.remedy = redacted(remedy)


def cannot_read(
    what: object, error: Exception, remedy: str = "Name a file that can."
) -> MendstreamError:
    """Returns the fault of a file that cannot be read, to be raised from the error.

    what: the file, as a person calls it.
    """
    return MendstreamError(f"{what} cannot be read: {_cause(error)}.", remedy)


def cannot_write(what: object, error: OSError, remedy: str) -> MendstreamError:
    """Returns the fault of a file that cannot be written, to be raised from the error."""
    return MendstreamError(f"{what} cannot be written: {_cause(error)}.", remedy)


def _cause(error: Exception) -> str:
    """Returns why, without the number and the name that an OSError puts around it."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
