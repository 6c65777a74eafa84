"""Records that no broker has seen, for folding in this process."""


class DeliveredRecord:
    """A record as a consumer would hand it over."""

    def __init__(self, value: bytes, offset: int, appended: int) -> None:
        """appended: the broker's moment, ms."""
        self._value, self._offset, self._appended = value, offset, appended

    def value(self) -> bytes:
        return self._value

    def key(self) -> None:
        return None

    def headers(self) -> None:
        return None

    def offset(self) -> int:
        return self._offset

    def timestamp(self) -> tuple[int, int]:
        return 2, self._appended
