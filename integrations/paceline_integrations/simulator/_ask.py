"""What a request asks for, whichever API it came by."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, Field

from ._caching import PLAIN, Caching
from ._errors import ApiError, bad_request
from ._tokens import Prompt, PromptWriter

__all__ = [
    "DEFAULT_TOKENS",
    "Ask",
    "Content",
    "Function",
    "Schema",
    "Wire",
    "as_mapping",
    "compact",
    "plain_text",
    "schema_of",
    "tools_called",
    "write_content",
    "write_preamble",
]

DEFAULT_TOKENS = 64
Schema = dict[str, Any]
Content = str | list[dict[str, Any]] | None
MaxTokens = Annotated[
    int, Field(ge=1, le=1_000_000)
]  # beyond any model's window; an answer is made in memory


class Wire(BaseModel):
    """A body as it comes in: types are held to, parameters that change nothing here are let pass."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class Function(Wire):
    """A function that the answer may call; `parameters` is the JSON schema of its arguments."""

    name: str
    description: str | None = None
    parameters: Schema | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: read `prompt`, then call `called`, write JSON of `schema` or so many tokens of text.

    With `background` the work goes on though nobody waits for it.
    """

    prompt: Prompt
    max_tokens: int  # 0: nothing is written at all
    called: tuple[Function, ...]
    schema: Schema | None
    stream: bool
    include_usage: bool
    echo: dict[str, Any]  # what the answer repeats of the request
    caching: Caching = PLAIN
    cache_key: str | None = None  # whom the request says it shares a prefix with; it is noted, and no more
    background: bool = False
    headers: Mapping[str, str] = field(default_factory=dict[str, str])  # what comes with the answer


def as_mapping(value: object) -> dict[str, Any]:
    """A JSON object as it is, and anything else as an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def compact(value: object) -> str:
    """Write JSON without spaces."""
    return json.dumps(value, separators=(",", ":"))


def plain_text(content: Content) -> str:
    """The text of a message; parts that are no text stand as their JSON."""
    if isinstance(content, str):
        return content
    return "".join(map(_part_text, content or ()))


def _part_text(part: dict[str, Any]) -> str:
    text = part.get("text")
    return text if isinstance(text, str) else compact(part)


def write_content(writer: PromptWriter, content: Content) -> None:
    """Write a message; a part that has a breakpoint of the prompt cache ends there, on a whole token.

    Raises:
        ApiError: if a breakpoint is none.
    """
    if isinstance(content, str):
        writer.add(content)
        return
    said: list[str] = []
    for part in content or ():
        said.append(_part_text(part))
        breakpoint_ = part.get("prompt_cache_breakpoint")
        if breakpoint_ is not None:
            if as_mapping(breakpoint_).get("mode") != "explicit":
                param = "prompt_cache_breakpoint"
                raise bad_request(f"Invalid value for '{param}': its mode must be 'explicit'.", param=param)
            writer.add("".join(said))
            writer.mark()
            said.clear()
    writer.add("".join(said))


def write_preamble(writer: PromptWriter, functions: Iterable[Function], schema: Schema | None) -> None:
    """Write what models read ahead of every message: the functions, and the schema of the answer."""
    for function in functions:
        writer.header("tool")
        writer.add(compact([function.name, function.description, function.parameters]))
    if schema is not None:
        writer.header("schema")
        writer.add(compact(schema))


_CALL = re.compile(r"\bcall\s+[`'\"]?([\w-]+)", re.IGNORECASE)


def tools_called(
    tools: Sequence[Function], choice: str | dict[str, Any] | None, said: str | None, *, parallel: bool
) -> tuple[Function, ...]:
    """Decide which tools the answer calls.

    A choice that names a tool calls it, "required" calls what was `said`, else the first; otherwise those are
    called of which the last message, if it is the user's, says "call <tool>".

    Raises:
        ApiError: if the choice names no tool of the request, or is none at all.
    """
    named = {tool.name: tool for tool in tools}
    if isinstance(choice, dict):
        name = _chosen(choice)
        if name is not None:
            return (_known(named, name),)
    elif choice not in {None, "none", "auto", "required"}:
        raise bad_request(f"Invalid value for 'tool_choice': {choice!r}.", param="tool_choice")
    if choice == "none":
        return ()
    asked = [named[name] for name in dict.fromkeys(_CALL.findall(said or "")) if name in named]
    if choice == "required" and not asked:
        if not tools:
            raise bad_request("'tool_choice' is 'required', but there are no tools.", param="tool_choice")
        asked = [tools[0]]
    return tuple(asked if parallel else asked[:1])


def _known(named: dict[str, Function], name: str) -> Function:
    if name not in named:
        raise bad_request(f"Tool choice {name!r} not found in 'tools' parameter.", param="tool_choice")
    return named[name]


def _chosen(choice: dict[str, Any]) -> str | None:
    """The name in a choice of either API: the Chat one nests it. Kinds without a name are as "auto"."""
    name = as_mapping(choice.get("function", choice)).get("name")
    if not isinstance(name, str) and (name is not None or choice.get("type") == "function"):
        raise bad_request(f"Invalid value for 'tool_choice.name': {name!r}.", param="tool_choice")
    return name


def schema_of(holder: dict[str, Any] | None, param: str) -> Schema | None:
    """The schema that `response_format`, or `text.format`, asks the answer to have (None: free text).

    Raises:
        ApiError: if the format is of no known type or has no schema.
    """
    kind = None if holder is None else holder.get("type")
    if holder is None or kind == "text":
        return None
    if kind == "json_object":
        return {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
    if kind != "json_schema":
        raise _bad_format(param, f"unknown type {kind!r}")
    schema = as_mapping(holder.get("json_schema", holder)).get("schema")
    if not isinstance(schema, dict):
        raise _bad_format(param, "a JSON schema is missing")
    return cast("Schema", schema)


def _bad_format(param: str, problem: str) -> ApiError:
    return bad_request(f"Invalid value for '{param}': {problem}.", param=param, code="invalid_value")
