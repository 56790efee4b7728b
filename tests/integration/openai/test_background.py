"""Responses that are worked on in the background: their job rests, without a slot, and looks now and then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest
from openai import AsyncOpenAI
from openai.types.responses import Response
from pydantic import BaseModel
from starlette.responses import JSONResponse

from paceline import Engine, JobResult, MemorySink, OutputFailed, RetryPolicy
from paceline.events import JobProgress, JobSuspended
from paceline_adapters.openai import ResponsesExecutor
from paceline_integrations.simulator import Simulator

Serve = Callable[..., Simulator]
Run = Callable[..., Any]
Until = Callable[[Callable[[], bool]], Awaitable[None]]


class City(BaseModel):
    name: str
    people: int


def background(client: AsyncOpenAI, *, poll: tuple[float, float] = (0.05, 0.2), **options: Any) -> Any:
    return ResponsesExecutor(client, model="simulator", background=True, poll=poll, **options)


def paths(server: Any) -> list[str]:
    return [f"{request.method} {request.path.rpartition('/')[2][:5]}" for request in server.requests()]


def test_the_job_rests_until_the_response_is_there(run: Run, serve: Serve, until: Until) -> None:
    """With one slot, another job runs meanwhile; what was used is told once."""
    server = serve(decode_rate=50)

    async def main(client: AsyncOpenAI) -> tuple[Any, ...]:
        async with Engine(background(client, max_output_tokens=20), slots=1) as engine:
            handle = await engine.submit("Write a report.")
            await until(lambda: handle.status == "suspended")
            assert handle.questions == (), "nobody is asked"
            assert str(handle.waiting) == "looks again later"
            other = await (await engine.submit("x", config={"background": False})).wait()
            return other, await handle.wait()

    other, result = run(server.base_url, main)
    assert result.ok, result.error
    assert other.ok
    assert other.attempts[0].started < result.attempts[-1].started
    assert (result.usage.requests, result.usage.output_tokens) == (1, 20)
    assert {attempt.outcome for attempt in result.attempts[:-1]} == {"suspended"}
    assert paths(server).count("POST respo") == 2


def test_the_delay_between_two_looks_doubles_up_to_the_longest(run: Run, serve: Serve) -> None:
    server = serve(decode_rate=20)

    async def main(client: AsyncOpenAI) -> JobResult:
        async with Engine(background(client, max_output_tokens=30, poll=(0.1, 0.4))) as engine:
            return await (await engine.submit("Write a report.")).wait()

    result = run(server.base_url, main)
    starts = [attempt.started for attempt in result.attempts]
    gaps = [later - before for before, later in pairwise(starts)]
    assert gaps[0] < gaps[1] < gaps[2]
    assert all(gap >= 0.4 for gap in gaps[2:])


def test_a_reply_from_outside_wakes_it_at_once(run: Run, serve: Serve, until: Until) -> None:
    server = serve()

    async def main(client: AsyncOpenAI) -> JobResult:
        sink = MemorySink()
        async with Engine(background(client, poll=(300, 300)), sinks=[sink]) as engine:
            handle = await engine.submit("Write a report.")
            await until(lambda: any(isinstance(event, JobSuspended) for event in sink.events))
            (told,) = [event for event in sink.events if isinstance(event, JobProgress)]
            assert told.message is not None
            response = told.message.split()[3].rstrip(",")
            while (await client.responses.retrieve(response)).status != "completed":  # noqa: ASYNC110 - it polls
                await asyncio.sleep(0.01)
            await engine.reply(handle.id, {"type": "response.completed"})
            return await handle.wait()

    result = run(server.base_url, main)
    assert result.ok, result.error
    assert len(result.attempts) == 2


@pytest.mark.parametrize("end", ["cancelled", "deadline"])
def test_a_job_that_is_ended_while_it_rests_cancels_its_response(
    run: Run, serve: Serve, until: Until, end: str
) -> None:
    server = serve(decode_rate=1)

    async def main(client: AsyncOpenAI) -> str:
        async with Engine(background(client, poll=(300, 300))) as engine:
            handle = await engine.submit("Write a report.", deadline=0.3 if end == "deadline" else None)
            await until(lambda: handle.status == "suspended")
            assert server.stats().running == 1
            if end == "cancelled":
                handle.cancel("enough")
            await until(lambda: server.stats().cancelled == 1)
            return (await handle.wait()).status

    assert run(server.base_url, main) == ("failed" if end == "deadline" else "cancelled")
    assert server.stats().running == 0
    assert server.requests()[-1].path.endswith("/cancel")


def test_a_response_that_is_gone_already_needs_no_cancelling(
    run: Run, script: Any, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    gone = JSONResponse({"error": {"message": "not found"}}, 404)
    server = script(JSONResponse(response("queued")), gone)

    async def main(client: AsyncOpenAI) -> None:
        async with Engine(background(client, poll=(300, 300))) as engine:
            handle = await engine.submit("Write a report.")
            await until(lambda: handle.status == "suspended")
            handle.cancel("enough")
            await until(lambda: len(server.requests) == 2)

    run(server.base_url, main)
    assert caplog.messages == []


def test_a_look_that_fails_is_made_again_at_the_same_response(run: Run, script: Any) -> None:
    server = script(
        JSONResponse(response("queued")),
        JSONResponse({"error": {"message": "down"}}, 503),
        JSONResponse(response("in_progress")),
        JSONResponse(response("completed")),
    )

    async def main(client: AsyncOpenAI) -> JobResult:
        executor = background(client, poll=(0.01, 0.01))
        async with Engine(executor, retry=RetryPolicy(3, base=0)) as engine:
            return await (await engine.submit("Write a report.")).wait()

    result = run(server.base_url, main)
    assert result.output == "done"
    assert [path for path, _, _ in server.requests] == ["/v1/responses"] + ["/v1/responses/resp_1"] * 3


def test_after_a_response_that_failed_another_is_begun(run: Run, script: Any) -> None:
    failed = {**response("failed"), "error": {"code": "server_error", "message": "it broke"}}
    server = script(
        JSONResponse(response("queued")),
        JSONResponse(failed),
        JSONResponse(response("queued", "resp_2")),
        JSONResponse(response("completed", "resp_2")),
    )

    async def main(client: AsyncOpenAI) -> JobResult:
        executor = background(client, poll=(0.01, 0.01))
        async with Engine(executor, retry=RetryPolicy(3, base=0)) as engine:
            return await (await engine.submit("Write a report.")).wait()

    assert run(server.base_url, main).output == "done"
    ways = [path for path, _, _ in server.requests]
    assert ways == ["/v1/responses", "/v1/responses/resp_1", "/v1/responses", "/v1/responses/resp_2"]


def test_one_that_somebody_cancels_at_the_provider_is_not_begun_again(run: Run, script: Any) -> None:
    server = script(JSONResponse(response("queued")), JSONResponse(response("cancelled")))

    async def main(client: AsyncOpenAI) -> JobResult:
        executor = background(client, poll=(0.01, 0.01))
        async with Engine(executor, retry=RetryPolicy(3, base=0)) as engine:
            return await (await engine.submit("Write a report.")).wait()

    result = run(server.base_url, main)
    assert result.status == "failed"
    assert isinstance(result.error.exception, OutputFailed)
    assert len(server.requests) == 2


def test_what_is_wanted_of_the_answer_holds_for_the_background_too(run: Run, serve: Serve) -> None:
    server = serve()

    async def main(client: AsyncOpenAI) -> tuple[object, object]:
        async with Engine(background(client, text_format=City)) as engine:
            city = await (await engine.submit("Which?"))
        async with Engine(background(client, output="response")) as engine:
            return city, await (await engine.submit("Which?"))

    city, whole = run(server.base_url, main)
    assert isinstance(city, City)
    assert isinstance(whole, Response)


def test_requests_about_a_response_bear_what_the_first_one_bore(run: Run, script: Any) -> None:
    server = script(JSONResponse(response("queued")), JSONResponse(response("completed")))

    async def main(client: AsyncOpenAI) -> JobResult:
        executor = background(client, poll=(0.01, 0.01), extra_headers={"x-tenant": "7"})
        async with Engine(executor) as engine:
            return await (await engine.submit("Write a report.")).wait()

    assert run(server.base_url, main).ok
    assert [headers["x-tenant"] for _, _, headers in server.requests] == ["7", "7"]
    assert server.requests[0][1]["background"] is True


def response(status: str, ident: str = "resp_1") -> dict[str, Any]:
    """A response as the API tells of it."""
    text: dict[str, Any] = {"type": "output_text", "text": "done", "annotations": []}
    message: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [text],
    }
    return {
        "id": ident,
        "object": "response",
        "created_at": 0,
        "model": "m",
        "status": status,
        "output": [message] if status == "completed" else [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
