"""What running a framework's object as jobs costs, against calling the same method of it by hand.

    python tests/benchmarks/adapters.py [--only overhead|streams] [--n 400] [--repeat 8] [--json]

`overhead`: microseconds of processor time per call on the framework's own fake models, with the same config
and usage handler; by hand under a `Semaphore` as wide as the engine's slots. The aim is at most 5 % and 50
microseconds more. `streams`: 200 streams at once from the simulator, in a process of its own: how much later
the first chunk comes than with the bare client under the same load. The aim is at most 1.2 times. By hand and
engine take turns; a figure is the median over the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

os.environ.setdefault("OPENAI_API_KEY", "none")  # the simulator asks for none, the clients do

import agents
from agents.testing import ScriptedModel, assistant_message
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.language_models.fake_chat_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableConfig
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from openai import AsyncOpenAI

from paceline import Engine
from paceline_adapters.langchain import RunnableExecutor
from paceline_adapters.langgraph import GraphExecutor
from paceline_adapters.openai import ChatExecutor, ResponsesExecutor
from paceline_adapters.openai_agents import AgentExecutor

SLOTS = 8
MOST = (1.05, 50.0)
"""Times, and then microseconds more, that a job may take."""
LATER = 1.2

Call = Callable[[int], Awaitable[object]]
"""One call by hand."""


@dataclass(frozen=True, slots=True)
class Case:
    """The same work by hand and as a job's executor."""

    name: str
    by_hand: Call
    executor: object
    payload: object


class State(TypedDict):
    """Of the graph."""

    question: str
    answer: str


def answers() -> FakeMessagesListChatModel:
    usage: Any = {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12}
    message = AIMessage("a short answer", usage_metadata=usage, response_metadata={"model_name": "fake"})
    return FakeMessagesListChatModel(responses=[message])


def config() -> RunnableConfig:
    return RunnableConfig(
        callbacks=[UsageMetadataCallbackHandler()], metadata={"tenant": "a"}, tags=["bench"]
    )


def of_langchain() -> Case:
    chain = ChatPromptTemplate.from_messages([("human", "{question}")]) | answers() | StrOutputParser()
    given = {"question": "why?"}
    executor = RunnableExecutor(chain, config=config())
    return Case("langchain ainvoke", lambda _: chain.ainvoke(given, config()), executor, given)


def a_graph(checkpointer: InMemorySaver | None) -> Any:
    model = answers()

    async def node(state: State) -> dict[str, str]:
        return {"answer": str((await model.ainvoke([HumanMessage(state["question"])])).content)}

    builder: Any = StateGraph(State)  # its methods are typed in part only
    builder.add_node("node", node)
    builder.add_edge(START, "node")
    builder.add_edge("node", END)
    return builder.compile(checkpointer=checkpointer)


def of_langgraph(*, threads: bool) -> Case:
    graph = a_graph(InMemorySaver() if threads else None)
    given = {"question": "why?"}

    async def by_hand(number: int) -> object:
        chosen = config()
        if threads:
            chosen["configurable"] = {"thread_id": f"thread-{number}-{time.perf_counter_ns()}"}
        return (await graph.ainvoke(given, chosen, version="v2")).value

    name = "langgraph ainvoke, checkpointer" if threads else "langgraph ainvoke"
    executor = GraphExecutor(graph, config=config())
    return Case(name, by_hand, executor, given)


def of_agents(n: int, repeat: int) -> Case:
    # A script is used up: one long enough for all calls of both sides.
    model = ScriptedModel([[assistant_message("a short answer")]] * (2 * n * (repeat + 1)))
    agent = agents.Agent(name="answers", instructions="Be brief.", model=model)

    async def by_hand(_: int) -> object:
        found = await agents.Runner.run(agent, "why?")
        return found.final_output, found.context_wrapper.usage.total_tokens

    return Case("openai-agents Runner.run", by_hand, AgentExecutor(agent), "why?")


async def time_by_hand(case: Case, n: int) -> float:
    semaphore = asyncio.Semaphore(SLOTS)

    async def one(number: int) -> object:
        async with semaphore:
            return await case.by_hand(number)

    started = time.process_time()
    await asyncio.gather(*(one(number) for number in range(n)))
    return (time.process_time() - started) / n * 1e6


async def time_engine(case: Case, n: int) -> float:
    async with Engine(case.executor, slots=SLOTS) as engine:
        started = time.process_time()
        handles = [await engine.submit(case.payload) for _ in range(n)]
        for handle in handles:
            await handle
        return (time.process_time() - started) / n * 1e6


