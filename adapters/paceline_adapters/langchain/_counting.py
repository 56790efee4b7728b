"""Counting the tokens that one call of a model will use, without asking anybody."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from langchain_core.language_models import BaseLanguageModel
from langchain_core.messages import BaseMessage, convert_to_messages
from langchain_core.prompt_values import PromptValue

from paceline import rough_tokens

__all__ = ["input_tokens", "model_name", "most_output"]

_count: Callable[[Any, list[BaseMessage]], int] = cast("Any", BaseLanguageModel).get_num_tokens_from_messages

_LONGEST = 20_000
"""Characters that a tokenizer is given: some milliseconds, in which nothing else runs."""
_OUTPUT = ("max_completion_tokens", "max_tokens", "max_output_tokens", "num_predict")


def model_name(model: BaseLanguageModel[Any], kwargs: Mapping[str, Any]) -> str | None:
    """What the provider calls the model, as set at the call or in the model."""
    names = ("model_name", "model")
    for value in (*map(kwargs.get, names), *(getattr(model, name, None) for name in names)):
        if isinstance(value, str) and value:
            return value
    return None


def most_output(model: BaseLanguageModel[Any], kwargs: Mapping[str, Any]) -> int | None:
    """The most tokens that one call may answer; None where nobody has set a bound."""
    more: Mapping[str, Any] = getattr(model, "model_kwargs", None) or {}
    own = {name: getattr(model, name, None) for name in _OUTPUT}
    for settings in (kwargs, more, own):
        for name in _OUTPUT:
            most = settings.get(name)
            # Some take -1 for "no bound".
            if isinstance(most, int) and not isinstance(most, bool) and most > 0:
                return most * _choices(model, kwargs)
    return None


def _choices(model: BaseLanguageModel[Any], kwargs: Mapping[str, Any]) -> int:
    choices = kwargs.get("n") or getattr(model, "n", None)
    return choices if isinstance(choices, int) and choices > 1 else 1


def input_tokens(model: BaseLanguageModel[Any], value: object, kwargs: Mapping[str, Any]) -> int:
    """The tokens of a prompt: by the model's own tokenizer where that is at hand, else roughly.

    Counting by the model may mean a request (Anthropic, Google), or fetching a vocabulary (OpenAI, Hugging
    Face) or pictures. So a model is asked only for texts, if it was given a tokenizer as
    `custom_get_token_ids`, or is one of OpenAI's whose vocabulary tiktoken has in memory already. Tools and
    schemas are counted roughly.
    """
    messages = _messages(value)
    tools = rough_tokens(
        [kwargs[name] for name in ("tools", "functions", "response_format") if name in kwargs]
    )
    counted = None if messages is None else _counted(model, messages)
    return tools + (rough_tokens(value if messages is None else messages) if counted is None else counted)


def _messages(value: object) -> list[BaseMessage] | None:
    if isinstance(value, PromptValue):
        return value.to_messages()
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        try:
            return convert_to_messages([value] if isinstance(value, str) else cast("Any", value))
        except Exception:  # noqa: BLE001 - what is no message fails its job, and says why
            return None
    return None


def _counted(model: Any, messages: list[BaseMessage]) -> int | None:
    texts = [message.content for message in messages]
    if not all(isinstance(text, str) for text in texts) or sum(map(len, texts)) > _LONGEST:
        return None
    try:
        if model.custom_get_token_ids is not None:
            # Not the model's own method: ChatOpenAI's counts with tiktoken even so.
            return _count(model, messages)
        if _has_vocabulary(model):
            return int(model.get_num_tokens_from_messages(messages))
    except Exception:  # noqa: BLE001 - names of models and special tokens that it does not know
        return None
    return None


def _has_vocabulary(model: BaseLanguageModel[Any]) -> bool:
    """Whether it is OpenAI's, and its vocabulary is in memory: loading it would read, or fetch, megabytes."""
    openai: Any = sys.modules.get("langchain_openai.chat_models.base")
    tiktoken: Any = sys.modules.get("tiktoken")
    if openai is None or tiktoken is None or not isinstance(model, openai.BaseChatOpenAI):
        return False
    name = getattr(model, "tiktoken_model_name", None) or model_name(model, {})
    return tiktoken.encoding_name_for_model(name) in tiktoken.registry.ENCODINGS
