"""GigaChat's two contracts, as its own client sees them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, cast

import gigachat
import pytest
from gigachat import GigaChat, custom_headers_cvar, session_id_cvar
from pydantic import BaseModel

from paceline_integrations.simulator import Simulator

Serve = Callable[..., Simulator]
Make = Callable[..., GigaChat]
DOCUMENT = "one long document " * 40


class Point(BaseModel):
    x: int
    label: str


FUNCTION: dict[str, Any] = {"name": "plot", "description": "", "parameters": Point.model_json_schema()}


@pytest.fixture
def make(server: Simulator) -> Iterator[Make]:
    clients: list[GigaChat] = []

    def connect(**options: Any) -> GigaChat:
        client: Any = GigaChat
        urls = {"base_url": server.gigachat_url, "auth_url": f"{server.url}/api/v2/oauth"}
        clients.append(client(**urls, model="GigaChat", **options))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def giga(make: Make) -> GigaChat:
    return make()


@contextmanager
def headers(session: str | None = None, **custom: str) -> Generator[None]:
    tokens = (session_id_cvar.set(session), custom_headers_cvar.set(custom))
    yield
    session_id_cvar.reset(tokens[0])
    custom_headers_cvar.reset(tokens[1])


def chat(giga: GigaChat, text: str = "hello", **options: Any) -> Any:
    ask: Any = giga.chat
    return ask({"messages": [{"role": "user", "content": text}], **options})


def test_both_contracts_give_the_same_answer_in_their_own_form(giga: GigaChat) -> None:
    first, second = chat(giga, max_tokens=9), giga.chat.create("hello")
    assert len(first.choices[0].message.content) == 36
    assert (first.choices[0].finish_reason, first.usage.completion_tokens) == ("stop", 9)
    assert second.messages[0].content is not None
    assert second.usage is not None
    assert (second.finish_reason, second.usage.output_tokens) == ("stop", 64)


def test_streams_add_up_to_the_whole_answer_and_end_with_the_usage(giga: GigaChat) -> None:
    whole = chat(giga).choices[0].message.content
    first = list(giga.stream("hello"))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in first) == whole
    assert [chunk.usage is not None for chunk in first[-2:]] == [False, True]
    second = list(giga.chat.stream("hello"))
    parts: list[Any] = [
        part for chunk in second for message in chunk.messages or () for part in message.content or ()
    ]
    assert "".join(part.text for part in parts) == whole
    assert second[-1].event == "response.message.done"
    assert second[-1].usage is not None


def test_the_cache_is_that_of_a_session_and_each_contract_counts_in_its_own_way(giga: GigaChat) -> None:
    with headers("one"):
        cold, warm = (chat(giga, DOCUMENT).usage for _ in range(2))
        primary = cast("Any", giga.chat.create(DOCUMENT)).usage
    with headers("two"):
        other = chat(giga, DOCUMENT).usage
    alone = chat(giga, DOCUMENT).usage
    assert [one.precached_prompt_tokens for one in (cold, other, alone)] == [0, 0, 0]
    assert warm.precached_prompt_tokens > 0
    assert warm.prompt_tokens + warm.precached_prompt_tokens == cold.prompt_tokens
    assert warm.total_tokens == warm.prompt_tokens + 64
    assert primary.input_tokens_details.cached_tokens == warm.precached_prompt_tokens
    assert primary.input_tokens == cold.prompt_tokens


def test_functions_are_called_by_both_whole_and_streamed(giga: GigaChat) -> None:
    whole = chat(giga, "call plot", functions=[FUNCTION])
    assert whole.choices[0].finish_reason == "function_call"
    call = whole.choices[0].message.function_call
    assert call.name == "plot"
    assert isinstance(Point.model_validate(call.arguments), Point)
    stream: Any = giga.stream(
        {"messages": [{"role": "user", "content": "call plot"}], "functions": [FUNCTION]}
    )
    [streamed] = [chunk for chunk in stream if chunk.choices[0].delta.function_call]
    assert streamed.choices[0].delta.function_call == call
    tools = [{"functions": {"specifications": [FUNCTION]}}]
    asked = {"messages": [{"role": "user", "content": "draw"}], "tools": tools}
    forced: Any = giga.chat.create({**asked, "tool_config": {"mode": "forced", "function_name": "plot"}})
    assert forced.messages[0].content[0].function_call.name == "plot"
    assert forced.messages[0].tools_state_id


def test_structured_answers_are_of_their_schema(giga: GigaChat) -> None:
    assert isinstance(giga.chat_parse("where?", response_format=Point)[1], Point)
    assert isinstance(giga.chat.parse("where?", response_format=Point)[1], Point)


def test_a_token_is_given_for_credentials_and_asked_for_again_when_it_is_refused(
    make: Make, server: Simulator
) -> None:
    giga = make(credentials="cGFjZTpsaW5l")
    chat(giga)
    with headers(**{"x-simulate": "status=401, first=1"}):
        assert chat(giga).choices
    paths = [one.path.removeprefix("/api/") for one in server.requests()]
    chats = "v1/chat/completions"
    assert paths == ["v2/oauth", chats, chats, "v2/oauth", chats]


def test_errors_are_the_clients_own(giga: GigaChat) -> None:
    for status, error in ((401, gigachat.AuthenticationError), (503, gigachat.ServerError)):
        with headers(**{"x-simulate": f"status={status}"}), pytest.raises(error):
            chat(giga)
    with (
        headers(**{"x-simulate": "status=429, retry-after=7"}),
        pytest.raises(gigachat.RateLimitError) as caught,
    ):
        chat(giga)
    assert caught.value.retry_after == 7.0
    with pytest.raises(gigachat.BadRequestError, match="status"):
        giga.chat.create({"messages": []})


def test_models_are_listed(giga: GigaChat) -> None:
    assert [one.id_ for one in giga.get_models().data] == ["simulator"]
