"""The demo's chain: an ordinary one of LangChain's, which knows nothing of Paceline."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from openai import DefaultAsyncHttpxClient
from pydantic import SecretStr

__all__ = ["open_chain"]

_SYSTEM = '{mark}You answer questions on a document.\n\n<document name="{name}">\n{text}\n</document>'


@asynccontextmanager
async def open_chain(
    base_url: str, *, api_key: str, model: str, max_tokens: int | None = None, by_proxy: bool = True
) -> AsyncGenerator[object]:
    """Make the chain, and close its connections at the end.

    `by_proxy=False` goes straight to the address, whatever proxy the shell has set.
    """
    prompt = ChatPromptTemplate.from_messages([("system", _SYSTEM), ("human", "{question}")])
    async with DefaultAsyncHttpxClient(trust_env=by_proxy) as client:
        chat = ChatOpenAI(
            model=model,
            base_url=base_url,
            api_key=SecretStr(api_key),
            http_async_client=client,
            http_socket_options=(),  # else a shell with a proxy is warned of the client that is not used
            max_retries=0,  # the engine decides about retries: two that do multiply
            max_completion_tokens=max_tokens,
        )
        yield prompt | chat | StrOutputParser()
