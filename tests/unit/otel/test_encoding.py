"""Whatever jobs are called, hold and raise, OTLP can say it: else a whole batch of spans would be lost."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from pydantic import BaseModel, SecretStr

from paceline import Span, Suspend, Usage, current_job

from .traces import Traces

BAD = "bad \ud800"
HUGE = 2**80


@pytest.fixture
def silent(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nobody complains: neither the SDK of a value, nor the encoder of an attribute."""
    caplog.set_level(logging.WARNING)
    yield
    ours = ("opentelemetry", "paceline.otel")
    records = caplog.get_records("call")
    assert not [record.getMessage() for record in records if record.name.startswith(ours)]


def encoded(traces: Traces) -> bytes:
    """What would be sent."""
    return bytes(encode_spans(traces.spans).SerializeToString())


class Odd(Exception):
    """An error of a provider that says strange things of itself."""

    def __init__(self) -> None:
        super().__init__(BAD)
        self.status_code: int = HUGE


Odd.__qualname__ = BAD


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


@pytest.mark.usefixtures("silent")
def test_lone_surrogates_and_numbers_of_any_size_are_encoded() -> None:
    traces = Traces(capture_content=True)

    async def work(payload: Any) -> Any:
        job = current_job()
        assert job is not None
        for kind in ("agent", "function", "generation", "guardrail", BAD):
            usage = {"input_tokens": HUGE, "output_tokens": -HUGE}
            told: dict[str, Any] = {"model": BAD, "response_id": BAD, "input": BAD, "output": BAD}
            span: dict[str, Any] = {
                "id": kind,
                "name": BAD,
                "kind": kind,
                "attributes": told | {"usage": usage},
            }
            job.trace(Span(**span, started=1.0))
            job.trace(Span(**span, started=1.0, ended=2.0, error=BAD))
        job.usage(Usage(input_tokens=2**70, output_tokens=1, cached_tokens=0, money=float("inf"), model=BAD))
        if payload == "fail":
            raise Odd
        return Suspend(BAD) if payload == "ask" else {BAD: HUGE}

    async def main() -> None:
        metadata: dict[str, Any] = {
            "session_id": BAD,
            "user_id": 10**5000,
            "tags": [BAD, HUGE, Unspeakable()],
        }
        async with traces.engine({BAD: work}, run_id="r") as engine:
            engine.lane(BAD, weight=1.0)
            for payload in ("fail", "ask", "do"):
                await engine.submit(payload, name=BAD, key=BAD + payload, lane=BAD, metadata=metadata)
            await engine.submit_group(BAD, primer="fail", followers=["x"], metadata=metadata)

    traces.run(main)
    ended = [span for span in traces.spans if "paceline.job.id" in (span.attributes or {})]
    assert sorted(span.name for span in ended) == ["bad ?"] * 3 + ["follower bad ?", "primer bad ?"]
    (primer,) = traces.named("primer bad ?")
    assert (primer.attributes or {})["error.type"] == f"{__name__}.bad ?"
    assert (primer.attributes or {})["user.id"] == "<int>"
    assert encoded(traces)


class Person(BaseModel):
    name: str
    password: SecretStr


PAYLOADS: dict[str, tuple[Any, str]] = {
    "a model": (Person(name="Ann", password=SecretStr("hush")), '"name": "Ann"'),
    "messages": ([HumanMessage("hello"), AIMessage("hi \ud800")], "hello"),
    "bytes": (b"\xff\x00\xfe", "_wD-"),
    "numbers": ({"n": HUGE, "x": float("nan"), "y": float("inf")}, str(HUGE)),
    "more digits than Python writes": (10**5000, "int"),
    "a long text": ("x" * 10_000_000, "characters more)"),
    "a long list": ({"a": ["x" * 1000] * 1_000}, "characters more)"),
    "nothing to show": ([Unspeakable()], "Unspeakable"),
    "a set of surrogates": ({1: {2: {"\udfff"}}}, "udfff"),
}


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("kind", PAYLOADS)
def test_any_payload_is_encoded_and_small(kind: str) -> None:
    payload, text = PAYLOADS[kind]
    traces = Traces(capture_content=True)

    async def echo(payload: Any) -> Any:
        return payload

    async def main() -> None:
        async with traces.engine(echo) as engine:
            await engine.submit(payload)

    traces.run(main)
    assert len(encoded(traces)) < 200_000
    attributes = dict(traces.one("job echo").attributes or {})
    for name in ("input.value", "output.value"):
        assert text in str(attributes[name])
    assert "hush" not in traces.said()
