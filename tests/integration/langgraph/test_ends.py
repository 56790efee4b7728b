"""Graphs that are ended from outside: nodes hear of it, nothing runs on, and the last checkpoint is kept."""

from __future__ import annotations

import asyncio
import operator
import threading
from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import interrupt

from paceline import Engine, RetryPolicy
from paceline.testing import VirtualClock
from paceline_adapters.langgraph import GraphExecutor

Builder: Any = StateGraph  # its own types are half known


class State(TypedDict):
    log: Annotated[list[str], operator.add]


class Steps:
    """Three nodes of a second each, and what they did."""

    def __init__(self, durability: Any = None) -> None:
        self.did: list[str] = []
        graph = Builder(State)
        last = START
        for name in ("a", "b", "c"):
            graph.add_node(name, self._node(name))
            graph.add_edge(last, name)
            last = name
        self.graph: Any = graph.compile(checkpointer=InMemorySaver())
        self.executor = GraphExecutor(self.graph, durability=durability)

    def _node(self, name: str) -> Any:
        async def node(state: State) -> dict[str, Any]:
            try:
                await asyncio.sleep(1.0)
            except asyncio.CancelledError:
                self.did.append(f"{name} cancelled")
                raise
            self.did.append(name)
            return {"log": [name]}

        return node

    async def left(self, thread: str) -> tuple[list[str], tuple[str, ...]]:
        """What the thread has, and what is next in it."""
        state = await self.graph.aget_state({"configurable": {"thread_id": thread}})
        return state.values.get("log", []), state.next


async def settle() -> None:
    """Let what was cancelled end."""
    await asyncio.sleep(0.01)


def others() -> set[str]:
    """The names of the tasks that are there besides this one and the engine's."""
    return {
        task.get_name()
        for task in asyncio.all_tasks()
        if task is not asyncio.current_task() and "paceline" not in str(task.get_coro())
    }


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("durability", [None, "sync", "exit"])
@pytest.mark.parametrize("how", ["cancel", "deadline", "timeout"])
def test_ending_a_job_reaches_its_nodes_and_keeps_the_last_checkpoint(
    how: str, durability: Any, stream: bool
) -> None:
    async def main() -> None:
        steps = Steps(durability)
        limit: Any = {} if how == "cancel" else {how: 1.5}
        async with Engine(steps.executor) as engine:
            before = others()
            handle = await engine.submit({"log": ["in"]}, stream=stream, **limit)
            if how == "cancel":
                await asyncio.sleep(1.5)
                assert handle.cancel("enough")
            result = await handle.wait()
            assert result.status == ("cancelled" if how == "cancel" else "failed")
            await settle()
            assert engine.snapshot().abandoned == ()
            assert others() <= before
        assert steps.did == ["a", "b cancelled"]
        assert await steps.left(handle.id) == (["in", "a"], ("b",))

    VirtualClock().run(main)


def test_an_attempt_that_took_too_long_goes_on_in_the_next() -> None:
    async def main() -> None:
        steps = Steps()
        async with Engine(steps.executor, retry=RetryPolicy(base=0.0)) as engine:
            handle = await engine.submit({"log": []}, timeout=2.5)
            assert await handle == {"log": ["a", "b", "c"]}
        assert steps.did == ["a", "b", "c cancelled", "c"]

    VirtualClock().run(main)


def test_a_cancelled_thread_can_be_gone_on_with() -> None:
    async def main() -> None:
        steps = Steps()
        config = {"configurable": {"thread_id": "t"}}
        async with Engine(steps.executor) as engine:
            first = await engine.submit({"log": []}, config=config)
            await asyncio.sleep(1.5)
            first.cancel()
            assert await (await engine.submit(None, config=config)) == {"log": ["a", "b", "c"]}
        assert steps.did == ["a", "b cancelled", "b", "c"]

    VirtualClock().run(main)


@pytest.mark.parametrize("stream", [False, True])
def test_a_job_cancelled_with_grace_stops_before_its_next_superstep(stream: bool) -> None:
    async def main() -> None:
        steps = Steps()
        async with Engine(steps.executor) as engine:
            handle = await engine.submit({"log": []}, stream=stream)
            await asyncio.sleep(1.5)
            handle.cancel("shutting down", grace=10.0)
            assert (await handle.wait()).status == "cancelled"
            await asyncio.sleep(0.6)
            assert engine.snapshot().abandoned == ()
        assert asyncio.get_running_loop().time() < 3.0
        assert steps.did == ["a", "b"]
        assert await steps.left(handle.id) == (["a", "b"], ("c",))

    VirtualClock().run(main)


def test_a_node_that_outlasts_the_grace_is_cancelled() -> None:
    async def main() -> None:
        steps = Steps()
        async with Engine(steps.executor) as engine:
            handle = await engine.submit({"log": []})
            await asyncio.sleep(1.2)
            handle.cancel("shutting down", grace=0.5)
            await asyncio.sleep(0.6)
            assert engine.snapshot().abandoned == ()
        assert steps.did == ["a", "b cancelled"]
        assert await steps.left(handle.id) == (["a"], ("b",))

    VirtualClock().run(main)


@pytest.mark.parametrize("saver", [None, InMemorySaver()])
def test_hundreds_of_cancelled_streams_leave_nothing_behind(
    slow_model: Callable[..., Any], saver: Any
) -> None:
    model = slow_model(first=1.0, calls=[])

    async def talk(state: State) -> dict[str, Any]:
        return {"log": [(await model.ainvoke("well?")).text]}

    graph = Builder(State).add_node(talk).add_edge(START, "talk").compile(checkpointer=saver)

    async def main() -> None:
        async with Engine(GraphExecutor(graph), slots=100) as engine:
            before, threads = others(), threading.active_count()
            handles = [await engine.submit({"log": []}, stream=True) for _ in range(300)]
            while not all(handle.status == "cancelled" for handle in handles):
                await asyncio.sleep(2.5)
                for handle in [each for each in handles if each.status == "running"]:
                    handle.cancel()  # which lets the next one run, at once
            await settle()
            assert engine.snapshot().abandoned == ()
            assert (others() - before, threading.active_count()) == (set(), threads)

    VirtualClock().run(main)
    assert Counter(model.calls) == {"stream": 300, "closed": 300}


def test_a_job_that_asks_can_be_cancelled_and_its_thread_still_asks() -> None:
    async def ask(state: State) -> dict[str, Any]:
        return {"log": [str(interrupt("ok?"))]}

    graph = Builder(State).add_node(ask).add_edge(START, "ask").compile(checkpointer=InMemorySaver())

    async def main() -> None:
        config = {"configurable": {"thread_id": "t"}}
        async with Engine(GraphExecutor(graph)) as engine:
            first = await engine.submit({"log": []}, config=config)
            await first.wait()
            first.cancel()
            second = await engine.submit(None, config=config)
            await second.wait()
            await engine.reply(second.id, "yes")
            assert await second == {"log": ["yes"]}

    VirtualClock().run(main)
