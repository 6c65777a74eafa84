"""What clients say over a WebSocket, and how updates are told."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from schemas.validation.text import EVERYTHING

PROTOCOL = "mendstream.v1"
BEARER_PROTOCOL = "base64url.bearer.mendstream."  # followed by the token, as Kubernetes does it
MESSAGE_BYTES_MAX = 65_536
# What may be followed, and the views of which each is made.
FOLLOWED = {
    "commands": ("commands", "transitions"),
    "alerts": ("alerts", "alert-log"),
    "decisions": ("decisions",),
    "experiments": ("experiments", "arms", "points"),
    "trust": ("trust", "agent-days"),
    "failures": ("failures",),
    "cycles": ("cycles", "learning"),
    "metrics": ("metrics", "anomalies"),
    "subjects": ("subjects",),
    "patterns": ("patterns", "signals"),
    "events": ("decisions", "transitions", "failures", "alert-log", "cycles"),
}
Name = Annotated[str, Field(min_length=1, max_length=512)]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Subscribe(_Message):
    """Follow a workflow, or the rows of a view, of one subject or of all that begin so.

    from: a position that the snapshot must rest on.
    """

    type: Literal["subscribe"]
    workflow_id: Name | None = Field(None, alias="workflowId")
    id: Name | None = None
    view: Name | None = None  # one of FOLLOWED
    subject: Name | None = None
    from_: Annotated[str, Field(max_length=8_192)] | None = Field(None, alias="from")

    @model_validator(mode="after")
    def _one_of_two(self) -> "Subscribe":
        if (self.workflow_id is None) == (self.view is None):
            raise ValueError("name a workflowId, or a view")
        if self.view is not None and self.view not in FOLLOWED:
            raise ValueError(f"{self.view} is none of {', '.join(FOLLOWED)}")
        if self.view is not None and self.id is None:
            raise ValueError("a subscription of a view has an id")
        if self.workflow_id is not None and (self.subject or self.id):
            raise ValueError("a workflowId is all that names it")
        return self

    @property
    def name(self) -> str:
        """What the client calls the subscription."""
        return f"workflow {self.workflow_id}" if self.view is None else f"view {self.id}"

    def wants(self, subject: str) -> bool:
        """Returns whether a row of a subject, or of an agent, is followed."""
        if self.subject is None:
            return True
        if self.subject.endswith(EVERYTHING):
            return subject.startswith(self.subject.removesuffix(EVERYTHING))
        return subject == self.subject


class Unsubscribe(_Message):
    """Follow something no more."""

    type: Literal["unsubscribe"]
    workflow_id: Name | None = Field(None, alias="workflowId")
    id: Name | None = None

    @property
    def name(self) -> str:
        """What the client called the subscription."""
        return f"view {self.id}" if self.id is not None else f"workflow {self.workflow_id}"


class Ping(_Message):
    """Is anybody there?"""

    type: Literal["ping"]


ClientMessage = Subscribe | Unsubscribe | Ping
MESSAGES: TypeAdapter[ClientMessage] = TypeAdapter(
    Annotated[ClientMessage, Field(discriminator="type")]
)


def error(code: str, detail: str) -> dict[str, Any]:
    """A message that could not be followed."""
    return {"type": "error", "code": code, "detail": detail}
