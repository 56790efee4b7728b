"""What groups are for: one writes the prefix to the provider's cache, the others read it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionUserMessageParam
from openai.types.responses import ResponseInputTextParam

from paceline import Engine, GroupPolicy, Job, JobResult
from paceline_adapters.openai import ChatExecutor, ResponsesExecutor
from paceline_integrations.simulator import Simulator

Serve = Callable[..., Simulator]
Run = Callable[..., Any]
Make = type[ResponsesExecutor] | type[ChatExecutor]

BOTH = pytest.mark.parametrize("make", [ResponsesExecutor, ChatExecutor])
INPUT = {ResponsesExecutor: "input", ChatExecutor: "messages"}
DOCUMENT = "the tide comes in and the tide goes out " * 40


def grouped(
    run: Run, server: Simulator, make: Make, primer: Any, follower: Any, *, policy: Any = None, **options: Any
) -> list[JobResult]:
    async def main(client: AsyncOpenAI) -> list[JobResult]:
        async with Engine(make(client, model="simulator", **options)) as engine:
            group = await engine.submit_group("tides", primer=primer, followers=[follower] * 3, policy=policy)
            return await group.results()

    results: list[JobResult] = run(server.base_url, main)
    for result in results:
        assert result.ok, result.error
    return results


@BOTH
def test_the_jobs_of_a_group_bear_its_cache_key_and_others_none(run: Run, serve: Serve, make: Make) -> None:
    server = serve()
    grouped(run, server, make, DOCUMENT, DOCUMENT)

    async def alone(client: AsyncOpenAI) -> None:
        async with Engine(make(client, model="simulator")) as engine:
            await (await engine.submit("x"))

    run(server.base_url, alone)
    assert [request.cache_key for request in server.requests()] == ["tides"] * 4 + [None]


@BOTH
@pytest.mark.parametrize("key", ["mine", None])
def test_a_key_that_is_given_is_left_as_it_is_and_none_is_none(
    run: Run, serve: Serve, make: Make, key: str | None
) -> None:
    server = serve()
    grouped(run, server, make, DOCUMENT, DOCUMENT, prompt_cache_key=key)
    assert {request.cache_key for request in server.requests()} == {key}
    assert ("prompt_cache_key" in server.requests()[0].body) is (key is not None)


@BOTH
def test_followers_start_while_the_primer_streams_and_read_what_it_wrote(
    run: Run, serve: Serve, make: Make
) -> None:
    server = serve(decode_rate=100)
    payload = {"prefix": DOCUMENT, INPUT[make]: "Sum it up."}
    primer, *followers = grouped(run, server, make, payload, {**payload, INPUT[make]: "Any risks?"})
    ended = primer.attempts[0].ended
    assert ended is not None
    assert all(each.attempts[0].started < ended for each in followers)
    for each in followers:
        assert each.usage is not None
        assert (each.usage.cached_tokens or 0) > 0.9 * (each.usage.input_tokens or 0)


@BOTH
def test_a_prefix_goes_before_the_input_and_is_marked_as_what_to_cache(
    run: Run, serve: Serve, make: Make
) -> None:
    server = serve()
    name = INPUT[make]
    payload = {"prefix": [{"role": "user", "content": DOCUMENT}], name: "Sum it up."}
    grouped(run, server, make, payload, payload, breakpoints=True)
    body = server.requests()[0].body
    document, question = body[name]
    (part,) = document["content"]
    assert part["text"] == DOCUMENT
    assert part["type"] == ("input_text" if name == "input" else "text")
    assert part["prompt_cache_breakpoint"] == {"mode": "explicit"}
    assert question == {"role": "user", "content": "Sum it up."}
    assert body["prompt_cache_options"] == {"mode": "explicit"}


def test_a_mark_and_options_that_are_given_stay(run: Run, serve: Serve) -> None:
    server = serve()
    part: ResponseInputTextParam = {
        "type": "input_text",
        "text": DOCUMENT,
        "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"},
    }
    prefix = [{"role": "user", "content": [{"type": "input_text", "text": "Of tides."}, part]}]
    grouped(
        run,
        server,
        ResponsesExecutor,
        {"prefix": prefix, "input": "a"},
        {"prefix": prefix, "input": "b"},
        breakpoints=True,
        prompt_cache_options={"mode": "implicit", "ttl": "12h"},
    )
    body = server.requests()[0].body
    assert body["input"][:1] == prefix
    assert body["prompt_cache_options"] == {"mode": "implicit", "ttl": "12h"}


@BOTH
def test_a_prefix_that_can_bear_no_mark_is_refused(make: Make) -> None:
    executor = make(AsyncOpenAI(api_key="none"), model="m", breakpoints=True)
    payload = {"prefix": [{"type": "function_call", "name": "f", "arguments": "{}"}], INPUT[make]: "x"}
    with pytest.raises(ValueError, match="must end in a message"):
        executor._request(Job("1", "j", "e", payload))


def test_instructions_stand_before_the_prefix_of_a_chat(run: Run, serve: Serve) -> None:
    server = serve()
    document: ChatCompletionUserMessageParam = {"role": "user", "content": DOCUMENT}
    payload = {"prefix": [document], "messages": "Sum it up."}
    grouped(run, server, ChatExecutor, payload, payload, instructions="Be brief.")
    messages = server.requests()[0].body["messages"]
    assert [message["content"] for message in messages] == ["Be brief.", DOCUMENT, "Sum it up."]
    assert messages[0]["role"] == "system"


@pytest.mark.parametrize("release", ["first_token", "complete"])
def test_a_primer_that_prewarms_writes_the_cache_and_answers_nothing(
    run: Run, serve: Serve, release: Any
) -> None:
    server = serve(cache="shared", block=1)
    primer, *followers = grouped(
        run,
        server,
        ResponsesExecutor,
        {"prefix": DOCUMENT},
        {"prefix": DOCUMENT, "input": "Any risks?"},
        policy=GroupPolicy(release=release),
        prewarm=True,
        breakpoints=True,
        instructions="Be brief.",
    )
    assert primer.output is None
    assert primer.usage is not None
    assert primer.usage.output_tokens == 0
    written = primer.usage.cache_write_tokens
    assert (written or 0) > 300
    ended = primer.attempts[0].ended
    assert ended is not None
    for each in followers:
        assert each.output
        assert each.usage is not None
        assert each.usage.cached_tokens == written
        assert each.attempts[0].started >= ended
    first, *others = server.requests()
    assert first.body["prompt_cache_options"] == {"mode": "explicit", "prewarm": True}
    assert not first.stream
    assert all(other.body["prompt_cache_options"] == {"mode": "explicit"} for other in others)


def test_a_primer_that_prewarms_is_expected_to_put_out_nothing() -> None:
    executor = ResponsesExecutor(AsyncOpenAI(api_key="none"), model="m", prewarm=True, max_output_tokens=50)
    primer = executor.estimate(Job("1", "j", "e", {"prefix": DOCUMENT}, role="primer"))
    follower = executor.estimate(Job("1", "j", "e", {"prefix": DOCUMENT, "input": "x"}, role="follower"))
    assert primer is not None
    assert follower is not None
    assert (primer.output_tokens, follower.output_tokens) == (0, 50)


def test_prewarming_and_the_background_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        ResponsesExecutor(AsyncOpenAI(api_key="none"), model="m", prewarm=True, background=True)
