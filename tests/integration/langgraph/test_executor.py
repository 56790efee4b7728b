"""Graphs as jobs: output, configuration, context, limits, errors; on graphs without models."""

from __future__ import annotations

import asyncio
import operator
import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict, cast

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphDrained, InvalidUpdateError, NodeTimeoutError
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import interrupt
from pydantic import BaseModel

from paceline import Engine, Failure, Job, JobFailed, JobResult, RetryPolicy, as_executor
from paceline_adapters.langgraph import GraphExecutor

pytestmark = pytest.mark.anyio
Builder: Any = StateGraph  # its own types are half known


class State(TypedDict):
    log: Annotated[list[Any], operator.add]
    secret: str


class Shown(TypedDict, total=False):
    log: list[Any]


class Model(BaseModel):
    number: int = 0


@dataclass
class Tenant:
    name: str


async def step(state: State) -> dict[str, Any]:
    return {"log": ["step"], "secret": "hidden"}


def typed_dict() -> Any:
    return Builder(State).add_node(step).add_edge(START, "step").compile()


def narrow_output() -> Any:
    return Builder(State, output_schema=Shown).add_node(step).add_edge(START, "step").compile()


def model_state() -> Any:
    async def add(state: Model) -> dict[str, int]:
        return {"number": state.number + 1}

    return Builder(Model).add_node(add).add_edge(START, "add").compile()


def functional() -> Any:
    @task
    async def double(number: int) -> int:
        return 2 * number

    @entrypoint()
    async def work(given: dict[str, int]) -> int:
        return await double(given["number"])

    return cast("Any", work)


GRAPHS: dict[str, tuple[Callable[[], Any], Any]] = {
    "a typed dict": (typed_dict, {"log": ["in"]}),
    "less than the state": (narrow_output, {"log": ["in"]}),
    "a model": (model_state, {"number": 1}),
    "the functional way": (functional, {"number": 21}),
}


async def result_of(executor: Any, payload: Any = None, **options: Any) -> JobResult:
    async with Engine(executor) as engine:
        handle = await engine.submit({"log": []} if payload is None else payload, **options)
        return await handle.wait()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", GRAPHS)
async def test_the_output_is_the_graphs_own(kind: str, stream: bool) -> None:
    make, payload = GRAPHS[kind]
    result = await result_of(GraphExecutor(make()), payload, stream=stream)
    assert result.output == (await make().ainvoke(payload, version="v2")).value


def test_a_compiled_graph_is_found_to_be_an_executor() -> None:
    graph = typed_dict()
    executor = as_executor(graph)
    assert isinstance(executor, GraphExecutor)
    assert executor.graph is graph
    assert executor.name == "LangGraph"


def test_a_graph_that_is_not_compiled_is_refused_with_the_call_that_is_missing() -> None:
    with pytest.raises(TypeError, match=r"not compiled: pass builder\.compile\(\)"):
        GraphExecutor(Builder(State))
    with pytest.raises(TypeError, match="not RunnableLambda; other Runnables run as"):
        GraphExecutor(RunnableLambda(step))  # type: ignore[arg-type]


def test_a_graph_that_wants_the_checkpointer_of_another_is_refused() -> None:
    builder = Builder(State).add_node(step).add_edge(START, "step")
    with pytest.raises(ValueError, match="is for subgraphs"):
        GraphExecutor(builder.compile(checkpointer=True))


@pytest.mark.parametrize("thread", ["jobs", None, 7])
def test_a_thread_that_is_none_is_refused(thread: Any) -> None:
    with pytest.raises(ValueError, match="thread must be one of 'job', 'group', 'fork'"):
        GraphExecutor(typed_dict(), thread=thread)


def test_a_run_id_is_refused_for_all_jobs() -> None:
    with pytest.raises(ValueError, match="names one run"):
        GraphExecutor(typed_dict(), config={"run_id": uuid.uuid4()})


def test_without_langgraph_the_adapter_says_what_to_install() -> None:
    code = "import sys; sys.modules['langgraph'] = None; import paceline_adapters.langgraph"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].endswith('needs an extra: pip install "paceline[langgraph]"')


