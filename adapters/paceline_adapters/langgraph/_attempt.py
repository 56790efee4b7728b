"""One attempt at a job: how it begins, the run of the graph, and what it has come to."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import Command, StateSnapshot
from pydantic import ValidationError

from paceline import CannotGoOn, Job, JobContext, Suspend

from ._config import graph_config, section
from ._graph import Graph
from ._parts import Parts, output_of, text_of
from ._questions import refusal_of, suspend
from ._resuming import ASK, DONE, PAYLOAD, STANDS, Memory, memory_of, plan
from ._settings import Settings
from ._threads import Thread, Threads, fork, print_of
from ._watching import GraphStreamWatch, GraphWatch

__all__ = ["Attempt"]

# Of LangGraph's internals; without it an answer that comes again is given to the next question of its node.
# What is pending was looked at before, under the thread's lock: this is the second lock on that door.
_STRICT = "__pregel_strict_resume"


@dataclass(frozen=True, slots=True)
class _Finished:
    """There is nothing left to run: what the graph has come to."""

    output: Any


class Attempt:
    """Runs a graph once for a job."""

    def __init__(self, graph: Graph, threads: Threads, settings: Settings, job: Job, ctx: JobContext) -> None:
        self._graph: Graph = graph
        self._threads: Threads = threads
        self._settings: Settings = settings
        self._job: Job = job
        self._ctx: JobContext = ctx
        self._streaming: bool = ctx.streaming
        self._watch: GraphWatch | GraphStreamWatch = (GraphStreamWatch if self._streaming else GraphWatch)(
            ctx
        )
        self._config: RunnableConfig = graph_config(
            job, ctx, self._watch, settings.config, settings.recursion_limit
        )
        self._watch.run_id = self._config.get("run_id")

    async def run(self) -> object:
        """The graph's output, or what it asks."""
        if not self._graph.keeps:
            output = await self._run(self._job.payload)
            if self._watch.rests:
                raise CannotGoOn(
                    f"job {self._job.name!r}: its graph asks something and has no checkpointer, so it "
                    "could not go on with an answer: compile it with one, "
                    "builder.compile(checkpointer=InMemorySaver()), or AsyncSqliteSaver to survive a restart"
                )
            return output
        return await self._run_on_thread()

    async def _run_on_thread(self) -> object:
        memory = memory_of(self._job)
        thread = self._threads.of(self._job, self._ctx)
        thread_id = thread.id if memory is None else memory.thread_id
        configurable: dict[str, Any] = {**(self._config.get("configurable") or {}), "thread_id": thread_id}
        self._config["configurable"] = configurable
        given = await self._begin(thread, memory)
        if isinstance(given, Suspend):
            return given
        if isinstance(given, _Finished):
            return given.output
        if isinstance(given, Command):
            configurable[_STRICT] = True
        try:
            output = await self._run(given)
        except ValidationError as error:
            refusal = refusal_of(error)
            if refusal is None:
                raise
            # Of the answers that were given, those that are still wanted; which of them it was is not said.
            refused = dict.fromkeys(memory.asked if memory else (), refusal)
            return self._suspend(await self._graph.state(self._thread_id), refused)
        if self._watch.rests or self._graph.remote:
            return await self._rest(output)
        if memory is not None:
            self._ctx.checkpoint(None)  # should it be sent back from here, that is another run
        return output

    async def _rest(self, output: object) -> object:
        """What the graph asks; its output if it rests at its end, as remote ones always seem to."""
        if self._graph.breakpoints.anywhere:
            # Should it be cut short here, the next attempt is not to pass the breakpoint unasked.
            self._ctx.checkpoint(STANDS)
        snapshot = await self._graph.state(self._thread_id)
        return self._suspend(snapshot) if snapshot.next else output

    async def _begin(self, thread: Thread, memory: Memory | None) -> Any:
        """What to run the graph with; or a `Suspend`, if what it waits for is not there yet, or its end."""
        job = self._job
        first = self._ctx.attempt == 1 and memory is None
        configurable: dict[str, Any] = self._config.get("configurable") or {}
        if first and thread.own:
            # Ids of jobs are never used twice: there can be no such thread yet.
            await self._fork(thread)
            return job.payload
        mark = ""
        if not thread.own:
            mark = print_of(job.payload)
            self._config["metadata"] = {**self._config.get("metadata", {}), PAYLOAD: mark}
        if first and configurable.get("checkpoint_id"):
            return job.payload  # somebody wants to go on from there, wherever the thread is now
        configurable.pop("checkpoint_id", None)
        snapshot = await self._graph.state(self._thread_id)
        if snapshot.metadata is None:
            await self._fork(thread)
        known = not first and job.state != STANDS
        stops = self._graph.breakpoints
        given = plan(job, snapshot, memory, mark=mark, known=known, breakpoints=stops)
        if given is DONE:
            return _Finished(output_of(snapshot.values, self._graph.outputs))
        return self._suspend(snapshot) if given is ASK else given

    async def _fork(self, thread: Thread) -> None:
        saver = self._graph.saver
        if self._threads.forks and thread.own and saver is not None:
            await fork(saver, self._ctx, thread)

    def _suspend(self, snapshot: StateSnapshot, refused: Mapping[str, str] | None = None) -> Suspend:
        return suspend(snapshot, self._thread_id, self._settings.answer_timeout, refused)

    @property
    def _thread_id(self) -> str:
        return str(section(self._config.get("configurable"), "thread_id"))

    async def _run(self, given: Any) -> Any:
        arguments = self._graph.arguments(self._ctx, self._settings.context_of(self._job))
        if self._streaming:
            return await self._stream(given, arguments)
        output = await self._graph.runnable.ainvoke(given, self._config, **arguments)
        return None if output is None else output.value  # None: a server that sent nothing

    async def _stream(self, given: Any, arguments: Mapping[str, Any]) -> Any:
        modes, watch = self._settings.modes, self._watch
        parts = Parts(self._ctx, modes, opens=self._job.role != "primer")
        stream = self._graph.runnable.astream(
            given,
            self._config,
            stream_mode=list(dict.fromkeys((*modes, "values"))),
            subgraphs=self._settings.subgraphs,
            **arguments,
        )
        async with aclosing(stream):
            async for part in stream:
                watch.stop_if_cancelled()
                # Of models on a server nothing is heard but what they write.
                parts.take(part, speaks=self._graph.remote and text_of(part) != "")
        return output_of(parts.value, self._graph.outputs)
