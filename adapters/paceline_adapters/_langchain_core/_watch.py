"""What an attempt hears of its model calls: their first token, what they used, and what limits are left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeVar, cast
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, Generation, GenerationChunk, LLMResult

from paceline import JobContext, Usage

__all__ = ["StreamWatch", "Watch", "usage_of"]

T = TypeVar("T")


class Watch(BaseCallbackHandler):
    """Tells the engine what each model call of one attempt used.

    A sync handler that runs inline: it is called where the model runs, in a thread as well as in the loop.
    """

    run_inline = True

    def __init__(self, ctx: JobContext, model: str | None = None) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._ctx: JobContext = ctx
        self._model: str | None = model
        """Whose usage it is where an answer does not say: the only one that can be seen in the chain."""
        self._task: asyncio.Task[Any] = task
        self._cancels: int = task.cancelling()
        self.spoke: bool = False
        """Whether a model has begun to answer."""

    @property
    def ignore_chain(self) -> bool:
        """Chains are of no interest, and there are many."""
        return True

    @property
    def ignore_chat_model(self) -> bool:
        """Nor is the start of a call: hearing of it would cost a copy of its prompt."""
        return True

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:  # noqa: ARG002
        """A call is answered."""
        self._used(response)
        self.stop_if_cancelled()

    def stop_if_cancelled(self) -> None:
        """Raise the cancellation that somebody on the way swallowed: the job is over, and each token is paid.

        Until Python 3.12 `asyncio.wait_for` does so, when a chunk of ChatOpenAI's comes at that very moment.

        Raises:
            CancelledError: if the attempt was cancelled since it began.
        """
        if self._task.cancelling() > self._cancels:
            raise asyncio.CancelledError

    def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:  # noqa: ARG002
        """A call broke off, or was cancelled: what had begun to answer is paid for, and says what it can."""
        response: LLMResult | None = kwargs.get("response")
        if response is not None and isinstance(_first(response), ChatGenerationChunk | GenerationChunk):
            self._used(response)

    def _used(self, response: LLMResult, *, heard: bool = False) -> bool:
        """Tell of a call's usage and, unless they were heard before, limits; whether there was a call."""
        usage = usage_of(response)
        if usage is None:
            return False
        self._ctx.usage(usage if usage.model is not None else replace(usage, model=self._model))
        if not heard:
            self._limits(_first(response))
        return True

    def _limits(self, generation: Generation | GenerationChunk | None) -> None:
        """What the response said of rate limits, where the model hands its headers on."""
        headers = _response_metadata(generation).get("headers")
        if isinstance(headers, Mapping):
            self._ctx.rate_limits(cast("Mapping[str, str]", headers))


class StreamWatch(Watch):
    """Also tells of the first token.

    The two `tap_output` methods are how LangChain knows a handler that wants tokens: a model that is called
    by `ainvoke` below streams as well.
    """

    def __init__(self, ctx: JobContext, model: str | None = None) -> None:
        super().__init__(ctx, model)
        self._begun: set[UUID] = set()
        """The calls that have begun to answer: the headers come with the first chunk."""

    def on_llm_new_token(
        self,
        token: str | list[str | dict[str, Any]],
        *,
        run_id: UUID,
        chunk: GenerationChunk | ChatGenerationChunk | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """A token, or the frame around the first: only what has content says that the prompt was read."""
        if run_id not in self._begun:
            # At once: what was left when the answer began is no longer so when it ends.
            self._begun.add(run_id)
            self._limits(chunk)
        self.stop_if_cancelled()
        if not self.spoke and (token or _has_content(chunk)):
            self._first_token()

    def on_stream_event(self, event: Mapping[str, Any], **kwargs: Any) -> Any:  # noqa: ARG002
        """The same, where somebody else's handler asked for content-block events."""
        if not self.spoke and event.get("event") == "content-block-delta":
            self._first_token()

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        """A call is answered; a model that cannot stream gives its first token only now."""
        if self._used(response, heard=kwargs.get("run_id") in self._begun) and not self.spoke:
            self._first_token()
        self.stop_if_cancelled()

    def tap_output_aiter(self, run_id: UUID, output: AsyncIterator[T]) -> AsyncIterator[T]:  # noqa: ARG002
        """Leave a stream as it is."""
        return output

    def tap_output_iter(self, run_id: UUID, output: Iterator[T]) -> Iterator[T]:  # noqa: ARG002
        """Leave a stream as it is."""
        return output

    def _first_token(self) -> None:
        self.spoke = True
        self._ctx.first_token()


def usage_of(response: LLMResult) -> Usage | None:
    """What one provider call used; None where LangChain's own cache answered and no call was made.

    All choices of a call repeat its usage, so only the first one is read.
    """
    generation = _first(response)
    message: BaseMessage | None = getattr(generation, "message", None)
    found: Mapping[str, Any] = getattr(message, "usage_metadata", None) or {}
    # LangChain marks what it had cached by this key, and leaves the tokens of the first call in.
    if found.get("total_cost") == 0:
        return None
    told = _response_metadata(generation)
    model = told.get("model_name") or told.get("model")
    if not found:
        return _plain_usage(response, told, model)
    read: Mapping[str, Any] = found.get("input_token_details") or {}
    written: Mapping[str, Any] = found.get("output_token_details") or {}
    return Usage(
        input_tokens=_count(found.get("input_tokens")),
        cached_tokens=_sum(read, "cache_read"),
        # Anthropic's two times to live come under names of their own, and then not under the common one.
        cache_write_tokens=_sum(
            read, "cache_creation", "ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"
        ),
        output_tokens=_count(found.get("output_tokens")),
        reasoning_tokens=_sum(written, "reasoning"),
        requests=1,
        model=model,
    )


def _plain_usage(response: LLMResult, told: Mapping[str, Any], model: str | None) -> Usage:
    """Of a model that gives text rather than messages, or says nothing at all: as OpenAI's API names it."""
    output: Mapping[str, Any] = response.llm_output or {}
    tokens = _mapping(output.get("token_usage") or told.get("token_usage"))
    read, written = (_mapping(tokens.get(f"{kind}_tokens_details")) for kind in ("prompt", "completion"))
    return Usage(
        input_tokens=_count(tokens.get("prompt_tokens")),
        cached_tokens=_count(read.get("cached_tokens")),
        cache_write_tokens=_count(read.get("cache_write_tokens")),
        output_tokens=_count(tokens.get("completion_tokens")),
        reasoning_tokens=_count(written.get("reasoning_tokens")),
        requests=1,
        model=model or output.get("model_name"),
    )


def _response_metadata(generation: Generation | GenerationChunk | None) -> Mapping[str, Any]:
    message: object = getattr(generation, "message", None)
    return _mapping(getattr(message, "response_metadata", None))


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _count(value: object) -> int | None:
    """A number of tokens; what compatible servers send instead of one is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _sum(details: Mapping[str, Any], *names: str) -> int | None:
    """Service tiers put their name in front (`priority_cache_read`), so it is the end that counts."""
    counts = [_count(value) for key, value in details.items() if key.endswith(names)]
    found = [count for count in counts if count is not None]
    return sum(found) if found else None


def _first(response: LLMResult) -> Generation | GenerationChunk | None:
    return response.generations[0][0] if response.generations and response.generations[0] else None


def _has_content(chunk: GenerationChunk | ChatGenerationChunk | None) -> bool:
    message: object = getattr(chunk, "message", None)
    if not isinstance(message, AIMessageChunk):
        return False
    return bool(message.content or message.tool_call_chunks or message.additional_kwargs)
