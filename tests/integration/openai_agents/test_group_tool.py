"""`group_tool`: an agent fans out jobs of an engine, and gets their results."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from agents import Agent, FunctionTool, RunConfig, Runner
from agents.testing import ScriptedModel, assistant_message, function_call
from pydantic import BaseModel
from typing_extensions import TypedDict

from paceline import (
    Engine,
    GroupPolicy,
    JobFailed,
    JobResult,
    Lane,
    MemorySink,
    Suspend,
    current_job,
    events,
)
from paceline.testing import VirtualClock
from paceline_adapters.openai_agents import AgentExecutor, ask_user, group_tool
from paceline_integrations.simulator import Simulator


def planner(tool: FunctionTool, *calls: object) -> Agent[Any]:
    """Calls the tool with each of these in one turn, then is done."""
    turn = [
        function_call(
            "research", call if isinstance(call, str) else {"items": call}, call_id=f"call-{number}"
        )
        for number, call in enumerate(calls)
    ]
    return Agent(name="planner", model=ScriptedModel([turn, [assistant_message("done")]]), tools=[tool])


async def run(agent: Agent[Any]) -> list[Any]:
    """Run the agent; what its tools gave the model."""
    result = await Runner.run(agent, "plan", run_config=RunConfig(tracing_disabled=True))
    assert result.final_output == "done"
    return [item.output for item in result.new_items if item.type == "tool_call_output_item"]


async def in_a_job(engine: Engine, agent: Agent[Any], **options: Any) -> list[Any]:
    """The same, as a job."""

    async def execute(_payload: object) -> list[Any]:
        return await run(agent)

    output: list[Any] = await (await engine.submit("plan", executor=execute, **options))
    return output


def research(engine: Engine, executor: Any, **options: Any) -> FunctionTool:
    return group_tool(engine, name="research", description="Research topics.", executor=executor, **options)


async def length(topic: str) -> int:
    """Longer topics take less time, and one fails."""
    await asyncio.sleep(10 - len(topic))
    if topic == "fail":
        raise ValueError("no such topic")
    return len(topic)


def test_results_come_in_the_order_of_the_items() -> None:
    async def main() -> None:
        async with Engine() as engine:
            (told,) = await in_a_job(engine, planner(research(engine, length), ["a", "ccc", "bb"]))
        assert json.loads(told) == [
            {"item": 1, "output": 1},
            {"item": 2, "output": 3},
            {"item": 3, "output": 2},
        ]

    VirtualClock().run(main)


def test_a_member_that_fails_is_told_in_its_place() -> None:
    async def main() -> None:
        async with Engine() as engine:
            (told,) = await in_a_job(engine, planner(research(engine, length), ["a", "fail"]))
        assert json.loads(told) == [
            {"item": 1, "output": 1},
            {"item": 2, "error": "failed: ValueError: no such topic"},
        ]

    VirtualClock().run(main)


def test_on_request_a_failure_fails_the_run_once_all_have_ended() -> None:
    async def main() -> None:
        async with Engine() as engine:
            tool = research(engine, length, raises=True)
            handle = await engine.submit("plan", executor=lambda _: run(planner(tool, ["fail", "a"])))
            result = await handle.wait()
            assert result.status == "failed"
            assert result.error is not None
            cause = result.error.exception
            assert cause is not None
            assert isinstance(cause.__cause__, JobFailed)
            assert "no such topic" in str(cause)
            assert engine.snapshot().counts["succeeded"] == 1

    VirtualClock().run(main)


def test_what_the_model_sees_of_a_result_can_be_made() -> None:
    def tell(result: JobResult) -> object:
        return f"{result.name}: {result.output}"

    async def main() -> None:
        async with Engine() as engine:
            tool = research(engine, length, tell=tell, primer=True)
            (told,) = await in_a_job(engine, planner(tool, ["a", "bb"]))
        first, second = json.loads(told)
        assert first.endswith("primer: 1")
        assert second.endswith("follower/0: 2")

    VirtualClock().run(main)


def test_outputs_that_are_no_json_are_shown_as_they_can_be() -> None:
    class Note(BaseModel):
        text: str

    outputs: dict[str, object] = {
        "model": Note(text="röd"),
        "bytes": b"\xff",
        "object": Engine,
        "none": None,
    }

    async def pick(name: str) -> object:
        return outputs[name]

    async def main() -> None:
        async with Engine() as engine:
            (told,) = await in_a_job(engine, planner(research(engine, pick), list(outputs)))
        shown = [each["output"] for each in json.loads(told)]
        assert shown == [{"text": "röd"}, "_w==", str(Engine), None]

    VirtualClock().run(main)


def test_too_many_items_are_refused_before_anything_runs() -> None:
    async def main() -> None:
        async with Engine() as engine:
            tool = research(engine, length, limit=3)
            assert tool.params_json_schema["properties"]["items"]["maxItems"] == 3
            told = await in_a_job(engine, planner(tool, ["a"] * 10_000, ["a"] * 3))
            assert told[0].startswith("Nothing was run")
            assert "at most 3 items" in told[0]
            assert len(json.loads(told[1])) == 3
            assert engine.snapshot().counts["succeeded"] == 4

    VirtualClock().run(main)


@pytest.mark.parametrize("arguments", ["", "no json", "[]", '{"items": "a"}', '{"items": [1, 2]}'])
def test_the_model_is_told_of_arguments_that_do_not_fit(arguments: str) -> None:
    async def main() -> None:
        async with Engine() as engine:
            (told,) = await in_a_job(engine, planner(research(engine, length), arguments))
            assert told.startswith("Nothing was run, because the arguments do not fit: ")
            assert engine.snapshot().counts["succeeded"] == 1

    VirtualClock().run(main)


def test_no_items_give_no_results() -> None:
    async def main() -> None:
        async with Engine() as engine:
            assert await in_a_job(engine, planner(research(engine, length), [])) == ["[]"]

    VirtualClock().run(main)


class Topic(BaseModel):
    name: str
    depth: int = 1


class Place(TypedDict):
    name: str


@pytest.mark.parametrize(
    ("item", "given", "payload", "strict"),
    [
        (Topic, {"name": "tides", "depth": 2}, Topic(name="tides", depth=2), True),
        (Place, {"name": "Brest"}, Place(name="Brest"), True),
        (int, 3, 3, True),
        (dict[str, int], {"a": 1}, {"a": 1}, False),
    ],
)
def test_items_can_be_of_any_type_that_pydantic_takes(
    item: Any, given: object, payload: object, strict: bool
) -> None:
    seen: list[object] = []

    async def note(what: object) -> None:
        seen.append(what)

    async def main() -> None:
        async with Engine() as engine:
            tool = research(engine, note, item=item)
            assert tool.strict_json_schema is strict
            await in_a_job(engine, planner(tool, [given]))
        assert seen == [payload]
        assert type(seen[0]) is type(payload)

    VirtualClock().run(main)


def test_agents_that_fan_out_to_agents_need_no_more_than_one_slot() -> None:
    async def main() -> None:
        async with Engine(slots=1) as engine:

            def agent(depth: int) -> Agent[Any]:
                async def below(_topic: str) -> object:
                    return await run(agent(depth - 1)) if depth else "leaf"

                return planner(research(engine, below), ["a", "b"])

            (told,) = await in_a_job(engine, agent(2))
            assert engine.snapshot().counts["succeeded"] == 1 + 2 + 4 + 8
            assert engine.snapshot().counts["failed"] == 0
        assert told.count("leaf") == 8

    VirtualClock().run(main)


def test_jobs_are_children_in_the_lane_of_the_job_that_the_agent_runs_in() -> None:
    sink = MemorySink()

    async def main() -> None:
        async with Engine(lanes=[Lane("tenant"), Lane("batch")], sinks=[sink]) as engine:
            await in_a_job(engine, planner(research(engine, length), ["a"]), lane="tenant")
            await in_a_job(engine, planner(research(engine, length, lane="batch"), ["b"]), lane="tenant")

    VirtualClock().run(main)
    begun = [event for event in sink.events if isinstance(event, events.JobSubmitted)]
    assert [event.lane for event in begun] == ["tenant", "tenant", "tenant", "batch"]
    assert [event.parent for event in begun] == [None, begun[0].job, None, begun[2].job]


def test_an_agent_of_another_engine_takes_the_lane_it_was_told() -> None:
    async def main() -> None:
        async with Engine(lanes=[Lane("tenant")]) as outer, Engine() as inner:
            (told,) = await in_a_job(outer, planner(research(inner, length), ["a"]), lane="tenant")
            assert json.loads(told) == [{"item": 1, "output": 1}]
            assert inner.snapshot().counts["succeeded"] == 1

    VirtualClock().run(main)


def test_an_agent_that_is_no_job_can_fan_out_too() -> None:
    async def main() -> None:
        async with Engine() as engine:
            (told,) = await run(planner(research(engine, length), ["a", "bb"]))
        assert [each["output"] for each in json.loads(told)] == [1, 2]

    VirtualClock().run(main)


def test_the_jobs_end_with_the_agent_that_is_cancelled() -> None:
    stopped: list[str] = []

    async def endless(topic: str) -> None:
        try:
            await asyncio.sleep(1e6)
        finally:
            stopped.append(topic)

    async def main() -> None:
        async with Engine() as engine:
            tool = research(engine, endless)
            handle = await engine.submit("plan", executor=lambda _: run(planner(tool, ["a", "b"])))
            await asyncio.sleep(1)
            handle.cancel()
            assert engine.snapshot().counts["cancelled"] == 3
        assert sorted(stopped) == ["a", "b"]
        assert len(asyncio.all_tasks()) == 1

    VirtualClock().run(main)


@pytest.mark.parametrize("slots", [1, 8])
def test_the_jobs_end_when_the_call_of_the_tool_runs_out_of_time(slots: int) -> None:
    """With one slot a member holds what the agent would need before its own code could cancel anything."""

    async def endless(_topic: str) -> None:
        await asyncio.sleep(1e6)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with Engine(slots=slots) as engine:
            tool = research(engine, endless)
            tool.timeout_seconds = 5.0
            (told,) = await in_a_job(engine, planner(tool, ["a", "b"]))
            assert "timed out" in told
            assert loop.time() < 10
            counts = engine.snapshot().counts
            assert (counts["cancelled"], counts["succeeded"]) == (2, 1)
        assert len(asyncio.all_tasks()) == 1

    VirtualClock().run(main)


async def careful(topic: str) -> object:
    """Asks twice before it does anything."""
    ctx = current_job()
    assert ctx is not None
    said: list[str] = list(ctx.job.state or [])
    if ctx.job.reply is not None:
        said.append(ctx.job.reply)
    if topic == "ask" and len(said) < 2:
        return Suspend(f"question {len(said) + 1}", state=said)
    return [topic, *said]


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - there is no event for it, and the time is virtual
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("slots", [1, 8])
def test_a_member_that_asks_is_waited_for(slots: int) -> None:
    async def main() -> None:
        async with Engine(slots=slots) as engine:
            tool = research(engine, careful)
            handle = await engine.submit("plan", executor=lambda _: run(planner(tool, ["go", "ask", "go"])))
            for number in (1, 2):
                await until(lambda: bool(engine.snapshot().questions))
                ((asking, (question,)),) = engine.snapshot().questions.items()
                assert question.value == f"question {number}"
                assert handle.status == "running"
                assert engine.snapshot().slots_used == 0
                await engine.reply(asking, f"answer {number}")
            (told,) = await handle
        outputs = [each["output"] for each in json.loads(told)]
        assert outputs == [["go"], ["ask", "answer 1", "answer 2"], ["go"]]

    VirtualClock().run(main)


def test_nothing_is_left_when_the_agent_is_cancelled_while_a_member_asks() -> None:
    async def main() -> None:
        async with Engine(slots=1) as engine:
            tool = research(engine, careful)
            handle = await engine.submit("plan", executor=lambda _: run(planner(tool, ["ask"])))
            await until(lambda: bool(engine.snapshot().questions))
            handle.cancel()
            assert not engine.snapshot().questions
        assert len(asyncio.all_tasks()) == 1

    VirtualClock().run(main)


def test_an_engine_that_is_left_does_not_wait_for_answers() -> None:
    async def main() -> None:
        async with Engine() as engine:
            tool = research(engine, careful)
            handle = await engine.submit("plan", executor=lambda _: run(planner(tool, ["ask"])))
            await until(lambda: bool(engine.snapshot().questions))
        assert handle.status == "cancelled"
        assert len(asyncio.all_tasks()) == 1

    VirtualClock().run(main)


def test_the_first_item_goes_ahead_where_it_is_to_fill_the_cache() -> None:
    order: list[str] = []

    async def note(topic: str) -> str:
        order.append(f"begin {topic}")
        await asyncio.sleep(1)
        order.append(f"end {topic}")
        if topic == "a":
            raise ValueError
        return topic

    async def main(policy: GroupPolicy | None) -> Any:
        async with Engine() as engine:
            tool = research(engine, note, primer=True, policy=policy)
            (told,) = await in_a_job(engine, planner(tool, ["a", "b"]))
        return json.loads(told)

    told = VirtualClock().run(main, None)
    assert order == ["begin a", "end a", "begin b", "end b"]
    assert [each.get("output") for each in told] == [None, "b"]
    told = VirtualClock().run(main, GroupPolicy())
    assert order[4:] == ["begin a", "end a"]
    assert told[1]["error"].startswith("skipped")


def test_an_item_that_is_none_is_an_item() -> None:
    async def note(topic: object) -> str:
        return repr(topic)

    async def main() -> None:
        async with Engine() as engine:
            tool = research(engine, note, item=str | None, primer=True)
            (told,) = await in_a_job(engine, planner(tool, [None, "b"]))
        assert [each["output"] for each in json.loads(told)] == ["None", "'b'"]

    VirtualClock().run(main)


def test_calls_at_the_same_time_are_groups_of_their_own_with_names_that_last() -> None:
    """Names are what caches are kept by: a later call has one of an earlier call's again."""

    async def group_name(_topic: str) -> object:
        ctx = current_job()
        assert ctx is not None
        assert ctx.group is not None
        await asyncio.sleep(1)
        return ctx.group.name

    async def main() -> None:
        async with Engine() as engine:
            tool = research(engine, group_name)
            for _ in range(2):
                told = await in_a_job(engine, planner(tool, ["x"], ["x"], ["x"]))
                names = {json.loads(each)[0]["output"] for each in told}
                assert names == {"research", "research 2", "research 3"}

    VirtualClock().run(main)


