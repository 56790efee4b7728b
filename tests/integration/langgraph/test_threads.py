"""Threads: whose they are, who takes turns on them, what a job finds there and how it goes on."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph, add_messages
from langgraph.types import interrupt

from paceline import CannotGoOn, Engine, GroupPolicy, Job, PacelineError, RetryPolicy, RunAgain, current_job
from paceline.testing import VirtualClock
from paceline_adapters.langgraph import GraphExecutor

pytestmark = pytest.mark.anyio
Node = Callable[..., Any]
EMPTY: dict[str, list[str]] = {"log": []}
Builder: Any = StateGraph  # its own types are half known


class State(TypedDict):
    log: Annotated[list[str], operator.add]


def one(node: Node, **options: Any) -> Any:
    """A graph of one node, with a checkpointer."""
    options.setdefault("checkpointer", InMemorySaver())
    return Builder(State).add_node("node", node).add_edge(START, "node").compile(**options)


def two(first: Node, second: Node, **options: Any) -> Any:
    graph = Builder(State).add_node("first", first).add_node("second", second)
    graph.add_edge(START, "first").add_edge("first", "second")
    options.setdefault("checkpointer", InMemorySaver())
    return graph.compile(**options)


async def count(state: State) -> dict[str, Any]:
    return {"log": [str(len(state["log"]))]}


def thread(name: str) -> RunnableConfig:
    return {"configurable": {"thread_id": name}}


def by_name(job: Job) -> str:
    return "shared"


async def test_each_job_has_a_thread_of_its_own_under_its_id() -> None:
    graph = one(count)
    async with Engine(GraphExecutor(graph)) as engine:
        handles = [await engine.submit({"log": []}) for _ in range(3)]
        assert [await handle for handle in handles] == [{"log": ["0"]}] * 3
    for handle in handles:
        assert (await graph.aget_state(thread(handle.id))).values == {"log": ["0"]}


async def test_jobs_of_a_group_go_on_in_one_thread_and_another_group_of_that_name_in_another() -> None:
    graph = one(count)
    async with Engine(GraphExecutor(graph, thread="group")) as engine:
        for _ in range(2):
            group = await engine.submit_group("g", primer={"log": []}, followers=[EMPTY] * 3)
            lengths = [len(result.output["log"]) for result in await group.results()]
            assert lengths == [1, 2, 3, 4]
        alone = await engine.submit({"log": []})
        assert await alone == {"log": ["0"]}
    assert (await graph.aget_state(thread(alone.id))).values == {"log": ["0"]}


@pytest.mark.parametrize("how", ["group", "config", "function", "executor config", "bound config"])
def test_runs_on_one_thread_take_turns(how: str) -> None:
    """Side by side they would lose each other's updates, without a word."""
    running = 0

    async def slow(state: State) -> dict[str, Any]:
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(1.0)
        running -= 1
        return {"log": [str(len(state["log"]))]}

    async def main() -> tuple[Any, float]:
        options: dict[str, Any] = {
            "group": dict[str, Any](thread="group"),
            "config": dict[str, Any](),
            "function": dict[str, Any](thread=by_name),
            "executor config": dict[str, Any](config=thread("shared")),
            "bound config": dict[str, Any](),
        }[how]
        graph = one(slow).with_config(thread("shared")) if how == "bound config" else one(slow)
        async with Engine(GraphExecutor(graph, **options)) as engine:
            if how == "group":
                group = await engine.submit_group("g", primer={"log": []}, followers=[EMPTY] * 2)
                outputs = [result.output["log"] for result in await group.results()]
            else:
                config = thread("shared") if how == "config" else None
                handles = [await engine.submit({"log": []}, config=config) for _ in range(3)]
                outputs = [(await handle)["log"] for handle in handles]
            return outputs, asyncio.get_running_loop().time()

    outputs, seconds = VirtualClock().run(main)
    assert outputs == [["0"], ["0", "1"], ["0", "1", "2"]]
    assert seconds == 3.0


