"""One attempt at a job: how it begins, the run of the graph, and what it has come to."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.types import Command, StateSnapshot
from pydantic import ValidationError

from paceline import Job, JobContext

from ._config import graph_config
from ._failures import CannotGoOn
from ._graph import Graph
from ._parts import Parts, output_of, text_of
from ._questions import refusal_of, suspend
from ._resuming import ASK, PAYLOAD, STANDS, Memory, memory_of, plan
from ._settings import Settings
from ._threads import Thread, Threads, fork, print_of
from ._watching import GraphStreamWatch, GraphWatch

__all__ = ["Attempt"]

# Of LangGraph's internals; without it an answer that comes again is given to the next question of its node.
# What is pending was looked at before, under the thread's lock: this is the second lock on that door.
_STRICT = "__pregel_strict_resume"


class Attempt:
    """Runs a graph once for a job."""

    def __init__(self, graph: Graph, threads: Threads, settings: Settings, job: Job, ctx: JobContext) -> None:
        self._graph = graph
        self._threads = threads
        self._settings = settings
        self._job = job
        self._ctx = ctx
        self._streaming = ctx.streaming
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
        given, snapshot = await self._begin(thread, memory)
        if given is ASK and snapshot is not None:
            return suspend(snapshot, thread_id, self._settings.answer_timeout)
        if isinstance(given, Command):
            configurable[_STRICT] = True
        try:
            output = await self._run(given)
        except ValidationError as error:
            refusal = refusal_of(error)
            if refusal is None:
                raise
            # Of the answers that were given, those that are still wanted; which of them it was is not said.
            snapshot = await self._graph.state(thread_id)
            refused = dict.fromkeys(memory.asked if memory else (), refusal)
            return suspend(snapshot, thread_id, self._settings.answer_timeout, refused)
        if self._watch.rests or self._graph.remote:
            return await self._rest(thread_id, output)
        return output

    async def _rest(self, thread_id: str, output: object) -> object:
        """What the graph asks; its output if it rests at its end, as remote ones always seem to."""
        if self._graph.breakpoints.anywhere:
            # Should it be cut short here, the next attempt is not to pass the breakpoint unasked.
            self._ctx.checkpoint(STANDS)
        snapshot = await self._graph.state(thread_id)
        return suspend(snapshot, thread_id, self._settings.answer_timeout) if snapshot.next else output

    async def _begin(self, thread: Thread, memory: Memory | None) -> tuple[Any, StateSnapshot | None]:
        """What to run the graph with, and the thread as it was found, if somebody had to look."""
        job, saver = self._job, self._graph.saver
        forks = self._threads.forks and thread.own and saver is not None
        first = self._ctx.attempt == 1 and memory is None
        configurable: dict[str, Any] = self._config.get("configurable") or {}
        if first and thread.own:
            # Ids of jobs are never used twice: there can be no such thread yet.
            if forks and saver is not None:
                await fork(saver, self._ctx, thread)
            return job.payload, None
        mark = ""
        if not thread.own:
            mark = print_of(job.payload)
            self._config["metadata"] = {**self._config.get("metadata", {}), PAYLOAD: mark}
        if first and configurable.get("checkpoint_id"):
            return job.payload, None  # somebody wants to go on from there, wherever the thread is now
        configurable.pop("checkpoint_id", None)
        snapshot = await self._graph.state(configurable["thread_id"])
        if forks and saver is not None and snapshot.metadata is None:
            await fork(saver, self._ctx, thread)
        known = not first and job.state != STANDS
        stops = self._graph.breakpoints
        return plan(job, snapshot, memory, mark=mark, known=known, breakpoints=stops), snapshot

    async def _run(self, given: Any) -> Any:
        arguments = self._graph.arguments(self._ctx, self._settings.context_of(self._job))
        if self._streaming:
            return await self._stream(given, arguments)
        output = await self._graph.runnable.ainvoke(given, self._config, **arguments)
        return None if output is None else output.value  # None: a server that sent nothing

    async def _stream(self, given: Any, arguments: Mapping[str, Any]) -> Any:
        modes, watch = self._settings.modes, self._watch
        parts = Parts(self._ctx, modes, holding=self._job.role == "primer")
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
                spoke = watch.spoke or (self._graph.remote and text_of(part) != "")
                parts.take(part, spoke=spoke)
        parts.let_go()
        return output_of(parts.value, self._graph.outputs)
