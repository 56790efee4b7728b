"""What keys do, on the screen of a recorded run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from paceline import UnknownName
from paceline_integrations.runstate import GroupView, JobView
from paceline_integrations.screen import Left, Replay, ScreenApp
from paceline_integrations.screen._detail import Detail
from paceline_integrations.screen._dialogs import AnswerDialog, CancelDialog, HelpDialog
from paceline_integrations.screen._pane import Pane
from paceline_integrations.screen._tree import JobTree

from .screens import Notes, draw, misfit, screen_of

pytestmark = pytest.mark.anyio
STUCK, END = 21.0, 60.0
ASKING = 3
"""So many rows below the first one is a follower that runs; the next one asks."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def rows(app: ScreenApp) -> list[str]:
    """The lines of the tree that are in view."""
    tree = app.query_one(JobTree)
    return [tree.line(number, tree.room).text for number in range(tree.lines_in_all())]


def chosen(app: ScreenApp) -> str:
    node = app.query_one(JobTree).selected
    assert isinstance(node, JobView | GroupView)
    return node.name


def dialog(app: ScreenApp, kind: type[ModalScreen[Any]]) -> bool:
    """Whether such a dialog is open."""
    return isinstance(app.screen, kind)


def told(app: ScreenApp) -> list[str]:
    return [str(toast.message) for toast in app._notifications]


async def begin(pilot: Pilot[Left], *keys: str) -> ScreenApp:
    app = await draw(pilot)
    await pilot.press(*keys)
    return app


async def test_arrows_move_through_the_tree_and_the_details_follow(contracts: Path) -> None:
    async with screen_of(contracts, STUCK).run_test(size=(200, 50)) as pilot:
        app = await begin(pilot, "down", "down")
        assert chosen(app) == "parties"
        assert app.query_one(Detail).heading == "Job parties"
        await pilot.press("left")
        assert chosen(app) == "contract acme"


async def test_a_click_chooses_a_row(contracts: Path) -> None:
    async with screen_of(contracts, STUCK).run_test(size=(200, 50)) as pilot:
        app = await begin(pilot)
        await pilot.click("#jobs", offset=(10, 3))
        assert chosen(app) == "parties"


async def test_until_somebody_chooses_the_first_job_at_work_is_shown(limited: Path) -> None:
    async with screen_of(limited, 9.0).run_test(size=(80, 24)) as pilot:
        app = await begin(pilot)
        assert chosen(app) == "letter 10"
        assert isinstance(app.source, Replay)
        app.source.jump(26.0)
        await draw(pilot)
        await draw(pilot)
        tree = app.query_one(JobTree)
        assert chosen(app) == "letter 19"
        assert tree.scroll_offset.y <= tree.cursor < tree.scroll_offset.y + tree.rows
        await pilot.press("up", "down")
        app.source.jump(20.0)
        await draw(pilot)
        assert chosen(app) == "letter 19"


async def test_left_hides_what_is_below_and_enter_shows_it(contracts: Path) -> None:
    async with screen_of(contracts, STUCK).run_test(size=(80, 24)) as pilot:
        app = await begin(pilot, "left")
        assert not any("parties" in line for line in rows(app)[:2])
        await pilot.press("enter")
        assert "read the contract" in rows(app)[1]


async def test_of_many_followers_some_are_shown_and_enter_shows_all(contracts: Path) -> None:
    async with screen_of(contracts, STUCK).run_test(size=(80, 24)) as pilot:
        app = await begin(pilot)
        more = next(place for place, line in enumerate(rows(app)) if "⋯ 7 more" in line)
        await pilot.press(*["down"] * more, "enter")
        assert not any("⋯ 7 more" in line for line in rows(app))
        assert sum("├" in line or "└" in line for line in rows(app)[:14]) == 13


async def test_enter_goes_into_the_details_and_escape_back(contracts: Path) -> None:
    async with screen_of(contracts, STUCK).run_test(size=(80, 24)) as pilot:
        app = await begin(pilot, "down", "enter")
        assert app.query_one(Detail).has_focus
        assert not app.query_one(JobTree).display
        await pilot.press("escape")
        assert app.query_one(JobTree).has_focus
        assert not app.query_one(Detail).display


async def test_tab_and_numbers_go_through_the_parts(contracts: Path) -> None:
    async with screen_of(contracts, STUCK).run_test(size=(80, 24)) as pilot:
        app = await begin(pilot)
        seen: list[str | None] = []
        for key in ("tab", "tab", "tab", "tab", "shift+tab", "2", "1"):
            await pilot.press(key)
            assert app.focused is not None
            seen.append(app.focused.id)
        assert seen == ["lanes", "timeline", "detail", "jobs", "detail", "lanes", "jobs"]


async def test_a_filter_finds_words_in_name_lane_group_and_status(contracts: Path) -> None:
    async with screen_of(contracts, STUCK).run_test(size=(80, 24)) as pilot:
        app = await begin(pilot, "/", *"GLOBEX law", "enter")
        assert [line.split()[2:4] for line in rows(app)] == [["contract", "globex"], ["governing", "law"]]
        assert app.query_one(JobTree).has_focus
        assert app.query_one(JobTree).heading == "Jobs: “GLOBEX law”"
        await pilot.press("escape")
        assert len(rows(app)) > 10