class Runs(BaseCallbackHandler):
    """Writes down the runs that it hears of."""

    def __init__(self) -> None:
        self.runs: list[dict[str, Any]] = []

    def on_chain_start(self, serialized: Any, inputs: Any, **kwargs: Any) -> None:
        self.runs.append(kwargs)


async def test_configs_of_the_graph_the_executor_and_the_job_are_all_heard() -> None:
    bound, common, own = Runs(), Runs(), Runs()
    graph = typed_dict().with_config({"tags": ["bound"], "callbacks": [bound], "metadata": {"a": 1}})
    executor = GraphExecutor(graph, config={"tags": ["common"], "callbacks": [common], "metadata": {"b": 2}})
    result = await result_of(
        executor, config={"tags": ["own"], "callbacks": [own], "metadata": {"c": 3}, "run_name": "mine"}
    )
    assert result.ok
    for heard in (bound, common, own):
        assert [run["name"] for run in heard.runs] == ["mine", "step"]
        assert heard.runs[0]["tags"] == ["bound", "common", "own"]
        told = heard.runs[0]["metadata"]
        assert (told["a"], told["b"], told["c"]) == (1, 2, 3)
        assert told["paceline.job.id"] == result.id


def tenant_of(job: Job) -> Tenant:
    return Tenant(job.name)


@pytest.mark.parametrize("per_job", [False, True])
async def test_nodes_see_the_context(per_job: bool) -> None:
    async def who(state: State, runtime: Runtime[Tenant]) -> dict[str, Any]:
        return {"log": [runtime.context.name]}

    graph = Builder(State, context_schema=Tenant).add_node(who).add_edge(START, "who").compile()
    context: Any = tenant_of if per_job else Tenant("all")
    result = await result_of(GraphExecutor(graph, context=context), name="alice")
    assert result.output == {"log": ["alice" if per_job else "all"]}


def endless() -> Any:
    builder = Builder(State).add_node(step).add_edge(START, "step")
    return builder.add_edge("step", "step")


@pytest.mark.parametrize(
    ("bound", "common", "argument", "own", "steps"),
    [
        (None, None, None, None, 100),
        (None, None, 7, None, 7),
        (9, None, 7, None, 9),
        (9, 8, 7, None, 8),
        (9, 8, 7, 25, 25),
    ],
)
async def test_a_graph_that_never_ends_is_stopped_and_not_tried_again(
    bound: int | None, common: int | None, argument: int | None, own: int | None, steps: int
) -> None:
    graph: Any = endless().compile()
    if bound is not None:
        graph = graph.with_config({"recursion_limit": bound})
    config: RunnableConfig | None = None if common is None else {"recursion_limit": common}
    options: Any = {} if argument is None else {"recursion_limit": argument}
    async with Engine(GraphExecutor(graph, config=config, **options), retry=RetryPolicy(base=0.0)) as engine:
        handle = await engine.submit({"log": []}, config=own and {"recursion_limit": own})
        result = await handle.wait()
    assert result.error is not None
    assert f"Recursion limit of {steps} reached" in result.error.message
    assert len(result.attempts) == 1


@pytest.mark.parametrize("payload", ["text", 7, ["a"]])
async def test_a_payload_that_the_graph_does_not_take_is_not_tried_again(payload: Any) -> None:
    async with Engine(GraphExecutor(typed_dict()), retry=RetryPolicy(base=0.0)) as engine:
        result = await (await engine.submit(payload)).wait()
    assert result.error is not None
    assert isinstance(result.error.exception, InvalidUpdateError)
    assert len(result.attempts) == 1


def test_what_stopped_between_steps_or_took_too_long_may_go_on() -> None:
    executor = GraphExecutor(typed_dict())
    for error in (GraphDrained("enough"), NodeTimeoutError("step", 1.0, kind="run", run_timeout=1.0)):
        assert executor.classify(error) == Failure(True)


