"""One run of the SDK's, whole or as a stream, in an attempt at a job."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any, Literal, TypeAlias, cast

from agents import (
    Agent,
    RunErrorHandlers,
    Runner,
    RunResult,
    RunResultStreaming,
    RunState,
    Session,
    StreamEvent,
    TResponseInputItem,
)

from paceline import JobContext

from ._settings import Config
from ._watch import Watch

__all__ = ["Chunks", "Finished", "Given", "Running"]

Chunks: TypeAlias = Literal["text", "events"]
Finished: TypeAlias = RunResult | RunResultStreaming
Given: TypeAlias = str | list[TResponseInputItem] | RunState[Any]


class Running:
    """How the runs of one attempt are run."""

    __slots__ = ("_chunks", "_ctx", "_streamed", "run_config")

    def __init__(self, ctx: JobContext, run_config: Config | None, chunks: Chunks, *, streamed: bool) -> None:
        self._ctx: JobContext = ctx
        self._streamed: bool = streamed
        """Once for all of them: that somebody may begin to listen meanwhile does not fit the config."""
        self.run_config: Config | None = run_config
        self._chunks: Chunks = chunks

    async def run(
        self,
        agent: Agent[Any],
        given: Given,
        watch: Watch,
        *,
        max_turns: int | None,
        run_config: Config | None = None,
        error_handlers: RunErrorHandlers[Any] | None = None,
        session: Session | None = None,
    ) -> Finished:
        """Run an agent to its end, or to where it waits for approvals."""
        start = Runner.run_streamed if self._streamed else Runner.run
        started = cast("Any", start)(
            agent,
            given,
            context=watch.context,
            max_turns=max_turns,
            hooks=watch,
            run_config=run_config or self.run_config,
            error_handlers=error_handlers,
            session=session,
        )
        try:
            if isinstance(started, RunResultStreaming):
                await self._listen(started, watch)
                return started
            return cast("RunResult", await started)
        finally:
            watch.close()

    async def _listen(self, result: RunResultStreaming, watch: Watch) -> None:
        try:
            async with aclosing(cast("Any", result.stream_events())) as events:
                async for event in events:
                    try:
                        self._hear(event, watch)
                    except BaseException:
                        result.cancel()  # or closing the stream would wait for the run's own end
                        raise
        finally:
            # A run that was cancelled stops by itself. To cancel it again would break off its cleaning up.
            task = result.run_loop_task
            if task is not None and not task.done():
                await asyncio.wait([task])
        if task is not None:
            task.result()  # one that was cancelled from within only falls silent

    def _hear(self, event: StreamEvent, watch: Watch) -> None:
        delta = _delta(event)
        if delta is not None:
            watch.first_token()
        # Of a primer's chunks only a model's say that the prompt was read, and the watch has told that.
        opens = self._ctx.job.role != "primer"
        if self._chunks == "events":
            self._ctx.emit(event, first_token=opens)
        elif delta is not None and event.data.type == "response.output_text.delta":  # type: ignore[union-attr]
            self._ctx.emit(delta, first_token=opens)


def _delta(event: StreamEvent) -> str | None:
    """What a model has just said, be it text, reasoning or the arguments of a call."""
    if event.type != "raw_response_event" or not event.data.type.endswith(".delta"):
        return None
    delta: object = getattr(event.data, "delta", None)
    return delta if isinstance(delta, str) and delta else None
