"""A run as real backends keep it: the tree, attributes, states, usage, and (in MLflow) links."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from paceline import Engine, Lane, RetryPolicy, Suspend, Usage, current_job, dag, task
from paceline_integrations.backends import Backend, BackendSpan
from paceline_integrations.otel import OpenTelemetryMiddleware

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SPENT = Usage(input_tokens=100, cached_tokens=80, output_tokens=7, requests=1, model="gpt-5")
PRIVATE = "for your eyes only"


@task
async def load() -> str:
    return "text"


@task
async def count(text: str) -> int:
    return len(text)


@task
async def shout(text: str) -> str:
    return text.upper()


@task
async def merge(number: int, text: str) -> str:
    return f"{number} {text}"


@dag
async def report() -> str:
    text = await load()
    number = await count(text)
    loud = await shout(text)
    return await merge(number, loud)


class Story:
    """A group with a retry, a question and a cancelled job, and a graph; told to all these backends."""

    def __init__(self, *backends: Backend) -> None:
        self._hangs: asyncio.Event = asyncio.Event()
        self.trace_id: str = ""
        resource = Resource({name: text for each in backends for name, text in each.resource.items()})
        provider = TracerProvider(resource=resource)
        for each in backends:
            exporter = OTLPSpanExporter(each.endpoint, headers=each.headers)
            provider.add_span_processor(BatchSpanProcessor(exporter))
        memory = InMemorySpanExporter()
        provider.add_span_processor(SimpleSpanProcessor(memory))
        asyncio.run(self._run(OpenTelemetryMiddleware(provider)))
        provider.shutdown()
        roots = [span.context for span in memory.get_finished_spans() if span.parent is None]
        self.trace_id = "".join(format(each.trace_id, "032x") for each in roots if each is not None)

    async def _answer(self, payload: str) -> object:
        ctx = current_job()
        assert ctx is not None
        ctx.usage(SPENT)
        if payload == "flaky" and ctx.attempt == 1:
            raise ConnectionError(PRIVATE)
        if payload == "asks" and ctx.job.reply is None:
            return Suspend("Pay?", schema=bool)
        if payload == "hangs":
            self._hangs.set()
            await asyncio.Event().wait()
        return PRIVATE

    async def _run(self, middleware: OpenTelemetryMiddleware) -> None:
        async with Engine(
            {"answer": self._answer},
            lanes=[Lane("paying", weight=2.0)],
            retry=RetryPolicy(2, base=0.01),
            middleware=[middleware],
            run_id="story",
        ) as engine:
            group = await engine.submit_group(
                "contract.pdf",
                primer="read",
                followers=["plain", "flaky", "asks", "hangs"],
                lane="paying",
                metadata={"session_id": "s-1", "user_id": "u-1"},
            )
            await self._hangs.wait()
            group.followers[3].cancel(PRIVATE)
            await group.results()
            await engine.reply(group.followers[2].id, True)
            await group.followers[2]
            await (await report.start(engine))


SPANS = 14
"""The run, its group with seven attempts, its graph with four."""


@dataclass
class Told:
    """What one backend has of it."""

    spans: list[BackendSpan]

    def name_of(self, span_id: str | None) -> str | None:
        return next((label(span) for span in self.spans if span.span_id == span_id), None)

    def tree(self) -> dict[str, str | None]:
        """Of each span, the one above it."""
        return {label(span): self.name_of(span.parent_id) for span in self.spans}

    def links(self) -> dict[str, set[tuple[Any, str | None]]]:
        return {
            label(span): {
                (each.attributes["paceline.link.type"], self.name_of(each.span_id)) for each in span.links
            }
            for span in self.spans
            if span.links
        }

    def __getitem__(self, name: str) -> BackendSpan:
        return next(span for span in self.spans if label(span) == name)


def label(span: BackendSpan) -> str:
    """Its job and attempt; a scope by its name."""
    attempt = span.attributes.get("paceline.attempt")
    return span.name if attempt is None else f"{span.attributes['paceline.job.name']} {attempt}"


@pytest.fixture(scope="module")
def story(phoenix: Backend, mlflow: Backend) -> Story:
    return Story(phoenix, mlflow)


@pytest.fixture(scope="module", params=["phoenix", "mlflow"])
def told(request: pytest.FixtureRequest, story: Story) -> Told:
    backend: Backend = request.getfixturevalue(request.param)
    return Told(backend.spans(story.trace_id, at_least=SPANS))


def test_the_tree(told: Told) -> None:
    run, group, graph = "invoke_workflow story", "paceline.group contract.pdf", "invoke_workflow report"
    members = ["primer 1", "follower/0 1", "follower/1 1", "follower/1 2", "follower/2 1", "follower/2 2"]
    assert told.tree() == {
        run: None,
        group: run,
        **{f"contract.pdf/{member}": group for member in [*members, "follower/3 1"]},
        graph: run,
        **{f"{node} 1": graph for node in ("load", "count", "shout", "merge")},
    }
    assert len(told.spans) == SPANS


def test_states_and_outcomes(told: Told) -> None:
    def state(name: str) -> tuple[str, object, object]:
        span = told[f"contract.pdf/{name}"]
        return span.status, span.attributes["paceline.outcome"], span.attributes.get("error.type")

    assert state("primer 1") == ("unset", "succeeded", None)
    assert state("follower/1 1") == ("error", "failed", "ConnectionError")
    assert state("follower/1 2") == ("unset", "succeeded", None)
    assert state("follower/2 1") == ("unset", "suspended", None)
    assert state("follower/2 2") == ("unset", "succeeded", None)
    assert state("follower/3 1")[:2] == ("unset", "cancelled")
    assert [event.name for event in told["contract.pdf/follower/2 1"].events] == ["paceline.suspended"]


def test_who_and_where(told: Told) -> None:
    follower = told["contract.pdf/follower/0 1"].attributes
    assert {
        "paceline.run.id": "story",
        "paceline.group": "contract.pdf",
        "paceline.lane": "paying",
        "paceline.role": "follower",
        "paceline.executor": "answer",
        "session.id": "s-1",
        "user.id": "u-1",
    }.items() <= follower.items()
    assert follower["paceline.wait.seconds"] >= 0.0
    assert told["contract.pdf/follower/1 1"].attributes["paceline.retry.delay.seconds"] >= 0.0
    assert told["contract.pdf/primer 1"].attributes["paceline.role"] == "primer"


def test_times_lie_within_those_above(told: Told) -> None:
    for span in told.spans:
        above = next((each for each in told.spans if each.span_id == span.parent_id), None)
        assert span.started <= span.ended
        # The group is over when all its jobs rest; the one that was answered went on after that.
        if above is not None and "follower/2 2" not in label(span):
            assert above.started <= span.started
            assert span.ended <= above.ended + 0.001


def usage(attributes: Mapping[str, Any]) -> tuple[Any, ...]:
    kinds = ("input_tokens", "output_tokens", "cache_read.input_tokens")
    return tuple(attributes.get(f"gen_ai.usage.{kind}") for kind in kinds)


def test_usage_is_told_once_by_each_attempt_and_by_nobody_else(told: Told) -> None:
    attempts = {label(span): usage(span.attributes) for span in told.spans if "contract.pdf/" in label(span)}
    assert set(attempts.values()) == {(100, 7, 80)}
    assert len(attempts) == 7
    rest = [usage(span.attributes) for span in told.spans if "contract.pdf/" not in label(span)]
    assert set(rest) == {(None, None, None)}


def test_nothing_of_what_went_in_or_came_out_is_there(told: Told) -> None:
    assert not [span for span in told.spans if PRIVATE in repr(span)]


def test_phoenix_shows_an_attempt_with_usage_as_a_call_of_a_model(phoenix: Backend, story: Story) -> None:
    told = Told(phoenix.spans(story.trace_id, at_least=SPANS))
    kinds = {label(span): span.attributes.get("openinference.span.kind") for span in told.spans}
    assert kinds["contract.pdf/primer 1"] == "LLM"
    assert (
        kinds["invoke_workflow story"] == kinds["paceline.group contract.pdf"] == kinds["load 1"] == "CHAIN"
    )


def test_mlflow_has_every_link(mlflow: Backend, story: Story) -> None:
    told = Told(mlflow.spans(story.trace_id, at_least=SPANS))
    primer = ("primer", "contract.pdf/primer 1")
    assert {name.removeprefix("contract.pdf/"): links for name, links in told.links().items()} == {
        "follower/0 1": {primer},
        "follower/1 1": {primer},
        "follower/1 2": {primer, ("retry", "contract.pdf/follower/1 1")},
        "follower/2 1": {primer},
        "follower/2 2": {primer, ("resumed", "contract.pdf/follower/2 1")},
        "follower/3 1": {primer},
        "count 1": {("dependency", "load 1")},
        "shout 1": {("dependency", "load 1")},
        "merge 1": {("dependency", "count 1"), ("dependency", "shout 1")},
    }