@pytest.mark.parametrize(
    ("error", "message", "options"),
    [
        (ValueError, "limit must be a whole number of at least 1, not 0", {"limit": 0}),
        (ValueError, "limit must be a whole number of at least 1, not True", {"limit": True}),
        (TypeError, "key cannot be said of a group; known: after, ", {"key": "x"}),
        (TypeError, "lain cannot be said of a group", {"lain": "x"}),
    ],
)
def test_a_tool_that_could_not_work_is_refused_when_it_is_made(
    error: type[Exception], message: str, options: dict[str, Any]
) -> None:
    with pytest.raises(error, match=message):
        research(Engine(), length, **options)


def test_an_engine_that_is_not_open_fails_the_run_and_says_so() -> None:
    async def main() -> None:
        with pytest.raises(Exception, match="engine") as caught:
            await run(planner(research(Engine(), length), ["a"]))
        assert type(caught.value.__cause__).__name__ == "EngineNotOpen"

    VirtualClock().run(main)


# With the adapter's own executor.


def test_a_member_agent_that_asks_the_user_is_answered_through_the_engine() -> None:
    def guide() -> Agent[Any]:
        ask = function_call("ask_user", {"question": "Which city?"}, call_id="q")
        model = ScriptedModel([[ask], [assistant_message("Porto it is")]])
        return Agent(name="guide", model=model, tools=[ask_user])

    async def main() -> None:
        async with Engine(slots=1) as engine:
            tool = research(engine, AgentExecutor(guide()))
            agent = planner(tool, ["a trip"])
            handle = await engine.submit("plan", executor=AgentExecutor(agent))
            await until(lambda: bool(engine.snapshot().questions))
            ((member, (question,)),) = engine.snapshot().questions.items()
            assert question.value == "Which city?"
            await engine.reply(member, "Porto")
            assert await handle == "done"
        (told,) = outputs_of(agent)
        assert json.loads(told) == [{"item": 1, "output": "Porto it is"}]

    VirtualClock().run(main)


