"""One process at a time: a lock that the system gives back when its holder dies."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

__all__ = ["locked"]

if sys.platform == "win32":
    import msvcrt

    def _take(file: IO[bytes], *, wait: bool) -> None:
        while True:
            file.seek(0)
            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
            except OSError:  # LK_LOCK gives up after ten seconds
                if not wait:
                    raise BlockingIOError from None
            else:
                return

else:
    import fcntl

    def _take(file: IO[bytes], *, wait: bool) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def locked(path: Path, waiting: Callable[[], None]) -> Generator[None]:
    """Hold the lock of this file; `waiting` is called once if another process has it.

    The file stays: to remove it would let two processes hold locks of two files of one name.

    Raises:
        OSError: if the file cannot be made.
    """
    with path.open("ab") as file:
        try:
            _take(file, wait=False)
        except BlockingIOError:
            waiting()
            _take(file, wait=True)
        yield
