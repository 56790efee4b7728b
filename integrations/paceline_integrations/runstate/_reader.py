"""Event logs as they are found: growing, torn, replaced, damaged, or no logs at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast, get_args

from pydantic_core import from_json

from paceline import PacelineError
from paceline.events import Event, UnreadableEvent, parse_event

from ._lines import LONGEST, GrowingLines
from ._state import RunState

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["EmptyLog", "LogReader", "NotALog", "load"]

_DAMAGES: Final = 5
_ENOUGH: Final = 100
"""After so many lines that are no events nobody looks for one."""
_SLICE: Final = 1 << 16
_VERSION: Final = 1
_KINDS: Final = frozenset(each.__dataclass_fields__["type"].default for each in get_args(Event))


class NotALog(PacelineError, ValueError):
    """Raised when a file is no event log of Paceline's, or one of a version that is not known here."""


class EmptyLog(NotALog):
    """Raised when nothing is in a log yet."""


class LogReader:
    """Reads an event log on, each time from where it was: for logs that are still being written.

        reader = LogReader("events.jsonl")
        state.apply_all(reader.read())

    A last line that is not finished is kept until it is. A file that was replaced, made shorter or written
    anew is read from its beginning: then `restarted` is True after that `read`. Damaged lines are passed
    over, as are those of more than 10 MB: `damaged` counts them, `damages` says of the first few what is
    wrong ("line 7: ..."). Events of types that a later Paceline may write are no damage: `unknown` counts
    them.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: Path = Path(path)
        self.damaged: int = 0
        self.damages: list[str] = []
        self.unknown: int = 0
        self.events: int = 0
        """How many events were read."""
        self._lines: GrowingLines = GrowingLines(self.path)
        self._too_long: int = 0
        self._known: bool = False
        self._refusal: str = ""
        self._damaged_before: int = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file, which happens by itself when the reader is not used any more."""
        self._lines.close()

    def read(self, most: int | None = None) -> list[Event]:
        """Return the events that are new, at most those of about `most` bytes; none if there are none yet.

        Raises:
            NotALog: if no line so far is an event that can be read.
            OSError: if the file cannot be read (FileNotFoundError: there is none yet).
        """
        lines = self._lines.read(most)
        if self._lines.restarted:
            self._known, self._refusal, self._damaged_before = False, "", self.damaged
        events: list[Event] = []
        for number, line in lines:
            try:
                events.append(parse_event(line))
            except UnreadableEvent as error:
                self._pass_over(number, line, error, events)
        self.events += len(events)
        self._look_at_long_ones()
        if events:
            self._known = True
        elif not self._known:
            self._refuse()
        return events

    def _pass_over(self, number: int, line: bytes, error: UnreadableEvent, events: list[Event]) -> None:
        line = line.strip(b"\0 \t\r")
        if not line:
            return
        kind = _other_kind(line)
        if kind is not None:
            self.unknown += 1
            self._known = True
            return
        # A file that was emptied under a writer has zeros where the lines were before.
        try:
            events.append(parse_event(line))
        except UnreadableEvent:
            self._refusal = self._refusal or _refusal(number, line, error)
            self._damage(f"line {number}: {error}")

    def _damage(self, text: str) -> None:
        self.damaged += 1
        if len(self.damages) < _DAMAGES:
            self.damages.append(text if len(text) <= 300 else f"{text[:299]}…")

    def _look_at_long_ones(self) -> None:
        over, self._too_long = self._lines.too_long - self._too_long, self._lines.too_long
        for _ in range(over):
            self._damage(f"up to line {self._lines.number}: a line of more than {LONGEST // 10**6} MB")

    def _refuse(self) -> None:
        """Say that this is no log, if what was read so far shows it."""
        damaged = self.damaged - self._damaged_before
        if not self.at_end and damaged < _ENOUGH:
            return
        begun = self._lines.begun.lstrip(b"\0 \t\r")
        if not self._refusal and begun and not begun.startswith(b"{"):
            self._refusal = "is no event log of paceline: line 1 is no JSON object"
        if not self._refusal and damaged:
            self._refusal = f"is no event log of paceline: {self.damages[-1]}"
        if self._refusal:
            raise NotALog(f"{self.path} {self._refusal}")

    @property
    def position(self) -> int:
        """How many bytes were read."""
        return self._lines.position

    @property
    def size(self) -> int:
        """How many bytes there were at the last look."""
        return self._lines.size

    @property
    def restarted(self) -> bool:
        """Whether the last `read` began at the beginning of another file, or of one written anew."""
        return self._lines.restarted

    @property
    def torn(self) -> bool:
        """Whether the last line is not finished: it is being written, or its writer was killed."""
        return bool(self._lines.begun.strip(b"\0 \t\r"))

    @property
    def at_end(self) -> bool:
        """Whether all that was there at the last look is read."""
        return self._lines.position >= self._lines.size


def load(path: str | os.PathLike[str]) -> RunState:
    """Read a whole log as it is now, and return the state at its end.

    Raises:
        NotALog: if it is no event log, or one of another version (EmptyLog: nothing is in it yet).
        OSError: if it cannot be read.
    """
    state = RunState()
    with LogReader(path) as reader:
        while True:
            state.apply_all(reader.read(_SLICE))
            if reader.at_end:
                break
        if not reader.events:
            raise EmptyLog(f"{reader.path} has no event in it yet")
    return state


def _other_kind(line: bytes) -> str | None:
    """The type of an event that only a later Paceline knows."""
    found = _fields(line)
    kind = None if found is None or found.get("v") != _VERSION else found.get("type")
    return kind if isinstance(kind, str) and kind not in _KINDS and "seq" in (found or ()) else None


def _refusal(number: int, line: bytes, error: UnreadableEvent) -> str:
    """What to say of a file that begins with this line."""
    found = _fields(line)
    if found is not None and "type" in found and "seq" in found:
        version = found.get("v")
        if isinstance(version, int) and version != _VERSION:
            return (
                f"is an event log of version {str(version)[:20]}, and this paceline reads version {_VERSION}"
                ": use the paceline that wrote it, or a newer one"
            )
        return f"is no event log of paceline: line {number} is {str(error)[:300]}"
    what = "no JSON object" if found is None else "a JSON object, but no event"
    return f"is no event log of paceline: line {number} is {what}"


def _fields(line: bytes) -> dict[str, object] | None:
    try:
        found: object = from_json(line)
    except ValueError:
        return None
    return cast("dict[str, object]", found) if isinstance(found, dict) else None
