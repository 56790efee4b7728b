"""What mypy and pyright infer of tasks, graphs and flows: read by both, and never run.

A `type: ignore` marks a call that must be refused: where one is not needed, both checkers say so.
"""
# pyright: reportUnnecessaryTypeIgnoreComment=error

from typing import Annotated, Any, TypedDict, assert_type

from paceline import (
    Call,
    Dag,
    Ended,
    Engine,
    Executor,
    Flow,
    From,
    GraphRun,
    Handle,
    Job,
    JobContext,
    JobResult,
    Registry,
    RetryPolicy,
    RunReport,
    Task,
    as_completed,
    dag,
    flow,
    gather,
    task,
)


class Hits(TypedDict):
    hits: list[str]


# Tasks.


@task
async def search(query: str, limit: int = 10) -> Hits:
    return {"hits": [query] * limit}


@task(lane="gpu", retry=RetryPolicy(attempts=3), timeout=30.0, validate=True)
def rank(document: str, *, query: str) -> float:
    return float(len(document) - len(query))


@task(name="join")
async def join_texts(texts: list[str]) -> str:
    return " ".join(texts)


class Store:
    @task
    async def load(self, key: str) -> bytes:
        return key.encode()

    @task(lane="disk")
    def size(self, key: str) -> int:
        return len(key)


class Model:
    async def execute(self, job: Job, ctx: JobContext, /) -> object:
        return job.payload


def a_task_keeps_parameters_and_result() -> None:
    assert_type(search("tea"), Call[Hits])
    assert_type(search(query="tea", limit=3), Call[Hits])
    assert_type(rank("tea", query="tea"), Call[float])
    assert_type(search.name, str)
    search(3)  # type: ignore[arg-type]
    search()  # type: ignore[call-arg]
    search("tea", depth=3)  # type: ignore[call-arg]
    rank("tea", "tea")  # type: ignore[call-arg]


def a_task_is_its_function_to_test(store: Store) -> None:
    assert_type(rank.fn("tea", query="tea"), Any)
    rank.fn(3, query="tea")  # type: ignore[arg-type]


async def awaiting_a_call_gives_the_result() -> None:
    assert_type(await search("tea"), Hits)
    assert_type((await search("tea"))["hits"], list[str])
    assert_type(await rank("tea", query="tea"), float)
    assert_type(search("tea").handle, Handle)


async def variants_keep_the_type() -> None:
    assert_type(await search.with_options(lane="gpu", max_running=4, metadata={"a": 1})("tea"), Hits)
    assert_type(await search.after(join_texts, Ended(rank))("tea"), Hits)
    assert_type(await search.after(join_texts).with_options(when=True).map(["tea"]), list[Hits])
    search.with_options(lanes="gpu")  # type: ignore[call-arg]
    search.after(join_texts)(3)  # type: ignore[arg-type]


async def a_map_gives_a_list() -> None:
    assert_type(search.map(["tea", "cake"]), Call[list[Hits]])
    assert_type(await rank.map(["a", "b"], query="tea"), list[float])


async def methods_are_tasks_of_their_object(store: Store) -> None:
    assert_type(await store.load("tea"), bytes)
    assert_type(await store.size("tea"), int)
    assert_type(await store.load.map(["tea"]), list[bytes])
    assert_type(await store.size.with_options(lane="gpu")("tea"), int)
    store.load(3)  # type: ignore[arg-type]
    store.load("a", "b")  # type: ignore[call-arg]


async def what_is_no_function_is_a_task_of_anything(model: Executor) -> None:
    assert_type(task(Model(), name="model"), Task[..., Any])
    assert_type(task(model), Task[..., Any])
    assert_type(task(name="model")(Model()), Task[..., Any])
    assert_type(await task(model)({"question": "tea?"}), Any)


def options_are_known() -> None:
    task(search.fn, lanes="gpu")  # type: ignore[call-overload]
    task(retry=3)  # type: ignore[call-overload]


# Graphs.


@dag
async def pipeline(query: str, best: int = 3) -> str:
    found = await search(query)
    assert_type(found, Hits)
    scores = await rank.map(found["hits"], query=query)
    assert_type(scores, list[float])
    return await join_texts(found["hits"])


