"""What the spans of jobs and scopes are called, and what they say."""

from __future__ import annotations

import re
from asyncio import CancelledError
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import StatusCode

from paceline import JobCancelled

from . import _names as names
from ._values import Attributes, clean, error_type, told_by_metadata, usage_attributes

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from paceline import Job, Scope, Settled

    from ._content import Content
    from ._open import Attempt

__all__ = ["attempt_name", "job_attributes", "scope_attributes", "scope_name", "tell_end", "tell_scope_end"]


def attempt_name(job: Job) -> str:
    """What an attempt's span is called: few names for many jobs, so not by their ids and positions."""
    name = _given_name(job)
    if job.role in {"primer", "follower"}:
        return clean(f"{job.role} {name or job.executor}")
    return clean(name or f"{job.role} {job.executor}")


def _given_name(job: Job) -> str | None:
    """The name that a person or a graph gave the job, without the positions of maps that it is in."""
    if job.name in {job.id, job.key}:
        return None
    if job.key is None or job.parent is None:
        return job.name
    return _POSITION.sub("", job.name)


_POSITION = re.compile(r"\[\d+\]")


def job_attributes(job: Job) -> Attributes:
    """What is known of a job before it runs."""
    told: Attributes = {
        names.RUN_ID: clean(job.run),
        names.JOB_ID: job.id,
        names.LANE: clean(job.lane),
        names.ROLE: job.role,
        names.EXECUTOR: clean(job.executor),
        names.SHOWN_AS: "CHAIN",
    }
    if job.name != job.id:
        told[names.JOB_NAME] = clean(job.name)
    if job.group is not None:
        told[names.GROUP] = clean(job.group)
    if job.key is not None and job.key != job.name:
        told[names.JOB_KEY] = clean(job.key)
    if job.after:
        told[names.AFTER] = len(job.after)
    if job.metadata:
        told.update(told_by_metadata(job.metadata))
    return told


def scope_name(scope: Scope) -> str:
    """What the span of a run, group, graph or flow is called."""
    if scope.kind == "group":
        return clean(f"paceline.group {scope.name}")
    return f"{names.WORKFLOW_OPERATION} {_workflow(scope) or scope.kind}"


def _workflow(scope: Scope) -> str | None:
    """The name of a run, if somebody gave it one; of a graph or flow, rather than its job's id."""
    if scope.job is not None:
        return clean(_given_name(scope.job) or scope.job.executor)
    return None if _MADE_UP.fullmatch(scope.name) else clean(scope.name)


_MADE_UP = re.compile(r"[0-9a-f]{12}-[0-9a-f]{8}")
"""The id of a run that was given none: no name, for there is a new one each time."""


def scope_attributes(scope: Scope) -> Attributes:
    """What is known of a scope when it opens."""
    told: Attributes = {names.RUN_ID: clean(scope.run), names.SHOWN_AS: "CHAIN"}
    if scope.kind == "group":
        told[names.GROUP] = clean(scope.name)
        told[names.GROUP_ID] = clean(scope.id)
    else:
        told[names.OPERATION] = names.WORKFLOW_OPERATION
        if (workflow := _workflow(scope)) is not None:
            told[names.WORKFLOW] = workflow
    if scope.job is not None:
        told.update(job_attributes(scope.job))
    if scope.lane is not None:
        told[names.LANE] = clean(scope.lane)
    if scope.metadata:
        told.update(told_by_metadata(scope.metadata))
    return told


def tell_end(attempt: Attempt, settled: Settled, content: Content) -> None:
    """How an attempt ended, or a job without one."""
    span = attempt.span
    told: Attributes = {names.OUTCOME: settled.outcome}
    if settled.usage is not None:
        told.update(usage_attributes(settled.usage, told_below=attempt.usage_told))
        if names.INPUT_TOKENS in told or names.OUTPUT_TOKENS in told:
            told[names.SHOWN_AS] = "LLM"  # backends show tokens and their price on these
    if settled.retry_in is not None:
        told[names.RETRY_DELAY] = settled.retry_in
    error = settled.error
    if error is not None:
        told.update(error_type(error))
    span.set_attributes(told)
    if settled.outcome == "suspended":
        _tell_questions(span, attempt.asked, content)
    if settled.outcome == "failed":
        _tell_failure(span, error, content)


def tell_scope_end(span: Span, error: BaseException | None, content: Content) -> None:
    """How a scope ended."""
    if error is None:
        span.set_attribute(names.OUTCOME, "succeeded")
    elif _is_cancellation(error):
        span.set_attributes({names.OUTCOME: "cancelled", **error_type(error)})
    else:
        span.set_attributes({names.OUTCOME: "failed", **error_type(error)})
        _tell_failure(span, error, content)


def _is_cancellation(error: BaseException) -> bool:
    return isinstance(error, CancelledError | JobCancelled | KeyboardInterrupt)


def _tell_failure(span: Span, error: BaseException | None, content: Content) -> None:
    """The status; with the message only where content may leave, for messages quote prompts."""
    message = content.text(_message(error)) if error is not None and content.captured else None
    span.set_status(StatusCode.ERROR, message)
    if error is not None and message is not None:
        kind: Any = error_type(error)[names.ERROR_TYPE]
        span.add_event(names.EXCEPTION, {names.EXCEPTION_TYPE: kind, names.EXCEPTION_MESSAGE: message})


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # noqa: BLE001 - an error whose own __str__ fails must not hide that it failed
        return f"<no message: its __str__ raised {type(broken).__name__}>"


def _tell_questions(span: Span, asked: tuple[Any, ...], content: Content) -> None:
    told: Attributes = {names.ASKED: len(asked)}
    shown = [text for question in asked if (text := content.text(question.value)) is not None]
    if shown:
        told[names.QUESTION] = tuple(shown)
    span.add_event(names.SUSPENDED, told)
