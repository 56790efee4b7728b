"""Calls of GigaChat as jobs."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self, final

from gigachat import GigaChatAsyncClient
from pydantic import BaseModel, ValidationError

from paceline import Cost, Failure, Job, JobContext, OutputInvalid, PerLoop, rough_tokens

from ._calls import Form, received, streamed
from ._clients import clients, model_of
from ._errors import classify
from ._requests import Contract, Output, Request, check_options, merged
from ._sessions import session_of
from ._v1 import FirstContract
from ._v2 import PrimaryContract

__all__ = ["GigaChatExecutor", "adapt"]

_FORMS: dict[Contract, Form] = {"v1": FirstContract(), "v2": PrimaryContract()}
_READ = ("messages", "functions", "tools", "response_format")


def adapt(obj: GigaChatAsyncClient) -> GigaChatExecutor:
    """Make an executor of a client; this is what `paceline.as_executor` calls."""
    return GigaChatExecutor(obj)


@final
class GigaChatExecutor:
    """Makes each job one call of GigaChat, by its own client.

        client = GigaChatAsyncClient(model="GigaChat-2-Max")
        async with client, Engine(GigaChatExecutor(client, max_tokens=500)) as engine:
            print(await (await engine.submit("What is a paceline?")))

    A payload is a text, a list of messages, a mapping of what a request has, or the client's own `Chat` or
    `ChatCompletionRequest`; that goes over the job's `config`, which is such a mapping too, and over what is
    given here as `options`. `instructions` become a system message before all others. The job's output is the
    text; with a pydantic model as `response_format` an object of it; with `output="response"` the client's
    own object, with whatever early end it tells of. Otherwise an answer that was cut off or filtered, and the
    call of a function without any text, are errors (`OutputError`); one that does not fit the model is worth
    another attempt.

    `contract` is which form of the API is used: "v1" (`achat(...)` of the client) or "v2"
    (`achat.create(...)`). The client's own models of a request go by the one that they belong to.

    GigaChat keeps prefixes by session: the requests of a group bear its name as X-Session-ID, unless
    `session_id_cvar` or `custom_headers_cvar` of gigachat name another where the jobs are submitted. These,
    and its other context variables, hold for the job as they were then. Usage counts cached tokens among the
    input, as core does, though the first contract does not.

    Text is streamed where chunks are of use (`ctx.streaming`; `stream=` says it for all). Without a client
    one is made when it is needed, from the environment (GIGACHAT_CREDENTIALS and so on), and closed with the
    event loop or by `aclose()`. One that is given stays the user's, to close too, and must not retry by
    itself: attempts would multiply.

    Raises:
        TypeError: if the client is not an async one of GigaChat's, or an option is none of the contract.
        ValueError: if the client has retries of its own, or `contract` or `output` is no such thing.
    """

    def __init__(
        self,
        client: GigaChatAsyncClient | None = None,
        *,
        model: str | None = None,
        contract: Contract = "v1",
        instructions: str | None = None,
        response_format: type[BaseModel] | dict[str, Any] | None = None,
        output: Output | None = None,
        **options: Any,
    ) -> None:
        if contract not in _FORMS:
            raise ValueError(f"contract is 'v1' or 'v2', not {contract!r}")
        if output not in (None, "text", "parsed", "response"):
            raise ValueError(f"output is 'text', 'parsed' or 'response', not {output!r}")
        own = {**options, "model": model, "response_format": response_format}
        self._own: dict[str, Any] = {name: value for name, value in own.items() if value is not None}
        check_options(contract, self._own)
        self._contract: Contract = contract
        self._instructions: str | None = instructions
        self._output: Output | None = output
        self._clients: PerLoop[GigaChatAsyncClient] = clients(client)
        self._model: str | None = model or model_of(client)

    def __repr__(self) -> str:
        return f"GigaChatExecutor(model={self._model!r}, contract={self._contract!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the client that was made for this event loop, if none was given.

        Left out, it is closed when the loop is (as `asyncio.run` ends). One that was given is not touched.
        """
        await self._clients.aclose()

    @property
    def name(self) -> str:
        """The model's name, where it is known."""
        return self._model or "GigaChat"

    @property
    def resources(self) -> tuple[str, ...]:
        """The model, as `Engine(limits=)` knows it.

        None where only the environment names it; and one that a job names for itself is not seen here: say it
        by `submit(resources=)`.
        """
        return () if self._model is None else (self._model,)

    async def execute(self, job: Job, ctx: JobContext, /) -> object:
        """Make the call once.

        Raises:
            OutputError: if the provider answered, but not with what was asked for.
            TypeError, ValueError: if the payload makes no request.
            gigachat.GigaChatException, httpx.TransportError: as the client raises them.
        """
        request = self._request(job)
        form = _FORMS[request.contract]
        client = await self._clients.get()
        call = streamed if request.streams(ctx) else received
        with session_of(ctx, client):
            response = await call(form, client, request, ctx)
        if request.output == "response":
            return response
        return _shaped(request, form.text(response), response)

    def estimate(self, job: Job, /) -> Cost | None:
        """What the job will use: its input counted roughly, and the most output that is allowed, if it is.

        What the provider keeps (a thread, an assistant) is not known; nor is anything of a payload that makes
        no request.
        """
        try:
            body = self._request(job).body
        except (TypeError, ValueError):  # the job will say so
            return None
        fields: dict[str, Any] = body.model_dump(exclude_none=True, by_alias=True)
        fields |= fields.pop("model_options", {})
        kept = fields.get("storage") or fields.get("assistant_id")
        read = None if kept else rough_tokens([fields.get(name) for name in _READ])
        most: int | None = fields.get("max_tokens")
        return Cost(read, None if most is None else most * (fields.get("n") or 1))

    def classify(self, error: Exception, /) -> Failure:
        """Say whether another attempt may succeed, by HTTP status and headers or by kind of error."""
        return classify(error)

    def _request(self, job: Job) -> Request:
        return merged(self._own, self._contract, self._output, self._instructions, job)


def _shaped(request: Request, text: str, response: object) -> object:
    """The text, or the object that it stands for.

    Raises:
        OutputInvalid: if it stands for none.
    """
    if request.output == "text" or request.format is None:
        return text
    try:
        return request.format.model_validate_json(text)
    except ValidationError as error:
        raise OutputInvalid(text, request.format.__name__, response) from error
