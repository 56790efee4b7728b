"""A graph whose node, or tool, runs a group of jobs in an engine."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, Send, interrupt
from pydantic import BaseModel, ValidationError

from paceline import (
    CannotGoOn,
    Engine,
    GroupPolicy,
    Handle,
    Job,
    JobCancelled,
    JobContext,
    JobFailed,
    JobResult,
    JobSuspended,
    Lane,
    PrefixCache,
    Question,
    ReplyRefused,
    RetryPolicy,
    Suspend,
    current_job,
)
from paceline.testing import VirtualClock
from paceline_adapters.langchain import RunnableExecutor
from paceline_adapters.langgraph import GraphExecutor, ask_user, fan_out

Model = Callable[..., Any]


class State(TypedDict, total=False):
    topics: list[str]
    results: list[Any]


def topics(state: State) -> list[str]:
    return state.get("topics", [])


def graph_of(node: Any, *, saver: Any = None, state: type[Any] = State) -> Any:
    builder: Any = StateGraph(state)
    builder.add_node("research", node)
    builder.add_edge(START, "research")
    return builder.compile(checkpointer=saver)


def thread(name: str = "1", **more: Any) -> Any:
    return {"configurable": {"thread_id": name}, **more}


def executor(graph: Any, **options: Any) -> GraphExecutor:
    return GraphExecutor(graph, **options)


async def upper(topic: str) -> str:
    await asyncio.sleep(3 - len(topic))  # the last ones end first
    return topic.upper()


async def run(engine: Engine, graph: Any, given: Any, *, inside: bool) -> Any:
    """Run it to its end, in a job of the engine or outside."""
    if inside:
        return await (await engine.submit(given, executor=executor(graph)))
    return await graph.ainvoke(given, thread())


# Outputs.


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("slots", [1, 8])
def test_outputs_come_in_the_order_of_the_payloads(slots: int, inside: bool) -> None:
    async def main() -> Any:
        async with Engine(slots=slots) as engine:
            graph = graph_of(fan_out(engine, payloads=topics, executor=upper))
            return await run(engine, graph, {"topics": ["a", "bb", "ccc"]}, inside=inside)

    assert VirtualClock().run(main)["results"] == ["A", "BB", "CCC"]


def test_a_primer_goes_first_and_its_output_is_the_first() -> None:
    began: list[tuple[str, float]] = []

    async def work(topic: str) -> str:
        began.append((topic, asyncio.get_running_loop().time()))
        await asyncio.sleep(1)
        return topic.upper()

    async def main() -> Any:
        async with Engine() as engine:
            node = fan_out(engine, payloads=topics, primer=lambda state: "all", executor=work, into="results")
            return await graph_of(node).ainvoke({"topics": ["a", "b"]})

    assert VirtualClock().run(main)["results"] == ["ALL", "A", "B"]
    assert began == [("all", 0), ("a", 1), ("b", 1)]


class Prefixes:
    """A provider of prefix caches: the payload names the prefix."""

    def fingerprint(self, payload: Any, context: Mapping[str, Any]) -> str:
        return str(payload)

    async def create(self, payload: Any, context: Mapping[str, Any]) -> str:
        return f"cache of {payload}"


@pytest.mark.parametrize("on_error", ["raise", "keep"])
def test_a_primer_whose_prefix_is_warm_is_left_out_and_nothing_is_missing(on_error: Any) -> None:
    def work(topic: str) -> Any:
        job = current_job()
        assert job is not None
        return f"{topic} by {job.cache}"

    async def main() -> list[Any]:
        async with Engine() as engine:
            node = fan_out(
                engine,
                payloads=topics,
                primer=lambda state: "all",
                executor=work,
                cache=PrefixCache(Prefixes()),
                on_error=on_error,
            )
            return [(await graph_of(node).ainvoke({"topics": ["a"]}))["results"] for _ in range(2)]

    first, second = asyncio.run(main())
    assert first == ["all by cache of all", "a by cache of all"]
    assert second == [None, "a by cache of all"]


def test_nothing_to_do_is_done_at_once() -> None:
    async def main() -> Any:
        async with Engine() as engine:
            return await graph_of(fan_out(engine, payloads=topics, executor=upper)).ainvoke({"topics": []})

    assert VirtualClock().run(main)["results"] == []


def test_what_is_said_of_the_jobs_is_said_of_all_and_the_lane_is_that_of_the_graphs_job() -> None:
    seen: list[Any] = []

    def look(topic: str) -> None:
        job = current_job()
        assert job is not None
        assert job.group is not None
        seen.append((job.job.lane, job.job.priority, job.job.metadata["team"], job.group.name.split("-")[0]))

    async def main() -> None:
        async with Engine(lanes=[Lane("batch"), Lane("fast")]) as engine:
            given: Any = {"topics": ["a"]}
            for options in ({}, {"lane": "fast", "priority": 3}):
                node = fan_out(
                    engine,
                    payloads=topics,
                    executor=look,
                    name="look",
                    metadata={"team": "blue"},
                    **options,  # type: ignore[arg-type]
                )
                await (await engine.submit(given, executor=executor(graph_of(node)), lane="batch"))

    asyncio.run(main())
    assert seen == [("batch", 0, "blue", "look"), ("fast", 3, "blue", "look")]


class Loop(TypedDict):
    topics: list[str]
    results: Annotated[list[str], operator.add]


def test_a_node_in_a_loop_and_many_at_once_have_a_group_each() -> None:
    def again(state: Loop) -> Any:
        if len(state["results"]) >= 6:
            return "__end__"
        return [Send("research", {"topics": [f"{name}{len(state['results'])}"]}) for name in "abc"]

    async def main() -> Any:
        async with Engine(lambda topic: topic.upper()) as engine:
            builder: Any = StateGraph(Loop)
            builder.add_node("research", fan_out(engine, payloads=lambda state: state["topics"]))
            builder.add_conditional_edges(START, again)
            builder.add_conditional_edges("research", again)
            return await builder.compile().ainvoke({"topics": [], "results": []}), engine.snapshot().counts

    output, counts = asyncio.run(main())
    assert output["results"][:3] == ["A0", "B0", "C0"]
    assert counts["succeeded"] == len(output["results"])


# Errors.


async def picky(topic: str) -> str:
    await asyncio.sleep(len(topic))
    if topic == "a":
        raise ValueError("not this one")
    return topic.upper()


@pytest.mark.parametrize("inside", [True, False])
def test_the_first_failure_fails_the_node_and_the_others_are_not_paid_for(inside: bool) -> None:
    async def main() -> Any:
        async with Engine() as engine:
            graph = graph_of(fan_out(engine, payloads=topics, executor=picky))
            with pytest.raises(JobFailed) as caught:
                await run(engine, graph, {"topics": ["bbb", "a", "cc"]}, inside=inside)
            return caught.value, engine.snapshot().counts

    error, counts = VirtualClock().run(main)
    error = error.__cause__ if inside else error
    assert isinstance(error, JobFailed)
    assert isinstance(error.__cause__, ValueError)
    assert (counts["cancelled"], counts["failed"]) == (2, 2 if inside else 1)


def test_by_a_policy_the_others_go_on_and_then_the_node_fails() -> None:
    async def main() -> Any:
        async with Engine() as engine:
            node = fan_out(engine, payloads=topics, executor=picky, policy=GroupPolicy())
            with pytest.raises(JobFailed, match="not this one"):
                await graph_of(node).ainvoke({"topics": ["bbb", "a"]})
            return engine.snapshot().counts

    counts = VirtualClock().run(main)
    assert (counts["succeeded"], counts["failed"], counts["cancelled"]) == (1, 1, 0)


def mark(result: JobResult) -> str:
    return f"{result.status}!"


@pytest.mark.parametrize(
    ("on_error", "expected"),
    [
        ("keep", {"status": "failed", "error": "ValueError: not this one"}),
        (mark, "failed!"),
    ],
)
def test_failures_can_be_kept_in_their_places(on_error: Any, expected: Any) -> None:
    async def main() -> Any:
        async with Engine() as engine:
            node = fan_out(engine, payloads=topics, executor=picky, on_error=on_error)
            return await graph_of(node).ainvoke({"topics": ["bbb", "a", "cc"]})

    assert VirtualClock().run(main)["results"] == ["BBB", expected, "CC"]


def test_a_node_that_is_cancelled_cancels_its_group() -> None:
    async def main() -> Any:
        async with Engine() as engine:
            graph = graph_of(fan_out(engine, payloads=topics, executor=picky))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(graph.ainvoke({"topics": ["b" * 9, "c" * 9]}), 1)
            await asyncio.sleep(0.01)
            assert engine.snapshot().counts["cancelled"] == 2
            handle = await engine.submit({"topics": ["b" * 9, "c" * 9]}, executor=executor(graph))
            await asyncio.sleep(1)
            handle.cancel()
            await asyncio.sleep(0.01)
            return engine.snapshot()

    snapshot = VirtualClock().run(main)
    assert snapshot.counts["cancelled"] == 2 + 3
    assert snapshot.abandoned == ()


def test_a_retry_of_the_graph_runs_the_group_anew() -> None:
    failures = [ValueError("once"), OSError("lost")]

    async def flaky(topic: str) -> str:
        if topic == "a" and failures:
            raise failures.pop()
        return topic.upper()

    async def main() -> Any:
        async with Engine() as engine:
            graph = graph_of(fan_out(engine, payloads=topics, executor=flaky), saver=InMemorySaver())
            handle = await engine.submit(
                {"topics": ["a", "b"]}, executor=executor(graph), retry=RetryPolicy(attempts=2, base=0.01)
            )
            return await handle.wait()

    result = VirtualClock().run(main)
    assert [each.outcome for each in result.attempts] == ["failed", "failed"]
    assert "once" in result.error.message, "an OSError is worth another attempt, a ValueError is not"


@pytest.mark.parametrize("inside", [True, False])
def test_an_engine_that_is_left_by_an_error_ends_the_node_too(inside: bool) -> None:
    async def main() -> Any:
        engine = Engine(grace=1)
        tasks: list[asyncio.Task[Any]] = []

        async def leave() -> None:
            async with engine:
                graph = graph_of(fan_out(engine, payloads=topics, executor=picky))
                given = {"topics": ["b" * 9, "c" * 9]}
                tasks.append(asyncio.create_task(run(engine, graph, given, inside=inside)))
                await asyncio.sleep(1)
                raise KeyError("out")

        with pytest.raises(KeyError):
            await leave()
        with pytest.raises(JobCancelled):
            await tasks[0]

    VirtualClock().run(main)


def test_it_names_itself_and_a_plain_program_is_told_to_be_async() -> None:
    async def main() -> None:
        async with Engine(upper) as engine:
            builder: Any = StateGraph(State)
            builder.add_node(fan_out(engine, payloads=topics, name="research"))
            builder.add_edge(START, "research")
            graph = builder.compile()
            assert (await graph.ainvoke({"topics": ["abc"]}))["results"] == ["ABC"]
            with pytest.raises(TypeError, match="ainvoke"):
                await asyncio.to_thread(graph.invoke, {"topics": ["abc"]})

    asyncio.run(main())


# Traces and places.


class Runs(BaseCallbackHandler):
    """The runs that LangChain starts, by id: their names and parents."""

    run_inline = True

    def __init__(self) -> None:
        self.runs: dict[Any, tuple[str, Any]] = {}

    def on_chain_start(self, serialized: Any, inputs: Any, **kwargs: Any) -> None:
        self.runs[kwargs["run_id"]] = (kwargs["name"], kwargs["parent_run_id"])

    def ancestors(self, name: str) -> list[str]:
        current = next(parent for each, parent in self.runs.values() if each == name)
        found: list[str] = []
        while current is not None:
            each, current = self.runs[current]
            found.append(each)
        return found


def test_jobs_are_traced_under_the_node_and_their_tokens_are_among_the_graphs(slow_model: Model) -> None:
    runs = Runs()

    async def main() -> list[str]:
        async with Engine() as engine:
            chain = (slow_model(answer="high tide") | StrOutputParser()).with_config(run_name="chain")
            graph = graph_of(fan_out(engine, payloads=topics, executor=RunnableExecutor(chain)))
            parts = graph.astream(
                {"topics": ["a"]}, thread(callbacks=[runs]), stream_mode="messages", version="v2"
            )
            return [part["data"][0].text async for part in parts]

    assert "".join(VirtualClock().run(main)) == "high tide"
    assert runs.ancestors("chain") == ["research", "LangGraph"]


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("how", ["executor", "function"])
def test_a_graph_in_a_job_has_a_place_of_its_own(how: str, inside: bool) -> None:
    """It is no subgraph of the node that submitted it: neither its thread nor its questions are mixed up."""

    class Inner(TypedDict, total=False):
        topic: str
        said: str

    async def say(state: Inner) -> Any:
        return {"said": state.get("topic", "").upper()}

    builder: Any = StateGraph(Inner)
    builder.add_node("say", say)
    builder.add_edge(START, "say")
    saver = InMemorySaver()
    inner = builder.compile(checkpointer=saver)

    async def call(given: Any) -> Any:
        job = current_job()
        assert job is not None
        return await inner.ainvoke(given, thread(job.job.id))

    async def main() -> Any:
        async with Engine() as engine:
            node = fan_out(
                engine,
                payloads=lambda state: [{"topic": each} for each in topics(state)],
                executor=executor(inner) if how == "executor" else call,
            )
            graph = graph_of(node, saver=InMemorySaver())
            output = await run(engine, graph, {"topics": ["a", "b"]}, inside=inside)
            return output, len(saver.storage)

    output, threads = asyncio.run(main())
    assert [each["said"] for each in output["results"]] == ["A", "B"]
    assert threads == 2


def test_jobs_keep_what_is_configured_and_not_the_place_of_the_node() -> None:
    seen: list[dict[str, Any]] = []

    async def look(topic: str) -> None:
        config = var_child_runnable_config.get()
        assert config is not None
        seen.append(config.get("configurable") or {})

    async def main() -> None:
        async with Engine(look) as engine:
            graph = graph_of(fan_out(engine, payloads=topics), saver=InMemorySaver())
            await graph.ainvoke({"topics": ["a"]}, {"configurable": {"thread_id": "1", "model": "small"}})

    asyncio.run(main())
    assert seen == [{"model": "small"}]


# People in the loop.


class Asker:
    """Jobs that ask: for "ask x" one question, "ask x ask y" one after the other, else none."""

    def __init__(self, schema: Any = None) -> None:
        self.schema = schema
        self.replies: list[tuple[str, Any]] = []
        self.began: list[str] = []

    async def execute(self, job: Job, ctx: JobContext, /) -> object:
        topic, answers = str(job.payload), list(job.state or [])
        if job.state is None:
            self.began.append(topic)
        else:
            answers.append(job.reply)
            self.replies.append((topic, job.reply))
        questions = topic.split("ask ")[1:]
        if len(answers) < len(questions):
            asked = f"{questions[len(answers)].strip()}?"
            # Each time under the same id: who answers late must not answer the next one.
            question = Question("q", asked, self.schema)
            return Suspend([question], answers)
        return f"{topic}: {answers}"


async def answer(graph: Any, output: Any, answers: dict[str, Any], config: Any) -> Any:
    given = {each.id: answers[each.value] for each in output.interrupts if each.value in answers}
    return await graph.ainvoke(Command(resume=given), config, version="v2")


def asked(output: Any) -> list[Any]:
    return [each.value for each in output.interrupts]


def test_all_that_jobs_ask_is_asked_at_once_and_each_answer_reaches_its_own() -> None:
    asker = Asker()

    async def main() -> Any:
        async with Engine(asker) as engine:
            graph = graph_of(fan_out(engine, payloads=topics), saver=InMemorySaver())
            given = {"topics": ["ask a", "plain", "ask b ask c", "ask d"]}
            output = await graph.ainvoke(given, thread(), version="v2")
            assert asked(output) == ["a?", "b?", "d?"]
            output = await answer(graph, output, {"b?": "B"}, thread())
            assert asked(output) == ["a?", "d?", "c?"]
            output = await answer(graph, output, {"c?": "C", "a?": "A"}, thread())
            assert asked(output) == ["d?"]
            output = await answer(graph, output, {"d?": "D"}, thread())
            return output.value, engine.snapshot().counts

    value, counts = asyncio.run(main())
    assert value["results"] == ["ask a: ['A']", "plain: []", "ask b ask c: ['B', 'C']", "ask d: ['D']"]
    assert sorted(asker.replies) == [
        ("ask a", "A"),
        ("ask b ask c", "B"),
        ("ask b ask c", "C"),
        ("ask d", "D"),
    ]
    assert len(asker.began) == counts["succeeded"] == 4, "the group was found again each time"


@pytest.mark.parametrize("slots", [1, 8])
def test_the_whole_way_from_a_job_over_the_graphs_job_to_a_person_and_back(slots: int) -> None:
    asker = Asker()

    async def main() -> Any:
        async with Engine(asker, slots=slots) as engine:
            graph = graph_of(fan_out(engine, payloads=topics), saver=InMemorySaver())
            handle = await engine.submit({"topics": ["ask a ask b", "ask c"]}, executor=executor(graph))
            rounds: list[list[Any]] = []
            while (result := await handle.wait()).status == "suspended":
                rounds.append([each.value for each in result.questions])
                for each in result.questions:
                    await engine.reply(handle.id, each.value[0].upper(), question=each.id)
            assert rounds == [["a?", "c?"], ["b?"]]
            return await handle

    assert asyncio.run(main())["results"] == ["ask a ask b: ['A', 'B']", "ask c: ['C']"]
    assert len(asker.began) == 2


class Approval(BaseModel):
    yes: bool
    by: str


@pytest.mark.parametrize("schema", [Approval, Approval.model_json_schema()])
@pytest.mark.parametrize("inside", [True, False])
def test_an_answer_that_does_not_fit_leaves_its_question_open(schema: Any, inside: bool) -> None:
    asker = Asker(schema)
    good, bad = {"yes": True, "by": "me"}, {"yes": "perhaps", "by": "me"}

    async def in_job(engine: Engine, graph: Any) -> Any:
        handle = await engine.submit({"topics": ["ask a", "ask b"]}, executor=executor(graph))
        first, second = (await handle.wait()).questions
        assert first.schema == Approval.model_json_schema()
        with pytest.raises(ReplyRefused, match="does not fit"):
            await engine.reply(handle.id, bad, question=first.id)
        await engine.reply(handle.id, good, question=first.id)
        await engine.reply(handle.id, good, question=second.id)
        return await handle

    async def outside(graph: Any) -> Any:
        output = await graph.ainvoke({"topics": ["ask a", "ask b"]}, thread(), version="v2")
        if isinstance(schema, type):
            with pytest.raises(ValidationError):
                await answer(graph, output, {"a?": bad, "b?": good}, thread())
        else:
            output = await answer(graph, output, {"a?": bad, "b?": good}, thread())
            ((told,),) = [asked(output)]
            assert told.startswith("a?\n(the last answer was refused: ")
            return (await answer(graph, output, {told: good}, thread())).value
        return (await answer(graph, output, {"a?": good}, thread())).value

    async def main() -> Any:
        async with Engine(asker) as engine:
            graph = graph_of(fan_out(engine, payloads=topics), saver=InMemorySaver())
            return await (in_job(engine, graph) if inside else outside(graph))

    output = asyncio.run(main())
    assert len(output["results"]) == 2
    replies = [Approval.model_validate(reply) for _, reply in asker.replies]
    assert replies == [Approval(yes=True, by="me")] * 2


def test_several_questions_of_one_job_are_all_asked() -> None:
    class Two:
        async def execute(self, job: Job, ctx: JobContext, /) -> object:
            return job.reply or Suspend([Question("q1", "when?"), Question("q2", "where?")], state=1)

    async def main() -> Any:
        async with Engine(Two()) as engine:
            graph = graph_of(fan_out(engine, payloads=topics), saver=InMemorySaver())
            output = await graph.ainvoke({"topics": ["a"]}, thread(), version="v2")
            assert asked(output) == ["when?", "where?"]
            output = await answer(graph, output, {"where?": "here"}, thread())
            assert asked(output) == ["when?"]
            return await answer(graph, output, {"when?": "now"}, thread())

    assert asyncio.run(main()).value["results"] == [{"q1": "now", "q2": "here"}]


def test_a_primer_that_asks_is_answered_before_the_others_begin() -> None:
    asker = Asker()

    async def main() -> Any:
        async with Engine(asker) as engine:
            node = fan_out(engine, payloads=topics, primer=lambda state: "ask a")
            graph = graph_of(node, saver=InMemorySaver())
            output = await graph.ainvoke({"topics": ["x", "y"]}, thread(), version="v2")
            assert (asked(output), asker.began) == (["a?"], ["ask a"])
            return await answer(graph, output, {"a?": "A"}, thread())

    assert asyncio.run(main()).value["results"] == ["ask a: ['A']", "x: []", "y: []"]


def test_a_group_that_waits_for_one_of_its_answers_asks_for_it() -> None:
    asker = Asker()

    async def main() -> Any:
        async with Engine(asker, slots=1) as engine:
            policy = GroupPolicy(on_follower_suspended="wait")
            graph = graph_of(fan_out(engine, payloads=topics, policy=policy), saver=InMemorySaver())
            output = await graph.ainvoke({"topics": ["ask a", "y"]}, thread(), version="v2")
            assert (asked(output), asker.began) == (["a?"], ["ask a"])
            return await answer(graph, output, {"a?": "A"}, thread())

    assert asyncio.run(main()).value["results"] == ["ask a: ['A']", "y: []"]


async def only_job(engine: Engine, graph: Any, name: str) -> Handle:
    """The job of the group that a graph rests in."""
    (task,) = (await graph.aget_state(thread())).tasks
    (handle,) = engine.group(f"{name}-{task.id}").followers
    return handle


def test_an_answer_that_comes_too_late_is_not_taken_for_one_to_the_next_question() -> None:
    """Somebody else was faster; it is the same where the time for answers is over and a default stands in."""
    asker = Asker()

    async def main() -> Any:
        async with Engine(asker) as engine:
            graph = graph_of(fan_out(engine, payloads=topics, name="g"), saver=InMemorySaver())
            output = await graph.ainvoke({"topics": ["ask a ask b"]}, thread(), version="v2")
            assert asked(output) == ["a?"]
            handle = await only_job(engine, graph, "g")
            await engine.reply(handle.id, "first")
            assert (await handle.wait()).questions[0].value == "b?"
            output = await answer(graph, output, {"a?": "late"}, thread())
            assert asked(output) == ["b?"]
            return await answer(graph, output, {"b?": "B"}, thread())

    assert asyncio.run(main()).value["results"] == ["ask a ask b: ['first', 'B']"]


def test_a_group_that_has_ended_while_its_graph_rested_is_not_run_again() -> None:
    asker = Asker()

    async def main() -> Any:
        async with Engine(asker) as engine:
            graph = graph_of(fan_out(engine, payloads=topics, name="g"), saver=InMemorySaver())
            output = await graph.ainvoke({"topics": ["ask a"]}, thread(), version="v2")
            handle = await only_job(engine, graph, "g")
            await engine.reply(handle.id, "first")
            await handle
            return await answer(graph, output, {"a?": "late"}, thread())

    assert asyncio.run(main()).value["results"] == ["ask a: ['first']"]
    assert asker.began == ["ask a"]


def test_who_answers_a_job_itself_need_not_answer_the_graph_as_well() -> None:
    asker = Asker()

    async def main() -> Any:
        async with Engine(asker) as engine:
            graph = graph_of(fan_out(engine, payloads=topics, name="g"), saver=InMemorySaver())
            output = await graph.ainvoke({"topics": ["ask a", "ask b"]}, thread(), version="v2")
            (task,) = (await graph.aget_state(thread())).tasks
            first, second = engine.group(f"g-{task.id}").followers
            await engine.reply(first.id, "direct")
            await first
            output = await answer(graph, output, {"b?": "B"}, thread())
            assert second.status == "succeeded"
            return output

    assert asyncio.run(main()).value["results"] == ["ask a: ['direct']", "ask b: ['B']"]


def test_a_node_that_was_made_anew_finds_its_group() -> None:
    asker = Asker()
    saver = InMemorySaver()

    async def main() -> Any:
        async with Engine(asker) as engine:
            graph = graph_of(fan_out(engine, payloads=topics), saver=saver)
            output = await graph.ainvoke({"topics": ["ask a", "b"]}, thread(), version="v2")
            graph = graph_of(fan_out(engine, payloads=topics), saver=saver)
            return await answer(graph, output, {"a?": "A"}, thread())

    assert asyncio.run(main()).value["results"] == ["ask a: ['A']", "b: []"]
    assert len(asker.began) == 2


def test_an_answer_to_a_group_that_is_lost_is_not_taken_for_one_to_the_new() -> None:
    """Another engine, as after a restart: the group runs again, and asks again."""
    asker = Asker()
    saver = InMemorySaver()

    async def main() -> Any:
        async with Engine(asker) as engine:
            graph = graph_of(fan_out(engine, payloads=topics), saver=saver)
            output = await graph.ainvoke({"topics": ["ask a"]}, thread(), version="v2")
        async with Engine(asker) as engine:
            graph = graph_of(fan_out(engine, payloads=topics), saver=saver)
            output = await answer(graph, output, {"a?": "for the old one"}, thread())
            assert asked(output) == ["a?"]
            return await answer(graph, output, {"a?": "for the new one"}, thread())

    assert asyncio.run(main()).value["results"] == ["ask a: ['for the new one']"]


def test_it_asks_from_within_a_subgraph_too() -> None:
    asker = Asker()

    async def main() -> Any:
        async with Engine(asker) as engine:
            inner = graph_of(fan_out(engine, payloads=topics))
            graph = graph_of(inner, saver=InMemorySaver())
            handle = await engine.submit({"topics": ["ask a ask b", "ask c"]}, executor=executor(graph))
            while (result := await handle.wait()).status == "suspended":
                for each in reversed(result.questions):
                    await engine.reply(handle.id, each.value[0].upper(), question=each.id)
            return await handle

    assert asyncio.run(main())["results"] == ["ask a ask b: ['A', 'B']", "ask c: ['C']"]
    assert len(asker.began) == 2


def test_a_sibling_that_asks_beside_it_keeps_its_own_answer() -> None:
    asker = Asker()

    async def confirm(state: State) -> Any:
        return {"topics": [interrupt("sure?")]}

    async def main() -> Any:
        async with Engine(asker) as engine:
            builder: Any = StateGraph(State)
            builder.add_node("confirm", confirm)
            builder.add_node("research", fan_out(engine, payloads=topics))
            builder.add_edge(START, "confirm")
            builder.add_edge(START, "research")
            graph = builder.compile(checkpointer=InMemorySaver())
            handle = await engine.submit({"topics": ["ask a", "ask b"]}, executor=executor(graph))
            questions = {each.value: each.id for each in (await handle.wait()).questions}
            assert set(questions) == {"sure?", "a?", "b?"}
            for value, each in questions.items():
                await engine.reply(handle.id, value.upper(), question=each)
            return await handle

    assert asyncio.run(main()) == {"topics": ["SURE?"], "results": ["ask a: ['A?']", "ask b: ['B?']"]}


def test_a_graph_without_a_thread_cannot_ask_and_says_what_to_do() -> None:
    async def main() -> Any:
        async with Engine(Asker()) as engine:
            graph = graph_of(fan_out(engine, payloads=topics))
            with pytest.raises(CannotGoOn, match="give it a checkpointer"):
                await graph.ainvoke({"topics": ["ask a"]})
            result = await (
                await engine.submit(
                    {"topics": ["ask a"]}, executor=executor(graph), retry=RetryPolicy(attempts=3)
                )
            ).wait()
            return result, engine.snapshot().counts

    result, counts = asyncio.run(main())
    assert (len(result.attempts), "give it a checkpointer" in result.error.message) == (1, True)
    assert (counts["suspended"], counts["cancelled"]) == (0, 2)


def test_a_graphs_job_that_is_cancelled_while_it_asks_ends_its_group_and_another_may_begin_anew() -> None:
    asker = Asker()

    async def main() -> Any:
        async with Engine(asker) as engine:
            runner = executor(graph_of(fan_out(engine, payloads=topics), saver=InMemorySaver()))
            first = await engine.submit({"topics": ["ask a"]}, executor=runner, config=thread())
            with pytest.raises(JobSuspended):
                await first
            first.cancel()
            with pytest.raises(JobCancelled):
                await first
            assert engine.snapshot().counts["cancelled"] == 2
            second = await engine.submit({"topics": ["ask b"]}, executor=runner, config=thread())
            (question,) = (await second.wait()).questions
            assert question.value == "b?"
            await engine.reply(second.id, "B")
            return await second

    assert asyncio.run(main())["results"] == ["ask b: ['B']"]


def test_another_job_that_takes_on_the_thread_of_a_cancelled_one_runs_the_group_anew() -> None:
    asker = Asker()

    async def main() -> Any:
        async with Engine(asker) as engine:
            runner = executor(graph_of(fan_out(engine, payloads=topics), saver=InMemorySaver()))
            first = await engine.submit({"topics": ["ask a", "b"]}, executor=runner, config=thread())
            await first.wait()
            first.cancel()
            second = await engine.submit(None, executor=runner, config=thread())
            await second.wait()
            await engine.reply(second.id, "for the old one")
            (question,) = (await second.wait()).questions
            assert question.value == "a?"
            await engine.reply(second.id, "A")
            return await second

    assert asyncio.run(main())["results"] == ["ask a: ['A']", "b: []"]


# As a tool.


class Topics(BaseModel):
    topics: list[str]


def asks(name: str, number: int = 1, **args: Any) -> Any:
    return {"name": name, "args": args, "id": f"{name}-{number}", "type": "tool_call"}


def tools_of(*tools: Any, saver: Any = None) -> Any:
    builder: Any = StateGraph(MessagesState)
    builder.add_node("tools", ToolNode(tools))
    builder.add_edge(START, "tools")
    return builder.compile(checkpointer=saver)


def said(output: Any) -> list[str]:
    return [each.text for each in output["messages"][1:]]


def test_a_tool_runs_a_group_and_returns_what_came_of_it(slow_model: Model) -> None:
    async def main() -> Any:
        async with Engine(slots=1) as engine:
            node = fan_out(
                engine,
                payloads=lambda given: given["topics"],
                executor=slow_model(answer="well"),
                name="look",
            )
            tool = node.as_tool("Looks things up.", args_schema=Topics.model_json_schema())
            assert (tool.name, tool.description, set(tool.args)) == ("look", "Looks things up.", {"topics"})
            assert await tool.ainvoke({"topics": ["a"]}) == ["well"], "outside of any graph"
            graph = tools_of(tool)
            given: Any = {"messages": [AIMessage("", tool_calls=[asks("look", topics=["a", "b"])])]}
            return await (await engine.submit(given, executor=executor(graph)))

    assert said(VirtualClock().run(main)) == ['["well", "well"]']


def test_tools_that_ask_beside_each_other_each_get_their_own_answers() -> None:
    """In one `ToolNode`, whose calls LangGraph counts together; and what has ended is not run again."""
    asker = Asker()

    async def main() -> Any:
        async with Engine(asker) as engine:
            node = fan_out(engine, payloads=lambda given: given["topics"], name="look")
            graph = tools_of(node.as_tool("Looks.", args_schema=Topics), ask_user, saver=InMemorySaver())
            calls = [
                asks("look", 1, topics=["ask a", "ask b"]),
                asks("ask_user", 2, question="sure?"),
                asks("look", 3, topics=["plain"]),
                asks("look", 4, topics=["ask c ask d"]),
            ]
            given: Any = {"messages": [AIMessage("", tool_calls=calls)]}
            handle = await engine.submit(given, executor=executor(graph))
            rounds: list[list[Any]] = []
            while (result := await handle.wait()).status == "suspended":
                rounds.append([each.value for each in result.questions])
                for each in reversed(result.questions):
                    await engine.reply(handle.id, each.value[0].upper(), question=each.id)
            assert sum(map(len, rounds)) == 5, rounds
            return await handle

    assert said(asyncio.run(main())) == [
        "[\"ask a: ['A']\", \"ask b: ['B']\"]",
        "S",
        '["plain: []"]',
        "[\"ask c ask d: ['C', 'D']\"]",
    ]
    assert sorted(asker.began) == ["ask a", "ask b", "ask c ask d", "plain"]


def test_a_group_that_runs_while_another_tool_asks_is_not_cut_off() -> None:
    async def main() -> Any:
        async with Engine(upper) as engine:
            node = fan_out(engine, payloads=lambda given: given["topics"], name="look")
            graph = tools_of(ask_user, node.as_tool("Looks.", args_schema=Topics), saver=InMemorySaver())
            calls = [asks("ask_user", question="sure?"), asks("look", topics=["a"])]
            given: Any = {"messages": [AIMessage("", tool_calls=calls)]}
            output = await graph.ainvoke(given, thread(), version="v2")
            output = await answer(graph, output, {"sure?": "yes"}, thread())
            return output, engine.snapshot().counts

    output, counts = VirtualClock().run(main)
    assert said(output.value) == ["yes", '["A"]']
    assert (counts["succeeded"], counts["cancelled"]) == (1, 0)
