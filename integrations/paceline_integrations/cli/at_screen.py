"""`paceline run --tui`: the screen over the run of a file, and the person who sits at it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console

from paceline import Engine
from paceline_integrations.screen import EngineControls, Screen

from .asked import Asked
from .asking import Person
from .interrupts import undone_in_any_case

if TYPE_CHECKING:
    from .keys import Terminal
    from .watched_run import WatchedRun

__all__ = ["AtScreen", "LaterPerson"]

_RESTORE: Final = b"\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[<u\x1b[?25h\x1b[?1049l"
"""Mouse, paste and keys as they were, the cursor shown, and the first page of the terminal again."""


class LaterPerson(Person):
    """Somebody who sees questions on the screen; at the terminal they are asked only once that is left."""

    def __init__(self, terminal: Terminal, console: Console) -> None:
        super().__init__(terminal, console)
        self._later: dict[tuple[str, str], Asked] | None = {}

    def ask(self, *several: Asked) -> None:
        """Ask, once the screen is left."""
        if self._later is None:
            super().ask(*several)
        else:
            self._later.update((asked.place, asked) for asked in several)

    def withdraw(self, asked: Asked) -> None:
        """The job does not ask any more: it was answered on the screen, perhaps."""
        if self._later is None:
            super().withdraw(asked)
        else:
            self._later.pop(asked.place, None)

    def leaves_screen(self) -> None:
        """Ask what is open, at the terminal."""
        later, self._later = self._later, None
        if later:
            super().ask(*later.values())


class _Controls(EngineControls):
    """What a person does at the screen, done to the run of a file."""

    def __init__(self, engine: Engine, screen: Screen, run: WatchedRun) -> None:
        super().__init__(engine, screen.state)
        self._run: WatchedRun = run

    async def retry(self, job_id: str) -> None:
        """Try a job of the file again: what comes of it takes the place of its result.

        Raises:
            PacelineError: if it is not one that ended without success.
        """
        await self._run.retry(job_id)


class AtScreen:
    """Shows a run until the person leaves it; `after` is what shows the rest of a run that goes on then."""

    def __init__(
        self, person: LaterPerson, after: Callable[[WatchedRun], AbstractContextManager[object]]
    ) -> None:
        self.screen: Screen = Screen()
        self.person: LaterPerson = person
        self._after: Callable[[WatchedRun], AbstractContextManager[object]] = after
        self._rest: ExitStack = ExitStack()

    @property
    def watched_run(self) -> Callable[..., WatchedRun]:
        """What makes the run that is shown, as `GroupsRun` does one that is not."""
        from .watched_run import WatchedRun

        return partial(WatchedRun, at_screen=self)

    async def show(self, run: WatchedRun, engine: Engine) -> None:
        """Show the screen until it is left. Ctrl-C there is Ctrl-C."""
        terminal = _Terminal()
        controls = _Controls(engine, self.screen, run)
        with undone_in_any_case(terminal.restore):
            left = await self.screen.run(controls, shown=terminal.keep_interrupts)
        if left == "interrupted":
            signal.raise_signal(signal.SIGINT)
            return
        if run.goes_on:
            self._rest.enter_context(self._after(run))
        self.person.leaves_screen()

    def all_done(self, *, done: bool) -> None:
        """Say on the screen whether there is nothing left to do."""
        self.screen.all_done(done=done)

    def close(self) -> None:
        """End what shows the rest of the run."""
        self._rest.close()


class _Terminal:
    """The terminal as it was before the screen."""

    def __init__(self) -> None:
        import termios

        self._input: int = sys.__stdin__.fileno() if sys.__stdin__ is not None else 0
        self._before: list[Any] = termios.tcgetattr(self._input)
        self._taken: bool = False

    def keep_interrupts(self) -> None:
        """Let Ctrl-C be a signal: it ends the run also while a job holds the loop, and so the screen."""
        import termios

        self._taken = True
        now = termios.tcgetattr(self._input)
        now[3] |= termios.ISIG
        for key in (termios.VQUIT, termios.VSUSP):
            now[6][key] = b"\0"
        termios.tcsetattr(self._input, termios.TCSANOW, now)

    def restore(self) -> None:
        """Give the terminal back, if the screen has not done so; from any thread."""
        import termios

        if self._taken:
            self._taken = False
            with suppress(termios.error, OSError):
                if termios.tcgetattr(self._input)[3] & termios.ICANON:
                    return
                termios.tcsetattr(self._input, termios.TCSANOW, self._before)
                os.write(2, _RESTORE)
