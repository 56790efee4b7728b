"""Calls of the Chat Completions API as jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from openai import AsyncOpenAI
from openai.resources.chat.completions import AsyncCompletions
from openai.types.chat import ChatCompletion
from pydantic import BaseModel

from paceline import Job, JobContext

from ._answers import schema_of, shaped, used
from ._chat_stream import answer_text, streamed
from ._executor import ClientExecutor
from ._requests import Api, Output, Request
from ._wire import received

if TYPE_CHECKING:
    from typing import Unpack

    from openai.types.chat.completion_create_params import ResponseFormat

    from ._options import ChatOptions

__all__ = ["ChatExecutor"]

_API = Api("ChatExecutor", AsyncCompletions.create, "messages", "response_format", "text")


@final
class ChatExecutor(ClientExecutor):
    """Makes each job one call of `client.chat.completions.create`, of OpenAI or any server that speaks it.

        client = AsyncOpenAI(base_url="http://127.0.0.1:8000/v1", api_key="none")
        async with Engine(ChatExecutor(client, model="qwen3")) as engine:
            print(await (await engine.submit("What is a paceline?")))

    A payload is a text, a list of messages, or a mapping of what `create` takes; that goes over the job's
    `config`, which is such a mapping too, and over what is given here. `instructions` become a system message
    before all others. The job's output is the text; with a pydantic model as `response_format` an object of
    it; with `output="response"` the client's own object, with whatever refusal or early end it tells of.
    Otherwise a refusal, an answer cut off, and calls of tools without any text are errors (`OutputError`); an
    answer that does not fit the model is one that is worth another attempt.

    Text is streamed where chunks are of use (`ctx.streaming`; `stream=` says it for all). Usage is asked for
    in streams; `stream_options={}` leaves that to servers that cannot. The first token is the first sign of
    output, thoughts and tool calls included.

    In a group each request bears the group's `prompt_cache_key`, unless one is given here (None: none at
    all, for servers that refuse what they do not know). What its jobs share can be said apart, as
    `{"prefix": [...], "messages": ...}`: it goes before the messages. `breakpoints=True` marks its end as the
    only place to cache up to, which OpenAI has from gpt-5.6 on.

    No client: an `AsyncOpenAI()` is made when it is needed, and closed with the event loop or by `aclose()`.
    One that is given stays the user's, with its hooks, headers and connections; only its retries are off
    here, so that attempts do not multiply.

    Raises:
        TypeError: if the client is not an AsyncOpenAI, or an argument is none of `create`.
        ValueError: if a wrapped client has retries of its own.
    """

    def __init__(
        self,
        client: AsyncOpenAI | None = None,
        *,
        model: str,
        instructions: str | None = None,
        response_format: type[BaseModel] | ResponseFormat | None = None,
        output: Output | None = None,
        breakpoints: bool = False,
        **options: Unpack[ChatOptions],
    ) -> None:
        own = {**options, "model": model, "response_format": response_format}
        super().__init__(_API, client, own, output, breakpoints=breakpoints)
        self._instructions: str | None = instructions

    async def execute(self, job: Job, ctx: JobContext, /) -> object:
        """Make the call once.

        Raises:
            OutputError: if the provider answered, but not with what was asked for.
            TypeError, ValueError: if the payload makes no request.
            openai.OpenAIError: as the client raises it.
        """
        request = self._request(job)
        request.share_cache_with(ctx)
        if request.format is not None:
            schema: dict[str, Any] = {"type": "json_schema", "json_schema": schema_of(request.format)}
            request.arguments["response_format"] = schema
        client = await self._clients.get()
        if request.streams(ctx):
            completion = await streamed(client, request, ctx)
        else:
            completion = await received(client.chat.completions, request.arguments, ChatCompletion, ctx)
        ctx.usage(used(completion.usage, request.model, completion.model))
        if request.output == "response":
            return completion
        return shaped(request, answer_text(completion), completion)

    def _request(self, job: Job) -> Request:
        request = super()._request(job)
        if self._instructions is not None:
            system = {"role": "system", "content": self._instructions}
            request.arguments["messages"] = [system, *request.arguments.get("messages", ())]
        return request
