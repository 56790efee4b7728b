"""One call, whole or from the chunks of a stream, by either contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Protocol, cast

from gigachat import GigaChatAsyncClient

from paceline import JobContext, Usage

from ._requests import Request

__all__ = ["Form", "Heard", "received", "streamed"]


class Heard(Protocol):
    """Puts the chunks of one stream together again."""

    usage: object
    model: str | None

    def hear(self, chunk: Any) -> str:
        """Take in the next chunk; the text that it adds to the answer.

        Raises:
            OutputFailed: if it says that the work broke off.
        """
        ...

    def speaks(self, chunk: Any) -> bool:
        """Whether a chunk without text is a sign of output all the same: thoughts, the call of a function."""
        ...

    def whole(self) -> object:
        """The client's response, as it would have come without streaming.

        Raises:
            OutputFailed: if nothing of an answer came.
        """
        ...


class Form(Protocol):
    """How a contract asks and answers."""

    async def ask(self, client: GigaChatAsyncClient, body: Any) -> Any:
        """Wait for the whole response."""
        ...

    def stream(self, client: GigaChatAsyncClient, body: Any) -> AsyncIterator[Any]:
        """Receive it in chunks."""
        ...

    def heard(self) -> Heard:
        """What puts these together."""
        ...

    def used(self, usage: Any) -> Usage:
        """What the provider says was used, in core's words; parts that it does not tell are unknown."""
        ...

    def text(self, response: Any) -> str:
        """The text of a response.

        Raises:
            OutputError: if there is none, or not all.
        """
        ...


async def received(form: Form, client: GigaChatAsyncClient, request: Request, ctx: JobContext) -> Any:
    """Ask, and wait for all of the answer."""
    response = await form.ask(client, request.body)
    ctx.usage(_used(form, response.usage, response.model, request))
    return response


async def streamed(form: Form, client: GigaChatAsyncClient, request: Request, ctx: JobContext) -> Any:
    """Ask, and hand out the text while it comes."""
    heard, spoke = form.heard(), False
    try:
        async with aclosing(cast("Any", form.stream(client, request.body))) as chunks:
            async for chunk in chunks:
                text = heard.hear(chunk)
                if text:
                    spoke = True
                    ctx.emit(text)
                elif not spoke and heard.speaks(chunk):
                    spoke = True
                    ctx.first_token()
    finally:
        if spoke or heard.usage is not None:  # also if it broke off: what was answered is paid for
            ctx.usage(_used(form, heard.usage, heard.model, request))
    return heard.whole()


def _used(form: Form, usage: object, answered_by: str | None, request: Request) -> Usage:
    # Answers name their model with its build, "GigaChat-2-Max:2.0.30.01"; prices and limits go without it.
    model = (answered_by or "").partition(":")[0] or request.body.model
    return Usage(requests=1, model=model) + form.used(usage)
