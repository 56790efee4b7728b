"""The last word of an agent that is out of turns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from agents import (
    Agent,
    ModelResponse,
    RunConfig,
    RunContextWrapper,
    RunErrorHandlerInput,
    RunErrorHandlerResult,
    RunHooks,
    TResponseInputItem,
)
from agents.exceptions import ModelBehaviorError
from agents.run_context import AgentHookContext
from agents.run_error_handlers import RunErrorHandler

from paceline import JobContext

from ._running import Running
from ._settings import has_tools, with_settings
from ._watch import Watch

__all__ = ["wrap_up"]

_RUN_HERE = frozenset(
    {
        "function_call",
        "custom_tool_call",
        "computer_call",
        "local_shell_call",
        "shell_call",
        "apply_patch_call",
    }
)
"""The calls that the SDK would act on; others its provider has acted on already."""


def wrap_up(
    text: str,
    running: Running,
    ctx: JobContext,
    model: Callable[[Agent[Any]], str | None],
    user: RunHooks[Any] | None,
) -> RunErrorHandler[Any]:
    """What the SDK is to do instead of raising `MaxTurnsExceeded`: ask once more, for an answer.

    By the same agent, its tools shown to the model as before, and after all that was said: what the provider
    has cached of the prompt is read again. The tools are only not to be called.
    """

    async def handle(given: RunErrorHandlerInput[Any]) -> RunErrorHandlerResult:
        agent = given.run_data.last_agent
        # The run around this one runs the guardrails, and tells the hooks of the agent's end.
        same = agent.clone(input_guardrails=[], output_guardrails=[], hooks=None)
        ask = cast("TResponseInputItem", {"role": "user", "content": text})
        settings = with_settings(running.run_config, **({"tool_choice": "none"} if has_tools(agent) else {}))
        if isinstance(settings, RunConfig):
            settings.input_guardrails = settings.output_guardrails = None
        result = await running.run(
            same,
            [*given.run_data.history, ask],
            _LastTurn(ctx, model, user, agent, RunContextWrapper(given.context.context)),
            max_turns=1,
            run_config=settings,
        )
        return RunErrorHandlerResult(result.final_output)

    return handle


class _LastTurn(Watch):
    """Tells the user's hooks of the call only, and lets no tool run, should its model call one."""

    def __init__(
        self,
        ctx: JobContext,
        model: Callable[[Agent[Any]], str | None],
        user: RunHooks[Any] | None,
        agent: Agent[Any],
        context: RunContextWrapper[Any],
    ) -> None:
        super().__init__(ctx, model, user, context)
        self._agent: Agent[Any] = agent

    async def on_llm_start(
        self,
        context: RunContextWrapper[Any],
        agent: Agent[Any],  # noqa: ARG002 - a copy without hooks
        system_prompt: str | None,
        input_items: list[TResponseInputItem],
    ) -> None:
        """The model is about to be called once more."""
        await super().on_llm_start(context, self._agent, system_prompt, input_items)
        if self._agent.hooks is not None:
            await self._agent.hooks.on_llm_start(context, self._agent, system_prompt, input_items)

    async def on_llm_end(
        self,
        context: RunContextWrapper[Any],
        agent: Agent[Any],  # noqa: ARG002 - likewise
        response: ModelResponse,
    ) -> None:
        """It has answered.

        Raises:
            ModelBehaviorError: if it wants a tool to run.
        """
        await super().on_llm_end(context, self._agent, response)
        if self._agent.hooks is not None:
            await self._agent.hooks.on_llm_end(context, self._agent, response)
        called = [item.type for item in response.output if item.type in _RUN_HERE]
        if called:
            raise ModelBehaviorError(
                f"agent {self._agent.name!r} was out of turns and told to answer without tools, but its "
                f"model called one ({', '.join(called)})"
            )

    async def on_agent_start(self, context: AgentHookContext[Any], agent: Agent[Any]) -> None:
        """It has started long before."""

    async def on_agent_end(self, context: AgentHookContext[Any], agent: Agent[Any], output: Any) -> None:
        """The run around this one tells."""
