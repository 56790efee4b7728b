"""Results as JSON lines: appended as they come, put in input order at the end."""

from __future__ import annotations

import os
import stat
import tempfile
from array import array
from collections.abc import Callable
from io import FileIO
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, final

from paceline import JobResult, TaskReport

from ._errors import CommandError

__all__ = [
    "ResultsFile",
    "ResultsStream",
    "ResultsWriter",
    "is_regular",
    "refuse_existing",
    "unwritable",
    "write",
]

_FIELDS = {"group", "role", "index", "name", "status", "output", "error", "usage", "attempts"}

_SAID_ONCE: Any = {"attempts": {"__all__": {"error": {"traceback"}}}}
"""The last attempt's is the job's own."""


def _line(result: JobResult) -> bytes:
    # Who asks is answered by key.
    fields = _FIELDS | {"questions", "key"} if result.questions else _FIELDS
    report = TaskReport.of(result)
    text = report.model_dump_json(include=fields, exclude=_SAID_ONCE, by_alias=True)
    return text.encode("utf-8", "replace") + b"\n"


class ResultsWriter(Protocol):
    """Where results go."""

    def add(self, place: int, result: JobResult) -> None:
        """Write a result; `place` is its job's number in the input, from 0. It replaces one of before."""
        ...

    def finish(self) -> None:
        """Do what is to be done when no more come."""
        ...


@final
class ResultsStream:
    """Writes results to a stream as they come; once written, a line is neither moved nor taken back."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def add(self, place: int, result: JobResult) -> None:  # noqa: ARG002
        """Write a result.

        Raises:
            CommandError: without a word, if nobody reads any more (`| head`).
        """
        try:
            self._write(_line(result).decode())
        except BrokenPipeError as error:
            raise CommandError(code=1) from error

    def finish(self) -> None:
        """Do nothing: every line is out."""


@final
class ResultsFile:
    """A file of results: `with ResultsFile(path, jobs=n, overwrite=False) as results`.

    A line is in the file when `add` returns, whatever becomes of the process. `finish` brings the lines into
    the order of the input: in a temporary file beside it, which then takes its place in one step.

    Raises:
        CommandError: if it exists and is not to be replaced, or cannot be written.
    """

    def __init__(self, path: Path, *, jobs: int, overwrite: bool) -> None:
        self._path = path
        if not overwrite:
            refuse_existing("--out", path)
        try:
            self._file = FileIO(path, "w+" if overwrite else "x+") if is_regular(path) else FileIO(path, "w")
        except OSError as error:
            raise unwritable(path, error) from error
        self._offsets = array("q", [-1]) * jobs if is_regular(path) else None
        self._end = 0
        self._replaced = False

    def add(self, place: int, result: JobResult) -> None:
        """Write a result; that of before, if there was one, is in the file until `finish`."""
        line = _line(result)
        write(self._file, self._path, line)
        if self._offsets is not None:
            self._replaced |= self._offsets[place] >= 0
            self._offsets[place] = self._end
            self._end += len(line)

    def finish(self) -> None:
        """Put the lines in input order."""
        if self._offsets is None:
            return
        try:
            os.fsync(self._file.fileno())
            found = [offset for offset in self._offsets if offset >= 0]
            if self._replaced or any(later < earlier for earlier, later in pairwise(found)):
                self._rewrite(found)
        except OSError as error:
            raise CommandError(
                f"{self._path}: all results are in it, but not in input order: {error.strerror}", code=1
            ) from error

    def _rewrite(self, offsets: list[int]) -> None:
        path = self._path.resolve()  # where the name is a link, what it points to is replaced
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        ordered = Path(name)
        try:
            with os.fdopen(handle, "wb") as target, path.open("rb") as source:
                for offset in offsets:
                    source.seek(offset)
                    target.write(source.readline())
                target.flush()
                os.fchmod(target.fileno(), stat.S_IMODE(os.fstat(self._file.fileno()).st_mode))
                os.fsync(target.fileno())
            ordered.replace(path)
        except BaseException:
            ordered.unlink(missing_ok=True)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def refuse_existing(flag: str, path: Path) -> None:
    """Raise if a file is there that would be replaced."""
    if is_regular(path) and path.exists():
        raise CommandError(f"{flag} {path}: the file exists; give --overwrite to replace it")


def is_regular(path: Path) -> bool:
    """Whether it is a file, or may become one: not /dev/null, not a pipe."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True


def write(file: FileIO, path: Path, line: bytes) -> None:
    """Write a line to a file that is not buffered: it is with the system then, and outlives this process.

    Raises:
        CommandError: if it cannot be written.
    """
    left = memoryview(line)
    try:
        while left:
            left = left[file.write(left) or 0 :]
    except OSError as error:
        raise unwritable(path, error, code=1) from error


def unwritable(path: Path, error: OSError, code: int = 2) -> CommandError:
    """Say of a file why nothing can be written to it."""
    gone = isinstance(error, FileNotFoundError) and not path.parent.is_dir()
    why = f"the folder {path.parent} does not exist" if gone else error.strerror
    return CommandError(f"{path}: cannot be written: {why}", code=code)
