"""The other way round: a node, or a tool, with which a graph runs a group of jobs in an engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, final

from langchain_core.messages import BaseMessage
from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel

from paceline import Engine, GroupOptions, GroupPolicy, JobResult, PrefixCache

from ._asking import as_task, name_of
from ._groups import Groups, Plan, execution

if TYPE_CHECKING:
    from typing import Unpack

__all__ = ["FanOut", "OnError", "fan_out"]

State: TypeAlias = Any
"""A graph's state, as its nodes get it: a dict, or what its schema says; of a tool, its arguments."""

OnError: TypeAlias = Literal["raise", "keep"] | Callable[[JobResult], Any]
"""What is to be done where a job of the group did not succeed."""


def fan_out(
    engine: Engine,
    *,
    payloads: Callable[[State], Iterable[Any]],
    primer: Callable[[State], Any] | None = None,
    into: str = "results",
    name: str = "fan_out",
    policy: GroupPolicy | None = None,
    cache: PrefixCache | None = None,
    on_error: OnError = "raise",
    metadata: Mapping[str, Any] | None = None,
    **options: Unpack[GroupOptions],
) -> FanOut:
    """Make a node that runs a group of jobs in an engine: one job for each payload that the state gives.

        research = fan_out(engine, payloads=lambda state: state["topics"], executor=chain, name="research")
        builder.add_node("research", research)  # state["results"]: what the chain said of each topic

    `primer` makes the payload of a job that goes first, whose prefix the others share. Outputs are written to
    the state's key `into`, the primer's first, then in the order of the payloads. `cache` and `options` are
    those of `engine.submit_group`; without a `lane` the jobs run in that of the job that the graph runs in.

    `on_error`: with "raise" the first job that fails cancels the others and fails the node (`policy` can say
    that they go on: then the node fails after them). With "keep" a dict, `{"status": "failed", "error":
    "ValueError: ..."}`, stands in the place of its output, or what a function makes of its `JobResult`.

    The node is async and belongs in the engine's event loop; whether the graph runs in a job of that engine
    does not matter: such a job is parked meanwhile, so one slot is enough. The jobs are traced under the
    node's run, and their models' tokens are among the graph's `messages`. Cancelling the node cancels them.

    **Questions.** When nothing of the group can go on before a person answers, the node interrupts its graph
    with all that its jobs ask, each question under an id of its own. With the answers the node begins again,
    finds its group, and hands them on, until all jobs have ended. So make a node once for an engine, and keep
    it: it remembers its groups, the last thousand. If the program was started anew meanwhile, the group is
    run anew, and what was answered to the old one is not taken for an answer to the new. A job whose question
    was answered otherwise (`engine.reply` to the job itself, `Suspend(timeout=)`) goes on, and the node hears
    of it when the graph is resumed.

    Raises:
        JobFailed, JobCancelled, JobSkipped: from the node, as `on_error` says.
        CannotGoOn: from the node, if jobs ask and the graph has no checkpointer.
    """
    if policy is None:
        # What would be thrown away with the failed one's node need not be paid for.
        gives_up: bool = on_error == "raise"
        policy = GroupPolicy(on_follower_failure="cancel_group") if gives_up else GroupPolicy()
    groups = Groups(engine, Plan(name, policy, cache, metadata, options))
    return FanOut(groups, payloads, primer, into, on_error)


@final
class FanOut:
    """A node that runs a group of jobs; `as_tool` makes a tool of it. Made by `fan_out`."""

    def __init__(
        self,
        groups: Groups,
        payloads: Callable[[State], Iterable[Any]],
        primer: Callable[[State], Any] | None,
        into: str,
        on_error: OnError,
    ) -> None:
        self.__name__: str = groups.plan.name
        self._groups: Groups = groups
        self._payloads: Callable[[State], Iterable[Any]] = payloads
        self._primer: Callable[[State], Any] | None = primer
        self._into: str = into
        self._on_error: OnError = on_error

    async def __call__(self, state: State) -> dict[str, list[Any]]:
        """Run the group that the state asks for; the update of the state."""
        return {self._into: await self._outputs(state)}

    def as_tool(
        self,
        description: str,
        *,
        args_schema: type[BaseModel] | dict[str, Any],
        name: str | None = None,
    ) -> BaseTool:
        """Make a tool, for a model to call: `payloads` and `primer` get its arguments, as a dict.

            schema = create_model("Topics", topics=(list[str], ...))
            tool = fan_out(engine, payloads=lambda given: given["topics"], executor=chain, name="research")
            ToolNode([tool.as_tool("Looks up several topics at once.", args_schema=schema)])

        It returns the list of outputs, of messages their text. In a graph it is a task of LangGraph's: where
        another tool of the same node interrupts the graph, it is not run again.
        """
        tool = name or self.__name__

        async def call(**arguments: Any) -> Any:
            async def run() -> list[Any]:
                outputs = await self._outputs(arguments)
                return [each.text if isinstance(each, BaseMessage) else each for each in outputs]

            if execution() is None:
                return await run()
            return await as_task(name_of(tool, repr(sorted(arguments.items()))), run)

        return StructuredTool.from_function(
            coroutine=call, name=tool, description=description, args_schema=args_schema
        )

    async def _outputs(self, state: State) -> list[Any]:
        def source() -> tuple[Any, list[Any]]:
            primer = None if self._primer is None else self._primer(state)
            return primer, list(self._payloads(state))

        members = await self._groups.run(source)
        if self._on_error == "raise":
            await members.raise_error()
        instead = self._on_error if callable(self._on_error) else _told
        return [each.output if members.is_well(each) else instead(each) for each in await members.results()]


def _told(result: JobResult) -> dict[str, str]:
    error = result.error
    why = "" if error is None else f"{error.type}: {error.message}"
    return {"status": result.status, "error": why}
