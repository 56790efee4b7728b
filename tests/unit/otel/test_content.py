"""What is said in prompts and outputs leaves only where somebody asked for it."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from paceline import Span, Suspend, current_job
from paceline_integrations.otel import OpenTelemetryMiddleware

from .traces import Traces

HIDDEN = "my-hidden-words"


async def work(payload: Any) -> Any:
    job = current_job()
    assert job is not None
    job.emit(HIDDEN)
    job.progress(HIDDEN)
    attributes = {"input": HIDDEN, "output": HIDDEN, "headers": {"key": HIDDEN}, "trace_id": HIDDEN}
    for kind in ("agent", "function", "generation", "turn", "custom", "guardrail"):
        told: dict[str, Any] = {
            "id": kind,
            "name": kind,
            "kind": kind,
            "started": 1.0,
            "attributes": attributes,
        }
        job.trace(Span(**told))
        job.trace(Span(**told, ended=2.0, error=HIDDEN))
    if payload["do"] == "fail":
        raise ValueError(HIDDEN)
    if payload["do"] == "ask" and job.job.reply is None:
        return Suspend(HIDDEN, state=HIDDEN)
    await asyncio.sleep(0)
    return {"said": HIDDEN}


async def everything(traces: Traces) -> None:
    async with traces.engine(work) as engine:
        await engine.submit({"do": "fail", "prompt": HIDDEN}, metadata={"note": HIDDEN})
        asks = await engine.submit({"do": "ask", "prompt": HIDDEN})
        await asks.wait()
        await engine.reply(asks.id, HIDDEN)
        await engine.submit({"do": "answer", "prompt": HIDDEN})
        cancelled = await engine.submit({"do": "ask", "prompt": HIDDEN})
        cancelled.cancel(HIDDEN)


def test_nothing_leaves_unless_it_is_asked_for() -> None:
    traces = Traces()
    traces.run(lambda: everything(traces))
    assert len(traces.spans) == 4 * 6 + 6
    assert HIDDEN not in traces.said()


def test_all_of_it_leaves_where_it_is_asked_for() -> None:
    traces = Traces(capture_content=True)
    traces.run(lambda: everything(traces))
    ended = traces.named("job work")

    def of(outcome: str, text: str) -> ReadableSpan:
        return next(
            each
            for each in ended
            if (each.attributes or {})["paceline.outcome"] == outcome
            and text in str((each.attributes or {})["input.value"])
        )

    failed, asked = of("failed", "fail"), of("suspended", "ask")
    went_on, done = of("succeeded", "ask"), of("succeeded", "answer")
    given = dict(done.attributes or {})
    assert json.loads(str(given["input.value"])) == {"do": "answer", "prompt": HIDDEN}
    assert given["input.mime_type"] == "application/json"
    assert json.loads(str(given["output.value"])) == {"said": HIDDEN}
    (message,) = json.loads(str(given["gen_ai.output.messages"]))
    assert message["role"] == "assistant"
    assert HIDDEN in message["parts"][0]["content"]
    assert failed.status.description == HIDDEN
    assert dict(failed.events[0].attributes or {}) == {
        "exception.type": "ValueError",
        "exception.message": HIDDEN,
    }
    assert dict(asked.events[0].attributes or {})["paceline.question"] == (HIDDEN,)
    assert "output.value" not in (asked.attributes or {}), "its state is nobody's business"
    assert "output.value" in (went_on.attributes or {})
    tool = traces.named("execute_tool function")[0]
    assert (tool.attributes or {})["gen_ai.tool.call.arguments"] == HIDDEN
    assert tool.status.description == HIDDEN


def test_redact_sees_all_that_leaves_and_what_it_returns_leaves_instead() -> None:
    def redact(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace(HIDDEN, "[hidden]")
        return dict.fromkeys(value, "[hidden]")

    traces = Traces(capture_content=True, redact=redact)
    traces.run(lambda: everything(traces))
    assert HIDDEN not in traces.said()
    assert traces.said().count("[hidden]") > 20


def _raises(value: Any) -> Any:
    raise RuntimeError("cannot")


def _nothing(value: Any) -> Any:
    return None


class _Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError


def _strange(value: Any) -> Any:
    return _Unshowable()


@pytest.mark.parametrize("redact", [_raises, _nothing, _strange])
def test_a_redactor_that_fails_lets_nothing_through(
    redact: Callable[[Any], Any], caplog: pytest.LogCaptureFixture
) -> None:
    traces = Traces(capture_content=True, redact=redact)
    traces.run(lambda: everything(traces))
    assert HIDDEN not in traces.said()
    assert len(traces.spans) == 4 * 6 + 6, "and every span is there"
    assert len(caplog.records) == (1 if redact is _raises else 0), "said once, not for each"


def test_a_redactor_that_fails_is_told_without_the_words_that_it_was_to_make_safe(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def quotes(value: Any) -> Any:
        raise ValueError(f"cannot redact {value!r}")

    traces = Traces(capture_content=True, redact=quotes)
    traces.run(lambda: everything(traces))
    (record,) = caplog.records
    assert "(ValueError in quotes)" in record.getMessage()
    assert record.exc_info is None
    assert HIDDEN not in caplog.text


def test_redact_gets_a_copy() -> None:
    def redact(value: Any) -> Any:
        value.clear()
        return value

    traces = Traces(capture_content=True, redact=redact)

    async def main() -> None:
        async with traces.engine(work) as engine:
            assert await (await engine.submit({"do": "answer"})) == {"said": HIDDEN}

    traces.run(main)


class _Odd:
    def __repr__(self) -> str:
        return "<odd>"


def _endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ("plain", "plain"),
        (_Odd(), "<odd>"),
        ({"a": _Odd(), "b": float("nan")}, '{"a": "<odd>", "b": "NaN"}'),
        ("\ud800", "?"),
        ({"k\udfff": 1}, '{"k?": 1}'),
        (b"\xff", "_w=="),
        (_endless(), "[[...]]"),
        (None, "null"),
    ],
)
def test_any_payload_becomes_text_that_can_be_sent(payload: Any, text: str) -> None:
    traces = Traces(capture_content=True)

    async def echo(payload: Any) -> Any:
        return payload

    async def main() -> None:
        async with traces.engine(echo) as engine:
            await engine.submit(payload)

    traces.run(main)
    attributes = dict(traces.one("job echo").attributes or {})
    assert attributes["input.value"] == text
    assert attributes["output.value"] == text
    for value in attributes.values():
        str(value).encode()


def test_what_is_too_long_is_cut() -> None:
    traces = Traces(capture_content=True)

    async def echo(payload: Any) -> Any:
        return {"text": payload}

    async def main() -> None:
        async with traces.engine(echo) as engine:
            await engine.submit("x" * 1_000_000)

    traces.run(main)
    attributes = dict(traces.one("job echo").attributes or {})
    for name in ("input.value", "output.value"):
        value = str(attributes[name])
        assert len(value) < 33_000
        assert "characters more)" in value
    assert attributes["output.mime_type"] == "text/plain", "what is cut is no JSON"


def test_redact_must_be_a_function() -> None:
    with pytest.raises(TypeError, match="redact must be a function"):
        OpenTelemetryMiddleware(redact="secret")  # type: ignore[arg-type]
