"""Texts of jobs that would steer the terminal, or the screen's own markup: they are shown, and do nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from textual.widgets import Static

from paceline import Engine, Job, JobContext, JsonlSink, MemorySink, PacelineError, Suspend
from paceline.testing import VirtualClock
from paceline_integrations.screen import EngineControls, ScreenApp
from paceline_integrations.screen._line import Line, clipped
from paceline_integrations.screen._live import Live
from paceline_integrations.screen._pane import Pane
from paceline_integrations.screen._tree import JobTree

from .screens import Notes, draw

pytestmark = pytest.mark.anyio
EVIL = [
    "\x1b[2J\x1b]0;owned\x07",
    "[red]markup[/red] [link=file:///etc/passwd]x[/link] [@click=app.quit]quit[/]",
    "[/not closed",
    "lone \ud800 surrogate",
    "wide 漢字漢字漢字 👩‍👩‍👧",
    "bidi \u202eevil\u202c \u2066x\u2069",
    "line\nbreak\r\n\ttab \x85 \u2028",
    "\x9b31m c1",
    "\x00\x01\x7f",
    "x" * 100_000,
]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Echo:
    async def execute(self, job: Job, ctx: JobContext) -> object:
        ctx.progress(job.payload, 0.5)
        ctx.emit(job.payload)
        if job.role == "follower":
            return Suspend(job.payload)
        raise ValueError(job.payload)


@pytest.fixture(scope="module")
def live() -> Live:
    """A run in which every text is one of these."""
    sink = MemorySink(chunks=True)

    async def run() -> None:
        async with Engine({"\x1b[31mecho": Echo()}, sinks=[sink], run_id="\x1b]0;run\x07") as engine:
            for place, text in enumerate(EVIL):
                name = f"{place} {text}"[:5_000]
                await engine.submit(text, name=name, metadata={name[:50]: text})
                await engine.submit_group(name, followers=[text], metadata={"tenant": text})

    VirtualClock().run(run)
    source = Live("\x1b[31mtitle [red]")
    source.put(sink.events)
    return source


def shown(app: ScreenApp) -> str:
    """All that is sent to the terminal as text."""
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


def assert_tame(text: str) -> None:
    wild = {sign for sign in text if not sign.isprintable() and sign not in "\n\u200d"}
    assert not wild


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_nothing_that_steers_a_terminal_reaches_it(live: Live, size: tuple[int, int]) -> None:
    app = ScreenApp(live, Notes(schema=str), ticks=False)
    async with app.run_test(size=size) as pilot:
        await draw(pilot)
        tree = app.query_one(JobTree)
        assert live.state.counts.total == 2 * len(EVIL)
        for _ in range(tree.lines_in_all()):
            assert_tame(shown(app))
            await pilot.press("enter", "escape", "down")
        for keys in (["3"], ["2"], ["c"], ["n", "r"], ["/", "["], ["enter"]):
            await pilot.press(*keys)
            await draw(pilot)
            assert_tame(shown(app))


async def test_markup_in_texts_is_shown_as_it_is(live: Live) -> None:
    app = ScreenApp(live, Notes(), ticks=False)
    async with app.run_test(size=(200, 50)) as pilot:
        await draw(pilot)
        tree = app.query_one(JobTree)
        while "[red]" not in (tree.selected.name if tree.selected else ""):
            await pilot.press("down")
        assert "[red]markup[/red]" in shown(app)
        assert app.query_one("#detail", Pane).heading.startswith("Job 1 [red]markup[/red]")


async def test_markup_in_what_the_engine_refuses_is_shown_as_it_is(live: Live) -> None:
    notes = Notes()
    notes.refuse = PacelineError("no: [red]x[/]")
    app = ScreenApp(live, notes, ticks=False)
    async with app.run_test(size=(200, 50), notifications=True) as pilot:
        await draw(pilot)
        await pilot.press("home", "r")
        async with asyncio.timeout(20):
            while "no: " not in shown(app):
                await pilot.pause()
        assert "no: [red]x[/]" in shown(app)


async def test_a_hostile_question_is_only_read(live: Live) -> None:
    from paceline import Question

    class Asks(Notes):
        def questions(self, job_id: str) -> tuple[Question, ...]:
            return tuple(Question(str(place), text, None) for place, text in enumerate(EVIL))

    notes = Asks()
    app = ScreenApp(live, notes, ticks=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await draw(pilot)
        await pilot.press("a")
        for text in EVIL:
            await pilot.pause()
            assert_tame(shown(app))
            if "markup" in text:
                assert "[red]markup[/red]" in str(app.screen.query_one("#question", Static).content)
            await pilot.press("x", "enter")
        await pilot.pause()
        assert len(notes.done) == len(EVIL)


class Nasty:
    """Cannot even be printed."""

    def __repr__(self) -> str:
        raise RuntimeError("this cannot be printed")

    __str__ = __repr__


class Asks:
    async def execute(self, job: Job, ctx: JobContext) -> object:
        return Suspend(job.payload) if job.reply is None else job.payload


async def test_objects_that_cannot_be_printed_are_named() -> None:
    live = Live()
    async with Engine(Asks(), sinks=[live.sink]) as engine:
        circle: list[object] = []
        circle.append(circle)
        for payload in (Nasty(), [Nasty()], circle, {1: Nasty(), (2,): b"\x1b"}):
            handle = await engine.submit(payload, metadata={"x": Nasty()})
        await handle.wait()
        notes = EngineControls(engine, live.state)
        app = ScreenApp(live, notes, ticks=False)
        async with app.run_test(size=(200, 50)) as pilot:
            async with asyncio.timeout(20):
                while len(live.state.asking) < 4:
                    await draw(pilot)
            await draw(pilot)
            await pilot.press("home")
            for _ in range(4):
                assert "Nasty: cannot be shown, RuntimeError" in shown(app)
                await pilot.press("a")
                await draw(pilot)
                await pilot.press(*"yes", "enter")
                await draw(pilot)
                await pilot.press("down")
        handle.cancel()


def test_wide_characters_take_two_columns() -> None:
    assert clipped("漢字漢字", 5) == "漢字…"
    line = Line().cell("漢字漢字", 5).add("|")
    assert line.width == 6
    assert Line().add("漢" * 50).strip(11).cell_length == 11


def test_a_log_with_hostile_texts_is_drawn(tmp_path: Path) -> None:
    """As it comes back from a file: lone surrogates do not survive that, the rest does."""
    from paceline_integrations.screen import Replay

    path = tmp_path / "evil.jsonl"

    async def run() -> None:
        sinks = [JsonlSink(path, content="full", chunks=True)]
        async with Engine(Echo(), sinks=sinks) as engine:
            for text in EVIL:
                await engine.submit(text, name=text[:5_000])

    VirtualClock().run(run)
    source = Replay(path, start=1e6, clock=lambda: 0.0)
    while source.advance(1.0):
        pass
    assert source.state.counts.failed == len(EVIL)
