"""Events of an engine in the same process: through a sink, into the screen's state."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

from paceline.events import Event
from paceline_integrations.runstate import RunState

from ._sources import Clock

__all__ = ["Live", "ScreenSink"]

_MOST: Final = 50_000
"""So many events wait while the picture is frozen or not there yet; of more, the first are taken in."""
_AT_ONCE: Final = 500


class ScreenSink:
    """What the engine is given: `Engine(..., sinks=[screen.sink])`. It asks for chunks and for waits."""

    name: str = "screen"
    wants_chunks: bool = True
    wants_waits: bool = True

    def __init__(self, live: Live) -> None:
        self._live: Live = live

    def write(self, events: Sequence[Event], /) -> None:
        """Hand events to the screen; on the sink's thread."""
        self._live.put(events)

    def close(self) -> None:
        """Do nothing: the screen shows the end of the run until the person leaves it."""


class Live:
    """The source behind a `ScreenSink`. Events wait in a queue of bounded length until they are drawn."""

    replays: bool = False
    progress: float | None = None

    def __init__(self, title: str = "", *, clock: Clock = time.time, most: int = _MOST) -> None:
        self.state: RunState = RunState()
        self.title: str = title
        self.paused: bool = False
        self.shown: bool = False
        """Whether a screen takes events from the queue."""
        self.told: str = ""
        """What the program has to say."""
        self.over: bool = False
        """Whether the program only waits for the screen to be left."""
        self.sink: ScreenSink = ScreenSink(self)
        self._most: int = most
        self._queue: deque[Event] = deque()
        self._room: threading.Condition = threading.Condition()
        self._clock: Clock = clock
        self._frozen: float = 0.0
        self._left: bool = False

    @property
    def now(self) -> float:
        """The time here, and once the run is over, that of its end."""
        state = self.state
        if self.paused:
            return self._frozen
        return state.now if state.run.ended is not None else max(state.now, self._clock())

    @property
    def nothing(self) -> str:
        """That nothing was submitted."""
        return "No jobs yet."

    @property
    def note(self) -> str:
        """How to leave, where nothing else is left to do; and what the program has to say."""
        if not self.over:
            return self.told
        how = "q leaves, r tries again" if self.state.counts.failed else "q leaves"
        return f"{how} · {self.told}" if self.told else how

    def put(self, events: Sequence[Event]) -> None:
        """Queue events; from any thread but that of the screen, which empties the queue."""
        with self._room:
            # The screen does not get round to it: the engine drops what is too much, and says so.
            while self.shown and len(self._queue) > 2 * self._most:
                self._room.wait(0.1)
            if self._left:
                return
            self._queue.extend(events)
            if not self.shown:
                while len(self._queue) > self._most:
                    self.state.apply(self._queue.popleft())

    def advance(self, budget: float) -> bool:
        """Take in what is queued; of a frozen picture, only what is too much to keep waiting."""
        kept = self._most if self.paused else 0
        due = time.perf_counter() + budget
        while len(self._queue) > kept:
            if time.perf_counter() >= due:
                return True
            with self._room:
                size = min(_AT_ONCE, len(self._queue) - kept)
                batch = [self._queue.popleft() for _ in range(size)]
                self._room.notify_all()
            self.state.apply_all(batch)
        return False

    def pause(self, *, wanted: bool) -> None:
        """Freeze the picture, or let it go on."""
        self._frozen = self.now
        self.paused = wanted

    def leave(self) -> None:
        """Nobody looks any more: what comes now is forgotten."""
        with self._room:
            self.shown, self._left = False, True
            self._queue.clear()
            self._room.notify_all()
