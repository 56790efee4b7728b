"""Lines of a file that grows, is torn, or is replaced, in bounded memory."""

from __future__ import annotations

import errno
import os
import stat
import weakref
from pathlib import Path
from typing import Final

__all__ = ["GrowingLines"]

LONGEST: Final = 10_000_000
"""A longer line is passed over: in bytes."""
_PIECE: Final = 1 << 20
_HEAD: Final = 256


class GrowingLines:
    """Reads whole lines, each time on from where it was.

    A file that was renamed is read to its end; then the one that has its name now is begun with. One that was
    made shorter, or written anew, is read from its beginning.
    """

    def __init__(self, path: Path) -> None:
        self.path: Path = path
        self.position: int = 0
        self.size: int = 0
        self.restarted: bool = False
        self.number: int = 0
        """The number of the last line that was read, from 1."""
        self.too_long: int = 0
        """How many lines were longer than any should be."""
        self._file: int | None = None
        self._close: weakref.finalize[[int], GrowingLines] | None = None
        self._head: bytes = b""
        self._rest: list[bytes] = []
        self._held: int = 0
        self._skips: bool = False

    @property
    def begun(self) -> bytes:
        """The first bytes of a last line that is not finished."""
        return self._rest[0][:_HEAD] if self._rest else b""

    def close(self) -> None:
        """Let go of the file."""
        if self._close is not None:
            self._close()
            self._close = None
        self._file = None

    def read(self, most: int | None) -> list[tuple[int, bytes]]:
        """Return the lines that are new, with their numbers, in about so many bytes.

        Raises:
            OSError: if the file cannot be read, or is not there yet.
        """
        self.restarted = False
        found: list[tuple[int, bytes]] = []
        left = most
        while left is None or left > 0:
            data = self._more(_PIECE if left is None else min(_PIECE, left))
            if not data:
                break
            if left is not None:
                left -= len(data)
            self._split(data, found)
        return found

    def _more(self, most: int) -> bytes:
        if self._file is None:
            self._open()
        assert self._file is not None
        if self._is_new():
            self._begin()
        data = self._at(self.position, most)
        if not data and self._was_replaced():
            self.close()
            self._open()
            self._begin()
            data = self._at(self.position, most)
        if len(self._head) < _HEAD and self.position == len(self._head):
            self._head += data[: _HEAD - len(self._head)]
        self.position += len(data)
        self.size = max(self.size, self.position)
        return data

    def _at(self, position: int, most: int) -> bytes:
        assert self._file is not None
        os.lseek(self._file, position, os.SEEK_SET)
        return os.read(self._file, most)

    def _open(self) -> None:
        # A pipe would be waited for, and can be read but once.
        if not stat.S_ISREG(mode := os.stat(self.path).st_mode) and not stat.S_ISDIR(mode):  # noqa: PTH116
            raise OSError(errno.ESPIPE, "it is a pipe or a device, not a file", str(self.path))
        self._file = os.open(self.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._close = weakref.finalize(self, os.close, self._file)

    def _begin(self) -> None:
        """Begin at the first line again."""
        self.restarted = True
        self.position = self.number = self._held = 0
        self._head, self._rest, self._skips = b"", [], False

    def _is_new(self) -> bool:
        """Whether something else stands in the open file than what was read."""
        assert self._file is not None
        self.size = os.fstat(self._file).st_size
        if self.size < self.position:
            return True
        return bool(self._head) and self._at(0, len(self._head)) != self._head

    def _was_replaced(self) -> bool:
        """Whether the name belongs to another file now."""
        assert self._file is not None
        try:
            now = os.stat(self.path)  # noqa: PTH116 - beside fstat
        except FileNotFoundError:
            return False  # renamed, and no other is there yet
        return not os.path.samestat(now, os.fstat(self._file))

    def _split(self, data: bytes, found: list[tuple[int, bytes]]) -> None:
        first, *others = data.split(b"\n")
        self._hold(first)
        if others:
            self._finish(found)
            last = others.pop()
            found += [(place, line) for place, line in enumerate(others, self.number + 1) if line]
            self.number += len(others)
            self._hold(last)

    def _hold(self, part: bytes) -> None:
        if part and not self._skips:
            self._rest.append(part)
            self._held += len(part)
            if self._held > LONGEST:
                self._rest, self._skips = [], True

    def _finish(self, found: list[tuple[int, bytes]]) -> None:
        """The line is whole."""
        self.number += 1
        if self._skips:
            self.too_long += 1
        elif self._rest:
            found.append((self.number, b"".join(self._rest)))
        self._rest, self._held, self._skips = [], 0, False
