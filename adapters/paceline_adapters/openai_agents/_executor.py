"""Running an agent of the OpenAI Agents SDK as jobs."""

from __future__ import annotations

from typing import Any, cast, final

from agents import Agent, RunConfig, RunContextWrapper, RunErrorHandlers, RunHooks, Session

from paceline import Failure, Job, JobContext
from paceline.instructions import WRAP_UP

from ._attempt import Attempt
from ._failures import classify
from ._running import Chunks, Running
from ._sessions import SessionFactory, Sessions
from ._settings import (
    AgentConfig,
    Config,
    config_of,
    counted,
    is_limit,
    keyed,
    model_name,
    model_names,
    takes_key,
)
from ._tracing import traced
from ._watch import Watch
from ._wrap_up import wrap_up as wrapping_up

__all__ = ["AgentExecutor", "adapt"]


def adapt(obj: object) -> AgentExecutor | None:
    """Make an executor of an agent; this is what `paceline.as_executor` calls. None of what is no agent."""
    return AgentExecutor(cast("Any", obj)) if isinstance(obj, Agent) else None


@final
class AgentExecutor:
    """Runs an agent of the OpenAI Agents SDK, unchanged: payloads are its input, outputs its final output.

        executor = AgentExecutor(agent, session=lambda name: SQLiteSession(name, "chats.db"), wrap_up=True)
        async with Engine(executor, retry=RetryPolicy()) as engine:
            handle = await engine.submit("Plan a week in Lisbon", config={"session": "user-7"})

    A payload is a text, or a list of input items. The output of an agent with an `output_type` is that
    object. A job's `config` may hold a `context`, the id of a `session` and `max_turns` (`AgentConfig`).

    Streaming (`ctx.streaming`) runs the agent streamed. Chunks are the text of its models as it comes, which
    can be joined; with `chunks="events"` they are the SDK's own stream events, all of them. The first token
    is the first delta of a model, be it text, reasoning or the arguments of a call. A job that is cancelled
    stops its run: tools, request and all.

    `session`: a Session, with which jobs take turns; or a function that makes one of an id, for each attempt
    anew (what it made is closed afterwards, if it can be). Then each job has a session of its own, under the
    job's id, or takes turns with those of the same `config={"session": id}`. Followers of a group begin
    theirs with what the primer's conversation is when they start: all of it, once the primer has succeeded,
    as with `GroupPolicy(release="complete")`; before, what the primer was asked. It comes to them by
    `ctx.group.share`; what a tool of the primer's shares takes its place. What a failed attempt has added to
    a session is taken out again before the next.

    Approvals (`needs_approval=True`) suspend the job, with a question for each call that waits: `{"tool":
    ..., "arguments": ..., "agent": ...}`. It is answered by true or false, or by `{"approve": false,
    "message": "what to tell the model", "always": true}`; a call of `ask_user` by a text. What was approved
    is done once: a retry goes on after it, and where nobody can tell, since the attempt was cut off while
    tools acted, the job fails with `CannotGoOn`. `answer_timeout`: seconds that there are for the answers.

    `wrap_up`: instead of failing with `MaxTurnsExceeded`, the agent is asked once more, for an answer without
    tools: with True by `paceline.instructions.WRAP_UP`, else by that text. Should its model still call a
    tool, none runs, and the attempt fails.

    Usage is told for each call of a model as it ends, also of agents that serve as tools, and of the last
    turn. Jobs of a group share a `prompt_cache_key`, for whatever server (`cache_key=False`: none; one that
    is set on the agent or in the `run_config` stays). Guardrails, too many turns and mistakes are not
    retried. A retry runs the agent from its start, or from the last answer. OpenAI's clients retry single
    requests by themselves, while the job holds its slot: with `max_retries=0` the engine's limits hear of
    each refusal. What the SDK traces goes to the traces of the run, with prompts and outputs if
    `trace_content`, and to OpenAI only if `export_traces`. The user's `hooks`, `run_config` and
    `error_handlers` stay.

    Raises:
        TypeError: if `agent` is none, or `session` or `run_config` are not what they should be.
        ValueError: if `max_turns` is no number of at least 1, or both `wrap_up` and a `max_turns` handler say
            what happens then.
    """

    def __init__(
        self,
        agent: Agent[Any],
        *,
        session: Session | SessionFactory | None = None,
        run_config: RunConfig | None = None,
        max_turns: int | None = 10,
        wrap_up: bool | str | None = None,
        context: object = None,
        hooks: RunHooks[Any] | None = None,
        error_handlers: RunErrorHandlers[Any] | None = None,
        answer_timeout: float | None = None,
        chunks: Chunks = "text",
        cache_key: bool = True,
        trace_content: bool = False,
        export_traces: bool = False,
    ) -> None:
        _check(agent, run_config, max_turns, chunks)
        self.agent: Agent[Any] = agent
        self._sessions: Sessions = Sessions(session)
        self._run_config: RunConfig | None = run_config
        self._streamed_config: Config | None = counted(run_config, agent)
        self._max_turns: int | None = max_turns
        self._wrap_up: str | None = WRAP_UP if wrap_up is True else wrap_up or None
        self._context: object = context
        self._hooks: RunHooks[Any] | None = hooks
        self._error_handlers: RunErrorHandlers[Any] | None = error_handlers
        self._answer_timeout: float | None = answer_timeout
        self._chunks: Chunks = chunks
        self._takes_key: bool = cache_key and takes_key(agent, run_config)
        self._trace_content: bool = trace_content
        self._export_traces: bool = export_traces
        self._resources: tuple[str, ...] = model_names(agent, run_config) or (agent.name,)
        if self._wrap_up is not None and error_handlers is not None and "max_turns" in error_handlers:
            raise ValueError(
                "wrap_up= and a max_turns handler in error_handlers= both say what then: give one"
            )

    def __repr__(self) -> str:
        return f"AgentExecutor({self.agent.name!r})"

    @property
    def name(self) -> str:
        """What the agent is called."""
        return self.agent.name

    @property
    def resources(self) -> tuple[str, ...]:
        """The models of the agent and of those that it hands over to, as `Engine(limits=)` knows them.

        Those of agents that serve as tools are left out: say them by `submit(resources=)`.
        """
        return self._resources

    def lock(self, job: Job, /) -> str | None:
        """The lock of the session that the job shares with others, if it does.

        Raises:
            TypeError: if the job's config is none.
            ValueError: if it names a session, and `session` is no function.
        """
        return self._sessions.lock(config_of(job).get("session"))

    def classify(self, error: Exception, /) -> Failure:
        """Say whether another attempt may succeed, by HTTP status and headers or by kind of error."""
        return classify(error)

    async def execute(self, job: Job, ctx: JobContext, /) -> object:
        """Run the agent, or go on with its run.

        Raises:
            TypeError: if the payload or the config is not what an agent takes.
            CannotGoOn: if the run was cut off while approved tools acted, or the SDK does not take its state.
        """
        config = config_of(job)
        with traced(content=self._trace_content, export=self._export_traces):
            async with self._sessions.opened(job, ctx, config.get("session")) as session:
                return await self._run(job, ctx, config, session)

    async def _run(self, job: Job, ctx: JobContext, config: AgentConfig, session: Session | None) -> object:
        streamed = ctx.streaming
        running = Running(ctx, self._configured(ctx, streamed=streamed), self._chunks, streamed=streamed)
        context = RunContextWrapper(config.get("context", self._context))
        watch = Watch(ctx, self._model, self._hooks, context)
        attempt = Attempt(job, ctx, session, watch)
        try:
            result = await running.run(
                self.agent,
                await attempt.given(self.agent, self._sessions),
                watch,
                max_turns=config.get("max_turns", self._max_turns),
                error_handlers=self._handlers(running, ctx),
                session=session,
            )
        except Exception as error:
            await attempt.failed(error)
            raise
        if result.interruptions:
            return attempt.suspend(result, self._answer_timeout)
        attempt.succeeded()
        self._sessions.hand_on_all(ctx, result)
        return result.final_output

    def _configured(self, ctx: JobContext, *, streamed: bool) -> Config | None:
        config = self._streamed_config if streamed else self._run_config
        group = ctx.group if self._takes_key else None
        return config if group is None else keyed(config, group.cache_key)

    def _handlers(self, running: Running, ctx: JobContext) -> RunErrorHandlers[Any] | None:
        if self._wrap_up is None:
            return self._error_handlers
        last = wrapping_up(self._wrap_up, running, ctx, self._model, self._hooks)
        handlers = RunErrorHandlers[Any](max_turns=last)
        handlers.update(self._error_handlers or {})
        return handlers

    def _model(self, agent: Agent[Any]) -> str | None:
        return model_name(agent, self._run_config)


def _check(agent: object, run_config: object, max_turns: object, chunks: object) -> None:
    if not isinstance(agent, Agent):
        raise TypeError(f"AgentExecutor takes an Agent of the OpenAI Agents SDK, not {type(agent).__name__}")
    if run_config is not None and not isinstance(run_config, RunConfig):
        raise TypeError(f"run_config= takes a RunConfig, not {type(run_config).__name__}")
    if not is_limit(max_turns):
        raise ValueError(f"max_turns= is a number of at least 1, or None for no limit; not {max_turns!r}")
    if chunks not in {"text", "events"}:
        raise ValueError(f"chunks= is 'text' or 'events', not {chunks!r}")
