"""Waiting for jobs of an engine: whoever gives up cancels what it waits for."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from paceline import Handle, JobCancelled, JobError, JobFailed, JobResult, JobSkipped, JobSuspended

__all__ = ["cancelling", "output_from_thread"]

_ERRORS: dict[str, type[JobError]] = {
    "failed": JobFailed,
    "cancelled": JobCancelled,
    "skipped": JobSkipped,
    "suspended": JobSuspended,
}


@contextmanager
def cancelling(handle: Handle) -> Generator[None]:
    """Whoever stops waiting for a job, other than by the job's own end, cancels it."""
    try:
        yield
    except JobError:
        raise
    except BaseException:
        handle.cancel("its caller gave up")
        raise


def output_from_thread(future: Future[JobResult]) -> Any:
    """Wait in another thread than the engine's for the output of a job.

    Raises:
        JobFailed, JobCancelled, JobSkipped, JobSuspended: as awaiting its handle does.
    """
    try:
        result = future.result()
    except BaseException:  # Ctrl-C, or a job around this one that was given up
        future.cancel()
        raise
    if result.ok:
        return result.output
    why = "" if result.error is None else f": {result.error.message}"
    cause = None if result.error is None else result.error.exception
    raise _ERRORS[result.status](
        result.id, result.name, f"job {result.name!r} {result.status}{why}"
    ) from cause
