"""Limits, faults, waiting and clients that leave, as a client meets them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from paceline_integrations.simulator import Simulator, SimulatorStats

Serve = Callable[..., Simulator]
Connect = Callable[[Simulator], OpenAI]
DOCUMENT = "one long document " * 40


def ask(client: OpenAI, wishes: str | None = None, *, text: str = DOCUMENT, **options: Any) -> Any:
    headers = None if wishes is None else {"x-simulate": wishes}
    create: Any = client.chat.completions.create
    messages = [{"role": "user", "content": text}]
    return create(model="simulator", messages=messages, extra_headers=headers, **options)


def cached(answer: Any) -> int:
    return int(answer.usage.prompt_tokens_details.cached_tokens)


def eventually(server: Simulator, holds: Callable[[SimulatorStats], bool]) -> SimulatorStats:
    """Wait until the server's counts are so: what it notices by itself has no event of ours to wait for."""
    until = time.monotonic() + 20
    while not holds(stats := server.stats()):
        assert time.monotonic() < until, stats
        time.sleep(0.005)
    return stats


def test_more_requests_than_allowed_are_refused_with_the_time_to_come_back(
    serve: Serve, connect: Connect
) -> None:
    server = serve(rpm=2)
    client = connect(server)
    raw = client.chat.completions.with_raw_response.create(
        model="simulator", messages=[{"role": "user", "content": "hello"}]
    )
    assert raw.headers["x-ratelimit-limit-requests"] == "2"
    assert raw.headers["x-ratelimit-remaining-requests"] == "1"
    ask(client)
    with pytest.raises(openai.RateLimitError) as caught:
        ask(client)
    assert (caught.value.code, caught.value.type) == ("rate_limit_exceeded", "requests")
    headers = caught.value.response.headers
    assert 1 <= int(headers["retry-after"]) <= 30
    assert 0 < int(headers["retry-after-ms"]) <= 30_000
    assert headers["x-ratelimit-remaining-requests"] == "0"
    stats = server.stats()
    assert (stats.requests, stats.rejected, stats.errors) == (3, 1, 0)


def test_a_client_that_retries_as_told_gets_through(serve: Serve) -> None:
    server = serve(rpm=600, burst=0.001)
    with OpenAI(base_url=server.base_url, api_key="none", max_retries=2) as client:
        for _ in range(3):
            ask(client)
    stats = server.stats()
    assert stats.requests == 3 + stats.rejected
    assert stats.output_tokens == 3 * 64


def test_tokens_of_prompt_and_answer_count_against_the_limit(serve: Serve, connect: Connect) -> None:
    client = connect(serve(tpm=1000))
    ask(client, max_tokens=700)
    with pytest.raises(openai.RateLimitError, match="tokens per min") as caught:
        ask(client, max_tokens=700)
    assert caught.value.type == "tokens"
    assert caught.value.response.headers["x-ratelimit-limit-tokens"] == "1000"


def test_a_request_that_never_fits_is_not_worth_a_retry(serve: Serve) -> None:
    server = serve(tpm=100)
    with (
        OpenAI(base_url=server.base_url, api_key="none", max_retries=5) as client,
        pytest.raises(openai.RateLimitError, match="too large"),
    ):
        ask(client, max_tokens=101)
    assert server.stats().requests == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
        (401, openai.AuthenticationError),
    ],
)
def test_a_status_is_answered_on_demand(
    client: OpenAI, server: Simulator, status: int, error: type[openai.APIStatusError]
) -> None:
    with pytest.raises(error) as caught:
        ask(client, f"status={status}, retry-after=7")
    assert caught.value.status_code == status
    assert caught.value.response.headers["retry-after"] == "7"
    assert server.stats().errors == 1


def test_a_fault_may_befall_only_the_first_attempts(server: Simulator) -> None:
    with OpenAI(base_url=server.base_url, api_key="none", max_retries=2) as client:
        assert ask(client, "status=503, retry-after=0, first=2").choices
    stats = server.stats()
    assert (stats.requests, stats.errors) == (3, 2)


def test_a_share_of_requests_fails_by_chance(serve: Serve, connect: Connect) -> None:
    client = connect(serve(fail_rate=1.0))
    with pytest.raises(openai.InternalServerError):
        ask(client)


@pytest.mark.parametrize("after", [0, 1, 5, 64, 1000])
def test_a_stream_breaks_after_the_wished_tokens(client: OpenAI, server: Simulator, after: int) -> None:
    texts: list[str] = []
    stream = ask(client, f"drop={after}", stream=True)
    with pytest.raises(openai.APIConnectionError):
        texts.extend(chunk.choices[0].delta.content or "" for chunk in stream)
    whole = ask(client).choices[0].message.content
    assert "".join(texts) == whole[: 4 * after]
    assert server.stats().errors == 1


def test_an_answer_that_is_not_streamed_breaks_too(client: OpenAI, server: Simulator) -> None:
    with pytest.raises(openai.APIConnectionError):
        ask(client, "drop=5")
    stats = server.stats()
    assert (stats.errors, stats.output_tokens) == (1, 5)


def test_a_share_of_answers_breaks_by_chance(serve: Serve, connect: Connect) -> None:
    client = connect(serve(drop_rate=1.0))
    with pytest.raises(openai.APIConnectionError):
        list(ask(client, stream=True))


