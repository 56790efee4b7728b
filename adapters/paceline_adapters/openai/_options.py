"""The arguments of the client's `create` that an executor takes for all of its jobs.

The types are the client's own. They are written out, not inherited: an executor names `model` and what shapes
the answer itself, and no TypedDict can drop a key or change one. A test compares them with the client's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from openai import Timeout
    from openai.types import ReasoningEffort
    from openai.types.chat import (
        ChatCompletionAudioParam,
        ChatCompletionPredictionContentParam,
        ChatCompletionStreamOptionsParam,
        ChatCompletionToolChoiceOptionParam,
        ChatCompletionToolUnionParam,
        completion_create_params as chat,
    )
    from openai.types.responses import (
        ResponseIncludable,
        ResponsePromptParam,
        ResponseTextConfigParam,
        ServiceTier,
        ToolParam,
        response_create_params as responses,
    )
    from openai.types.shared_params import Metadata, Reasoning

__all__ = ["ChatOptions", "ResponseOptions"]


class _Request(TypedDict, total=False):
    """Of any request."""

    extra_headers: Mapping[str, str] | None
    extra_query: Mapping[str, object] | None
    extra_body: object | None
    timeout: float | Timeout | None
    stream: bool | None
    """Left out, chunks are streamed where they are of use; True and False say it for all jobs."""


class ResponseOptions(_Request, total=False):
    """What `responses.create` takes besides what a `ResponsesExecutor` names itself."""

    access_programs: responses.AccessPrograms
    background_options: responses.BackgroundOptions
    context_management: Iterable[responses.ContextManagement] | None
    conversation: responses.Conversation | None
    image: responses.Image
    include: list[ResponseIncludable] | None
    max_output_tokens: int | None
    max_tool_calls: int | None
    metadata: Metadata | None
    moderation: responses.Moderation | None
    parallel_tool_calls: bool | None
    previous_response_id: str | None
    prompt: ResponsePromptParam | None
    prompt_cache_key: str | None
    prompt_cache_options: responses.PromptCacheOptions
    prompt_cache_retention: Literal["in_memory", "24h"] | None
    reasoning: Reasoning | None
    safety_identifier: str | None
    service_tier: ServiceTier | None
    store: bool | None
    stream_options: responses.StreamOptions | None
    temperature: float | None
    text: ResponseTextConfigParam
    tool_choice: responses.ToolChoice
    tools: Iterable[ToolParam]
    top_logprobs: int | None
    top_p: float | None
    truncation: Literal["auto", "disabled"] | None
    user: str


class ChatOptions(_Request, total=False):
    """What `chat.completions.create` takes besides what a `ChatExecutor` names itself."""

    audio: ChatCompletionAudioParam | None
    frequency_penalty: float | None
    function_call: chat.FunctionCall
    functions: Iterable[chat.Function]
    logit_bias: dict[str, int] | None
    logprobs: bool | None
    max_completion_tokens: int | None
    max_tokens: int | None
    metadata: Metadata | None
    modalities: list[Literal["text", "audio"]] | None
    moderation: chat.Moderation | None
    n: int | None
    parallel_tool_calls: bool
    prediction: ChatCompletionPredictionContentParam | None
    presence_penalty: float | None
    prompt_cache_key: str | None
    prompt_cache_options: chat.PromptCacheOptions
    prompt_cache_retention: Literal["in_memory", "24h"] | None
    reasoning_effort: ReasoningEffort | None
    safety_identifier: str | None
    seed: int | None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast"] | None
    stop: str | list[str] | None
    store: bool | None
    stream_options: ChatCompletionStreamOptionsParam | None
    temperature: float | None
    tool_choice: ChatCompletionToolChoiceOptionParam
    tools: Iterable[ChatCompletionToolUnionParam]
    top_logprobs: int | None
    top_p: float | None
    user: str
    verbosity: Literal["low", "medium", "high"] | None
    web_search_options: chat.WebSearchOptions
