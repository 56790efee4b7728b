"""Running a LangGraph graph as jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast, final

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.graph import StateGraph
from langgraph.pregel.protocol import PregelProtocol
from langgraph.types import Durability, StreamMode

from paceline import Failure, Job, JobContext
from paceline_adapters._langchain_core import close_streams, refuse_run_id

from ._attempt import Attempt
from ._config import section
from ._failures import classify
from ._graph import Graph
from ._settings import Settings
from ._threads import ThreadOf, Threads

__all__ = ["GraphExecutor", "adapt"]


def adapt(obj: object) -> GraphExecutor | None:
    """Make an executor of a graph; this is what `as_executor` calls. None of LangGraph's other parts.

    Raises:
        TypeError: if the graph is not compiled.
    """
    if not isinstance(obj, PregelProtocol | StateGraph):
        return None  # a ToolNode, say: it runs as any Runnable does
    return GraphExecutor(cast("Any", obj))


@final
class GraphExecutor:
    """Runs a compiled graph, unchanged: a job's payload is its input, the job's output its `.value`.

        graph = builder.compile(checkpointer=saver)
        async with Engine(GraphExecutor(graph)) as engine:
            handle = await engine.submit({"question": "..."})
            if (await handle.wait()).status == "suspended":  # a node called interrupt()
                await engine.reply(handle.id, "yes")
            print(await handle)

    The job's `config` is merged over `config`, and both over what the graph was given by `with_config`; tags,
    metadata and callbacks of all of them stay. `context` is the run's context, or a function of the job that
    gives it. A run takes at most `recursion_limit` supersteps, unless a config has a `recursion_limit`:
    LangGraph's own limit is 10,007, which is a bill rather than a limit. `durability` is as in LangGraph.

    **Threads.** A graph with a checkpointer runs on a thread: the job's own (`thread="job"`, by its id), one
    that all jobs of a group share (`"group"`; jobs without a group have their own), one that begins with a
    copy of what the group's primer has left (`"fork"`; it needs `GroupPolicy(release="complete")`, and
    leaves out what subgraphs with `checkpointer=True` keep for themselves), or what a function of the job
    says, the same each time. A `thread_id` in a config goes before all of them. On a thread that others may
    use, too, jobs take turns, by a lock of the engine's.

    A job that is tried again goes on from its last checkpoint, and an answer that was used is not used twice.
    On a thread with a history an input begins a new run, as in LangGraph, with one exception: what a job
    with the same payload has left unfinished there, when its program was killed, say, goes on; so does
    whatever is unfinished, by the payload None.

    **Questions.** What a graph waits for becomes the questions of a suspended job: those of `interrupt`, all
    that are pending, with their ids and schemas; and at a breakpoint (`interrupt_before`, `interrupt_after`)
    whether it is to go on: no fails the job. An answer that the graph refuses leaves its question open, with
    the reason in it. `answer_timeout` is that of `Suspend`. A program that was killed while a graph with
    breakpoints ran asks again, once too often rather than never. Without a checkpointer nothing can be asked.

    **Streams.** Chunks are LangGraph's own stream parts, `{"type", "ns", "data"}`, of the modes in
    `stream_mode`; `text_of` takes a model's text out of them, and `subgraphs=True` streams those of subgraphs
    as well. A primer's release its followers once a model has begun to answer. Usage, first token and what
    responses say of rate limits are told as by `RunnableExecutor`.

    **Ends.** Cancelling reaches the nodes; those that are plain functions run on in their threads. With
    `handle.cancel(grace=...)` the graph stops by itself before its next superstep. Both leave the thread at
    its last checkpoint.

    A `RemoteGraph` runs on a thread of its server's, whose id is made from the job's, and is stopped there
    when the job is; its models' usage is not known here. It was tried against a client that writes down what
    it is called with, not against a server.

    Raises:
        TypeError: if `graph` is no compiled graph.
        ValueError: if `config` names a `run_id`; if `thread` is none of the above, or "fork" for a graph that
            is remote or has a `DeltaChannel`.
    """

    def __init__(
        self,
        graph: PregelProtocol[Any, Any, Any, Any],
        *,
        config: RunnableConfig | None = None,
        context: object | Callable[[Job], object] = None,
        thread: ThreadOf = "job",
        recursion_limit: int = 100,
        durability: Durability | None = None,
        answer_timeout: float | None = None,
        stream_mode: StreamMode | Sequence[StreamMode] = ("messages", "updates", "custom"),
        subgraphs: bool = False,
    ) -> None:
        _check(graph)
        refuse_run_id(config)
        self.graph: PregelProtocol[Any, Any, Any, Any] = graph
        self._graph: Graph = Graph(graph, durability)
        self._threads: Threads = Threads(thread, config, self._graph.config, remote=self._graph.remote)
        if self._threads.forks:
            self._graph.refuse_fork()
        self._settings: Settings = Settings(
            config=config,
            context=context,
            recursion_limit=_limit(config, self._graph.config, recursion_limit),
            answer_timeout=answer_timeout,
            modes=(stream_mode,) if isinstance(stream_mode, str) else tuple(stream_mode),
            subgraphs=subgraphs,
        )

    def __repr__(self) -> str:
        return f"GraphExecutor({self.name})"

    @property
    def name(self) -> str:
        """What LangGraph calls the graph."""
        return self.graph.get_name()

    async def execute(self, job: Job, ctx: JobContext, /) -> object:
        """Run the graph, or let it go on; a `Suspend` if it asks.

        Raises:
            CannotGoOn: if it asks and has no checkpointer; if another job has taken its thread on; if a
                breakpoint's question was answered by no; if there is nothing to fork.
            TypeError: if the job's config is no mapping.
        """
        attempt = Attempt(self._graph, self._threads, self._settings, job, ctx)
        # The submitter's run is in the attempt's config, as far as it is to be; LangGraph would add it again,
        # with the place of its checkpoints.
        token = var_child_runnable_config.set(None)
        try:
            return await attempt.run()
        except BaseException as error:
            await close_streams(error)
            raise
        finally:
            var_child_runnable_config.reset(token)

    def lock(self, job: Job, /) -> str | None:
        """The lock that the job needs: that of its thread, if other jobs may use it too."""
        return self._threads.lock(job) if self._graph.keeps else None

    def classify(self, error: Exception, /) -> Failure:
        """Say whether another attempt may succeed; too many supersteps or an invalid update cannot."""
        return classify(error)


def _check(graph: object) -> None:
    if isinstance(graph, PregelProtocol):
        return
    if isinstance(graph, StateGraph):
        raise TypeError(
            "this StateGraph is not compiled: pass builder.compile(), and with a checkpointer if it asks: "
            "builder.compile(checkpointer=...)"
        )
    raise TypeError(
        f"GraphExecutor takes a compiled graph, not {type(graph).__name__}; other Runnables run as "
        "paceline_adapters.langchain.RunnableExecutor(...)"
    )


def _limit(config: RunnableConfig | None, bound: RunnableConfig | None, default: int) -> int:
    for each in (config, bound):
        if section(each, "recursion_limit"):
            return int(section(each, "recursion_limit"))
    return default