async def test_a_node_may_ask_for_a_drain_and_the_next_attempt_goes_on() -> None:
    ran: list[str] = []

    async def first(state: State, runtime: Runtime[None]) -> dict[str, Any]:
        ran.append("first")
        assert runtime.control is not None
        runtime.control.request_drain("enough for now")
        return {"log": ["first"]}

    async def second(state: State) -> dict[str, Any]:
        ran.append("second")
        return {"log": ["second"]}

    builder = Builder(State).add_node(first).add_node(second)
    builder.add_edge(START, "first").add_edge("first", "second")
    executor = GraphExecutor(builder.compile(checkpointer=InMemorySaver()))
    async with Engine(executor, retry=RetryPolicy(base=0.0)) as engine:
        handle = await engine.submit({"log": []})
        assert await handle == {"log": ["first", "second"]}
    assert ran == ["first", "second"]


async def test_a_graph_whose_node_submits_graphs_lends_them_neither_its_thread_nor_its_namespace() -> None:
    seen: list[dict[str, Any]] = []

    async def look(state: State, config: RunnableConfig) -> dict[str, Any]:
        seen.append(config.get("configurable", {}))
        return {"log": ["inner"]}

    saver = InMemorySaver()
    builder = Builder(State).add_node(look).add_edge(START, "look")
    inner = GraphExecutor(builder.compile(checkpointer=saver))
    plain = GraphExecutor(builder.compile())
    heard = Runs()

    async with Engine(slots=2) as engine:

        async def outer(state: State) -> dict[str, Any]:
            for executor in (inner, plain):
                handle = await engine.submit({"log": []}, executor=executor, name="child")
                assert await handle == {"log": ["inner"]}
                ids.append(handle.id)
            return {"log": ["outer"]}

        ids: list[str] = []
        around = Builder(State).add_node(outer).add_edge(START, "outer").compile(checkpointer=saver)
        parent = await engine.submit(
            {"log": []},
            executor=GraphExecutor(around),
            config={"callbacks": [heard], "configurable": {"k": 1}},
        )
        assert await parent == {"log": ["outer"]}
    threads = [each.get("thread_id") for each in seen]
    assert threads == [ids[0], None]
    assert [each["k"] for each in seen] == [1, 1]
    assert [run["name"] for run in heard.runs] == ["LangGraph", "outer", *["LangGraph", "look"] * 2]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_graph_that_a_node_calls_by_itself_neither_asks_nor_answers_for_the_job(stream: bool) -> None:
    async def asks(state: State) -> dict[str, Any]:
        return {"log": [str(interrupt("inside?"))]}

    asked: list[str] = []
    inner = Builder(State).add_node(asks).add_edge(START, "asks").compile(checkpointer=InMemorySaver())
    plain = Builder(State).add_node(step).add_edge(START, "step").compile()

    async def calls(state: State) -> dict[str, Any]:
        output = await inner.ainvoke({"log": ["inner"]}, {"configurable": {"thread_id": "own"}}, version="v2")
        await plain.ainvoke({"log": ["plain"]})
        asked.append(output.interrupts[0].value)
        return {}

    graph = Builder(State).add_node(calls).add_edge(START, "calls").compile()
    result = await result_of(GraphExecutor(graph, subgraphs=True), {"log": ["outer"]}, stream=stream)
    assert (result.output, asked) == ({"log": ["outer"]}, ["inside?"])


async def test_an_error_of_a_node_is_the_jobs_own() -> None:
    async def broken(state: State) -> dict[str, Any]:
        raise LookupError("no such page")

    graph = Builder(State).add_node(broken).add_edge(START, "broken").add_edge("broken", END).compile()
    async with Engine(GraphExecutor(graph)) as engine:
        with pytest.raises(JobFailed) as caught:
            await (await engine.submit({"log": []}))
    assert isinstance(caught.value.__cause__, LookupError)


async def test_jobs_run_side_by_side_and_see_only_what_is_theirs() -> None:
    async def echo(state: State, config: RunnableConfig) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"log": [config.get("metadata", {})["paceline.job.name"]]}

    graph = Builder(State).add_node(echo).add_edge(START, "echo").compile(checkpointer=InMemorySaver())
    async with Engine(GraphExecutor(graph), slots=20) as engine:
        handles = [await engine.submit({"log": []}, name=f"n{number}") for number in range(40)]
        assert [(await handle)["log"] for handle in handles] == [[f"n{number}"] for number in range(40)]
