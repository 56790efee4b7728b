"""Bad input, the other paths, and the server's life."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI
from starlette.applications import Starlette

from paceline_integrations.simulator import Simulator, SimulatorSettings, SimulatorStats, create_app

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
MARKED: dict[str, Any] = {"type": "input_text", "text": "x", "prompt_cache_breakpoint": True}
TOOL: dict[str, Any] = {"type": "function", "function": {"name": "f"}}


def post(server: Simulator, path: str, **options: Any) -> httpx.Response:
    return httpx.post(f"{server.base_url}{path}", **options)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": CHAT["messages"]}, "model"),
        ({"model": "m"}, "messages"),
        ({"model": "m", "messages": []}, "messages"),
        ({"model": "m", "messages": "hello"}, "messages"),
        ({"model": "m", "messages": [{"content": "hello"}]}, "messages[0].role"),
        ({"model": 3, "messages": CHAT["messages"]}, "model"),
        ({**CHAT, "max_tokens": "many"}, "max_tokens"),
        ({**CHAT, "max_tokens": 0}, "max_tokens"),
        ({**CHAT, "stream": "yes"}, "stream"),
        ({**CHAT, "n": 2}, "n"),
        ({**CHAT, "tools": [{**TOOL, "function": {"strict": True}}]}, "tools[0].function.name"),
        ({**CHAT, "tool_choice": "sometimes"}, "tool_choice"),
        ({**CHAT, "tool_choice": "required"}, "tool_choice"),
        ({**CHAT, "tools": [TOOL], "tool_choice": {"type": "function"}}, "tool_choice"),
        ({**CHAT, "tool_choice": {"type": "function", "function": {"name": "g"}}}, "tool_choice"),
        ({**CHAT, "response_format": {"type": "xml"}}, "response_format"),
        ({**CHAT, "response_format": {"type": "json_schema"}}, "response_format"),
        ({**CHAT, "prompt_cache_options": {"prewarm": True}}, "prompt_cache_options.prewarm"),
    ],
)
def test_a_malformed_chat_is_refused_by_the_name_of_what_is_wrong(
    server: Simulator, body: Any, param: str
) -> None:
    response = post(server, "/chat/completions", json=body)
    assert response.status_code == 400
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert server.stats().errors == 1


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "m"}, "input"),
        ({"model": "m", "input": []}, "input"),
        ({"model": "m", "input": "x", "background": True, "store": False}, "store"),
        ({"model": "m", "input": "x", "prompt_cache_key": "k" * 65}, "prompt_cache_key"),
        ({"model": "m", "input": [{"role": "user", "content": [MARKED]}]}, "prompt_cache_breakpoint"),
        ({"model": "m", "input": "x", "prompt_cache_options": {"ttl": "1h"}}, "prompt_cache_options.ttl"),
        ({"model": "m", "input": "x", "text": {"format": {"type": "xml"}}}, "text.format"),
        ({"model": "m", "input": "x", "max_output_tokens": -1}, "max_output_tokens"),
    ],
)
def test_a_malformed_response_request_is_refused(server: Simulator, body: Any, param: str) -> None:
    response = post(server, "/responses", json=body)
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize("path", ["/chat/completions", "/responses"])
@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b'"text"'])
def test_what_is_no_json_object_is_refused(server: Simulator, path: str, content: bytes) -> None:
    response = post(server, path, content=content)
    assert response.status_code == 400
    assert response.json()["error"]["message"]


def test_a_schema_that_cannot_be_met_and_an_unknown_wish_are_refused(client: OpenAI) -> None:
    nested = {"name": "x", "schema": {"type": "string", "pattern": "a+"}}
    with pytest.raises(openai.BadRequestError, match="pattern"):
        client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "x"}],
            extra_body={"response_format": {"type": "json_schema", "json_schema": nested}},
        )
    with pytest.raises(openai.BadRequestError, match="x-simulate"):
        client.responses.create(model="m", input="x", extra_headers={"x-simulate": "explode"})


def test_unknown_paths_and_methods_have_openais_error_shape(server: Simulator) -> None:
    missing = post(server, "/embeddings", json={})
    assert (missing.status_code, missing.json()["error"]["type"]) == (404, "invalid_request_error")
    wrong = httpx.get(f"{server.base_url}/chat/completions")
    assert (wrong.status_code, wrong.json()["error"]["type"]) == (405, "invalid_request_error")


def test_models_are_listed(client: OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["simulator"]


def test_counts_are_told_over_http_and_cleared(server: Simulator) -> None:
    post(server, "/chat/completions", json=CHAT)
    told = httpx.get(f"{server.url}/_stats").json()
    assert told == server.stats().model_dump()
    assert told["requests"] == 1
    assert httpx.post(f"{server.url}/_reset").json() == SimulatorStats().model_dump()
    assert server.stats() == SimulatorStats()


def test_reset_forgets_prompts_and_used_up_limits() -> None:
    with Simulator(SimulatorSettings(rpm=2)) as server:
        body = {"model": "m", "input": "x" * 400}

        def cached() -> int:
            usage = post(server, "/responses", json=body).json()["usage"]
            return int(usage["input_tokens_details"]["cached_tokens"])

        assert [cached(), cached()] == [0, 96]
        server.reset()
        assert cached() == 0


def test_leaving_is_prompt_though_streams_are_open() -> None:
    threads = threading.active_count()
    with Simulator() as server, OpenAI(base_url=server.base_url, api_key="none", max_retries=0) as client:
        stream = client.responses.create(
            model="m", input="x", stream=True, extra_headers={"x-simulate": "hang=1"}
        )
        next(iter(stream))
        begun = time.monotonic()
        server.__exit__(None, None, None)
        assert time.monotonic() - begun < 2.0
        with pytest.raises(openai.APIConnectionError):
            list(stream)
    assert server.stats().cancelled == 1
    assert threading.active_count() == threads


def test_it_is_entered_asynchronously_too() -> None:
    async def main() -> int:
        async with Simulator() as server, httpx.AsyncClient() as client:
            response = await client.post(f"{server.base_url}/chat/completions", json=CHAT)
            return response.status_code

    assert asyncio.run(main()) == 200


def test_it_has_no_address_before_it_is_entered_and_is_entered_once() -> None:
    server = Simulator()
    with pytest.raises(RuntimeError, match="entered"):
        _ = server.base_url
    with server, pytest.raises(RuntimeError, match="once"):
        server.__enter__()


def test_a_port_in_use_is_said_on_entering(server: Simulator) -> None:
    port = int(server.url.rsplit(":", 1)[1])
    with pytest.raises(OSError, match="in use"):
        Simulator(port=port).__enter__()


def test_it_writes_no_log(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    with Simulator() as server:
        post(server, "/chat/completions", json=CHAT)
        with pytest.raises(httpx.HTTPError):
            post(server, "/chat/completions", json=CHAT, headers={"x-simulate": "drop=1"})
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_the_application_can_be_served_by_another_server() -> None:
    async def main() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(SimulatorSettings(seed=7)))
        async with httpx.AsyncClient(transport=transport, base_url="http://simulator") as client:
            return await client.post("/v1/chat/completions", json=CHAT)

    assert isinstance(create_app(), Starlette)
    assert asyncio.run(main()).json()["usage"]["completion_tokens"] == 64


def test_without_its_extra_the_import_names_it() -> None:
    code = "import sys; sys.modules['uvicorn'] = None; import paceline_integrations.simulator"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 'ImportError: the simulator needs an extra: pip install "paceline[simulator]"' in done.stderr


def test_it_serves_hundreds_of_requests_a_second(server: Simulator) -> None:
    body = {"model": "m", "input": "document " * 200}
    with httpx.Client() as client:
        client.post(f"{server.base_url}/responses", json=body)
        begun = time.monotonic()
        for _ in range(200):
            client.post(f"{server.base_url}/responses", json=body)
    assert 200 / (time.monotonic() - begun) > 100
