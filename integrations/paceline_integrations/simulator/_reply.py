"""The answer to a request, made of the seed and the prompt: the same request has the same answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from ._ask import Ask, Schema, compact
from ._schema import sample
from ._tokens import TOKEN_WIDTH, count_tokens
from ._words import words

__all__ = ["Part", "Piece", "Reply", "Usage", "compose"]

_NO_ARGUMENTS: Schema = {"type": "object"}


@dataclass(frozen=True, slots=True)
class Part:
    """A text or, where `tool` names one, the JSON arguments of a call."""

    text: str
    ident: str
    tool: str | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """What a chunk of a stream carries of one part."""

    index: int
    part: Part
    text: str
    begins: bool
    ends: bool


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request; those `cached` are among the prompt's, and those `written` to the cache too."""

    prompt: int
    cached: int
    output: int
    written: int | None = None  # None: the usage does not tell


class Reply:
    """An answer of one or more parts, each a whole number of tokens."""

    __slots__ = ("_starts", "ident", "parts", "tokens")

    def __init__(self, ident: str, parts: tuple[Part, ...]) -> None:
        self.ident = ident
        self.parts = parts
        self._starts = list(accumulate((count_tokens(part.text) for part in parts), initial=0))
        self.tokens = self._starts[-1]

    def pieces(self, start: int, stop: int) -> Iterator[Piece]:
        """The tokens from `start` up to `stop`, by the parts they belong to."""
        for index, part in enumerate(self.parts):
            first, end = self._starts[index], self._starts[index + 1]
            low, high = max(start, first), min(stop, end)
            if low < high:
                text = part.text[(low - first) * TOKEN_WIDTH : (high - first) * TOKEN_WIDTH]
                yield Piece(index, part, text, begins=low == first, ends=high == end)


def compose(ask: Ask, digest: bytes, number: int) -> Reply:
    """Answer a request, the server's `number`th, whose prompt has that digest.

    A text has exactly `ask.max_tokens` tokens. Arguments and structured answers are as long as their JSON is:
    cut short it would be of no use. Who asks for no tokens is answered by nothing.

    Raises:
        ApiError: if a schema cannot be met.
    """
    random = Random(digest)  # noqa: S311 - the same request shall have the same answer
    # Ids are never given twice: frameworks take two messages of one id for the same message.
    ident = f"{number:08x}{digest.hex()[:16]}"
    if not ask.max_tokens:
        parts: tuple[Part, ...] = ()
    elif ask.called:
        parts = tuple(
            Part(compact(sample(one.parameters or _NO_ARGUMENTS, random)), f"call_{ident}{index}", one.name)
            for index, one in enumerate(ask.called)
        )
    elif ask.schema is not None:
        parts = (Part(compact(sample(ask.schema, random)), f"msg_{ident}"),)
    else:
        parts = (Part(words(random, ask.max_tokens), f"msg_{ident}"),)
    return Reply(ident, parts)
