"""From a job to the arguments of the one call that it makes."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, cast

import openai
from pydantic import BaseModel

from paceline import Job, JobContext

from ._prefix import marked, several

__all__ = ["Api", "Output", "Request", "merged"]

Output: TypeAlias = Literal["text", "parsed", "response"]
"""What a job gives: the text, the object of the format that was asked for, or the client's response."""


@dataclass(frozen=True, slots=True)
class Api:
    """How one of the two APIs names things; `create` is its method."""

    executor: str
    create: Callable[..., object]
    input: str
    format: str
    text_part: str
    known: frozenset[str] = field(init=False)
    """The names that a payload may use."""

    def __post_init__(self) -> None:
        taken = set(inspect.signature(self.create).parameters) - {"self"}
        object.__setattr__(self, "known", frozenset(taken | {self.format, "prefix"}))

    def check(self, arguments: Mapping[str, Any]) -> None:
        """Refuse what `create` does not take.

        Raises:
            TypeError: naming the first such argument, and what is close to it.
        """
        for name in arguments:
            if name not in self.known:
                close = difflib.get_close_matches(str(name), self.known, 1)
                meant = f"did you mean {close[0]!r}? " if close else ""
                raise TypeError(
                    f"{self.executor} was given {name!r}, which {self.create.__qualname__} of openai "
                    f"{openai.__version__} does not take; {meant}What only your server knows goes into "
                    f"extra_body={{{name!r}: ...}}"
                )


@dataclass(slots=True)
class Request:
    """What to send, and what is wanted of the answer."""

    arguments: dict[str, Any]
    model: str
    format: type[BaseModel] | None
    output: Output
    stream: bool | None
    """Whether to stream it; None: where chunks are of use."""

    def streams(self, ctx: JobContext) -> bool:
        """Whether this attempt streams."""
        return ctx.streaming if self.stream is None else self.stream

    def share_cache_with(self, ctx: JobContext) -> None:
        """Name the group to the provider, so that its jobs come to the machine that has their prefix."""
        arguments = self.arguments
        if "prompt_cache_key" not in arguments:
            if ctx.group is not None:
                arguments["prompt_cache_key"] = ctx.group.cache_key
        elif arguments["prompt_cache_key"] is None:
            del arguments["prompt_cache_key"]  # for servers that refuse what they do not know


def merged(
    api: Api, own: Mapping[str, Any], output: Output | None, job: Job, *, breakpoints: bool = False
) -> Request:
    """Put together what the executor, the job's config and its payload say; the latter come first.

    Raises:
        TypeError, ValueError: if the payload or config is nothing that makes a request.
    """
    arguments = {**own, **_config(api, job.config), **_payload(api, job.payload)}
    api.check(arguments)
    _put_prefix(api, arguments, breakpoints=breakpoints)
    wanted = arguments.get(api.format)
    model: type[BaseModel] | None = None
    if isinstance(wanted, type):
        if not issubclass(wanted, BaseModel):
            raise TypeError(f"{api.format} must be a pydantic model, not {wanted.__name__}")
        model = wanted
        del arguments[api.format]
    elif wanted is None:
        arguments.pop(api.format, None)
    if output == "parsed" and model is None:
        raise ValueError(f"output='parsed' needs a pydantic model to parse into: {api.format}=...")
    kind = output or ("text" if model is None else "parsed")
    if arguments.get("n") not in (None, 1) and kind != "response":
        raise ValueError("several choices (n=) come with output='response' only: text would be that of one")
    return Request(arguments, str(arguments["model"]), model, kind, arguments.pop("stream", None))


def _payload(api: Api, payload: object) -> dict[str, Any]:
    if isinstance(payload, str | list | tuple):
        return {api.input: cast("Any", payload)}
    if not isinstance(payload, Mapping):
        raise TypeError(
            f"{api.executor} takes a text, a list of {api.input}, or a mapping of what "
            f"{api.create.__qualname__} takes, not {type(payload).__name__}"
        )
    found = cast("Mapping[str, Any]", payload)
    if "role" in found:
        raise TypeError(f"{api.executor} was given one message for a payload: put it in a list, [message]")
    return dict(found)


def _config(api: Api, config: object) -> Mapping[str, Any]:
    if config is None:
        return {}
    if not isinstance(config, Mapping):
        raise TypeError(
            f"the config of a job for {api.executor} is a mapping of what {api.create.__qualname__} takes, "
            f"not {type(config).__name__}"
        )
    return cast("Mapping[str, Any]", config)


def _put_prefix(api: Api, arguments: dict[str, Any], *, breakpoints: bool) -> None:
    """Put the shared prefix before the input, and a mark at its end."""
    prefix = arguments.pop("prefix", None)
    given = arguments.get(api.input)
    if prefix is None:
        if api.input == "messages" and isinstance(given, str):
            arguments[api.input] = several(given)
        return
    items = several(prefix)
    if not items:
        raise ValueError("the prefix is empty: leave it out, or give the messages that the jobs share")
    if breakpoints:
        items = marked(items, api.text_part)
        # No other place is written to the cache: what follows the prefix is nobody else's.
        options: Mapping[str, Any] = arguments.get("prompt_cache_options") or {}
        arguments["prompt_cache_options"] = {"mode": "explicit", **options}
    arguments[api.input] = items + several(given)
