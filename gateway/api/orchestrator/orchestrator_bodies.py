"""What the improvement orchestrator's clients send, in their spelling."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic.alias_generators import to_camel

from gateway.api.orders import PriorityWord
from gateway.web.lists import Name
from gateway.web.route import CamelBody

USUAL_RETRIES = 3  # that clients of the orchestrator say; the processors make one fewer
Text = Annotated[str, Field(max_length=512)]


def _upper(word: object) -> object:
    return word.upper() if isinstance(word, str) else word


class WorkflowBody(CamelBody):
    """What every workflow is of. `autoApprove` may not be true: who asks does not approve."""

    model_type: Name
    auto_approve: bool = False

    @property
    def subject(self) -> str:
        return self.model_type

    def unused(self) -> list[str]:
        """The fields that were sent and change nothing."""
        return sorted(to_camel(name) for name in self.model_fields_set & self.without_effect())

    @classmethod
    def without_effect(cls) -> set[str]:
        return set()


class ImproveBody(WorkflowBody):
    """Improve a model, after a failure of it."""

    failure_id: Name | None = None
    priority: Annotated[PriorityWord, BeforeValidator(_upper)] | None = None
    max_retries: Annotated[int, Field(ge=0, le=USUAL_RETRIES)] = USUAL_RETRIES
    notification_channels: list[Text] = Field([], max_length=20)

    @property
    def retries(self) -> int | None:
        """How often the command is tried again at most; None: as often as the processors do."""
        return None if self.max_retries == USUAL_RETRIES else self.max_retries

    def unused(self) -> list[str]:
        usual = {"maxRetries"} if self.max_retries == USUAL_RETRIES else set()
        return sorted({*super().unused(), *(usual & {to_camel(n) for n in self.model_fields_set})})

    @classmethod
    def without_effect(cls) -> set[str]:
        return {"notification_channels"}


class RetrainBody(WorkflowBody):
    """Train a model anew."""

    base_model_id: Name | None = None
    improvements: list[Any] = Field([], max_length=100)
    hyperparameter_search: Any = None
    validation_strategy: Any = None

    @classmethod
    def without_effect(cls) -> set[str]:
        return {"improvements", "hyperparameter_search", "validation_strategy"}


class DeployBody(WorkflowBody):
    """Put a version of a model in service."""

    model_id: Name
    environment: Name = "production"
    strategy: Text | None = None
    auto_promote: bool | None = None
    rollback_on_failure: bool | None = None

    @classmethod
    def without_effect(cls) -> set[str]:
        return {"strategy", "auto_promote", "rollback_on_failure"}


class WorkflowReviewBody(CamelBody):
    """A person's word; the digest may stand in `If-Match` instead."""

    digest: Name | None = None
    comment: Text = ""


class ReasonBody(CamelBody):
    """Why it is taken back."""

    reason: Text = ""
