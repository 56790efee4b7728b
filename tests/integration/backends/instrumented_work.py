"""Runs jobs under a set of instrumentations and tells what their spans were: `instrumented_work.py SET JOBS`.

Chains, graphs, agents and the client in equal parts, in groups of eight whose primers stream, are run on the
simulator over HTTP, which refuses one request in twenty. `instrumented.py` has the environment for it.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import logging
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, TypedDict

import agents
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from openai import AsyncOpenAI
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from pydantic import SecretStr

from paceline import Engine, RetryPolicy, Usage
from paceline_adapters.langchain import RunnableExecutor
from paceline_adapters.langgraph import GraphExecutor
from paceline_adapters.openai import ChatExecutor
from paceline_adapters.openai_agents import AgentExecutor
from paceline_integrations.otel import OpenTelemetryMiddleware
from paceline_integrations.simulator import Simulator, SimulatorSettings

KINDS = ("chain", "graph", "agent", "client")
GROUP = 8
CANCELLED = 5
"""Of so many groups one is cancelled when its first follower has ended."""
INSTRUMENTORS = {
    "official": (
        "opentelemetry.instrumentation.genai.langchain:LangChainInstrumentor",
        "opentelemetry.instrumentation.genai.openai_agents:OpenAIAgentsInstrumentor",
        "opentelemetry.instrumentation.genai.openai:OpenAIInstrumentor",
    ),
    "openinference": (
        "openinference.instrumentation.langchain:LangChainInstrumentor",
        "openinference.instrumentation.openai_agents:OpenAIAgentsInstrumentor",
        "openinference.instrumentation.openai:OpenAIInstrumentor",
    ),
    "traceloop": (
        "opentelemetry.instrumentation.langchain:LangchainInstrumentor",
        "opentelemetry.instrumentation.openai_agents:OpenAIAgentsInstrumentor",
        "opentelemetry.instrumentation.openai:OpenAIInstrumentor",
    ),
    "none": (),
}
"""For LangChain, for agents, for the client: the last one sees the calls of both others, too."""
INPUT = ("gen_ai.usage.input_tokens", "llm.token_count.prompt")
OUTPUT = ("gen_ai.usage.output_tokens", "llm.token_count.completion")


class Counting(SpanProcessor):
    """Keeps of each span what is asked about at the end."""

    def __init__(self) -> None:
        self.begun: int = 0
        self.parents: dict[int, int | None] = {}
        self.scopes: dict[int, str] = {}
        self.attempts: set[int] = set()
        self.traces: set[int] = set()
        self.agents: Counter[str] = Counter()
        self.usage: dict[int, tuple[int, int]] = {}

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self.begun += 1

    def on_end(self, span: ReadableSpan) -> None:
        context, scope, shown = span.get_span_context(), span.instrumentation_scope, span.attributes or {}
        assert context is not None
        assert scope is not None
        self.parents[context.span_id] = None if span.parent is None else span.parent.span_id
        self.scopes[context.span_id] = scope.name
        self.traces.add(context.trace_id)
        if "paceline.job.id" in shown:
            self.attempts.add(context.span_id)
        kinds = (shown.get("gen_ai.operation.name"), shown.get("openinference.span.kind"))
        if "invoke_agent" in kinds or "AGENT" in kinds:
            self.agents[scope.name] += 1
        told = tuple(
            next((int(str(shown[name])) for name in names if name in shown), 0) for names in (INPUT, OUTPUT)
        )
        if any(told):
            self.usage[context.span_id] = (told[0], told[1])


class Logged(logging.Handler):
    """Warnings of whatever traces."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines[f"{record.name}: {record.getMessage()[:120]}"] += 1


class State(TypedDict):
    """Of the graph."""

    question: str
    answer: str


def _executors(server: Simulator, client: AsyncOpenAI) -> dict[str, object]:
    model = ChatOpenAI(
        model="simulator",
        base_url=server.base_url,
        api_key=SecretStr("none"),
        max_retries=0,
        stream_usage=True,
    )
    chain = ChatPromptTemplate.from_template("{question}") | model | StrOutputParser()

    async def answer(state: State) -> dict[str, str]:
        return {"answer": str((await model.ainvoke(state["question"])).content)}

    builder: Any = StateGraph(State)
    builder.add_node("answer", answer)
    builder.add_edge(START, "answer")
    builder.add_edge("answer", END)
    agent = agents.Agent(name="clerk", model=agents.OpenAIResponsesModel("simulator", client))
    return {
        "chain": RunnableExecutor(chain),
        "graph": GraphExecutor(builder.compile()),
        "client": ChatExecutor(client, model="simulator"),
        "agent": AgentExecutor(agent),
    }


def _instrumentors(name: str) -> list[Any]:
    """Of this set: the frameworks' and, last, the client's."""
    found: list[Any] = []
    for path in INSTRUMENTORS[name]:
        module, _, kind = path.partition(":")
        found.append(getattr(importlib.import_module(module), kind)())
    return found


