"""Prompt caching that is asked for: keys, breakpoints, lifetimes and prewarming."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from openai import OpenAI

from paceline_integrations.simulator import Simulator

Serve = Callable[..., Simulator]
Connect = Callable[[Simulator], OpenAI]
DOCUMENT = "one long document " * 40
EXPLICIT = {"mode": "explicit"}


def marked(text: str) -> dict[str, Any]:
    return {"type": "input_text", "text": text, "prompt_cache_breakpoint": {"mode": "explicit"}}


def ask(client: OpenAI, *parts: str | dict[str, Any], **options: Any) -> Any:
    content = [part if isinstance(part, dict) else {"type": "input_text", "text": part} for part in parts]
    create: Any = client.responses.create
    return create(model="simulator", input=[{"role": "user", "content": content}], **options)


def cached(answer: Any) -> int:
    return int(answer.usage.input_tokens_details.cached_tokens)


def written(answer: Any) -> int:
    return int(answer.usage.input_tokens_details.cache_write_tokens)


def test_prewarming_writes_the_prompt_and_answers_nothing(client: OpenAI, server: Simulator) -> None:
    primed = ask(client, DOCUMENT, prompt_cache_options={"prewarm": True})
    assert (primed.status, primed.output, primed.output_text) == ("completed", [], "")
    assert (primed.usage.output_tokens, cached(primed)) == (0, 0)
    assert written(primed) == primed.usage.input_tokens // 16 * 16
    assert server.stats().output_tokens == 0
    follower = ask(client, DOCUMENT, "summary?")
    assert cached(follower) == (2 + len(DOCUMENT) // 4) // 16 * 16


def test_prewarming_takes_the_time_of_reading_and_can_be_streamed(serve: Serve, connect: Connect) -> None:
    server = serve(prefill_rate=1000.0, decode_rate=1.0)
    client = connect(server)
    begun = time.monotonic()
    stream = ask(client, DOCUMENT, prompt_cache_options={"prewarm": True}, stream=True)
    assert [event.type for event in stream] == [
        "response.created",
        "response.in_progress",
        "response.completed",
    ]
    assert len(DOCUMENT) / 4 / 1000 <= time.monotonic() - begun < 1.0


def test_prewarming_takes_nothing_of_a_limit_for_its_answer(serve: Serve, connect: Connect) -> None:
    client = connect(serve(tpm=250))
    assert ask(client, DOCUMENT, prompt_cache_options={"prewarm": True}, max_output_tokens=500).usage


def test_a_prefix_up_to_a_breakpoint_is_kept_to_the_token(client: OpenAI) -> None:
    primed = ask(client, marked(DOCUMENT + "."), prompt_cache_options={**EXPLICIT, "prewarm": True})
    exact = 2 + (len(DOCUMENT) + 1 + 3) // 4  # the header of the message, and whole tokens
    assert exact % 16
    assert written(primed) == exact
    follower = ask(client, marked(DOCUMENT + "."), "summary?", prompt_cache_options=EXPLICIT)
    assert (cached(follower), written(follower)) == (exact, 0)
    assert cached(ask(client, DOCUMENT + ".", "summary?")) == exact // 16 * 16


def test_explicitly_nothing_beyond_the_last_breakpoint_is_kept(client: OpenAI) -> None:
    ask(client, marked("brief"), DOCUMENT, prompt_cache_options=EXPLICIT)
    assert cached(ask(client, marked("brief"), DOCUMENT)) == 4
    ask(client, "other", DOCUMENT, prompt_cache_options=EXPLICIT)
    assert cached(ask(client, "other", DOCUMENT)) == 0


def test_implicitly_the_rest_is_kept_too(client: OpenAI) -> None:
    first = ask(client, marked("brief"), DOCUMENT)
    assert written(first) == first.usage.input_tokens // 16 * 16
    assert cached(ask(client, marked("brief"), DOCUMENT)) == written(first)


def test_who_asks_for_nothing_is_told_of_no_writes(client: OpenAI) -> None:
    assert written(ask(client, DOCUMENT)) == 0


@pytest.mark.parametrize(("ttl", "there"), [(None, False), ("30m", True)])
def test_a_lifetime_that_is_asked_for_is_kept_at_least(
    serve: Serve, connect: Connect, ttl: str | None, there: bool
) -> None:
    client = connect(serve(ttl=0.05))
    options = {} if ttl is None else {"ttl": ttl}
    answer = ask(client, DOCUMENT, prompt_cache_options=options)
    assert answer.prompt_cache_options.ttl == "30m"
    time.sleep(0.06)
    assert (cached(ask(client, DOCUMENT)) > 0) is there


def test_chat_completions_take_breakpoints_and_a_key_too(client: OpenAI, server: Simulator) -> None:
    create: Any = client.chat.completions.create
    part = {"type": "text", "text": DOCUMENT + ".", "prompt_cache_breakpoint": {"mode": "explicit"}}
    answers = [
        create(
            model="simulator",
            messages=[{"role": "user", "content": [part, {"type": "text", "text": question}]}],
            prompt_cache_options=EXPLICIT,
            prompt_cache_key="family",
        )
        for question in ("summary?", "risks?")
    ]
    details = [answer.usage.prompt_tokens_details for answer in answers]
    assert details[0].cache_write_tokens == details[1].cached_tokens > 0
    assert [one.cache_key for one in server.requests()] == ["family", "family"]
