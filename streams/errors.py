"""What a person is told when something outside Mendstream is wrong: one sentence for the fault, one for the remedy."""


class MendstreamError(Exception):
    """A fault that the person at the keyboard can mend.

    The command line prints `error: <fault> <remedy>` and exits 1, without a traceback.
    """

    def __init__(self, fault: str, remedy: str) -> None:
        super().__init__(f"{fault} {remedy}")
        self.fault = fault
        self.remedy = remedy