async def test_escape_while_a_filter_is_typed_gives_it_up(contracts: Path) -> None:
    async with screen_of(contracts, STUCK).run_test(size=(80, 24)) as pilot:
        app = await begin(pilot, "/", *"nothing is called so")
        assert rows(app) == ["No job is like that."]
        await pilot.press("escape")
        assert len(rows(app)) > 10
        assert app.query_one("#filter", Input).value == ""


async def test_keys_are_letters_while_a_filter_is_typed(contracts: Path) -> None:
    async with screen_of(contracts, STUCK).run_test(size=(80, 24)) as pilot:
        app = await begin(pilot, "/", "q", "f", "space", "1")
        assert app.query_one(JobTree).text == "qf 1"
        assert not app.source.paused


async def test_failed_only(contracts: Path) -> None:
    async with screen_of(contracts, END).run_test(size=(80, 24)) as pilot:
        app = await begin(pilot, "f")
        assert len(rows(app)) == 2
        assert "governing law" in rows(app)[1]
        assert "ConnectionError" in rows(app)[1]
        await pilot.press("f")
        assert len(rows(app)) > 10


async def test_the_cursor_stays_on_its_job_while_rows_come_and_go(contracts: Path) -> None:
    async with screen_of(contracts, 2.0).run_test(size=(80, 24)) as pilot:
        app = await begin(pilot)
        umbrella = next(place for place, line in enumerate(rows(app)) if "umbrella" in line)
        await pilot.press(*["down"] * umbrella)
        assert chosen(app) == "contract umbrella"
        assert isinstance(app.source, Replay)
        app.source.jump(19.0)
        await draw(pilot)
        assert chosen(app) == "contract umbrella"
        assert app.query_one(JobTree).cursor != umbrella


async def test_space_pauses_and_the_header_says_so(contracts: Path) -> None:
    async with screen_of(contracts, STUCK).run_test(size=(80, 24)) as pilot:
        app = await begin(pilot, "space")
        assert app.source.paused
        assert "PAUSED" in app.export_screenshot()
        await pilot.press("space")
        assert not app.source.paused


async def test_plus_and_minus_change_the_speed(contracts: Path) -> None:
    async with screen_of(contracts, STUCK).run_test(size=(80, 24)) as pilot:
        app = await begin(pilot, "+", "+", "-", "=")
        assert isinstance(app.source, Replay)
        assert app.source.speed == 4.0


async def test_commas_and_full_stops_go_through_the_time(contracts: Path) -> None:
    async with screen_of(contracts, STUCK).run_test(size=(80, 24)) as pilot:
        app = await begin(pilot, ",")
        await draw(pilot)
        assert app.picture.now - app.picture.begin == pytest.approx(11.0)
        assert app.source.state.counts.succeeded < 10
        await pilot.press(".")
        await draw(pilot)
        assert app.source.state.counts.succeeded == 18


async def test_help_names_the_keys_that_there_are(contracts: Path) -> None:
    async with screen_of(contracts, STUCK).run_test(size=(80, 24)) as pilot:
        app = await begin(pilot, "question_mark")
        assert dialog(app, HelpDialog)
        text = str(app.screen.query_one(Static).content)
        assert "faster, slower" in text
        assert "cancel a job" not in text
        await pilot.press("f", "tab", "escape")
        assert not dialog(app, HelpDialog)
        assert not app.query_one(JobTree).failed


@pytest.mark.parametrize(("key", "how"), [("q", "quit"), ("ctrl+q", "quit"), ("ctrl+c", "interrupted")])
async def test_leaving_says_how(contracts: Path, key: str, how: str) -> None:
    app = screen_of(contracts, STUCK)
    async with app.run_test(size=(80, 24)) as pilot:
        await begin(pilot, key)
    assert app.return_value == how


async def test_without_an_engine_nothing_can_be_done_to_jobs(contracts: Path) -> None:
    async with screen_of(contracts, STUCK).run_test(size=(80, 24)) as pilot:
        app = await begin(pilot, "down", "c", "r", "a")
        assert len(told(app)) == 3
        assert all("the engine has to be in this process" in text for text in told(app))


async def test_cancelling_is_asked_and_names_the_job(contracts: Path) -> None:
    notes = Notes()
    async with screen_of(contracts, STUCK, notes).run_test(size=(80, 24)) as pilot:
        app = await begin(pilot, *["down"] * ASKING, "c")
        assert dialog(app, CancelDialog)
        assert "term and renewal" in str(app.screen.query_one(Static).content)
        await pilot.press("n")
        assert notes.done == []
        await pilot.press("c", "y")
        await pilot.pause()
        job = app.query_one(JobTree).selected
        assert isinstance(job, JobView)
        assert notes.done == [("cancel", job.id)]


