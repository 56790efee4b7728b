"""What an attempt hears of its run: when a model begins to answer, and what each call of one used."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from agents import Agent, ModelResponse, RunContextWrapper, RunHooks, TResponseInputItem
from agents.run_context import AgentHookContext
from agents.tool import Tool
from agents.usage import RequestUsage

from paceline import JobContext, Usage

__all__ = ["Watch"]

_Context: TypeAlias = RunContextWrapper[Any]
_Agent: TypeAlias = Agent[Any]


class Watch(RunHooks[Any]):
    """Tells the engine what each model call used, and hands everything on to the user's own hooks.

    The SDK sums up in one place what its runs use, those of agents that serve as tools included, and lists
    it by calls: what has come to that list is told when a call of the run's own has ended, or the run has.
    """

    def __init__(
        self,
        ctx: JobContext,
        model: Callable[[_Agent], str | None],
        user: RunHooks[Any] | None,
        context: _Context,
    ) -> None:
        self._ctx: JobContext = ctx
        self._model: Callable[[_Agent], str | None] = model
        self._user: RunHooks[Any] | None = user
        self.context: _Context = context
        """The run's own."""
        self._told: int = 0
        """How many calls of those that the run has summed up."""
        self.before_first_call: Callable[[], Awaitable[None]] | None = None
        """Called once, before the first call of a model, and then no more."""
        self.spoke: bool = False
        """Whether a model has begun to answer."""

    def first_token(self) -> None:
        """A model has begun to answer."""
        if not self.spoke:
            self.spoke = True
            self._ctx.first_token()

    def go_on(self) -> None:
        """The run goes on from where it was left: what it brings along was told then."""
        self._told = len(self.context.usage.request_usage_entries)

    def close(self) -> None:
        """Tell what has not been told: calls of agents that served as tools when the run broke off."""
        self._tell([], None)

    async def on_llm_start(
        self,
        context: _Context,
        agent: _Agent,
        system_prompt: str | None,
        input_items: list[TResponseInputItem],
    ) -> None:
        """A model is about to be called."""
        before, self.before_first_call = self.before_first_call, None
        if before is not None:
            await before()
        if self._user is not None:
            await self._user.on_llm_start(context, agent, system_prompt, input_items)

    async def on_llm_end(self, context: _Context, agent: _Agent, response: ModelResponse) -> None:
        """A model has answered."""
        own = response.usage
        calls = own.request_usage_entries
        if not calls and own.requests == 1 and (own.input_tokens or own.output_tokens or own.total_tokens):
            calls = self.context.usage.request_usage_entries[-1:]
        model = self._model(agent)
        self._tell(calls, model)
        if not calls:  # its provider says nothing of tokens
            self._ctx.usage(Usage(requests=max(own.requests, 1), model=model))
        if self._ctx.streaming:
            self.first_token()  # one that answers without deltas
        if self._user is not None:
            await self._user.on_llm_end(context, agent, response)

    async def on_agent_start(self, context: AgentHookContext[Any], agent: _Agent) -> None:
        """Another agent is at work."""
        if self._user is not None:
            await self._user.on_agent_start(context, agent)

    async def on_agent_end(self, context: AgentHookContext[Any], agent: _Agent, output: Any) -> None:
        """An agent has its output."""
        if self._user is not None:
            await self._user.on_agent_end(context, agent, output)

    async def on_handoff(self, context: _Context, from_agent: _Agent, to_agent: _Agent) -> None:
        """An agent hands over to another."""
        if self._user is not None:
            await self._user.on_handoff(context, from_agent, to_agent)

    async def on_tool_start(self, context: _Context, agent: _Agent, tool: Tool) -> None:
        """A tool is called."""
        if self._user is not None:
            await self._user.on_tool_start(context, agent, tool)

    async def on_tool_end(self, context: _Context, agent: _Agent, tool: Tool, result: object) -> None:
        """A tool has its result."""
        if self._user is not None:
            await self._user.on_tool_end(context, agent, tool, result)

    def _tell(self, own: list[RequestUsage], model: str | None) -> None:
        calls = self.context.usage.request_usage_entries
        new, self._told = calls[self._told :], len(calls)
        others = len(new) - len(own)
        for number, call in enumerate(new):
            self._ctx.usage(_usage(call, model if number >= others else None))


def _usage(call: RequestUsage, model: str | None) -> Usage:
    return Usage(
        input_tokens=call.input_tokens,
        cached_tokens=call.input_tokens_details.cached_tokens,
        cache_write_tokens=getattr(call.input_tokens_details, "cache_write_tokens", None),
        output_tokens=call.output_tokens,
        reasoning_tokens=call.output_tokens_details.reasoning_tokens,
        requests=1,
        model=model,
    )
