"""A log that is played again: events come in the distances in which they came then, or faster."""

from __future__ import annotations

import re
import time
from collections import deque
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from paceline.events import Event, UnreadableEvent, parse_event
from paceline_integrations.runstate import LogReader, NotALog, RunState

from ._sources import SLICE, Clock
from ._words import span

__all__ = ["Replay", "moment"]

_SPEEDS: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)
_AHEAD: Final = 5_000
_AT_ONCE: Final = 200
_TAIL: Final = 1 << 16


class Replay:
    """Plays a log. `speed` 2.0 is twice as fast as it was; `start` and `last` say from where, in seconds.

    `start` counts from the log's first event, `last` back from its end.

    Raises:
        NotALog: if the file is none, or there is nothing in it.
        OSError: if it cannot be read.
    """

    replays: bool = True

    def __init__(
        self,
        path: Path,
        *,
        speed: float = 1.0,
        start: float = 0.0,
        last: float | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.state: RunState = RunState()
        self.title: str = path.name
        self.paused: bool = False
        self.speed: float = speed
        self.still: bool = False
        """Whether one moment is to be drawn as it was then, and nothing is played."""
        self._path: Path = path
        self._clock: Clock = clock
        self._reader: LogReader = LogReader(path)
        self._ahead: deque[Event] = deque()
        self._read_ahead()
        if not self._ahead:
            raise NotALog(f"{path} has nothing in it yet to be replayed")
        self.begin: float = self._ahead[0].time
        self.end: float = max(self.begin, _last_time(path) or self.begin)
        self._at: float = self.begin + start if last is None else max(self.begin, self.end - last)
        self._looked: float | None = None
        self._behind: bool = True

    @property
    def now(self) -> float:
        """The moment of the run that is shown."""
        return min(self._at, max(self.end, self.state.now))

    @property
    def over(self) -> bool:
        """Whether all is played."""
        return not self._ahead and self._reader.at_end

    @property
    def nothing(self) -> str:
        """That nothing was submitted by then."""
        return "No jobs yet."

    @property
    def note(self) -> str:
        """How long nothing happens, where that is long; what is wrong with the log."""
        wait = (self._ahead[0].time - self._at) / self.speed if self._ahead else 0.0
        if wait > 10 and not (self._behind or self.still):
            return f"quiet for {span(wait)}: . skips it"
        damaged = self._reader.damaged
        return f"{damaged:,} damaged {'line' if damaged == 1 else 'lines'} passed over" if damaged else ""

    @property
    def progress(self) -> float | None:
        """How near it is to the moment that was asked for, while that takes its time."""
        if not self._behind or self._at <= self.begin:
            return None
        return min(1.0, max(0.0, (self.state.now - self.begin) / (self._at - self.begin)))

    def advance(self, budget: float) -> bool:
        """Let time pass, and take in what happened in it."""
        looked = self._clock()
        if self._looked is not None and not (self.paused or self._behind or self.over):
            self._at += (looked - self._looked) * self.speed
        self._looked = looked
        due = time.perf_counter() + budget
        while True:
            for _ in range(_AT_ONCE):
                if not self._ahead:
                    break
                if self._ahead[0].time > self._at:
                    self._behind = False
                    return False
                self.state.apply(self._ahead.popleft())
            if len(self._ahead) < _AHEAD:
                self._read_ahead()
            if self.over:
                self._behind = False
                self._at = max(self.state.now, self.begin)
                return False
            if time.perf_counter() >= due:
                return True

    def pause(self, *, wanted: bool) -> None:
        """Stop the time, or let it go on."""
        self.paused = wanted

    def faster(self, way: int) -> None:
        """Play at the next higher (1) or lower (-1) speed."""
        known = [each for each in _SPEEDS if (each > self.speed if way > 0 else each < self.speed)]
        if known:
            self.speed = known[0] if way > 0 else known[-1]

    def jump(self, seconds: float) -> None:
        """Go so far on, or back; where nothing happens in that time, to what happens next."""
        to = max(self.begin, self._at + seconds)
        if seconds > 0 and self._ahead:
            to = max(to, self._ahead[0].time)
        if seconds < 0:
            self.state = RunState()
            self._reader = LogReader(self._path)
            self._ahead.clear()
        self._at = min(to, self.end)
        self._behind = True

    def _read_ahead(self) -> None:
        while not self._ahead:
            self._ahead.extend(self._reader.read(SLICE))
            if self._reader.at_end:
                return


def moment(text: str, begin: float) -> float:
    """Read a moment of a run as a person says it: seconds from the start, or the time on the clock.

    Returns the seconds from `begin` (epoch seconds). A time before that is of the next day.

    Raises:
        ValueError: saying what is expected.
    """
    if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", text):
        first = datetime.fromtimestamp(begin).astimezone()
        hours, minutes, *rest = map(int, text.split(":"))
        try:
            said = first.replace(hour=hours, minute=minutes, second=rest[0] if rest else 0, microsecond=0)
        except ValueError:
            raise ValueError(f"{text} is no time of day") from None
        if said < first.replace(microsecond=0):
            said += timedelta(days=1)
        return max(0.0, said.timestamp() - begin)
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ValueError(
            f"expected seconds from the start (90) or a time on the clock (14:03:20), not {text!r}"
        )
    return seconds


def _last_time(path: Path) -> float | None:
    """When the last event of a log happened."""
    size = path.stat().st_size
    window = _TAIL
    while True:
        times = _times(path, max(0, size - window))
        if times or window >= size:
            return max(times, default=None)
        window *= 8


def _times(path: Path, start: int) -> list[float]:
    """The times of the whole lines that begin after `start`."""
    with path.open("rb") as file:
        file.seek(start)
        lines = file.read().split(b"\n")
    found: list[float] = []
    for line in lines[1 if start else 0 :]:
        try:
            found.append(parse_event(line).time)
        except UnreadableEvent:
            continue  # torn, empty, or damaged: the reader counts it
    return found
