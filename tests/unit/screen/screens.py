"""Screens that stand still: of a log at one moment, with controls that only take notes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from textual.events import Key
from textual.pilot import Pilot

from paceline import Question, ReplyRefused
from paceline_integrations.screen import Left, Replay, ScreenApp

__all__ = ["Notes", "at", "burst", "draw", "screen_of", "until"]


class Notes:
    """Controls of nothing: they note what was wanted, and refuse what they are told to."""

    def __init__(self, *, schema: Any = bool, questions: int = 1) -> None:
        self.done: list[tuple[object, ...]] = []
        self.refuse: Exception | None = None
        self._schema: Any = schema
        self._count: int = questions

    async def cancel(self, job_id: str) -> None:
        self._do("cancel", job_id)

    async def retry(self, job_id: str) -> None:
        self._do("retry", job_id)

    async def answer(self, job_id: str, question_id: str, value: Any) -> None:
        self._do("answer", job_id, question_id, value)

    def questions(self, job_id: str) -> Sequence[Question]:
        asked = "The cap is ten times the usual one. Is that agreed?"
        return tuple(Question(str(place), asked, self._schema) for place in range(1, self._count + 1))

    def _do(self, *what: object) -> None:
        if self.refuse is not None:
            raise self.refuse
        self.done.append(what)


def misfit(job_id: str, text: str) -> ReplyRefused:
    return ReplyRefused(job_id, f"the answer does not fit: {text}", text)


def at(path: Path, seconds: float) -> Replay:
    """A log at one moment: its time stands still, and so does the clock on the wall."""
    source = Replay(path, start=seconds, clock=lambda: 0.0)
    while source.advance(1.0):
        pass
    return source


def screen_of(path: Path, seconds: float, controls: Notes | None = None) -> ScreenApp:
    """The screen of a log at one moment."""
    return ScreenApp(at(path, seconds), controls, ticks=False)


async def draw(pilot: Pilot[Left]) -> ScreenApp:
    """Take in what there is, draw it, and wait until it is shown."""
    app = pilot.app
    assert isinstance(app, ScreenApp)
    while app.source.advance(1.0):
        pass
    app.draw()
    await pilot.pause()
    return app


def burst(pilot: Pilot[Left], text: str) -> None:
    """Press keys faster than what they do is done, as a slow line or a paste brings them."""
    for sign in text:
        key = {"\n": "enter", "\x1b": "escape", "/": "slash"}.get(sign, sign)
        pilot.app.post_message(Key(key, sign))


async def until(pilot: Pilot[Left], true: Callable[[], object]) -> None:
    """Wait for what comes of keys; it has to come."""
    async with asyncio.timeout(20):
        while not true():
            await pilot.pause()
