"""Keys that come faster than what they do is done: none of them does what was not meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from paceline_integrations.screen import Left, ScreenApp
from paceline_integrations.screen._dialogs import Answer, AnswerDialog, CancelDialog
from paceline_integrations.screen._filter import Filter
from paceline_integrations.screen._tree import JobTree

from .screens import Notes, burst, draw, misfit, screen_of, until

pytestmark = pytest.mark.anyio
STUCK = 21.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def asked(pilot: Pilot[Left]) -> ScreenApp:
    """Open the dialog of the question, and see it."""
    app = await draw(pilot)
    await pilot.press("a")
    await until(pilot, lambda: isinstance(app.screen, AnswerDialog))
    await pilot.pause()
    return app


async def test_a_dialog_is_not_answered_before_it_is_seen(contracts: Path) -> None:
    notes = Notes()
    async with screen_of(contracts, STUCK, notes).run_test(size=(80, 24)) as pilot:
        app = await draw(pilot)
        await pilot.press("down", "down", "down")
        burst(pilot, "cy")
        await until(pilot, lambda: isinstance(app.screen, CancelDialog))
        await pilot.pause()
        assert isinstance(app.screen, CancelDialog)
        await pilot.press("y")
        await until(pilot, lambda: notes.done)


async def test_what_is_done_is_done_to_the_job_that_was_gone_to(contracts: Path) -> None:
    async with screen_of(contracts, STUCK, Notes()).run_test(size=(80, 24)) as pilot:
        app = await draw(pilot)
        burst(pilot, "jjjc")
        await until(pilot, lambda: isinstance(app.screen, CancelDialog))
        assert "term and renewal" in str(app.screen.query_one(Static).content)


async def test_words_of_a_filter_are_no_keys(contracts: Path) -> None:
    notes = Notes()
    async with screen_of(contracts, STUCK, notes).run_test(size=(80, 24)) as pilot:
        app = await draw(pilot)
        burst(pilot, "/acmer\nj")
        field = app.query_one(Filter)
        await until(pilot, lambda: app.query_one(JobTree).text and not field.has_class("asked"))
        assert app.query_one(JobTree).text == "acmer"
        assert not isinstance(app.screen, AnswerDialog | CancelDialog)
        assert notes.done == []


async def test_after_escape_keys_are_keys_again(contracts: Path) -> None:
    async with screen_of(contracts, STUCK).run_test(size=(80, 24)) as pilot:
        app = await draw(pilot)
        await pilot.press("/")
        burst(pilot, "acme\x1bf")
        await until(pilot, lambda: app.query_one(JobTree).failed)
        assert app.query_one(JobTree).text == ""


@pytest.mark.parametrize("bursts", [["maybe\n", "y\n"], ["maybe\ny\n"]], ids=["two", "one"])
async def test_what_is_typed_after_a_refused_answer_takes_its_place(
    contracts: Path, bursts: list[str]
) -> None:
    notes = Notes(schema=bool)
    async with screen_of(contracts, STUCK, notes).run_test(size=(80, 24)) as pilot:
        await asked(pilot)
        for each in bursts:
            burst(pilot, each)
            await pilot.pause()
        await until(pilot, lambda: notes.done)
        assert notes.done[0][3] is True


async def test_a_refused_answer_stands_there_to_be_changed(contracts: Path) -> None:
    notes = Notes(schema=str)
    notes.refuse = misfit("x", "it is too long")
    async with screen_of(contracts, STUCK, notes).run_test(size=(80, 24)) as pilot:
        app = await asked(pilot)
        await pilot.press(*"abc", "enter")
        field = app.screen.query_one(Answer)
        await until(pilot, lambda: field.value == "abc")
        notes.refuse = None
        await pilot.press("end", "d", "enter")
        await until(pilot, lambda: notes.done)
        assert notes.done[0][3] == "abcd"


async def test_what_is_typed_before_a_question_is_shown_is_no_answer_to_it(contracts: Path) -> None:
    notes = Notes(schema=str, questions=2)
    async with screen_of(contracts, STUCK, notes).run_test(size=(80, 24)) as pilot:
        app = await asked(pilot)
        burst(pilot, "one\ntwo\n")
        await until(pilot, lambda: notes.done)
        await pilot.pause()
        assert [each[2:] for each in notes.done] == [("1", "one")]
        assert isinstance(app.screen, AnswerDialog)
        assert app.screen.query_one(Answer).value == ""


async def test_controls_that_break_are_told_of_and_the_screen_goes_on(contracts: Path) -> None:
    notes = Notes(schema=str)
    notes.refuse = RuntimeError("the engine [red]is gone[/]")
    async with screen_of(contracts, STUCK, notes).run_test(size=(80, 24)) as pilot:
        app = await asked(pilot)
        await pilot.press("x", "enter")
        told = app.screen.query_one("#wrong", Static)
        await until(pilot, lambda: str(told.content))
        assert str(told.content) == "RuntimeError: the engine [red]is gone[/]"
        await pilot.press("escape", "down", "r")
        await until(pilot, lambda: list(app._notifications))
        toast = next(iter(app._notifications))
        assert toast.message == "RuntimeError: the engine [red]is gone[/]"
        assert app.is_running
