"""The end of a stream, in bounded memory."""

from __future__ import annotations

from typing import Final

__all__ = ["Tail"]

_PIECES: Final = 64


class Tail:
    """The last characters of what an attempt has streamed."""

    __slots__ = ("_most", "_pieces", "_size", "cut")

    def __init__(self, most: int) -> None:
        self._most: int = most
        self._pieces: list[str] = []
        self._size: int = 0
        self.cut: int = 0
        """How many characters came before, and are gone."""

    def add(self, text: str) -> None:
        """More has come."""
        self._pieces.append(text)
        self._size += len(text)
        if len(self._pieces) >= _PIECES or self._size > 2 * self._most:
            self._join()

    @property
    def text(self) -> str:
        """What is kept."""
        self._join()
        return self._pieces[0]

    def _join(self) -> None:
        whole = "".join(self._pieces)
        over = max(0, len(whole) - self._most)
        self.cut += over
        self._pieces = [whole[over:]]
        self._size = len(whole) - over
