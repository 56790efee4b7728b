"""Questions from within a node, each as a task of LangGraph's own.

`interrupt` tells the questions of a node apart by counting its calls. Where the order of calls is not the
same each time (tool calls in threads, jobs that ask when they please), an answer would go to another
question. A task has an id and a memory of its own, made from its name and its place among the node's tasks:
what it asks is answered under that id, several can be open at once, and an answer under another name is none.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from langgraph.errors import GraphInterrupt
from langgraph.func import task
from langgraph.types import interrupt
from pydantic import TypeAdapter

from paceline import PacelineError

__all__ = ["as_task", "ask", "ask_each", "ask_from_thread", "interrupts_of", "name_of"]

T = TypeVar("T")


def name_of(what: str, *parts: str) -> str:
    """A name for a task that is about these parts and no others."""
    return f"{what}-{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:12]}"


def _put(value: Any, schema: Any = None) -> Any:
    """Ask, in a task of one's own; what is answered is plain data, as a checkpoint keeps it best.

    Raises:
        GraphInterrupt: until there is an answer.
        ValidationError: if the answer does not fit a schema that is a type; the question stays open.
    """
    if schema is None or isinstance(schema, Mapping):
        return interrupt(value, response_schema=cast("dict[str, Any] | None", schema))
    answer = interrupt(value, response_schema=schema)
    return TypeAdapter[Any](schema).dump_python(answer, mode="json")


async def ask(name: str, value: Any, schema: Any = None) -> Any:
    """Ask one question, by a task of that name.

    Raises:
        PacelineError: outside of a graph.
    """

    async def put() -> Any:
        return _put(value, schema)

    return await as_task(name, put)


def ask_from_thread(name: str, value: Any, schema: Any = None) -> Any:
    """The same, in a node or tool that is a plain function."""

    def put() -> Any:
        return _put(value, schema)

    return _started(name, put).result()


async def ask_each(questions: Sequence[tuple[str, Any, Any]]) -> list[Any]:
    """Ask several, given by name, value and schema; for each its answer, or the exception of its task.

    Nothing is raised here: whoever asks says which questions are still of interest, by one `GraphInterrupt`.
    """

    def put(value: Any, schema: Any) -> Callable[[], Awaitable[Any]]:
        async def put_one() -> Any:
            return _put(value, schema)

        return put_one

    started = [_started(name, put(value, schema)) for name, value, schema in questions]
    outcomes = await asyncio.gather(*started, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, Exception):
            raise outcome
    return outcomes


async def as_task(name: str, function: Callable[[], Awaitable[T]]) -> T:
    """Run a function as a task, whose result LangGraph keeps when the node has to begin again.

    Raises:
        PacelineError: outside of a graph.
    """
    return cast("T", await _started(name, function))


def _started(name: str, function: Callable[[], Any]) -> Any:
    try:
        # Of this very function: a task's name is kept in it.
        return cast("Any", task(name=name))(function)()
    except (KeyError, RuntimeError) as error:
        raise PacelineError(
            f"{name.rpartition('-')[0]} works in a node of a graph that runs, or in a tool that such a node "
            "calls; not in a thread or task that was started with a context of its own"
        ) from error


def interrupts_of(error: object) -> tuple[Any, ...]:
    """What a task asks whose outcome this is."""
    return tuple(error.args[0]) if isinstance(error, GraphInterrupt) else ()