def outputs_of(agent: Agent[Any]) -> list[Any]:
    """What the model was last shown of its tools' results."""
    model = agent.model
    assert isinstance(model, ScriptedModel)
    assert model.last_call is not None
    items: Any = model.last_call.input
    return [item["output"] for item in items if item.get("type") == "function_call_output"]


@pytest.mark.parametrize("stream", [False, True])
def test_an_agent_fans_out_to_another_over_the_real_client(
    serve: Callable[..., Simulator], clients: Any, stream: bool
) -> None:
    server = serve()
    sink = MemorySink()

    async def main() -> str:
        async with Engine(slots=1, sinks=[sink]) as engine:
            helper = Agent(name="helper", instructions="You help.", model=clients(server))
            tool = research(engine, AgentExecutor(helper))
            head = Agent(name="planner", model=clients(server), tools=[tool])
            handle = await engine.submit("please call research", executor=AgentExecutor(head), stream=stream)
            output: str = await handle
        return output

    assert clients.run(main)
    requests = server.requests()
    assert {each.outcome for each in requests} == {"answered"}
    assert len(requests) >= 3  # the planner's two, and one for each item
    shown = str(requests[-1].body)
    assert all(f'"item":{number}' in shown.replace("\\", "") for number in range(1, len(requests) - 1))
    jobs = [event for event in sink.events if isinstance(event, events.JobSubmitted)]
    assert len(jobs) == len(requests) - 1
    assert {each.parent for each in jobs[1:]} == {jobs[0].job}
