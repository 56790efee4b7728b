"""langchain-openai's chat model against the simulator."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from openai import DefaultAsyncHttpxClient, DefaultHttpxClient
from pydantic import BaseModel, SecretStr

from paceline_integrations.simulator import Simulator


class Verdict(BaseModel):
    risk: Literal["low", "high"]
    reasons: list[str]


@tool
def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"sunny in {city}"


def model(server: Simulator, **options: Any) -> ChatOpenAI:
    """A chat model; its HTTP client is the test's own: those of langchain-openai outlive the event loop."""
    return ChatOpenAI(
        model="simulator",
        base_url=server.base_url,
        api_key=SecretStr("none"),
        max_retries=0,
        stream_usage=True,
        **options,
    )


@pytest.fixture
def http() -> Iterator[DefaultHttpxClient]:
    with DefaultHttpxClient() as client:
        yield client


def test_a_chain_gets_its_text(server: Simulator) -> None:
    async def main() -> str:
        async with DefaultAsyncHttpxClient() as http:
            llm = model(server, http_async_client=http)
            chain = ChatPromptTemplate.from_template("Summarise {text}") | llm | StrOutputParser()
            return await chain.ainvoke({"text": "hello"})

    assert len(asyncio.run(main())) == 64 * 4


@pytest.mark.parametrize("responses", [False, True])
def test_usage_with_cached_tokens_arrives_whole_and_streamed(server: Simulator, responses: bool) -> None:
    async def main() -> list[AIMessage]:
        async with DefaultAsyncHttpxClient() as http:
            llm = model(server, use_responses_api=responses, http_async_client=http, max_completion_tokens=8)
            first = await llm.ainvoke("document " * 40)
            merged = None
            async for chunk in llm.astream("document " * 40):
                merged = chunk if merged is None else merged + chunk
            assert merged is not None
            return [first, merged]

    whole, streamed = asyncio.run(main())
    assert streamed.text == whole.text
    for message, cached in ((whole, False), (streamed, True)):
        usage = message.usage_metadata
        assert usage is not None
        assert usage["output_tokens"] == 8
        assert (usage.get("input_token_details", {}).get("cache_read", 0) > 0) is cached


@pytest.mark.parametrize("responses", [False, True])
def test_a_tool_round_ends_in_text(server: Simulator, http: DefaultHttpxClient, responses: bool) -> None:
    plain: Any = model(server, use_responses_api=responses, http_client=http)
    llm = plain.bind_tools([get_weather])
    question = HumanMessage("please call get_weather")
    call = llm.invoke([question])
    [wanted] = call.tool_calls
    assert wanted["name"] == "get_weather"
    result = get_weather.invoke(wanted)
    assert isinstance(result, ToolMessage)
    answer = llm.invoke([question, call, result])
    assert answer.text
    assert not answer.tool_calls


@pytest.mark.parametrize("responses", [False, True])
@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_structured_output_is_of_its_model(
    server: Simulator, http: DefaultHttpxClient, responses: bool, method: str
) -> None:
    plain: Any = model(server, use_responses_api=responses, http_client=http)
    llm = plain.with_structured_output(Verdict, method=method)
    assert isinstance(llm.invoke("how risky?"), Verdict)
