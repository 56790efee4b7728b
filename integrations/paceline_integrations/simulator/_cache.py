"""What a prefix cache is to the rest of the simulator. Pure: time is an argument, in seconds.

Prompts are cached, answers are not. At least the last token of a prompt is always evaluated, as in real
servers: nothing else says what the answer's first token is. As a prompt ends in the header of its answer,
this makes a difference only where the very same prompt comes again and ends with a block.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from ._caching import PLAIN, Caching
from ._tokens import Prompt

__all__ = ["Lease", "NoCache", "PrefixCache"]


class Lease(ABC):
    """One request's hold on a cache, from the start of its prefill to its end."""

    __slots__ = ("cached", "written")

    def __init__(self, cached: int, written: int = 0) -> None:
        self.cached = cached  # tokens of the prompt that need no evaluation
        self.written = written  # tokens beyond these that others can read from the first token on

    @abstractmethod
    def commit(self, now: float) -> None:
        """The first token is sent: from now on others can read what this request has computed."""

    @abstractmethod
    def close(self, now: float) -> None:
        """The request has ended, well or not. Called once, after `commit` if that was called at all."""


class PrefixCache(ABC):
    """What was computed of earlier prompts and need not be computed again."""

    @abstractmethod
    def open(self, prompt: Prompt, now: float, caching: Caching = PLAIN) -> Lease:
        """Begin a request: find, and keep in use, the longest prefix that can be read."""

    @abstractmethod
    def clear(self) -> None:
        """Forget every prompt; requests under way commit into the empty cache."""


class NoCache(PrefixCache):
    """Every token of every prompt is evaluated."""

    def open(self, prompt: Prompt, now: float, caching: Caching = PLAIN) -> Lease:  # noqa: ARG002
        """Nothing can be read."""
        return _NoLease(0)

    def clear(self) -> None:
        """Nothing to forget."""


class _NoLease(Lease):
    __slots__ = ()

    def commit(self, now: float) -> None:
        """Nothing to keep."""

    def close(self, now: float) -> None:
        """Nothing to give back."""