def overhead(n: int, repeat: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for case in (
        of_langchain(),
        of_langgraph(threads=False),
        of_langgraph(threads=True),
        of_agents(n, repeat),
    ):
        rounds: list[tuple[float, float]] = []
        for number in range(repeat + 1):
            gc.collect()
            by_hand = asyncio.run(time_by_hand(case, n))
            gc.collect()
            engine = asyncio.run(time_engine(case, n))
            if number:  # the first warms up what is imported and cached late
                rounds.append((by_hand, engine))
        base = statistics.median(by_hand for by_hand, _ in rounds)
        more = statistics.median(engine - by_hand for by_hand, engine in rounds)
        allowed = base * (MOST[0] - 1) + MOST[1]
        row = {"by_hand_us": base, "more_us": more, "allowed_us": allowed, "met": more <= allowed}
        found.append({"case": case.name, **row})
    return found


@dataclass(frozen=True, slots=True)
class StreamCase:
    """The same stream from the bare client and as a job."""

    name: str
    bare: Callable[[], AsyncIterator[object]]
    executor: object


PROMPT = "Tell me, at some length, what a paceline is."


def stream_cases(url: str) -> list[StreamCase]:
    client = AsyncOpenAI(base_url=url, max_retries=0)
    model = ChatOpenAI(model="sim", base_url=url, max_retries=0, stream_usage=True)
    agent = agents.Agent(name="answers", model=agents.OpenAIResponsesModel(model="sim", openai_client=client))
    return [
        StreamCase("openai chat", partial(bare_chat, client), ChatExecutor(client, model="sim")),
        StreamCase(
            "openai responses", partial(bare_responses, client), ResponsesExecutor(client, model="sim")
        ),
        StreamCase("langchain-openai", partial(bare_langchain, model), RunnableExecutor(model)),
        StreamCase("openai-agents", partial(bare_agent, agent), AgentExecutor(agent)),
    ]


async def bare_chat(client: AsyncOpenAI) -> AsyncIterator[object]:
    stream = await client.chat.completions.create(
        model="sim",
        messages=[{"role": "user", "content": PROMPT}],
        stream=True,
        stream_options={"include_usage": True},
    )
    async for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            yield chunk.choices[0].delta.content


async def bare_responses(client: AsyncOpenAI) -> AsyncIterator[object]:
    stream = await client.responses.create(model="sim", input=PROMPT, stream=True)
    async for event in stream:
        if event.type == "response.output_text.delta":
            yield event.delta


async def bare_langchain(model: ChatOpenAI) -> AsyncIterator[object]:
    async for chunk in model.astream(PROMPT):
        if chunk.content:
            yield chunk.content


async def bare_agent(agent: agents.Agent[Any]) -> AsyncIterator[object]:
    result = agents.Runner.run_streamed(agent, PROMPT)
    async for event in result.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            yield event.data.delta


async def first_bare(case: StreamCase, streams: int) -> float:
    """Seconds until the first chunk, the mean of all streams."""
    started = time.perf_counter()

    async def one() -> float:
        first = 0.0
        async for _ in case.bare():
            first = first or time.perf_counter() - started
        return first

    return statistics.mean(await asyncio.gather(*(one() for _ in range(streams))))


async def first_engine(case: StreamCase, streams: int) -> float:
    async with Engine(case.executor, slots=streams) as engine:
        started = time.perf_counter()

        async def one() -> float:
            handle = await engine.submit(PROMPT, stream=True)
            first = 0.0
            async for chunk in handle.stream():
                first = first or (time.perf_counter() - started if heard(chunk) else 0.0)
            await handle
            return first

        return statistics.mean(await asyncio.gather(*(one() for _ in range(streams))))


def heard(chunk: object) -> bool:
    """Whether a chunk says something: frames around the answer come before it."""
    return bool(chunk) if isinstance(chunk, str) else bool(getattr(chunk, "content", None))


def streams(count: int, repeat: int) -> list[dict[str, Any]]:
    command = [
        str(Path(sys.executable).with_name("paceline")),
        "simulate",
        "--port",
        "0",
        "--slots",
        str(count),
    ]
    found: list[dict[str, Any]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            found.extend(asyncio.run(_streams(_url(server), count, repeat)))
        finally:
            server.terminate()
    return found


async def _streams(url: str, count: int, repeat: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for case in stream_cases(url):
        rounds: list[tuple[float, float]] = []
        for number in range(repeat + 1):
            if number % 2:  # whoever comes second finds what the first has left: open connections, for one
                pair = (await first_bare(case, count), await first_engine(case, count))
            else:
                engine = await first_engine(case, count)
                pair = (await first_bare(case, count), engine)
            if number:
                rounds.append(pair)
        ratio = statistics.median(engine / bare for bare, engine in rounds)
        first = statistics.median(bare for bare, _ in rounds)
        found.append({"case": case.name, "bare_s": first, "ratio": ratio, "met": ratio <= LATER})
    return found


def _url(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    for line in server.stdout:
        for word in line.split():
            if word.startswith("http://"):
                return word.rstrip(",")
    raise SystemExit("the simulator did not start")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=["overhead", "streams"])
    parser.add_argument("--n", type=int, default=400, help="calls in a round")
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--repeat", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--smoke", action="store_true", help="a run of seconds; its figures mean nothing")
    given = parser.parse_args()
    agents.set_trace_processors([])  # both sides make spans, and neither sends them
    n, count, repeat = (20, 10, 1) if given.smoke else (given.n, given.streams, given.repeat)
    found: dict[str, list[dict[str, Any]]] = {}
    if given.only != "streams":
        found["overhead"] = overhead(n, repeat)
    if given.only != "overhead":
        found["streams"] = streams(count, repeat)
    if given.json:
        print(json.dumps(found))
        return 0
    for row in found.get("overhead", ()):
        print(
            f"{row['case']:34} by hand {row['by_hand_us']:8.0f} us, a job {row['more_us']:+7.0f} us, "
            f"allowed {row['allowed_us']:+7.0f} us  {'met' if row['met'] else 'MISSED'}"
        )
    for row in found.get("streams", ()):
        print(
            f"{row['case']:34} first chunk of {count} after {row['bare_s'] * 1e3:6.0f} ms, "
            f"a job's {row['ratio']:.2f} times that (aim {LATER})  {'met' if row['met'] else 'MISSED'}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
