"""A trainer behind HTTP, for retraining and improvement: one job for each command, however often it
is asked for.

POST of the command with its id as Idempotency-Key begins the job, or finds the one begun before;
GET of <url>/<id> tells how far it is: {"state": "RUNNING" | "DONE" | "FAILED", "detail": "...",
"progress": 0.4, "model_version": "v8"}, the last of what it made, once it is done. A job that
failed may be begun anew for a higher `attempt`.
"""

from typing import Any, Literal, Protocol
from urllib.parse import quote

from pydantic import BaseModel, Field, ValidationError

from schemas.records import Command, FailureCause, Status
from streams.executor.http_client import Answer, Caller
from streams.executor.placement import Unreachable, Unusable
from streams.executor.rollout.controller import Ending, expired
from streams.files.rendering import plain

ASK_SECONDS = 10.0  # between two questions how far a job is; trainings take minutes to days
_ANSWERS = {"DONE": Status.COMPLETED, "FAILED": Status.FAILED}


class Tell(Protocol):
    """Tells what is under way; step: what tells it from all else that is told of the command."""

    async def __call__(self, detail: str, step: str, *, progress: float | None = None) -> None: ...


class Job(BaseModel):
    """A job as its trainer describes it."""

    state: Literal["RUNNING", "DONE", "FAILED"]
    detail: str = ""
    model_version: str | None = Field(
        None, min_length=1, max_length=512
    )  # that it made, once it is done
    progress: float | None = Field(None, ge=0, le=1)


class Trainer:
    """url: of the jobs; each has the address <url>/<command_id>."""

    def __init__(self, caller: Caller, url: str, authorization: str = "") -> None:
        self._caller, self._url = caller, url.rstrip("/")
        self._headers = {"Authorization": authorization} if authorization else {}

    async def train(self, command: Command, say: Tell) -> Ending:
        """Begins the job or finds it, and follows it to its end."""
        try:
            late = self._caller.clock.now_ms() >= command.expires_at
            job = await self._found(command) if late else await self._begin(command)
            if job is None:
                return expired(command)
            while job.state == "RUNNING":
                await say(
                    _describe(job),
                    f"training {0 if job.progress is None else round(job.progress * 100)}",
                    progress=job.progress,
                )
                await self._caller.clock.rest(ASK_SECONDS)
                job = await self._patiently(command, say, job)
        except Unusable as error:
            return Ending(Status.FAILED, str(error), "unusable", FailureCause.DEPLOYER)
        return Ending(
            _ANSWERS[job.state],
            job.detail or f"the training {'failed' if job.state == 'FAILED' else 'ended'}",
            made_version=job.model_version if job.state == "DONE" else None,
        )

    async def _begin(self, command: Command) -> Job:
        key = {"Idempotency-Key": command.command_id}
        body: Any = {"kind": type(command).__name__, **plain(command)}
        answer = await self._caller.call("POST", self._url, body, {**self._headers, **key})
        if answer.status not in (200, 201, 202):
            raise answer.refused()
        return _job(answer)

    async def _patiently(self, command: Command, say: Tell, job: Job) -> Job:
        """How far the job is; as far as before while its trainer is away, because the job may well
        go on.
        """
        try:
            return await self._ask(command)
        except Unreachable as error:
            await say(str(error), "out of reach")
            return job

    async def _ask(self, command: Command) -> Job:
        return await self._found(command) or await self._begin(
            command
        )  # begun anew where the trainer has forgotten it

    async def _found(self, command: Command) -> Job | None:
        answer = await self._caller.call(
            "GET", f"{self._url}/{quote(command.command_id, safe='')}", headers=self._headers
        )
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise answer.refused()
        return _job(answer)


def _job(answer: Answer) -> Job:
    try:
        return Job.model_validate(answer.json())
    except ValidationError as error:
        first = error.errors()[0]
        raise Unusable(
            f"{answer.request} told of no job: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        ) from error


def _describe(job: Job) -> str:
    done = "" if job.progress is None else f"{job.progress:.0%} done"
    return ", ".join(part for part in (job.detail, done) if part) or "the training runs"
