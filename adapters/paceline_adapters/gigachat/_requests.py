"""From a job to the one request that it makes."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

from gigachat.models import Chat, ChatCompletionRequest
from gigachat.models.chat_completions import ChatModelOptions, ChatResponseFormat
from gigachat.models.response_format import JsonSchemaResponseFormat
from pydantic import BaseModel, ValidationError

from paceline import Job, JobContext

__all__ = ["Contract", "Output", "Request", "check_options", "merged"]

Contract: TypeAlias = Literal["v1", "v2"]
"""Which of the two forms of GigaChat's API: `achat(...)` of the client, or `achat.create(...)`."""

Output: TypeAlias = Literal["text", "parsed", "response"]
"""What a job gives: the text, the object of the format that was asked for, or the client's response."""

_MODELS: dict[Contract, type[BaseModel]] = {"v1": Chat, "v2": ChatCompletionRequest}
_INSIDE = frozenset(ChatModelOptions.model_fields) - {"reasoning", "response_format"}


@dataclass(frozen=True, slots=True)
class Request:
    """What to send, and what is wanted of the answer."""

    contract: Contract
    body: Any  # the client's own model of a request: Chat or ChatCompletionRequest
    format: type[BaseModel] | None
    output: Output
    stream: bool | None
    """Whether to stream it; None: where chunks are of use."""

    def streams(self, ctx: JobContext) -> bool:
        """Whether this attempt streams."""
        return ctx.streaming if self.stream is None else self.stream


def merged(
    own: Mapping[str, Any], contract: Contract, output: Output | None, instructions: str | None, job: Job
) -> Request:
    """Put together what the executor, the job's config and its payload say; the latter come first.

    Raises:
        TypeError, ValueError: if the payload or config is nothing that makes a request.
    """
    payload = job.payload
    if isinstance(payload, Chat):
        contract = "v1"
    elif isinstance(payload, ChatCompletionRequest):
        contract = "v2"
    fields = {**own, **_config(job.config), **_said(payload)}
    check_options(contract, fields)
    if instructions is not None:
        system = {"role": "system", "content": instructions}
        fields["messages"] = [system, *(fields.get("messages") or ())]
    model = _format(contract, fields)
    if output == "parsed" and model is None:
        raise ValueError("output='parsed' needs a pydantic model to parse into: response_format=...")
    kind = output or ("text" if model is None else "parsed")
    if fields.get("n") not in (None, 1) and kind != "response":
        raise ValueError("several choices (n=) come with output='response' only: text would be that of one")
    stream: bool | None = fields.pop("stream", None)
    try:
        body = _MODELS[contract].model_validate(fields)
    except ValidationError as error:
        raise ValueError(f"the payload makes no request of GigaChat's: {error}") from error
    return Request(contract, body, model, kind, stream)


def check_options(contract: Contract, fields: Mapping[str, Any]) -> None:
    """Refuse what the contract does not have, as its model would drop it or send it where it does nothing.

    Raises:
        TypeError: naming the first such field, and where it belongs.
    """
    known = _MODELS[contract].model_fields
    for name in fields:
        if contract == "v2" and name in _INSIDE:
            raise TypeError(f"{name!r} has its place in model_options={{{name!r}: ...}} in the v2 contract")
        if contract == "v1" and name not in known:
            close = difflib.get_close_matches(str(name), known, 1)
            meant = f"did you mean {close[0]!r}? " if close else ""
            raise TypeError(
                f"GigaChatExecutor was given {name!r}, which no request of the v1 contract has; {meant}What "
                f"only the server knows goes into additional_fields={{{name!r}: ...}}"
            )


def _said(payload: object) -> dict[str, Any]:
    if isinstance(payload, str):
        return {"messages": [{"role": "user", "content": payload}]}
    if isinstance(payload, list | tuple):
        return {"messages": list(cast("list[Any]", payload))}
    if isinstance(payload, Chat | ChatCompletionRequest):
        return {name: getattr(payload, name) for name in payload.model_fields_set}
    if not isinstance(payload, Mapping):
        raise TypeError(
            "GigaChatExecutor takes a text, a list of messages, a mapping of what a request has, a Chat or a "
            f"ChatCompletionRequest, not {type(payload).__name__}"
        )
    found = cast("Mapping[str, Any]", payload)
    if "role" in found:
        raise TypeError("GigaChatExecutor was given one message for a payload: put it in a list, [message]")
    return dict(found)


def _config(config: object) -> Mapping[str, Any]:
    if config is None:
        return {}
    if not isinstance(config, Mapping):
        raise TypeError(
            "the config of a job for GigaChatExecutor is a mapping of what a request has, not "
            f"{type(config).__name__}"
        )
    return cast("Mapping[str, Any]", config)


def _format(contract: Contract, fields: dict[str, Any]) -> type[BaseModel] | None:
    """Write the pydantic model that answers shall fit, if any, as the contract does; and give it."""
    wanted: object = fields.get("response_format")
    if not isinstance(wanted, type):
        if wanted is None:
            fields.pop("response_format", None)
        return None
    if not issubclass(wanted, BaseModel):
        raise TypeError(f"response_format must be a pydantic model, not {wanted.__name__}")
    schema: dict[str, Any] = {"type": "json_schema", "schema": wanted, "strict": True}
    kind = JsonSchemaResponseFormat if contract == "v1" else ChatResponseFormat
    fields["response_format"] = kind.model_validate(schema)
    return wanted
