"""The other way round: a group of jobs as a tool of an agent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from types import GenericAlias
from typing import TYPE_CHECKING, Any, final

from agents import FunctionTool, UserError
from agents.strict_schema import ensure_strict_json_schema
from agents.tool_context import ToolContext
from pydantic import BaseModel, Field, ValidationError, create_model
from pydantic_core import to_json

from paceline import (
    Cost,
    Ended,
    Engine,
    Group,
    GroupOptions,
    GroupPolicy,
    Job,
    JobContext,
    JobResult,
    NameTaken,
    current_job,
)

if TYPE_CHECKING:
    from typing import Unpack

__all__ = ["group_tool"]

_PRIMER_MAY_FAIL = GroupPolicy(on_primer_failure="run_followers")


def group_tool(
    engine: Engine,
    *,
    name: str,
    description: str,
    item: Any = str,
    limit: int = 50,
    primer: bool = False,
    policy: GroupPolicy | None = None,
    tell: Callable[[JobResult], object] | None = None,
    raises: bool = False,
    **options: Unpack[GroupOptions],
) -> FunctionTool:
    """Make a tool with which an agent runs many jobs at once, as a group, and gets their results in order.

        research = group_tool(engine, name="research", description="Research topics, all at once.",
                              executor=researcher)
        planner = Agent(name="planner", tools=[research])

    The model calls it with a list of items; each is the payload of a job. `item`: their type, whatever
    pydantic takes: a text, or, for several fields, a model (the payload is an instance of it) or TypedDict.
    More than `limit` are refused before any job begins, and so are items that do not fit; the model is told.
    `primer`: the first item goes ahead, so that the others find its prefix cached (they run even if it fails,
    unless `policy` says otherwise). `options` are those of `submit_group`, for all of the jobs.

    The jobs are children of the job that the agent runs in: in its lane unless `options` say otherwise,
    cancelled with it, and also when the call alone is given up (by the tool's `timeout_seconds`, say). The
    agent's slot is free meanwhile, but its job's `timeout` and `idle_timeout` run on. A member that asks a
    person is waited for: it is the member that `engine.reply` answers.

    The result is JSON: a list of `{"item": 1, "output": ...}`, with `"error"` in place of `"output"` where a
    member did not succeed. `tell` makes what the model sees of each result. With `raises` the first failure,
    in the order of the items, fails the tool and with it the agent's run, once all members have ended.

    Raises:
        ValueError: if `limit` is no whole number of at least 1.
        TypeError: if an option is unknown, or one of a single job, such as `key`.
        pydantic.PydanticUserError: if there is no JSON Schema for `item`.
    """
    _check(name, limit, options)
    fan = _Fan(engine, name, policy or (_PRIMER_MAY_FAIL if primer else None), options, primer=primer)
    form = _form(name, item, limit)

    async def call(_context: ToolContext[Any], arguments: str) -> str:
        try:
            items: list[Any] = getattr(form.model_validate_json(arguments or "{}"), "items")  # noqa: B009
        except ValidationError as error:
            return _refusal(error)
        results = await fan.out(items, raises=raises) if items else []
        told = [_told(number, result) for number, result in enumerate(results, 1)]
        shown = told if tell is None else [tell(result) for result in results]
        return to_json(shown, fallback=str, bytes_mode="base64").decode()

    return FunctionTool(
        name=name,
        description=description,
        params_json_schema=form.model_json_schema(),
        on_invoke_tool=call,
        strict_json_schema=_fits_strict(form),
    )


def _check(name: str, limit: object, options: GroupOptions) -> None:
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise ValueError(f"group tool {name!r}: limit must be a whole number of at least 1, not {limit!r}")
    unknown = ", ".join(sorted(options.keys() - GroupOptions.__optional_keys__))
    if unknown:
        known = ", ".join(sorted(GroupOptions.__optional_keys__))
        raise TypeError(f"group tool {name!r}: {unknown} cannot be said of a group; known: {known}")


@final
class _Fan:
    """What all calls of one tool have in common."""

    __slots__ = ("_engine", "_name", "_options", "_policy", "_primer")

    def __init__(
        self, engine: Engine, name: str, policy: GroupPolicy | None, options: GroupOptions, *, primer: bool
    ) -> None:
        self._engine: Engine = engine
        self._name: str = name
        self._policy: GroupPolicy | None = policy
        self._options: GroupOptions = options
        self._primer: bool = primer

    async def out(self, items: list[Any], *, raises: bool) -> list[JobResult]:
        """Run a job for each item, and wait for the ends of them all."""
        options = self._options.copy()
        ctx = current_job()
        if ctx is not None and ctx.run_id == self._engine.run_id:
            options.setdefault("lane", ctx.job.lane)
        group = await self._submit(items, options)
        ends = asyncio.ensure_future(self._ends(group, options))
        try:
            # Not `await ends`: cancelled, that would wait until the job that waits here has a slot again, and
            # the group may hold it.
            await asyncio.wait([ends])
        except asyncio.CancelledError:
            group.cancel("the tool call that it belongs to was given up")
            ends.cancel()
            await asyncio.gather(ends, return_exceptions=True)
            raise
        results = ends.result()
        if raises:
            for member in (*filter(None, [group.primer]), *group.followers):
                await member
        return results

    async def _submit(self, items: list[Any], options: GroupOptions) -> Group:
        # To `submit_group` a primer of None is no primer: an item that is None would get lost.
        ahead = self._primer and items[0] is not None
        primer, followers = (items[0], items[1:]) if ahead else (None, items)
        for number in count(1):
            # Calls at the same time need names of their own; numbers, so that a later run has the same ones,
            # and with them the same cache keys.
            name = self._name if number == 1 else f"{self._name} {number}"
            try:
                return await self._engine.submit_group(
                    name, primer=primer, followers=followers, policy=self._policy, **options
                )
            except NameTaken:
                continue
        raise AssertionError("there are always more numbers")

    async def _ends(self, group: Group, options: GroupOptions) -> list[JobResult]:
        results = await group.results()
        if any(result.status == "suspended" for result in results):
            # A job that only waits: for as long as it takes, and through any number of questions.
            ended = await self._engine.submit(
                None,
                name=f"{group.name}: answers",
                executor=_NOTHING,
                cost=0.0,
                lane=options.get("lane", "default"),
                after=Ended(group),
            )
            await ended.wait()
            results = await group.results()
        return results


@final
class _Nothing:
    """An executor that does nothing and costs nothing."""

    name = "nothing"

    async def execute(self, _job: Job, _ctx: JobContext, /) -> object:
        return None

    def estimate(self, _job: Job, /) -> Cost:
        return Cost(input_tokens=0, output_tokens=0, requests=0, money=0.0)


_NOTHING = _Nothing()


def _form(name: str, item: Any, limit: int) -> type[BaseModel]:
    listed: Any = GenericAlias(list, (item,))
    described = f"What to do, one each; at most {limit}."
    return create_model(f"{name}_arguments", items=(listed, Field(max_length=limit, description=described)))


def _told(number: int, result: JobResult) -> dict[str, object]:
    if result.ok:
        return {"item": number, "output": result.output}
    error = result.error
    why = "" if error is None else f"{error.type.rpartition('.')[2]}: {error.message}"
    return {"item": number, "error": f"{result.status}: {why}" if why else result.status}


def _refusal(error: ValidationError) -> str:
    """What the model is told of arguments that do not fit; a few of its mistakes show it the others."""
    mistakes = [
        f"{'.'.join(map(str, each['loc']))}: {each['msg']}"
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    more = f" (and {len(mistakes) - 5} more)" if len(mistakes) > 5 else ""
    return f"Nothing was run, because the arguments do not fit: {'; '.join(mistakes[:5])}{more}"


def _fits_strict(form: type[BaseModel]) -> bool:
    """Whether providers can hold the model to this form: not where an item may have fields of any name."""
    try:
        ensure_strict_json_schema(form.model_json_schema())
    except UserError:
        return False
    return True
