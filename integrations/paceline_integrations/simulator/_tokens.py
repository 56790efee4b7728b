"""Tokens: four characters each, and a prompt is one string of them.

Every message header and every text begins on a token, so that two prompts with the same first messages share
all of those tokens, and two texts that begin alike share a token for every four characters. A prompt is kept
as one padded string rather than as a list: a block of it is a slice, and comparing two is the work of C.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

__all__ = ["TOKEN_WIDTH", "Prompt", "PromptWriter", "common_tokens", "count_tokens"]

TOKEN_WIDTH = 4
_FILL = "\0"


def count_tokens(text: str) -> int:
    """How many tokens a text is by itself: one for every four characters or part of them."""
    return -(-len(text) // TOKEN_WIDTH)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model is asked to read: `text` is a whole number of tokens; models share no prefixes."""

    model: str
    text: str

    @property
    def tokens(self) -> int:
        """How many tokens it is."""
        return len(self.text) // TOKEN_WIDTH

    def digest(self, seed: int) -> bytes:
        """16 bytes that stand for the prompt under a seed: answers and their ids are made of them."""
        salt = f"{seed}/{self.model}/".encode()
        return blake2b(salt + self.text.encode(), digest_size=16).digest()


class PromptWriter:
    """Builds a Prompt piece by piece, each piece padded to whole tokens."""

    __slots__ = ("_marks", "_pieces")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._marks: list[int] = []

    @property
    def marks(self) -> tuple[int, ...]:
        """Where breakpoints were set: each as the number of tokens before it."""
        return tuple(self._marks)

    def mark(self) -> None:
        """Set a breakpoint here."""
        self._marks.append(sum(map(len, self._pieces)) // TOKEN_WIDTH)

    def header(self, name: str) -> None:
        """Mark where a message, or the list of tools, begins."""
        self.add(f"<{name}>")

    def add(self, text: str) -> None:
        """Add a text that begins on a token of its own."""
        self._pieces.append(text)
        self._pieces.append(_FILL * (-len(text) % TOKEN_WIDTH))

    def prompt(self, model: str) -> Prompt:
        """End with the header of the answer, as chat templates do, and give the whole."""
        self.header("assistant")
        return Prompt(model, "".join(self._pieces))


def common_tokens(one: str, other: str) -> int:
    """How many first tokens two prompt texts share."""
    low, high = 0, min(len(one), len(other)) // TOKEN_WIDTH
    while low < high:
        middle = (low + high + 1) // 2
        if one[low * TOKEN_WIDTH : middle * TOKEN_WIDTH] == other[low * TOKEN_WIDTH : middle * TOKEN_WIDTH]:
            low = middle
        else:
            high = middle - 1
    return low