def test_latency_is_waited(client: OpenAI) -> None:
    begun = time.monotonic()
    ask(client, "latency=0.2")
    assert time.monotonic() - begun >= 0.2


def test_a_client_that_stops_listening_is_counted_as_cancelled(client: OpenAI, server: Simulator) -> None:
    stream = ask(client, "hang=3", stream=True)
    next(iter(stream))
    eventually(server, lambda stats: stats.output_tokens == 3)
    stream.close()
    stats = eventually(server, lambda stats: stats.cancelled == 1)
    assert (stats.running, stats.errors) == (0, 0)


def test_a_client_that_leaves_a_stream_without_pauses_is_noticed(client: OpenAI, server: Simulator) -> None:
    stream = ask(client, stream=True, max_tokens=1_000_000)
    next(iter(stream))
    stream.close()
    stats = eventually(server, lambda stats: stats.running == 0)
    assert stats.cancelled == 1
    assert stats.output_tokens < 1_000_000


def test_a_client_that_leaves_in_prefill_is_noticed_and_writes_nothing(
    serve: Serve, connect: Connect
) -> None:
    server = serve(prefill_rate=1.0)
    with pytest.raises(openai.APITimeoutError):
        ask(connect(server), timeout=0.3)
    eventually(server, lambda stats: stats.cancelled == 1 and stats.running == 0)
    assert server.stats().output_tokens == 0


def test_cancelling_a_task_cancels_its_request(server: Simulator) -> None:
    async def main() -> None:
        async with AsyncOpenAI(base_url=server.base_url, api_key="none", max_retries=0) as client:
            task = asyncio.create_task(
                client.chat.completions.create(
                    model="simulator",
                    messages=[{"role": "user", "content": "hello"}],
                    extra_headers={"x-simulate": "hang"},
                )
            )
            await asyncio.to_thread(eventually, server, lambda stats: stats.running == 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.to_thread(eventually, server, lambda stats: stats.cancelled == 1)

    asyncio.run(main())


def test_a_prefix_is_readable_from_the_first_token_and_not_before(client: OpenAI) -> None:
    before = ask(client, "hang=0", stream=True)
    assert cached(ask(client, max_tokens=1)) == 0
    before.close()
    other = "another document " * 40
    during = ask(client, "hang=1", text=other, stream=True)
    list(zip(range(2), during, strict=False))
    assert cached(ask(client, text=other, max_tokens=1)) > 0
    during.close()


def test_a_prefix_expires(serve: Serve, connect: Connect) -> None:
    client = connect(serve(ttl=0.05))
    ask(client)
    time.sleep(0.06)
    assert cached(ask(client)) == 0


def test_without_a_cache_everything_is_evaluated(serve: Serve, connect: Connect) -> None:
    server = serve(cache="none")
    client = connect(server)
    assert [cached(ask(client)) for _ in range(2)] == [0, 0]


def test_requests_wait_for_a_slot_in_order_and_one_that_leaves_gives_up_its_turn(
    serve: Serve, connect: Connect
) -> None:
    server = serve(cache="slot", slots=1)
    client = connect(server)
    holder = ask(client, "hang=1", stream=True)
    answers: list[Any] = []
    waiter = threading.Thread(target=lambda: answers.append(ask(client)))
    with pytest.raises(openai.APITimeoutError):
        ask(client, timeout=0.2)
    eventually(server, lambda stats: stats.cancelled == 1 and stats.waiting == 0)
    waiter.start()
    eventually(server, lambda stats: stats.waiting == 1 and stats.running == 1)
    assert answers == []
    holder.close()
    waiter.join(20)
    assert cached(answers[0]) == answers[0].usage.prompt_tokens - 1
    stats = server.stats()
    assert (stats.running, stats.waiting) == (0, 0)


def test_a_shared_cache_bounds_nothing_unless_asked(serve: Serve, connect: Connect) -> None:
    server = serve(slots=1)
    client = connect(server)
    streams = [ask(client, "hang=1", stream=True) for _ in range(3)]
    assert server.stats().running == 3
    for stream in streams:
        stream.close()


def test_rates_make_prefill_and_decoding_take_their_time(serve: Serve, connect: Connect) -> None:
    client = connect(serve(prefill_rate=2000.0, decode_rate=100.0))
    begun = time.monotonic()
    times: list[float] = []
    for chunk in ask(client, stream=True, max_tokens=20):
        tokens = len(chunk.choices[0].delta.content or "") // 4  # several, where a busy machine fell behind
        times += [time.monotonic() - begun] * tokens
    ended = time.monotonic() - begun
    prefill = (len(DOCUMENT) // 4 + 5) / 2000
    assert len(times) == 20
    assert all(at >= prefill + turn / 100 for turn, at in enumerate(times))
    assert ended >= prefill + 20 / 100


def test_a_fast_stream_is_not_slower_than_its_rate(serve: Serve, connect: Connect) -> None:
    client = connect(serve(decode_rate=20_000.0))
    begun = time.monotonic()
    text = "".join(
        chunk.choices[0].delta.content or "" for chunk in ask(client, stream=True, max_tokens=10_000)
    )
    took = time.monotonic() - begun
    assert len(text) == 40_000
    assert 0.5 <= took < 2.5
