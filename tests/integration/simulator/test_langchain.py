"""langchain-openai's chat model against the simulator."""

from __future__ import annotations

import asyncio
from typing import Literal

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr

from paceline_integrations.simulator import Simulator


class Verdict(BaseModel):
    risk: Literal["low", "high"]
    reasons: list[str]


@tool
def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"sunny in {city}"


def model(server: Simulator, *, responses: bool = False, max_tokens: int | None = None) -> ChatOpenAI:
    return ChatOpenAI(
        model="simulator",
        base_url=server.base_url,
        api_key=SecretStr("none"),
        max_retries=0,
        use_responses_api=responses,
        stream_usage=True,
        max_completion_tokens=max_tokens,
    )


def test_a_chain_gets_its_text(server: Simulator) -> None:
    chain = ChatPromptTemplate.from_template("Summarise {text}") | model(server) | StrOutputParser()
    text = asyncio.run(chain.ainvoke({"text": "hello"}))
    assert len(text) == 64 * 4


def test_usage_with_cached_tokens_arrives_whole_and_streamed(server: Simulator) -> None:
    llm = model(server, max_tokens=8)

    async def main() -> list[AIMessage]:
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


def test_a_tool_round_ends_in_text(server: Simulator) -> None:
    for responses in (False, True):
        llm = model(server, responses=responses).bind_tools([get_weather])
        question = HumanMessage("please call get_weather")
        call = llm.invoke([question])
        [wanted] = call.tool_calls
        assert wanted["name"] == "get_weather"
        result = get_weather.invoke(wanted)
        assert isinstance(result, ToolMessage)
        answer = llm.invoke([question, call, result])
        assert answer.text
        assert not answer.tool_calls


def test_structured_output_is_of_its_model(server: Simulator) -> None:
    for responses in (False, True):
        llm = model(server, responses=responses).with_structured_output(Verdict)
        assert isinstance(llm.invoke("how risky?"), Verdict)
    by_tool = model(server).with_structured_output(Verdict, method="function_calling")
    assert isinstance(by_tool.invoke("how risky?"), Verdict)


def test_the_responses_api_streams(server: Simulator) -> None:
    llm = model(server, responses=True)

    async def main() -> str:
        return "".join([chunk.text async for chunk in llm.astream("hello")])

    assert asyncio.run(main()) == llm.invoke("hello").text