def test_threads_of_their_own_do_not_wait_for_each_other() -> None:
    async def slow(state: State) -> dict[str, Any]:
        await asyncio.sleep(1.0)
        return {"log": ["slow"]}

    async def main() -> float:
        async with Engine(GraphExecutor(one(slow)), slots=10) as engine:
            for _ in range(10):
                await engine.submit({"log": []})
        return asyncio.get_running_loop().time()

    assert VirtualClock().run(main) == 1.0


async def test_a_thread_of_the_config_goes_before_the_executors() -> None:
    graph = one(count)
    async with Engine(GraphExecutor(graph, thread=by_name)) as engine:
        await (await engine.submit({"log": []}, config=thread("by config")))
        await (await engine.submit({"log": []}))
    for name in ("by config", "shared"):
        assert (await graph.aget_state(thread(name))).values == {"log": ["0"]}


@pytest.mark.parametrize("made", ["", None, 7])
async def test_a_function_that_makes_no_thread_is_refused_at_submit(made: Any) -> None:
    async with Engine(GraphExecutor(one(count), thread=lambda job: made)) as engine:
        with pytest.raises(TypeError, match="must return a text"):
            await engine.submit({"log": []})


async def test_a_lock_beside_that_of_the_thread_is_refused() -> None:
    async with Engine(GraphExecutor(one(count))) as engine:
        with pytest.raises(PacelineError, match="takes one lock"):
            await engine.submit({"log": []}, config=thread("t"), lock="mine")
        assert await (await engine.submit({"log": []}, lock="mine")) == {"log": ["0"]}


async def test_followers_begin_with_what_the_primer_has_left_each_in_a_thread_of_its_own() -> None:
    class Chat(TypedDict):
        messages: Annotated[list[AnyMessage], add_messages]
        total: Annotated[int, operator.add]
        note: str

    async def talk(state: Chat) -> dict[str, Any]:
        said = "+".join(str(message.content) for message in state["messages"])
        return {"messages": [HumanMessage(f"<{said}>")], "total": 1, "note": state.get("note", "") + "."}

    saver = InMemorySaver()
    graph = Builder(Chat).add_node(talk).add_edge(START, "talk").compile(checkpointer=saver)
    asked = [{"messages": [("user", name)], "total": 10} for name in ("plan", "left", "right")]
    async with Engine(GraphExecutor(graph, thread="fork")) as engine:
        group = await engine.submit_group(
            "g", primer=asked[0], followers=asked[1:], policy=GroupPolicy(release="complete")
        )
        results = await group.results()
    said = [[message.content for message in result.output["messages"]] for result in results]
    assert said == [
        ["plan", "<plan>"],
        ["plan", "<plan>", "left", "<plan+<plan>+left>"],
        ["plan", "<plan>", "right", "<plan+<plan>+right>"],
    ]
    assert [(result.output["total"], result.output["note"]) for result in results] == [
        (11, "."),
        (22, ".."),
        (22, ".."),
    ]
    for result in results:
        assert len((await graph.aget_state(thread(result.id))).values["messages"]) in {2, 4}


def test_a_state_that_is_spread_over_checkpoints_is_not_forked() -> None:
    class Long(TypedDict):
        log: Annotated[list[str], DeltaChannel(lambda held, more: [*held, *more])]

    async def node(state: Any) -> Any:
        return {"log": ["more"]}

    graph = Builder(Long).add_node("node", node).add_edge(START, "node").compile(checkpointer=InMemorySaver())
    with pytest.raises(ValueError, match="a DeltaChannel keeps its state in the ones before"):
        GraphExecutor(graph, thread="fork")


async def test_followers_fork_threads_in_sqlite(tmp_path: Path) -> None:
    async with (
        AsyncSqliteSaver.from_conn_string(str(tmp_path / "threads.sqlite")) as saver,
        Engine(GraphExecutor(one(count, checkpointer=saver), thread="fork")) as engine,
    ):
        group = await engine.submit_group(
            "g", primer=EMPTY, followers=[EMPTY] * 2, policy=GroupPolicy(release="complete")
        )
        outputs = [result.output["log"] for result in await group.results()]
    assert outputs == [["0"], ["0", "1"], ["0", "1"]]