def _payload(kind: str, group: int, number: int) -> Any:
    question = f"[{group}] Question {number}: why are there tides?"
    return {"chain": {"question": question}, "graph": {"question": question, "answer": ""}}.get(
        kind, question
    )


async def _groups(engine: Engine, kinds: Sequence[str], jobs: int, said: argparse.Namespace) -> list[Any]:
    """A group after another, each of the next kind, a few of them at a time."""
    left = iter(range(-(-jobs // GROUP)))
    results: list[Any] = []

    async def some() -> None:
        for number in left:
            kind = kinds[number % len(kinds)]
            primer, *followers = (_payload(kind, number, each) for each in range(GROUP))
            group = await engine.submit_group(
                f"{kind} {number}", primer=primer, followers=followers, executor=kind
            )
            if said.cancel and number % CANCELLED == 0:  # what runs now is broken off in the middle of a call
                await asyncio.wait([asyncio.ensure_future(group.followers[0].wait())], timeout=5.0)
                group.cancel("enough of it")
            results.extend(await group.results())

    await asyncio.gather(*(some() for _ in range(4)))
    return results


async def _run(engine: Engine, instrumentors: list[Any], said: argparse.Namespace) -> list[Any]:
    """All at once, or with each library traced by one instrumentation only."""
    for each in instrumentors if said.pair else instrumentors[:-1]:
        each.instrument()
    if said.pair:
        return await _groups(engine, KINDS, said.jobs, said)
    frameworks = await _groups(engine, KINDS[:-1], said.jobs * 3 // 4, said)
    for each in instrumentors[:-1]:
        each.uninstrument()
    for each in instrumentors[-1:]:
        each.instrument()
    return frameworks + await _groups(engine, KINDS[-1:], said.jobs // 4, said)


def _told_of(results: Iterable[Any]) -> tuple[int, int]:
    total = sum((result.usage for result in results if result.usage is not None), Usage())
    return total.input_tokens or 0, total.output_tokens or 0


def _report(counting: Counting, results: list[Any], logged: Logged) -> dict[str, Any]:
    scopes, attempts = counting.scopes, counting.attempts
    told_below: Counter[int] = Counter()  # how many spans below an attempt told usage
    sums: dict[str, list[int]] = {}
    for span, (taken, given) in counting.usage.items():
        total = sums.setdefault(scopes[span], [0, 0])
        total[0] += taken
        total[1] += given
        above: int | None = counting.parents.get(span)
        while above is not None and above not in attempts:
            above = counting.parents.get(above)
        if span not in attempts and above is not None:
            told_below[above] += 1
    return {
        "jobs": len(results),
        "statuses": Counter(result.status for result in results),
        "attempts": sum(len(result.attempts) for result in results),
        "attempt_spans": len(attempts),
        "spans": Counter(scopes.values()),
        "unended": counting.begun - len(scopes),
        "orphans": sum(parent is not None and parent not in scopes for parent in counting.parents.values()),
        "roots": sum(parent is None for parent in counting.parents.values()),
        "traces": len(counting.traces),
        "usage": _told_of(results),
        "usage_by_scope": sums,
        "told_twice": sum(span in counting.usage and told_below[span] > 0 for span in attempts),
        "told_by_several": sum(count > 1 for count in told_below.values()),
        "untold": sum(result.ok for result in results)
        - sum(span in counting.usage or told_below[span] > 0 for span in attempts),
        "agent_spans": counting.agents,
        "agent_jobs": sum(str(result.group).startswith("agent") for result in results),
        "logged": logged.lines,
    }


def main() -> None:
    """Run what the command line says, and print what was counted."""
    parser = argparse.ArgumentParser()
    parser.add_argument("set", choices=INSTRUMENTORS)
    parser.add_argument("jobs", type=int)
    parser.add_argument("--pair", action="store_true", help="trace frameworks and client at the same time")
    parser.add_argument("--cancel", action="store_true", help="cancel some groups at work")
    said = parser.parse_args()
    logged = Logged()
    logging.getLogger().addHandler(logged)
    counting, provider = Counting(), TracerProvider()
    provider.add_span_processor(counting)
    trace.set_tracer_provider(provider)
    agents.set_trace_processors([])  # the SDK's own would post to its makers

    async def whole() -> list[Any]:
        async with (
            AsyncOpenAI(base_url=server.base_url, api_key="none", max_retries=0) as client,
            Engine(
                _executors(server, client),
                slots=16,
                retry=RetryPolicy(5, base=0.01),
                middleware=[OpenTelemetryMiddleware(provider)],
            ) as engine,
        ):
            return await _run(engine, _instrumentors(said.set), said)

    with Simulator(SimulatorSettings(fail_rate=0.05)) as server:
        results = asyncio.run(whole())
    found = {"set": said.set, "pair": said.pair, "cancel": said.cancel}
    sys.stdout.write(json.dumps({**found, **_report(counting, results, logged)}))


if __name__ == "__main__":
    main()
