"""What a person is told when something outside Mendstream is wrong: one sentence for the fault, one
for the remedy.
"""

from streams.runtime.redaction import redacted


class Told(Exception):
    """A fault whose sentence goes to logs, statuses and screens: whatever it quotes, no secret is
    in it.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(redacted(sentence))


class MendstreamError(Told):
    """A fault that the person at the keyboard can mend.

    The command line prints `error: <fault> <remedy>` and exits 1, without a traceback.
    """

    def __init__(self, fault: str, remedy: str) -> None:
        super().__init__(f"{fault} {remedy}")
        self.fault = redacted(fault)
        self.remedy = redacted(remedy)
