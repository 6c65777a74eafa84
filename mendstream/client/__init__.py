"""Sends results and metrics, and follows commands: what a program needs to work with Mendstream.

It needs confluent-kafka and fastavro, and cryptography where commands are verified. What is to be
used stands in `__all__`; docs/client.md shows how.
"""

from mendstream.client.deployer import Commands
from mendstream.client.deployer_asyncio import AsyncCommands
from mendstream.client.duties import NotObeyed
from mendstream.client.exceptions import (
    ClientError,
    DeliveryFailed,
    FlushTimedOut,
    InvalidRecord,
    Undelivered,
)
from mendstream.client.handling import CandidateFailed, Done, Superseded
from mendstream.client.observations import Metrics, Results
from mendstream.client.observations_asyncio import AsyncMetrics, AsyncResults
from schemas.records import (
    Command,
    DeployCommand,
    ExperimentResult,
    ImproveCommand,
    ModelMetric,
    RetrainCommand,
    RollbackCommand,
)

__all__ = [
    "AsyncCommands",
    "AsyncMetrics",
    "AsyncResults",
    "CandidateFailed",
    "ClientError",
    "Command",
    "Commands",
    "DeliveryFailed",
    "DeployCommand",
    "Done",
    "ExperimentResult",
    "FlushTimedOut",
    "ImproveCommand",
    "InvalidRecord",
    "Metrics",
    "ModelMetric",
    "NotObeyed",
    "Results",
    "RetrainCommand",
    "RollbackCommand",
    "Superseded",
    "Undelivered",
]