async def test_a_forked_job_that_is_tried_again_is_not_forked_again() -> None:
    failed: list[str] = []

    async def weak(state: State) -> dict[str, Any]:
        job = current_job()
        assert job is not None
        if job.job.role == "follower" and len(failed) < 2:
            failed.append(job.job.name)
            raise ConnectionError("broken")
        return {"log": ["done"]}

    async with Engine(GraphExecutor(one(weak), thread="fork"), retry=RetryPolicy(base=0.0)) as engine:
        group = await engine.submit_group(
            "g",
            primer={"log": ["plan"]},
            followers=[{"log": ["mine"]}],
            policy=GroupPolicy(release="complete"),
        )
        _, follower = await group.results()
    assert follower.output == {"log": ["plan", "done", "mine", "done"]}
    assert len(follower.attempts) == 3


def test_a_follower_that_would_start_before_there_is_anything_to_fork_says_so() -> None:
    async def slow(state: State) -> dict[str, Any]:
        job = current_job()
        assert job is not None
        job.first_token()
        await asyncio.sleep(1.0)
        return {"log": ["done"]}

    async def main() -> Any:
        executor = GraphExecutor(one(slow), thread="fork")
        async with Engine(executor, retry=RetryPolicy(base=0.0)) as engine:
            group = await engine.submit_group("g", primer={"log": []}, followers=[EMPTY])
            return await group.results()

    primer, follower = VirtualClock().run(main)
    assert primer.ok
    assert isinstance(follower.error.exception, CannotGoOn)
    assert "GroupPolicy(release='complete')" in follower.error.message
    assert len(follower.attempts) == 1


async def test_followers_of_a_primer_that_failed_begin_afresh() -> None:
    async def weak(state: State) -> dict[str, Any]:
        if "plan" in state["log"]:
            raise LookupError("no plan")
        return {"log": ["done"]}

    async with Engine(GraphExecutor(one(weak), thread="fork")) as engine:
        group = await engine.submit_group(
            "g",
            primer={"log": ["plan"]},
            followers=[{"log": ["mine"]}],
            policy=GroupPolicy(release="complete", on_primer_failure="run_followers"),
        )
        _, follower = await group.results()
    assert follower.output == {"log": ["mine", "done"]}


class Weak:
    """Two nodes, of which the second fails a few times."""

    def __init__(self, fails: int) -> None:
        self.ran: list[str] = []
        self.left = fails

    async def first(self, state: State) -> State:
        self.ran.append("first")
        return {"log": ["first"]}

    async def second(self, state: State) -> State:
        self.ran.append("second")
        if self.left:
            self.left -= 1
            raise ConnectionError("broken")
        return {"log": ["second"]}


@pytest.mark.parametrize("durability", [None, "sync", "exit"])
@pytest.mark.parametrize("shared", [False, True])
async def test_what_is_tried_again_goes_on_from_its_last_checkpoint(shared: bool, durability: Any) -> None:
    weak = Weak(fails=2)
    graph = two(weak.first, weak.second)
    config = thread("shared") if shared else None
    async with Engine(GraphExecutor(graph, durability=durability), retry=RetryPolicy(base=0.0)) as engine:
        assert await (await engine.submit({"log": ["in"]}, config=config)) == {
            "log": ["in", "first", "second"]
        }
    assert weak.ran == ["first", "second", "second", "second"]


async def test_without_a_checkpointer_it_begins_again() -> None:
    weak = Weak(fails=1)
    executor = GraphExecutor(two(weak.first, weak.second, checkpointer=None), durability="sync")
    async with Engine(executor, retry=RetryPolicy(base=0.0)) as engine:
        assert await (await engine.submit({"log": ["in"]})) == {"log": ["in", "first", "second"]}
    assert weak.ran == ["first", "second"] * 2


async def test_what_another_program_left_unfinished_goes_on_by_the_same_payload_or_none() -> None:
    for payload in ({"log": ["in"]}, None):
        weak = Weak(fails=1)
        graph = two(weak.first, weak.second)
        async with Engine(GraphExecutor(graph)) as engine:
            assert not (await (await engine.submit({"log": ["in"]}, config=thread("t"))).wait()).ok
        async with Engine(GraphExecutor(graph)) as engine:
            output = await (await engine.submit(payload, config=thread("t")))
        assert output == {"log": ["in", "first", "second"]}
        assert weak.ran == ["first", "second", "second"]