async def test_a_group_and_a_job_that_has_ended_are_not_cancelled(contracts: Path) -> None:
    async with screen_of(contracts, STUCK, Notes()).run_test(size=(80, 24)) as pilot:
        app = await begin(pilot, "c", "down", "c")
        assert told(app) == [
            "Choose the job to cancel with the arrows.",
            "read the contract has ended already: it is succeeded.",
        ]


async def test_what_the_engine_refuses_is_told(contracts: Path) -> None:
    notes = Notes()
    notes.refuse = UnknownName("unfinished job", "[red]x[/]", ())
    async with screen_of(contracts, STUCK, notes).run_test(size=(80, 24)) as pilot:
        app = await begin(pilot, "down", "r")
        await pilot.pause()
        assert "there is no unfinished job named '[red]x[/]'" in told(app)[0]


async def test_the_oldest_question_is_answered_wherever_the_cursor_is(contracts: Path) -> None:
    notes = Notes()
    async with screen_of(contracts, STUCK, notes).run_test(size=(80, 24)) as pilot:
        app = await begin(pilot, "a")
        assert dialog(app, AnswerDialog)
        await pilot.press("y", "enter")
        await pilot.pause()
        assert not dialog(app, AnswerDialog)
        asking = next(iter(app.source.state.asking))
        assert notes.done == [("answer", asking, "1", True)]


async def test_an_answer_that_does_not_fit_is_refused_and_the_question_stays(contracts: Path) -> None:
    notes = Notes(schema=None)
    notes.refuse = misfit("x", "it is too long")
    async with screen_of(contracts, STUCK, notes).run_test(size=(80, 24)) as pilot:
        app = await begin(pilot, "a", *"yes", "enter")
        await pilot.pause()
        assert dialog(app, AnswerDialog)
        assert str(app.screen.query_one("#wrong", Static).content) == "it is too long"
        notes.refuse = None
        await pilot.press("enter")
        await pilot.pause()
        assert not dialog(app, AnswerDialog)
        assert notes.done[0][3] == "yes"


async def test_several_questions_are_asked_one_after_another(contracts: Path) -> None:
    notes = Notes(questions=2)
    async with screen_of(contracts, STUCK, notes).run_test(size=(80, 24)) as pilot:
        app = await begin(pilot, "a", "y", "enter")
        await pilot.pause()
        assert dialog(app, AnswerDialog)
        await pilot.press("n", "enter")
        await pilot.pause()
        assert not dialog(app, AnswerDialog)
        assert [each[2:] for each in notes.done] == [("1", True), ("2", False)]


async def test_a_question_may_be_left_open(contracts: Path) -> None:
    notes = Notes()
    async with screen_of(contracts, STUCK, notes).run_test(size=(80, 24)) as pilot:
        app = await begin(pilot, "a", "escape")
        assert not dialog(app, AnswerDialog)
        assert notes.done == []


async def test_all_parts_are_shown_where_there_is_room(contracts: Path) -> None:
    async with screen_of(contracts, STUCK).run_test(size=(80, 24)) as pilot:
        app = await begin(pilot)
        assert [pane.id for pane in app.query(Pane) if pane.display and pane.size.height] == ["jobs"]
        await pilot.resize_terminal(200, 50)
        await draw(pilot)
        assert len([pane for pane in app.query(Pane) if pane.display and pane.size.height]) == 4


@pytest.mark.parametrize("key", ["question_mark", "a", "c"])
async def test_a_terminal_of_another_size_is_filled_though_a_dialog_is_open(
    contracts: Path, key: str
) -> None:
    async with screen_of(contracts, STUCK, Notes()).run_test(size=(200, 50)) as pilot:
        app = await begin(pilot, "down", "down", "down", key)
        for size in ((20, 5), (4, 2), (80, 24)):
            await pilot.resize_terminal(*size)
            await draw(pilot)
        await pilot.press("escape")
        await draw(pilot)
        below = app.screen_stack[0]
        assert not any(map(below.has_class, ("wide", "wider", "low")))
        assert app.query_one("#jobs", Pane).size.height == 16


async def test_a_job_may_be_gone_while_its_dialog_is_open(contracts: Path) -> None:
    notes = Notes()
    async with screen_of(contracts, STUCK, notes).run_test(size=(80, 24)) as pilot:
        app = await begin(pilot, "down", "down", "down", "c")
        assert isinstance(app.source, Replay)
        app.source.jump(-STUCK)
        await draw(pilot)
        notes.refuse = UnknownName("unfinished job", "x", ())
        await pilot.press("y")
        await pilot.pause()
        assert "there is no unfinished job" in told(app)[0]


async def test_the_timeline_is_zoomed(contracts: Path) -> None:
    async with screen_of(contracts, STUCK).run_test(size=(80, 24)) as pilot:
        app = await begin(pilot, "3", "right_square_bracket")
        part = app.query_one("#timeline", Pane)
        assert part.heading.startswith("Timeline: 20 s")
        await pilot.press("right_square_bracket", "left_square_bracket", "left_square_bracket")
        assert part.heading.startswith("Timeline: 30 s")
