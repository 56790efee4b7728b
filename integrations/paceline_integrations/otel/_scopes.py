"""Spans of what holds attempts: runs, groups, graphs and flows."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from opentelemetry import context as contexts
from opentelemetry.context import set_value
from opentelemetry.trace import SpanKind

from paceline import Scope

from ._attempts import links_of, note_begin
from ._open import BODY_KEY, OpenRun, OpenScope
from ._parents import place
from ._telling import scope_attributes, scope_name, tell_scope_end
from ._watching import ATTEMPT_KEY

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Link

    from paceline import Job

    from ._state import State

__all__ = ["Scopes"]


@final
class Scopes:
    """Begins and ends them."""

    __slots__ = ("_state",)

    def __init__(self, state: State) -> None:
        self._state: State = state

    def begin_run(self, scope: Scope) -> None:
        """A run begins: what its block does is inside, in this context."""
        if id(scope) in self._state.all_runs:
            return  # an engine was given the same middleware twice
        around = contexts.get_current()
        top = self._open_scope(scope, around) if self._state.run_span else None
        run = OpenRun(scope, top, around)
        self._state.runs[scope.id] = self._state.all_runs[id(scope)] = run
        contexts.attach(run.inside)

    def begin_group(self, scope: Scope) -> None:
        """A group begins, in its opener's trace, or else in its run's; its members find it by its name."""
        if id(scope) in self._state.scopes:
            return
        current = contexts.get_current()
        run = self._run_of(scope)
        opened = self._open_scope(scope, place({}, run, current, (None, None)).context)
        run.groups[scope.name] = opened
        self._state.upstreams.began(scope.name, opened.context)

    def begin_body(self, scope: Scope) -> None:
        """A graph or flow begins, in a task of its own: all that it starts is inside."""
        if id(scope) in self._state.scopes:
            return
        current = contexts.get_current()
        run = self._run_of(scope)
        job, _ = self._state.bodies.pop(scope.id, (None, None))
        found = place({} if scope.job is None else scope.job.headers, run, current, (None if job is None else job.group, scope.parent))
        after = self._state.upstreams.take(scope.id)
        links = None if job is None else links_of(job, found, after, None, current)
        opened = self._open_scope(scope, set_value(ATTEMPT_KEY, None, found.context), job, links)
        run.bodies[scope.id] = opened
        if job is not None:
            note_begin(self._state, job, opened.span, found)
        opened.inside = set_value(BODY_KEY, opened, opened.inside)
        contexts.attach(opened.inside)

    def _open_scope(
        self, scope: Scope, around: Context, job: Job | None = None, links: list[Link] | None = None
    ) -> OpenScope:
        span = self._state.tracer.start_span(
            scope_name(scope, job), around, SpanKind.INTERNAL, scope_attributes(scope, job), links
        )
        opened = self._state.scopes[id(scope)] = OpenScope(scope, span, around)
        return opened

    def _run_of(self, scope: Scope) -> OpenRun:
        """The run of a group, graph or flow; one without a span, if there was no provider when it began."""
        run = self._state.runs.get(scope.run)
        if run is None:
            known = Scope("run", scope.run, scope.run, scope.run)
            self._state.runs[scope.run] = run = OpenRun(known, None, contexts.get_current())
        return run

    def end_scope(self, scope: Scope, error: BaseException | None) -> None:
        """A run, group, graph or flow is over."""
        opened = self._state.scopes.pop(id(scope), None)
        run = self._state.all_runs.pop(id(scope), None) or self._state.runs.get(scope.run)
        if run is not None and scope.kind == "run":
            self._end_run(run)
        elif run is not None and opened is not None:
            self._forget(run, opened)
        if opened is not None:
            try:
                if opened.span.is_recording():
                    tell_scope_end(opened.span, error, self._state.content)
            finally:
                opened.span.end()

    def _forget(self, run: OpenRun, opened: OpenScope) -> None:
        scope = opened.scope
        for map_id in opened.maps:
            self._state.upstreams.take(map_id)
        if scope.kind != "group":
            run.bodies.pop(scope.id, None)
        elif run.groups.get(scope.name) is opened:
            del run.groups[scope.name]

    def _end_run(self, run: OpenRun) -> None:
        # Not detach: another context may have been left open inside, or the block be left in another task.
        if contexts.get_current() is run.inside:
            contexts.attach(run.around)
        state, name = self._state, run.scope.id
        if state.runs.get(name) is not run:
            return  # another of the same name is open
        del state.runs[name]
        # What rests for ever: jobs that were suspended when the run was over, and what waits for them. And
        # jobs that were refused after they had been shown here.
        state.upstreams.forget(name)
        for job_id, (_, where) in tuple(state.bodies.items()):
            if where is run:
                del state.bodies[job_id]
        for job_id, attempt in tuple(state.jobs.items()):
            if attempt.run == name:
                state.jobs.pop(job_id).close()