async def test_another_payload_is_new_input_though_something_is_unfinished() -> None:
    weak = Weak(fails=1)
    async with Engine(GraphExecutor(two(weak.first, weak.second))) as engine:
        assert not (await (await engine.submit({"log": ["in"]}, config=thread("t"))).wait()).ok
        output = await (await engine.submit({"log": ["other"]}, config=thread("t")))
    assert output == {"log": ["in", "first", "other", "first", "second"]}


async def test_the_same_payload_on_a_finished_thread_is_new_input() -> None:
    async with Engine(GraphExecutor(one(count))) as engine:
        for log in (["0"], ["0", "1"]):
            assert await (await engine.submit({"log": []}, config=thread("t"))) == {"log": log}


async def test_what_is_sent_back_goes_on_in_its_thread_as_new_input() -> None:
    class Review:
        async def around(self, job: Job, ctx: Any, call_next: Any) -> Any:
            output = await call_next(job, ctx)
            if ctx.attempt == 1:
                raise RunAgain({"log": ["better"]})
            return output

    async with Engine(GraphExecutor(one(count)), middleware=[Review()]) as engine:
        assert await (await engine.submit({"log": ["in"]})) == {"log": ["in", "1", "better", "3"]}


async def test_a_checkpoint_that_the_config_names_is_begun_from() -> None:
    graph = one(count)
    async with Engine(GraphExecutor(graph)) as engine:
        assert await (await engine.submit({"log": []}, config=thread("t"))) == {"log": ["0"]}
        place = (await graph.aget_state(thread("t"))).config
        assert await (await engine.submit({"log": []}, config=thread("t"))) == {"log": ["0", "1"]}
        assert await (await engine.submit({"log": ["x"]}, config=place)) == {"log": ["0", "x", "2"]}


async def test_a_question_whose_thread_another_job_took_on_is_not_answered() -> None:
    async def ask(state: State) -> dict[str, Any]:
        return {"log": [str(interrupt("ok?"))]}

    executor = GraphExecutor(one(ask))
    async with Engine(executor, lock_held_while_suspended=False) as engine:
        first = await engine.submit({"log": ["one"]}, config=thread("t"))
        await first.wait()
        second = await engine.submit({"log": ["two"]}, config=thread("t"))
        await second.wait()
        await engine.reply(first.id, "for the first")
        result = await first.wait()
        assert result.error is not None
        assert f"job {second.id} has gone on in its thread 't'" in result.error.message
        await engine.reply(second.id, "for the second")
        assert (await second)["log"][-1] == "for the second"


async def test_a_question_that_another_program_left_open_is_asked_again_and_nothing_runs() -> None:
    ran: list[str] = []

    async def ask(state: State) -> dict[str, Any]:
        ran.append("ask")
        return {"log": [str(interrupt("ok?"))]}

    graph = one(ask)
    async with Engine(GraphExecutor(graph)) as engine:
        handle = await engine.submit({"log": ["in"]}, config=thread("t"))
        await handle.wait()
        (before,) = handle.questions
    async with Engine(GraphExecutor(graph)) as engine:
        handle = await engine.submit({"log": ["in"]}, config=thread("t"))
        await handle.wait()
        assert handle.questions == (before,)
        assert ran == ["ask"]
        await engine.reply(handle.id, "yes")
        assert await handle == {"log": ["in", "yes"]}


@pytest.mark.parametrize("payload", [{"log": ["in"]}, None])
@pytest.mark.parametrize("stops", [{"interrupt_before": ["second"]}, {"interrupt_after": ["first"]}])
async def test_a_breakpoint_at_which_another_program_stood_is_asked_about_again(
    stops: dict[str, Any], payload: Any
) -> None:
    weak = Weak(fails=0)
    graph = two(weak.first, weak.second, **stops)
    for given in ({"log": ["in"]}, payload):
        async with Engine(GraphExecutor(graph)) as engine:
            handle = await engine.submit(given, config=thread("t"))
            assert (await handle.wait()).status == "suspended"
    assert weak.ran == ["first"]
    async with Engine(GraphExecutor(graph)) as engine:
        handle = await engine.submit(payload, config=thread("t"))
        await handle.wait()
        await engine.reply(handle.id, True)
        assert await handle == {"log": ["in", "first", "second"]}
    assert weak.ran == ["first", "second"]


