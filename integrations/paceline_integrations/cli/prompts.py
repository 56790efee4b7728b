"""Prompts of the jobs of a file, as far as they can be seen in payloads, and a rough count of their tokens.

A payload is a text, a list of messages, an object with messages (as the APIs of OpenAI and Anthropic take
it), or variables of a template, which are taken in their order. How a chain puts variables into words cannot
be seen here. Tokens are so many characters (bytes, where they are not of ASCII) each; each text and the
header of each message begin on a token.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from paceline_integrations.planning import PlannedGroup, PlannedJob

from .groups_file import GroupLine

__all__ = ["Counting", "planned_group"]

_MESSAGES = ("messages", "input")
_SYSTEM = ("system", "instructions")
_MOST_OUTPUT = ("max_tokens", "max_completion_tokens", "max_output_tokens")


@dataclass(frozen=True, slots=True)
class Counting:
    """How tokens are counted: `characters` of text each, and `output` tokens in each answer.

    A payload that says `max_tokens`, or the like, gets at most so many.
    """

    characters: float = 4.0
    output: int = 256

    def tokens(self, text: str) -> int:
        """About how many tokens a text is."""
        return math.ceil(_size(text) / self.characters)


def planned_group(line: GroupLine, counting: Counting) -> PlannedGroup:
    """What a plan has to know of a group; its shared prefix is what all its prompts begin with."""
    primer, followers = line.members()
    payloads = [member.payload for member in ([] if primer is None else [primer]) + followers]
    prompts = [list(_pieces(payload)) for payload in payloads]
    prefix = _shared(prompts, counting) if len(prompts) > 1 else 0
    jobs = [
        PlannedJob(sum(map(counting.tokens, prompt)) - prefix, _output(payload, counting))
        for payload, prompt in zip(payloads, prompts, strict=True)
    ]
    return PlannedGroup(
        line.group, prefix, jobs[0] if primer is not None else None, tuple(jobs[primer is not None :])
    )


def _shared(prompts: Sequence[list[str]], counting: Counting) -> int:
    """How many tokens all prompts begin with."""
    shared = 0
    for pieces in zip(*prompts, strict=False):
        # Of several texts, what the first and the last in order share is what all share.
        low, high = min(pieces), max(pieces)
        if low != high:
            return shared + math.floor(_size(low[: _alike(low, high)]) / counting.characters)
        shared += counting.tokens(low)
    return shared


def _size(text: str) -> int:
    """Its characters, or bytes where they are not of ASCII: tokenizers work on bytes."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _alike(one: str, other: str) -> int:
    """With how many characters both begin."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _output(payload: object, counting: Counting) -> int:
    if not isinstance(payload, dict):
        return counting.output
    found = cast("dict[str, object]", payload)
    asked = [found.get(key) for key in _MOST_OUTPUT]
    return min([counting.output, *(most for most in asked if isinstance(most, int) and most >= 0)])


def _pieces(payload: object) -> Iterator[str]:
    if isinstance(payload, list):
        yield from _conversation(cast("list[object]", payload))
    elif isinstance(payload, dict):
        yield from _object(cast("dict[str, Any]", payload))
    else:
        yield from ("<user>", payload if isinstance(payload, str) else _compact(payload))
    yield "<assistant>"


def _object(payload: dict[str, Any]) -> Iterator[str]:
    key = next((key for key in _MESSAGES if isinstance(payload.get(key), list)), None)
    if key is None and not {"role", "content"} <= payload.keys():
        yield "<user>"
        for value in payload.values():
            yield value if isinstance(value, str) else _compact(value)
        return
    # Models read tools and the system's text ahead of every message.
    tools = payload.get("tools")
    for tool in cast("list[object]", tools) if isinstance(tools, list) else ():
        yield from ("<tool>", _compact(tool))
    for name in _SYSTEM:
        if payload.get(name):
            yield from ("<system>", _text(payload[name]))
    yield from _conversation([payload] if key is None else payload[key])


def _conversation(messages: Sequence[object]) -> Iterator[str]:
    for message in messages:
        role, content = _message(message)
        yield f"<{role}>"
        yield _text(content)
        if isinstance(message, dict):
            for call in cast("dict[str, Any]", message).get("tool_calls") or ():
                yield _compact(call)


def _message(message: object) -> tuple[object, object]:
    """Who says what: an object, LangChain's pair of the two, or a text, which is the user's."""
    if isinstance(message, dict):
        found = cast("dict[str, object]", message)
        return found.get("role", "user"), found.get("content")
    if isinstance(message, list):
        parts = cast("list[object]", message)
        if len(parts) == 2:
            return parts[0], parts[1]
        return "user", parts
    return "user", message


def _text(content: object) -> str:
    """The text of a message. What is no text in it, such as a picture, is not counted."""
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, list):
        return "".join(_text_of_part(part) for part in cast("list[object]", content))
    return _compact(content)


def _text_of_part(part: object) -> str:
    if isinstance(part, str):
        return part
    text = cast("dict[str, object]", part).get("text") if isinstance(part, dict) else None
    return text if isinstance(text, str) else ""


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