@dag(name="plain", max_running=3)
def undeclared(query: str) -> Any:
    return search(query)


report = Dag("report")


@report.task
async def load_users() -> dict[str, list[str]]:
    return {}


@report.task(after=[load_users], bind={"greeting": "hello"}, timeout=3.0)
def greet(users: Annotated[list[str], From(load_users, "users")], greeting: str) -> int:
    return len(users)


def graphs_keep_parameters_and_result() -> None:
    assert_type(pipeline, Dag[[str, int], str])  # type: ignore[assert-type]  # names and defaults count
    assert_type(pipeline("tea"), Call[str])
    assert_type(pipeline("tea", best=2), Call[str])
    assert_type(pipeline.map(["tea"]), Call[list[str]])
    assert_type(undeclared("tea"), Call[Any])
    assert_type(report, Dag[..., dict[str, Any]])
    assert_type(load_users(), Call[dict[str, list[str]]])
    assert_type(greet(["Ann"], greeting="hi"), Call[int])
    assert_type(report.task(greet.fn, name="again"), Task[..., Any])  # type: ignore[assert-type]
    pipeline(3)  # type: ignore[arg-type]


async def runs_keep_the_result(engine: Engine) -> None:
    run = await pipeline.start(engine, query="tea", max_running=2)
    assert_type(run, GraphRun[str])
    assert_type(await run, str)
    assert_type(await run.report(), RunReport)
    assert_type(await pipeline.run(query="tea", on_failure="continue", targets=[search, "join"]), RunReport)
    assert_type(await pipeline("tea"), str)
    async for result in run.as_completed():
        assert_type(result, JobResult)
    assert_type(await (await report.start(engine)), dict[str, Any])
    await pipeline.run(query="tea", on_failure="ignore")  # type: ignore[arg-type]


# Flows.


@flow
async def agent(goal: str, *, steps: int = 3) -> list[str]:
    first, second = await gather(search(goal), rank(goal, query=goal))
    assert_type(first, Hits)
    assert_type(second, float)
    three = await gather(search(goal), join_texts([]), pipeline(goal), max_running=2)
    assert_type(three, tuple[Hits, str, str])
    four = await gather(search(goal), join_texts([]), pipeline(goal), rank(goal, query=goal))
    assert_type(four, tuple[Hits, str, str, float])
    assert_type(await gather(*(join_texts([each]) for each in first["hits"])), list[str])
    caught = await gather(search(goal), search("cake"), return_exceptions=True)
    assert_type(caught, list[Hits | BaseException])
    async for result in as_completed([search(goal), rank(goal, query=goal)], max_running=2):
        assert_type(result, JobResult)
    return [await pipeline(goal)]


@flow(max_running=4, lane="gpu")
async def research(topic: str) -> str:
    return (await agent(topic, steps=2))[0]


async def flows_keep_parameters_and_result(engine: Engine) -> None:
    assert_type(agent("tea"), Call[list[str]])
    assert_type(await agent("tea", steps=1), list[str])
    assert_type(await agent.map(["tea"], steps=1), list[list[str]])
    assert_type(await research("tea"), str)
    assert_type(await research.with_options(max_running=2)("tea"), str)
    assert_type(await (await research.start(engine, topic="tea")), str)
    assert_type(await research.run(topic="tea"), RunReport)
    agent("tea", 3)  # type: ignore[call-arg]
    agent(goal=b"tea")  # type: ignore[arg-type]


def only_async_functions_are_flows(function: Flow[..., Any]) -> None:
    flow(len)  # type: ignore[arg-type]


# Both at once: the same body is a graph and a flow.


async def body(query: str) -> str:
    return await join_texts((await search(query))["hits"])


def one_body_is_a_graph_or_a_flow() -> None:
    assert_type(dag(body)("tea"), Call[str])
    assert_type(flow(body)("tea"), Call[str])
    assert_type(Registry().add(dag(body))("tea"), Call[str])
    assert_type(Registry().add(flow(body))("tea"), Call[str])
