"""The provider's side: what requests came, and what became of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from paceline_integrations.simulator import Simulator

Serve = Callable[..., Simulator]
Connect = Callable[[Simulator], OpenAI]


def outcomes(server: Simulator) -> list[tuple[str, int | None]]:
    return [(one.outcome, one.status) for one in server.requests()]


def ask(client: OpenAI, wishes: str | None = None, **options: Any) -> Any:
    headers = {} if wishes is None else {"x-simulate": wishes}
    create: Any = client.responses.create
    return create(model="simulator", input="hello", extra_headers=headers, **options)


def test_a_request_is_noted_as_it_came(client: OpenAI, server: Simulator) -> None:
    own = {"X-Session-ID": "s-1", "x-trace": "t"}
    client.with_options(default_headers=own).responses.create(
        model="simulator", input="hello", prompt_cache_key="family", stream=True
    ).close()
    deadline = time.monotonic() + 20
    while server.stats().unfinished:
        assert time.monotonic() < deadline
    [request] = server.requests()
    assert (request.method, request.path) == ("POST", "/v1/responses")
    assert (request.headers["x-session-id"], request.headers["x-trace"]) == ("s-1", "t")
    assert request.body["input"] == "hello"
    assert (request.model, request.stream, request.cache_key) == ("simulator", True, "family")
    assert request.prompt_tokens is not None


def test_credentials_are_not_kept(client: OpenAI, server: Simulator) -> None:
    ask(client)
    assert "authorization" not in server.requests()[0].headers


def test_what_became_of_it_is_told(client: OpenAI, server: Simulator) -> None:
    ask(client)
    with pytest.raises(openai.InternalServerError):
        ask(client, "status=503")
    with pytest.raises(openai.APIConnectionError):
        ask(client, "drop=1")
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve("resp_unknown")
    assert outcomes(server) == [("answered", 200), ("refused", 503), ("dropped", None), ("refused", 404)]
    assert server.stats().unfinished == 0


def test_one_that_is_open_is_open_until_its_client_leaves(client: OpenAI, server: Simulator) -> None:
    stream = ask(client, "hang=2", stream=True)
    next(iter(stream))
    assert (outcomes(server), server.stats().unfinished) == ([("open", None)], 1)
    stream.close()
    deadline = time.monotonic() + 20
    while server.stats().unfinished:
        assert time.monotonic() < deadline
    assert outcomes(server) == [("cancelled", None)]


def test_the_last_ones_are_kept_and_all_are_forgotten_by_a_reset(serve: Serve, connect: Connect) -> None:
    server = serve(remember=2)
    client = connect(server)
    for key in ("a", "b", "c"):
        ask(client, prompt_cache_key=key)
    assert [one.cache_key for one in server.requests()] == ["b", "c"]
    server.reset()
    assert server.requests() == ()


def test_they_are_told_over_http(client: OpenAI, server: Simulator) -> None:
    ask(client)
    told = httpx.get(f"{server.url}/_requests").json()
    assert told == [one.model_dump() for one in server.requests()]
    assert len(told) == 1


def test_a_long_body_is_not_kept(client: OpenAI, server: Simulator) -> None:
    client.responses.create(model="simulator", input="x" * 100_000)
    assert server.requests()[0].body is None
