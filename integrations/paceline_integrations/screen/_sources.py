"""Where the screen's events come from: a running engine, a log that grows, or a log that is played again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Protocol

from paceline_integrations.runstate import LogReader, RunState

__all__ = ["Clock", "Follow", "Source", "until"]

Clock = Callable[[], float]
"""What time it is, in epoch seconds."""

SLICE: Final = 1 << 18
"""So many bytes of a log are read at once: a fifth of a tenth of a second's work."""
_SILENT: Final = 600.0
"""Seconds without an event after which a log without an end is taken for one of a run that was killed."""


class Source(Protocol):
    """What the screen draws from. `state` may be replaced by another one when a log is read again."""

    state: RunState
    title: str
    paused: bool

    @property
    def now(self) -> float:
        """The moment that is shown, in epoch seconds."""
        ...

    @property
    def nothing(self) -> str:
        """What is said where there are no jobs yet."""
        ...

    @property
    def note(self) -> str:
        """What there is to say of the source itself; mostly nothing."""
        ...

    @property
    def progress(self) -> float | None:
        """Which part of a log is read (0 to 1), while that takes its time."""
        ...

    def advance(self, budget: float) -> bool:
        """Take in what has come, for at most `budget` seconds; whether there is more at once.

        Raises:
            NotALog, OSError: if a log cannot be read.
        """
        ...

    def pause(self, *, wanted: bool) -> None:
        """Freeze the picture, or let it go on."""
        ...


class Follow:
    """A log that is being written: what is there at once, then what comes. It may not be there yet.

    A paused picture leaves what is written meanwhile in the file, and reads it afterwards.
    """

    replays: bool = False

    def __init__(self, reader: LogReader, *, clock: Clock = time.time) -> None:
        self.state: RunState = RunState()
        self.title: str = reader.path.name
        self.paused: bool = False
        self._reader: LogReader = reader
        self._clock: Clock = clock
        self._frozen: float = 0.0
        self._there: bool = False
        self._caught_up: bool = False

    @property
    def now(self) -> float:
        """The time here, and once the run is over or silent, that of its last event."""
        if self.paused:
            return self._frozen
        return until(self.state, self._clock())

    @property
    def silence(self) -> float:
        """Seconds without an event of a run that has not ended; 0 where the picture stands still."""
        if self.paused or not self._caught_up or not self.state.version or self.state.run.ended is not None:
            return 0.0
        return max(0.0, self._clock() - self.state.now)

    @property
    def nothing(self) -> str:
        """Whether there is a file, and anything in it."""
        if not self._there:
            return f"Waits for {self._reader.path} to be there."
        return "No jobs yet." if self.state.version else f"Waits for the first event in {self._reader.path}."

    @property
    def note(self) -> str:
        """What is wrong with the log."""
        damaged = self._reader.damaged
        return f"{damaged:,} damaged {'line' if damaged == 1 else 'lines'} passed over" if damaged else ""

    @property
    def progress(self) -> float | None:
        """Which part of what was there at the beginning is read."""
        size = self._reader.size
        return None if self._caught_up or not size else self._reader.position / size

    def advance(self, budget: float) -> bool:
        """Read on."""
        if self.paused:
            return False
        due = time.perf_counter() + budget
        while time.perf_counter() < due:
            try:
                events = self._reader.read(SLICE)
            except FileNotFoundError:
                self._there = False
                return False
            self._there = True
            self.state.apply_all(events)
            if self._reader.at_end:
                self._caught_up = True
                return False
        return True

    def pause(self, *, wanted: bool) -> None:
        """Freeze the picture, or read on."""
        self._frozen = self.now
        self.paused = wanted


def until(state: RunState, now: float) -> float:
    """The moment to show of a run that may be over, or have been killed."""
    if state.run.ended is not None or now - state.now > _SILENT:
        return state.now
    return max(state.now, now)
