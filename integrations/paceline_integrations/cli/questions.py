"""`--questions FILE`: questions that found no answer in a run, as lines that `--answers` takes back."""

from __future__ import annotations

import json
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self, final

from .asked import Asked
from .results import is_regular, unwritable, write

__all__ = ["QuestionsFile"]


@final
class QuestionsFile:
    """A file of questions, one a line, in it as soon as it is known that nobody answers: `with ... as file`.

    Put `"answer": ...` into a line and give the file to `--answers`. An empty file: nothing was left open.

    Raises:
        CommandError: if it cannot be written.
    """

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        self._path = path
        try:
            self._file = FileIO(path, "w" if overwrite or not is_regular(path) else "x")
        except OSError as error:
            raise unwritable(path, error) from error

    def add(self, asked: Asked) -> None:
        """Write a question."""
        text = json.dumps(asked.data(), ensure_ascii=False)
        write(self._file, self._path, text.encode("utf-8", "replace") + b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
