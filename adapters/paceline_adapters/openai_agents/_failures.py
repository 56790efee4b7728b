"""What an error of an agent's run means for its job."""

from __future__ import annotations

import time

from agents.exceptions import (
    AgentsException,
    InputGuardrailTripwireTriggered,
    MaxTurnsExceeded,
    ModelRefusalError,
    ModelTimeoutError,
    OutputGuardrailTripwireTriggered,
    ToolInputGuardrailTripwireTriggered,
    ToolOutputGuardrailTripwireTriggered,
    UserError,
)

from paceline import MISTAKES, Failure, JobError, classify_error

__all__ = ["classify"]

# What would only happen again: a guardrail has spoken, the turns are used up, the agent is built wrongly.
_FINAL = (
    InputGuardrailTripwireTriggered,
    MaxTurnsExceeded,
    ModelRefusalError,
    OutputGuardrailTripwireTriggered,
    ToolInputGuardrailTripwireTriggered,
    ToolOutputGuardrailTripwireTriggered,
    UserError,
)


def classify(error: BaseException) -> Failure:
    """Say whether another attempt may succeed, when, and whose fault it was.

    HTTP errors of any client by `classify_error`; a tool's error by what it was itself. Guardrails, too many
    turns, refusals and mistakes are final. A model that has called what there is not, or broken its form,
    may do better next time.
    """
    if isinstance(error, ModelTimeoutError):
        return Failure(True, fault="provider")
    if isinstance(error, UserError | JobError) and isinstance(error.__cause__, Exception):
        return classify(error.__cause__)  # the SDK's, and the engine's, way to tell of an error below
    if isinstance(error, _FINAL):
        return Failure(False, fault="request")
    if isinstance(error, AgentsException):
        return Failure(True)
    told = classify_error(error, now=time.time())
    if told is not None:
        return told
    return Failure(False, fault="request") if isinstance(error, MISTAKES) else Failure(True)
