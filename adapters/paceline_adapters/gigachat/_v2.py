"""The second contract of GigaChat's API, primary to its client: `achat.create` and `achat.stream`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from gigachat import GigaChatAsyncClient
from gigachat.models import ChatCompletionRequest, ChatCompletionResponse
from gigachat.models.chat_completions import ChatCompletionChunk

from paceline import OutputFailed, OutputIncomplete, OutputRefused, ToolsCalled, Usage

__all__ = ["PrimaryContract"]


class PrimaryContract:
    """Asks, and reads what comes, by the second contract."""

    async def ask(self, client: GigaChatAsyncClient, body: ChatCompletionRequest) -> ChatCompletionResponse:
        """Wait for the whole response."""
        return await client.achat.create(body)

    def stream(
        self, client: GigaChatAsyncClient, body: ChatCompletionRequest
    ) -> AsyncIterator[ChatCompletionChunk]:
        """Receive it in chunks."""
        return client.achat.stream(body)

    def heard(self) -> PrimaryHeard:
        """What puts these together."""
        return PrimaryHeard()

    def used(self, usage: Any) -> Usage:
        """What the provider says was used; unlike in the first contract, cached tokens are in the input."""
        if usage is None:
            return Usage()
        details = usage.input_tokens_details
        return Usage(
            input_tokens=usage.input_tokens,
            cached_tokens=None if details is None else details.cached_tokens,
            output_tokens=usage.output_tokens,
        )

    def text(self, response: ChatCompletionResponse) -> str:
        """The text of what the assistant says.

        Raises:
            OutputError: if there is none, or not all.
        """
        text = "".join(part.text or "" for part in _parts(response.messages))
        reasons = {response.finish_reason, *(message.finish_reason for message in response.messages)}
        if reasons & {"blacklist", "content_filter"}:
            raise OutputRefused(text, response)
        if "length" in reasons:
            raise OutputIncomplete("length", text, response)
        if "error" in reasons:
            raise OutputFailed(text or "it does not say why", None, response)
        called = _called(response.messages)
        if not text and called is not None:
            raise ToolsCalled((called,), response)
        return text


class PrimaryHeard:
    """Puts the chunks of one stream together again, message by message."""

    def __init__(self) -> None:
        self._fields: dict[str, Any] = {}
        self._messages: list[dict[str, Any]] = []
        self.usage: object = None
        self.model: str | None = None

    def hear(self, chunk: ChatCompletionChunk) -> str:
        """Take in the next chunk; the text that it adds to what the assistant says.

        Raises:
            OutputFailed: if it says that the work broke off.
        """
        if chunk.event == "error":
            told: dict[str, Any] = chunk.model_extra or {}
            status = told.get("status")
            raise OutputFailed(
                str(told.get("message") or "it does not say why"), None if status is None else str(status)
            )
        for name in chunk.model_fields_set - {"event", "messages"}:
            value: object = getattr(chunk, name)
            if value is not None:
                self._fields[name] = value
        self.usage, self.model = self._fields.get("usage"), self._fields.get("model")
        for message in chunk.messages or ():
            self._add(message.model_dump(exclude_none=True, by_alias=True))
        return "".join(part.text or "" for part in _parts(chunk.messages or ()))

    def speaks(self, chunk: ChatCompletionChunk) -> bool:
        """Whether a chunk without text holds thoughts, a file, or the call of a function."""
        return any(message.content or message.function_call for message in chunk.messages or ())

    def whole(self) -> ChatCompletionResponse:
        """The response, as it would have come without streaming.

        Raises:
            OutputFailed: if nothing of an answer came.
        """
        if not self._messages:
            raise OutputFailed("the stream ended before there was an answer")
        return ChatCompletionResponse.model_validate({**self._fields, "messages": self._messages})

    def _add(self, message: dict[str, Any]) -> None:
        """Go on with the last message, or begin another."""
        last = self._messages[-1] if self._messages else None
        same = last is not None and all(
            message.get(name) in (None, last.get(name)) for name in ("role", "message_id")
        )
        if last is None or not same:
            last = dict[str, Any](role="assistant", content=[])
            self._messages.append(last)
        content: list[dict[str, Any]] = last["content"]
        for part in message.pop("content", ()):
            if set(part) == {"text"} and content and set(content[-1]) == {"text"}:
                content[-1]["text"] += part["text"]
            else:
                content.append(part)
        last.update(message)


def _parts(messages: Iterable[Any]) -> Iterable[Any]:
    for message in messages:
        if message.role in (None, "assistant"):
            yield from message.content or ()


def _called(messages: Iterable[Any]) -> str | None:
    for message in messages:
        for holder in (message, *(message.content or ())):
            if holder.function_call is not None:
                return str(holder.function_call.name)
    return None
