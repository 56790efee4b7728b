"""The screen as a program uses it: attached to an engine of its own, or showing a log."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from paceline import Engine, PacelineError

from ._app import Left, ScreenApp
from ._controls import Controls, EngineControls
from ._kept import Kept
from ._live import Live, ScreenSink

if TYPE_CHECKING:
    from paceline_integrations.runstate import RunState

    from ._sources import Source

__all__ = ["NoTerminal", "Screen", "drawn", "show"]


class NoTerminal(PacelineError):
    """Raised when the screen is to be shown, and there is no terminal to show it on."""


class Screen:
    """What a run is doing, for the person at the terminal, while it does it.

        screen = Screen()
        async with Engine(chain, sinks=[screen.sink]) as engine, screen.watching(engine):
            await engine.submit_group("reviews", primer=..., followers=[...])

    The screen takes the terminal (standard error and input). What is printed to it meanwhile is told when the
    screen is left, the last 1,000 lines of it. It draws at most ten times a second, whatever happens in the
    run. One screen shows one run, once.
    """

    def __init__(self, title: str = "") -> None:
        self._live: Live = Live(title)
        self._app: ScreenApp | None = None
        self._closed: bool = False

    @property
    def sink(self) -> ScreenSink:
        """What the engine is given: `Engine(..., sinks=[screen.sink])`."""
        return self._live.sink

    @property
    def state(self) -> RunState:
        """What is known of the run, as far as it is drawn."""
        return self._live.state

    def tell(self, note: str) -> None:
        """Show a few words beside the run's name, instead of those that were there."""
        self._live.told = note

    def all_done(self, *, done: bool = True) -> None:
        """Say that the program only waits for the screen to be left; or, with `done=False`, not any more."""
        self._live.over = done

    async def run(
        self, controls: Controls | None = None, *, shown: Callable[[], object] | None = None
    ) -> Left:
        """Show the screen until the person leaves it, or `close` is called; say which.

        The run goes on if it is left earlier. `controls`: what the person may do to it
        (`EngineControls(engine, screen.state)`); without them the screen only shows. `shown` is called once
        the terminal is the screen's.

        Raises:
            NoTerminal: if standard error or input is no terminal.
            PacelineError: if it was shown before.
        """
        if self._app is not None:
            raise PacelineError("a Screen is shown once; make another one for another run")
        self._app = ScreenApp(self._live, controls)
        kept = Kept()

        def begin() -> None:
            kept.take()
            if shown is not None:
                shown()

        self._app.on_shown = begin
        self._live.shown = True
        try:
            return "closed" if self._closed else await show(self._app)
        finally:
            self._live.leave()
            kept.print()

    def close(self) -> None:
        """End `run`: the terminal is as it was."""
        self._closed = True
        if self._app is not None:
            self._app.close()

    @asynccontextmanager
    async def watching(self, engine: Engine) -> AsyncGenerator[Screen]:
        """Show the screen while the block runs, with the keys that act on the engine.

        Once the block is done, the screen stays with the end of the run until the person leaves it. If the
        block is left by an error, it closes at once. Ctrl-C in it is raised as KeyboardInterrupt.

        Raises:
            NoTerminal: if standard error or input is no terminal.
        """
        _check_terminal()
        there = asyncio.Event()
        shown = asyncio.ensure_future(self.run(EngineControls(engine, self.state), shown=there.set))
        host = asyncio.current_task()
        assert host is not None
        interrupt = _Interrupt(host)
        shown.add_done_callback(interrupt)
        shown.add_done_callback(lambda _: there.set())
        try:
            await there.wait()  # else what the block prints first would be lost below the screen
            yield self
            self.all_done()
        except asyncio.CancelledError:
            if interrupt.done:
                host.uncancel()
                raise KeyboardInterrupt from None
            raise
        finally:
            shown.remove_done_callback(interrupt)
            if sys.exception() is not None:
                self.close()
            left = await shown
        if left == "interrupted":
            raise KeyboardInterrupt


class _Interrupt:
    """Ends the block over which the screen stands, when Ctrl-C is pressed there."""

    def __init__(self, host: asyncio.Task[object]) -> None:
        self._host: asyncio.Task[object] = host
        self.done: bool = False

    def __call__(self, shown: asyncio.Future[Left]) -> None:
        if not shown.cancelled() and shown.exception() is None and shown.result() == "interrupted":
            self.done = True
            self._host.cancel("Ctrl-C on the screen")


async def show(app: ScreenApp) -> Left:
    """Run the application at the terminal.

    Raises:
        NoTerminal: if there is none.
        NotALog, OSError: if the log that it shows cannot be read.
    """
    _check_terminal()
    left = await app.run_async()
    if app.failure is not None:
        raise app.failure
    return left or "closed"


async def drawn(source: Source, size: tuple[int, int]) -> str:
    """Draw the screen without a terminal, as SVG: all of a log, or of a replay the moment where it begins."""
    app = ScreenApp(source, ticks=False)
    async with app.run_test(size=size) as pilot:
        while source.advance(1.0):
            pass
        app.draw()
        await pilot.pause()
        return without_fonts(app.export_screenshot())


def without_fonts(svg: str) -> str:
    """The picture without the fonts that it would fetch from somewhere: any of fixed width will do."""
    return re.sub(r"@font-face\s*\{.*?\}\s*|<!--.*?-->\s*", "", svg, flags=re.DOTALL)


def _check_terminal() -> None:
    for name, stream in (("standard input", sys.__stdin__), ("standard error", sys.__stderr__)):
        if stream is None or not stream.isatty():
            raise NoTerminal(f"the screen needs a terminal, and {name} is none")
    if os.environ.get("TERM") == "dumb":
        raise NoTerminal("the screen needs a terminal to draw on, and TERM says that this one is dumb")
