"""The user's client stays the user's; the arguments of an executor are those of the client."""

from __future__ import annotations

import collections.abc
import subprocess
import sys
import typing
from collections.abc import AsyncIterator, Callable
from types import UnionType
from typing import Any, Self, get_type_hints

import pytest
from openai import AsyncOpenAI, AsyncStream, BaseModel, OpenAI, types
from openai.types import chat, responses, shared_params
from openai.types.chat import completion_create_params
from openai.types.responses import response_create_params

from paceline import Engine, NoAdapter, as_executor
from paceline_adapters.openai import ChatExecutor, ChatOptions, ResponseOptions, ResponsesExecutor
from paceline_integrations.simulator import Simulator

Serve = Callable[..., Simulator]
Run = Callable[..., Any]
Make = type[ResponsesExecutor] | type[ChatExecutor]

BOTH = pytest.mark.parametrize("make", [ResponsesExecutor, ChatExecutor])
REQUEST = {"extra_headers", "extra_query", "extra_body", "timeout", "stream"}


class Own(AsyncOpenAI):
    """A client as people derive them."""


class Traced:
    """A stream that somebody looks into, as instrumentations hand it out."""

    def __init__(self, stream: AsyncStream[Any], seen: list[object]) -> None:
        self._stream = stream
        self._seen = seen

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._stream.close()

    async def __aiter__(self) -> AsyncIterator[Any]:
        async for piece in self._stream:
            self._seen.append(piece)
            yield piece


def wrapped(client: AsyncOpenAI, seen: list[object]) -> AsyncOpenAI:
    """Methods replaced on the object, as LangSmith's `wrap_openai` does it."""

    def noting(method: Any) -> Any:
        async def noted(*args: Any, **kwargs: Any) -> Any:
            result = await method(*args, **kwargs)
            if kwargs.get("stream"):
                return Traced(result, seen)
            seen.append(result)
            return result

        return noted

    for resource in (client.responses, client.chat.completions):
        setattr(resource, "create", noting(resource.create))  # noqa: B010 - no type allows it
    return client


@BOTH
def test_a_client_that_is_given_stays_open_and_keeps_its_retries(run: Run, serve: Serve, make: Make) -> None:
    async def main(client: AsyncOpenAI) -> None:
        async with make(client, model="m") as executor:
            async with Engine(executor) as engine:
                await (await engine.submit("x"))
            used = await executor._clients.get()
        assert (client.max_retries, used.max_retries) == (2, 0)
        assert used._client is client._client
        assert not client.is_closed()
        assert (await client.models.list()).data

    run(serve().base_url, main)


def test_a_client_of_a_class_of_ones_own_stays_one() -> None:
    client = Own(api_key="none", default_headers={"x-own": "1"}, default_query={"q": "1"}, organization="o")
    used = ChatExecutor(client, model="m")._clients.given
    assert isinstance(used, Own)
    assert used.default_headers["x-own"] == "1"
    assert used.default_query == {"q": "1"}
    assert used.organization == "o"


@BOTH
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_who_wraps_a_client_sees_what_it_gives(run: Run, serve: Serve, make: Make, stream: bool) -> None:
    seen: list[object] = []

    async def main(client: AsyncOpenAI) -> object:
        async with Engine(make(wrapped(client, seen), model="m")) as engine:
            return await (await engine.submit("x", stream=stream))

    assert run(serve().base_url, main, max_retries=0)
    assert seen
    assert all(isinstance(each, BaseModel) for each in seen)


@BOTH
def test_a_wrapped_client_with_retries_is_refused_for_a_copy_would_not_be_wrapped(make: Make) -> None:
    client = wrapped(AsyncOpenAI(api_key="none"), [])
    with pytest.raises(ValueError, match="make it with max_retries=0, then wrap it"):
        make(client, model="m")


@pytest.mark.skipif(
    not hasattr(response_create_params, "AccessPrograms"), reason="an older client has fewer arguments"
)
@pytest.mark.parametrize(
    ("ours", "theirs", "named"),
    [
        (
            ResponseOptions,
            response_create_params.ResponseCreateParamsBase,
            {"model", "input", "instructions", "background"},
        ),
        (
            ChatOptions,
            completion_create_params.CompletionCreateParamsBase,
            {"model", "messages", "response_format"},
        ),
    ],
)
def test_the_options_are_those_of_the_installed_client_and_of_their_types(
    ours: type, theirs: type, named: set[str]
) -> None:
    names: dict[str, Any] = {
        **vars(types),
        **vars(shared_params),
        **vars(responses),
        **vars(chat),
        "responses": response_create_params,
        "chat": completion_create_params,
        "Timeout": float,
    }
    mine = get_type_hints(ours, None, {**names, **vars(typing), **vars(collections.abc)})
    its = get_type_hints(theirs)
    assert mine.keys() - REQUEST == its.keys() - named
    different = {
        name: (mine[name], its[name])
        for name in mine.keys()
        & its.keys() - {"stop"}  # a sequence of the client's own, which no one can name
        if spelt(mine[name]) != spelt(its[name])
    }
    assert different == {}


def spelt(hint: Any) -> Any:
    """A type in one of the ways in which it can be spelt."""
    parts = tuple(map(spelt, typing.get_args(hint)))
    origin = typing.get_origin(hint)
    if origin is None:
        return hint
    union = origin in {typing.Union, UnionType}
    return ("union", frozenset(parts)) if union else (origin, parts)


def test_without_the_client_the_adapter_says_what_to_install() -> None:
    code = "import sys; sys.modules['openai'] = None; import paceline_adapters.openai"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 'pip install "paceline[openai]"' in found.stderr


@pytest.mark.parametrize("client", [AsyncOpenAI(api_key="none"), OpenAI(api_key="none")])
def test_a_client_by_itself_is_refused_with_what_runs_it(client: object) -> None:
    with pytest.raises(NoAdapter, match=r"ResponsesExecutor\(client, model=\.\.\.\)"):
        as_executor(client)
