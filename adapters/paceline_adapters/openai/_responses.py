"""Calls of the Responses API as jobs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, final

from openai import AsyncOpenAI, NotFoundError
from openai.resources.responses import AsyncResponses
from openai.types.responses import Response
from pydantic import BaseModel

from paceline import Cost, Job, JobContext, OutputFailed, Suspend

from ._answers import schema_of, shaped, used
from ._background import Polling, look, response_id
from ._executor import ClientExecutor
from ._requests import Api, Output, Request
from ._response_stream import answer_text, streamed
from ._wire import received

if TYPE_CHECKING:
    from typing import Unpack

    from ._options import ResponseOptions

__all__ = ["ResponsesExecutor"]

_API = Api("ResponsesExecutor", AsyncResponses.create, "input", "text_format", "input_text")


@final
class ResponsesExecutor(ClientExecutor):
    """Makes each job one call of `client.responses.create`.

        executor = ResponsesExecutor(AsyncOpenAI(), model="gpt-5.6", instructions="Be brief.")
        async with Engine(executor) as engine:
            print(await (await engine.submit("What is a paceline?")))

    A payload is a text, a list of input items, or a mapping of what `create` takes; that goes over the job's
    `config`, which is such a mapping too, and over what is given here. The job's output is the text; with
    `text_format`, a pydantic model, an object of it; with `output="response"` the client's own object, with
    whatever refusal or early end it tells of. Otherwise a refusal, an answer cut off, and calls of tools
    without any text are errors (`OutputError`); an answer that does not fit the model is one that is worth
    another attempt.

    Text is streamed where chunks are of use (`ctx.streaming`; `stream=` says it for all). The first token is
    the first sign of output, thoughts and tool calls included.

    In a group each request bears the group's `prompt_cache_key`, unless one is given here (None: none at
    all). What its jobs share can be said apart, as `{"prefix": [...], "input": ...}`: it goes before the
    input. `breakpoints=True` marks its end as the only place to cache up to. `prewarm=True` lets a primer
    write the prefix to the cache without an answer: its payload is `{"prefix": [...]}`, its output None,
    and its followers start at its end. OpenAI has both from gpt-5.6 on.

    `background=True`: the provider works on it by itself and the job rests without a slot, to be looked at
    `poll[0]` seconds later, then after twice that and so on up to `poll[1]`; who awaits the job waits
    through all that. A reply of any kind, from a webhook say, wakes it at once. A retry goes on with the
    same response, and a job that is ended while it rests cancels it at the provider. Nothing is streamed. A
    job's `timeout` is for each look; for the whole of it there is its `deadline`.

    No client: an `AsyncOpenAI()` is made when it is needed, and closed with the event loop or by `aclose()`.
    One that is given stays the user's, with its hooks, headers and connections; only its retries are off
    here, so that attempts do not multiply.

    Raises:
        TypeError: if the client is not an AsyncOpenAI, or an argument is none of `create`.
        ValueError: if `poll` is not two numbers of seconds, the first above 0 and not above the second; if
            prewarm and background are asked for at once; or if a wrapped client has retries of its own.
    """

    def __init__(
        self,
        client: AsyncOpenAI | None = None,
        *,
        model: str,
        instructions: str | None = None,
        text_format: type[BaseModel] | None = None,
        output: Output | None = None,
        background: bool = False,
        poll: tuple[float, float] = (2.0, 30.0),
        prewarm: bool = False,
        breakpoints: bool = False,
        **options: Unpack[ResponseOptions],
    ) -> None:
        first, most = poll
        if not 0 < first <= most < math.inf:
            raise ValueError(
                f"poll is the first and the longest wait in seconds, such as (2, 30), not {poll!r}"
            )
        if prewarm and background:
            raise ValueError("prewarm and background exclude each other: give each an executor of its own")
        own = {**options, "model": model, "instructions": instructions, "text_format": text_format}
        super().__init__(_API, client, own, output, breakpoints=breakpoints)
        self._background: bool = background
        self._polling: Polling = Polling(float(first), float(most))
        self._prewarm: bool = prewarm

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
            text: dict[str, Any] = request.arguments.get("text") or {}
            schema = {"type": "json_schema", **schema_of(request.format)}
            request.arguments["text"] = {**text, "format": schema}
        client = await self._clients.get()
        background = request.arguments.get("background")
        if self._prewarms(job):
            response = await received(client.responses, request.arguments, Response, ctx)
        elif self._background if background is None else background:
            found = await look(client.responses, request, job, ctx, self._polling)
            if isinstance(found, Suspend):
                return found
            response = found
        elif request.streams(ctx):
            response = await streamed(client, request, ctx)
        else:
            response = await received(client.responses, request.arguments, Response, ctx)
        ctx.usage(used(response.usage, request.model, response.model))
        return self._outcome(request, response, job)

    def estimate(self, job: Job, /) -> Cost | None:
        """As of any call; a primer that only prewarms has no output."""
        cost = super().estimate(job)
        return Cost(cost.input_tokens, 0) if cost is not None and self._prewarms(job) else cost

    async def discard(self, job: Job, /) -> None:
        """Cancel, at the provider, the response that an ended job was resting for."""
        ident = response_id(job)
        if ident is None:
            return
        request = self._request(job)
        headers = {name: request.arguments.get(name) for name in ("extra_headers", "extra_query")}
        try:
            await (await self._clients.get()).responses.cancel(ident, **headers)
        except NotFoundError:  # it is gone already
            return

    def _prewarms(self, job: Job) -> bool:
        return self._prewarm and job.role == "primer"

    def _request(self, job: Job) -> Request:
        request = super()._request(job)
        if self._prewarms(job):
            options: dict[str, Any] = request.arguments.get("prompt_cache_options") or {}
            request.arguments["prompt_cache_options"] = {**options, "prewarm": True}
        return request

    def _outcome(self, request: Request, response: Response, job: Job) -> object:
        if response.status in ("failed", "cancelled"):
            error = response.error
            message = f"response {response.id} {response.status}" if error is None else error.message
            code = (
                response.status if error is None and response.status == "cancelled" else error and error.code
            )
            raise OutputFailed(message, code or None, response)
        if request.output == "response":
            return response
        if self._prewarms(job):
            return None
        return shaped(request, answer_text(response), response)