class WeakSaver(InMemorySaver):
    """Fails once, when a thread is looked at for the second time."""

    looks: int = 0

    async def aget_tuple(self, config: RunnableConfig) -> Any:
        self.looks += 1
        if self.looks == 2:
            raise ConnectionError("broken")
        return await super().aget_tuple(config)


@pytest.mark.parametrize("stops", [{"interrupt_before": ["second"]}, {"interrupt_after": ["first"]}])
async def test_a_breakpoint_is_not_passed_unasked_though_the_thread_could_not_be_read_there(
    stops: dict[str, Any],
) -> None:
    weak, saver = Weak(fails=0), WeakSaver()
    executor = GraphExecutor(two(weak.first, weak.second, checkpointer=saver, **stops))
    async with Engine(executor, retry=RetryPolicy(base=0.0)) as engine:
        handle = await engine.submit({"log": ["in"]})
        result = await handle.wait()
        assert [attempt.outcome for attempt in result.attempts] == ["failed", "suspended"]
        assert weak.ran == ["first"]
        await engine.reply(handle.id, True)
        assert await handle == {"log": ["in", "first", "second"]}


class SlowSaver(InMemorySaver):
    """Takes a minute to say that it has saved what comes after the first node."""

    async def aput(self, config: RunnableConfig, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        saved = await super().aput(config, checkpoint, metadata, new_versions)
        if metadata["step"] == 1:
            await asyncio.sleep(60.0)
        return saved


def test_a_breakpoint_is_not_passed_unasked_though_time_was_over_just_there() -> None:
    async def main() -> None:
        weak = Weak(fails=0)
        graph = two(weak.first, weak.second, checkpointer=SlowSaver(), interrupt_before=["second"])
        async with Engine(GraphExecutor(graph), retry=RetryPolicy(base=0.0)) as engine:
            handle = await engine.submit({"log": ["in"]}, timeout=5.0)
            result = await handle.wait()
            assert [attempt.outcome for attempt in result.attempts] == ["failed", "suspended"]
            assert weak.ran == ["first"]
            assert handle.cancel()

    VirtualClock().run(main)


async def test_a_fork_that_failed_is_tried_again() -> None:
    executor = GraphExecutor(one(count, checkpointer=WeakSaver()), thread="fork")
    async with Engine(executor, retry=RetryPolicy(base=0.0)) as engine:
        group = await engine.submit_group(
            "g", primer=EMPTY, followers=[EMPTY], policy=GroupPolicy(release="complete")
        )
        _, follower = await group.results()
    assert follower.output == {"log": ["0", "1"]}
    assert len(follower.attempts) == 2


@pytest.mark.parametrize("asks", [False, True])
async def test_a_checkpoint_that_the_config_names_is_gone_back_to_once(asks: bool) -> None:
    ran: list[str] = []
    seen: list[Any] = []

    async def first(state: State) -> dict[str, Any]:
        ran.append("first")
        return {"log": [str(len(state["log"]))]}

    async def second(state: State, config: RunnableConfig) -> dict[str, Any]:
        if "again" in state["log"][-2:]:
            seen.append(config.get("configurable", {}).get("__pregel_strict_resume"))
            if asks:
                return {"log": [str(interrupt("ok?"))]}
            if len(seen) == 1:
                raise ConnectionError("broken")
        return {"log": ["second"]}

    graph = two(first, second)
    async with Engine(GraphExecutor(graph), retry=RetryPolicy(base=0.0)) as engine:
        assert await (await engine.submit(EMPTY, config=thread("t"))) == {"log": ["0", "second"]}
        place = (await graph.aget_state(thread("t"))).config
        await (await engine.submit({"log": ["passed"]}, config=thread("t")))
        handle = await engine.submit({"log": ["again"]}, config=place)
        if asks:
            await handle.wait()
            await engine.reply(handle.id, "yes")
        last = "yes" if asks else "second"
        assert await handle == {"log": ["0", "second", "again", "3", last]}
    assert ran == ["first"] * 3
    assert seen == [None, True if asks else None]
