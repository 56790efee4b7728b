"""One chat completion: from the chunks of a stream, and to its text."""

from __future__ import annotations

from typing import Any, cast

from openai import AsyncOpenAI
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from paceline import JobContext, OutputFailed, OutputIncomplete, OutputRefused, ToolsCalled

from ._answers import used
from ._requests import Request
from ._wire import follow

__all__ = ["answer_text", "streamed"]

_FRAME = frozenset({"role", "content"})


async def streamed(client: AsyncOpenAI, request: Request, ctx: JobContext) -> ChatCompletion:
    """Ask for a completion, and hand out its text while it comes."""
    arguments = request.arguments
    if "stream_options" not in arguments:
        arguments["stream_options"] = {"include_usage": True}
    heard = _Heard(ctx)
    try:
        await follow(client, client.chat.completions, arguments, ctx, heard.hear)
        return heard.completion()
    except BaseException:
        if heard.spoke:  # what was answered is paid for, though nobody may have said how much it was
            ctx.usage(used(heard.usage, request.model))
        raise


class _Heard:
    """Follows the chunks of one stream.

    They are put together by the client's own means, but only at the end and as few: what that costs for each
    chunk grows with the answer.
    """

    def __init__(self, ctx: JobContext) -> None:
        self._ctx: JobContext = ctx
        self._chunks: list[dict[str, Any]] = []
        self._texts: list[str] = []
        """What plain chunks have added to the last one of the others."""
        self._begun: set[int] = set()
        """The choices of which something came."""
        self._usage: dict[str, Any] | None = None
        self.spoke: bool = False
        """Whether the model has begun to answer: the prompt is read."""

    @property
    def usage(self) -> CompletionUsage | None:
        """What a chunk said that was used; not every server says it last."""
        return None if self._usage is None else CompletionUsage.construct(None, **self._usage)

    def hear(self, chunk: dict[str, Any]) -> None:
        """Take in the next chunk."""
        self._usage = chunk.get("usage") or self._usage
        choices: list[dict[str, Any]] = chunk.get("choices") or []
        if not choices:
            return
        for choice in choices:
            self._begin(choice)
        text = next((choice["delta"].get("content") for choice in choices if not choice["index"]), None)
        self._keep(chunk, choices, text)
        if text:
            self.spoke = True
            self._ctx.emit(text)
        elif not self.spoke and any(_has_content(choice["delta"]) for choice in choices):
            self.spoke = True
            self._ctx.first_token()

    def completion(self) -> ChatCompletion:
        """The whole of it.

        Raises:
            OutputFailed: if nothing of an answer came, or not its end.
        """
        self._settle()
        if not self._chunks:
            raise OutputFailed("the stream ended before there was an answer")
        state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
        for chunk in self._chunks:
            state.handle_chunk(ChatCompletionChunk.construct(None, **chunk))
        whole = state.current_completion_snapshot
        whole.usage = self.usage
        # Where neither reason nor usage came, the connection was closed in the middle, however politely.
        ended = any(choice.get("finish_reason") for chunk in self._chunks for choice in chunk["choices"])
        if not ended and self._usage is None:
            raise OutputFailed("the stream ended before the answer did", None, whole)
        return whole

    def _begin(self, choice: dict[str, Any]) -> None:
        """Put in what servers leave out, and leave out what they repeat: the client would add that up."""
        choice["index"] = index = choice.get("index") or 0
        delta: dict[str, Any] = choice.get("delta") or {}
        choice["delta"] = delta
        if index in self._begun:
            delta.pop("role", None)
        self._begun.add(index)

    def _keep(self, chunk: dict[str, Any], choices: list[dict[str, Any]], text: str | None) -> None:
        last: list[dict[str, Any]] = self._chunks[-1]["choices"] if self._chunks else []
        if len(choices) == len(last) == 1 and _is_plain(choices[0]) and _is_plain(last[0]):
            if text:
                self._texts.append(text)
            last[0]["finish_reason"] = choices[0].get("finish_reason") or last[0].get("finish_reason")
            return
        self._settle()
        self._chunks.append(chunk)

    def _settle(self) -> None:
        if self._texts:
            delta = self._chunks[-1]["choices"][0]["delta"]
            delta["content"] = "".join([delta.get("content") or "", *self._texts])
            self._texts.clear()


def _is_plain(choice: dict[str, Any]) -> bool:
    """Whether it brings text to the first choice, or its end, and nothing else."""
    if choice["index"] or choice.get("logprobs") is not None:
        return False
    return all(not value for name, value in choice["delta"].items() if name not in _FRAME)


def _has_content(delta: dict[str, Any]) -> bool:
    """Whether it is more than the frame of a message: text, a refusal, calls, or thoughts by any name."""
    return any(value for name, value in delta.items() if name != "role")


def answer_text(completion: ChatCompletion) -> str:
    """The text of a completion.

    Raises:
        OutputFailed, OutputRefused, OutputIncomplete, ToolsCalled: if there is none, or not all.
    """
    choices = cast("list[Any] | None", completion.choices)
    if not choices:
        raise OutputFailed("the completion has no choices", None, completion)
    choice = choices[0]
    message = choice.message
    text = str(message.content or "")
    if message.refusal:
        raise OutputRefused(str(message.refusal), completion)
    if choice.finish_reason in ("length", "content_filter"):
        raise OutputIncomplete(choice.finish_reason, text, completion)
    if not text and (calls := _calls(message)):
        raise ToolsCalled(calls, completion)
    return text


def _calls(message: Any) -> tuple[str, ...]:
    names = [
        str(getattr(getattr(call, call.type, None), "name", None) or call.type)
        for call in message.tool_calls or ()
    ]
    if message.function_call is not None:
        names.append(str(message.function_call.name))
    return tuple(names)
