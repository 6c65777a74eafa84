"""How a command ended, as those understand it who ordered it."""

from dataclasses import dataclass
from enum import Enum, auto


class EndedHow(Enum):
    """Names what the end of a command is for the verdict that led to it."""

    NOT_YET = auto()  # it is not over: what it left half done is being undone
    SERVED = auto()
    UNSERVED = auto()
    DENIED = auto()  # by a person
    OVERTAKEN = auto()  # a later order has its target


@dataclass(frozen=True, slots=True)
class End:
    """How a command ended. moved: it may have moved the traffic. asks: why a person is asked before
    another is sent.
    """

    how: EndedHow
    moved: bool = False
    asks: str = ""
