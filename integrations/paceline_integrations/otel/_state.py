"""All that one middleware has open, of any number of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from opentelemetry import context as contexts

from ._links import Upstreams
from ._open import RUN_KEY, Attempt, OpenRun, OpenScope

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Tracer

    from paceline import Job

    from ._content import Content

__all__ = ["State"]


@final
class State:
    """What has begun and not ended; by it one hook finds what another has begun."""

    __slots__ = ("all_runs", "bodies", "content", "jobs", "run_span", "runs", "scopes", "tracer", "upstreams")

    def __init__(self, tracer: Tracer, content: Content, *, run_span: bool) -> None:
        self.tracer: Tracer = tracer
        self.content: Content = content
        self.run_span: bool = run_span
        self.scopes: dict[int, OpenScope] = {}
        """By the identity of the scope, as `all_runs`: two engines may have a run of the same id."""
        self.runs: dict[str, OpenRun] = {}
        """By their ids; of two of the same id, the one opened last."""
        self.all_runs: dict[int, OpenRun] = {}
        self.jobs: dict[str, Attempt] = {}
        """The last attempt of each job that has begun and not ended."""
        self.bodies: dict[str, tuple[Job, OpenRun | None]] = {}
        """Jobs that may be graphs or flows, until they begin as such, or end."""
        self.upstreams: Upstreams = Upstreams()

    @property
    def open(self) -> int:
        """How much is kept: nothing, once all runs are over."""
        kept = (self.scopes, self.runs, self.all_runs, self.jobs, self.bodies, self.upstreams)
        return sum(len(each) for each in kept)

    def run_of_submitter(self, current: Context) -> OpenRun | None:
        """The run around the submitter, else the one opened last: jobs do not say theirs until they start."""
        run = contexts.get_value(RUN_KEY, current)
        if isinstance(run, OpenRun) and self.runs.get(run.scope.id) is run:
            return run
        return next(reversed(tuple(self.runs.values())), None)

    def run_of(self, job: Job) -> OpenRun | None:
        """The run of a job that does not run: the only one there is, or that in which its group is open."""
        runs = tuple(self.runs.values())
        if len(runs) == 1:
            return runs[0]
        told = job.headers.get("traceparent")
        for run in runs:
            group = None if job.group is None else run.groups.get(job.group)
            if group is not None and group.carrier.get("traceparent") == told:
                return run
        return None
