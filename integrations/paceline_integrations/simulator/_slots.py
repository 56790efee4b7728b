"""The cache per slot of llama.cpp: each place keeps the prompt it worked on last, token by token."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ._cache import Lease, PrefixCache
from ._caching import PLAIN, Caching
from ._tokens import TOKEN_WIDTH, Prompt, common_tokens

__all__ = ["SlotCache"]

# As llama.cpp's --slot-prompt-similarity: that two prompts begin with the same header is no kinship.
_LEAST_SIMILARITY = 0.1


@dataclass(slots=True, eq=False)
class _Slot:
    held: Prompt | None = None
    busy: bool = False
    used: float = float("-inf")

    def shared(self, prompt: Prompt) -> int:
        if self.held is None or self.held.model != prompt.model:
            return 0
        return common_tokens(self.held.text, prompt.text)


class SlotCache(PrefixCache):
    """One prompt per slot. A request takes the free slot that shares the longest prefix with it.

    A prefix of at most a tenth of the prompt is no reason to take a slot; then, and between equals, the one
    that was used least recently is taken. What the slot taken does share is read all the same, if it is at
    least `min_prefix` tokens. There must be a free slot: the caller lets requests wait for one.
    """

    def __init__(self, *, slots: int, min_prefix: int = 0) -> None:
        self._slots = [_Slot() for _ in range(slots)]
        self._min_prefix = min_prefix

    def open(self, prompt: Prompt, now: float, caching: Caching = PLAIN) -> Lease:  # noqa: ARG002
        """Take a slot and read what it shares with the prompt; a slot keeps its prompt whatever was wished.

        Raises:
            RuntimeError: if every slot is busy.
        """
        slot, shared = self._choose((slot for slot in self._slots if not slot.busy), prompt)
        readable = min(shared, prompt.tokens - 1)
        cached = readable if readable >= self._min_prefix else 0
        slot.busy, slot.used = True, now
        # Until the first token the slot holds only what both prompts share: the rest is being overwritten.
        slot.held = Prompt(prompt.model, prompt.text[: cached * TOKEN_WIDTH])
        return _SlotLease(slot, prompt, cached=cached, written=prompt.tokens - cached)

    def clear(self) -> None:
        """Forget the prompt of every slot."""
        for slot in self._slots:
            slot.held = None

    @staticmethod
    def _choose(free: Iterable[_Slot], prompt: Prompt) -> tuple[_Slot, int]:
        shares = [(slot, slot.shared(prompt)) for slot in free]
        if not shares:
            raise RuntimeError("every slot is busy: wait for one to close")
        least = prompt.tokens * _LEAST_SIMILARITY
        return max(shares, key=lambda share: (share[1] if share[1] > least else 0, -share[0].used))


class _SlotLease(Lease):
    __slots__ = ("_prompt", "_slot")

    def __init__(self, slot: _Slot, prompt: Prompt, *, cached: int, written: int) -> None:
        super().__init__(cached, written)
        self._slot = slot
        self._prompt = prompt

    def commit(self, now: float) -> None:  # noqa: ARG002 - the contract's argument
        self._slot.held = self._prompt

    def close(self, now: float) -> None:
        self._slot.busy, self._slot.used = False, now
