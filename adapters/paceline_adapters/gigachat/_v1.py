"""The first contract of GigaChat's API, `achat(...)` and `astream(...)` of the client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

from gigachat import GigaChatAsyncClient
from gigachat.models import Chat, ChatCompletion, ChatCompletionChunk, Choices, Messages

from paceline import OutputFailed, OutputIncomplete, OutputRefused, ToolsCalled, Usage

__all__ = ["FirstContract"]

_THROUGH = ("function_call", "functions_state_id")


class FirstContract:
    """Asks, and reads what comes, by the first contract."""

    async def ask(self, client: GigaChatAsyncClient, body: Chat) -> ChatCompletion:
        """Wait for the whole response."""
        return await client.achat(body)

    def stream(self, client: GigaChatAsyncClient, body: Chat) -> AsyncIterator[ChatCompletionChunk]:
        """Receive it in chunks."""
        return client.astream(body)

    def heard(self) -> FirstHeard:
        """What puts these together."""
        return FirstHeard()

    def used(self, usage: Any) -> Usage:
        """What was used; the provider leaves cached tokens out of the prompt's, core counts them in."""
        if usage is None:
            return Usage()
        cached: int | None = usage.precached_prompt_tokens
        return Usage(
            input_tokens=usage.prompt_tokens + (cached or 0),
            cached_tokens=cached,
            output_tokens=usage.completion_tokens,
        )

    def text(self, response: ChatCompletion) -> str:
        """The text of the first choice.

        Raises:
            OutputError: if there is none, or not all.
        """
        if not response.choices:
            raise OutputFailed("the completion has no choices", None, response)
        choice = response.choices[0]
        message, text = choice.message, choice.message.content
        if choice.finish_reason == "blacklist":
            raise OutputRefused(text, response)
        if choice.finish_reason == "length":
            raise OutputIncomplete("length", text, response)
        if choice.finish_reason == "error":
            raise OutputFailed(text or "it does not say why", None, response)
        if not text and message.function_call is not None:
            raise ToolsCalled((message.function_call.name,), response)
        return text


class FirstHeard:
    """Puts the chunks of one stream together again, choice by choice."""

    def __init__(self) -> None:
        self._last: ChatCompletionChunk | None = None
        self._choices: dict[int, _Choice] = {}
        self.usage: object = None
        self.model: str | None = None

    def hear(self, chunk: ChatCompletionChunk) -> str:
        """Take in the next chunk; the text that it adds to the first choice."""
        self._last = chunk
        self.model = chunk.model
        if chunk.usage is not None:
            self.usage = chunk.usage
        text = ""
        for choice in chunk.choices:
            self._choices.setdefault(choice.index, _Choice()).add(choice)
            if choice.index == 0:
                text += choice.delta.content or ""
        return text

    def speaks(self, chunk: ChatCompletionChunk) -> bool:
        """Whether a chunk without text holds thoughts, or the call of a function."""
        deltas = [choice.delta for choice in chunk.choices]
        return any(one.reasoning_content or one.function_call or one.content for one in deltas)

    def whole(self) -> ChatCompletion:
        """The completion, as it would have come without streaming; its usage is None if none came.

        Raises:
            OutputFailed: if nothing of an answer came.
        """
        last = self._last
        if last is None or not self._choices:
            raise OutputFailed("the stream ended before there was an answer")
        return ChatCompletion.model_construct(
            choices=[one.whole(index) for index, one in sorted(self._choices.items())],
            created=last.created,
            model=last.model,
            usage=cast("Any", self.usage),
            object_=last.object_,
            x_headers=last.x_headers,
        )


class _Choice:
    """One choice, as it grows."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._fields: dict[str, Any] = {"role": "assistant"}
        self._finish: str | None = None

    def add(self, choice: Any) -> None:
        delta: Any = choice.delta
        self._texts.append(delta.content or "")
        self._thoughts.append(delta.reasoning_content or "")
        for name in _THROUGH:
            value: object = getattr(delta, name)
            if value is not None:
                self._fields[name] = value
        self._finish = choice.finish_reason or self._finish

    def whole(self, index: int) -> Choices:
        message = Messages(
            **self._fields, content="".join(self._texts), reasoning_content="".join(self._thoughts) or None
        )
        return Choices(message=message, index=index, finish_reason=self._finish)
