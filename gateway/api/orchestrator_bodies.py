"""What the improvement orchestrator's clients send, in their spelling."""

from typing import Annotated, Any

from pydantic import Field
from pydantic.alias_generators import to_camel

from gateway.web.lists import Name
from gateway.web.route import CamelBody

TRIES = 3  # of a command, as the processors make them
Text = Annotated[str, Field(max_length=512)]


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
    priority: Text | None = None
    max_retries: int = TRIES
    notification_channels: list[Text] = Field([], max_length=20)

    @classmethod
    def without_effect(cls) -> set[str]:
        return {"priority", "notification_channels"}


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
