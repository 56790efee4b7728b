"""The screen as it looks. `DRAW=1 pytest tests/unit/screen` draws the pictures anew: look at them."""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from textual.widgets import Input

from paceline_integrations.runstate import LogReader
from paceline_integrations.screen import Follow, ScreenApp
from paceline_integrations.screen._screen import without_fonts

from .screens import Notes, draw, screen_of

pytestmark = pytest.mark.anyio
Same = Callable[..., Awaitable[None]]

PICTURES = Path(__file__).with_name("pictures")
SMALL, LARGE = (80, 24), (200, 50)
PRIMERS, STUCK, END = 2.0, 21.0, 60.0
"""Moments of the run: followers wait for their primers; jobs wait for a lane and one asks; all is over."""

sizes = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "200x50"])


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def look(app: ScreenApp, size: tuple[int, int], *keys: str) -> str:
    """Press keys, and take a picture."""
    async with app.run_test(size=size) as pilot:
        await draw(pilot)
        await pilot.press(*keys)
        for field in app.screen.query(Input):
            field.cursor_blink = False
        await draw(pilot)
        # The number is made of the whole picture, and there are many of it in it.
        return re.sub(r"terminal-\d+", "terminal", without_fonts(app.export_screenshot()))


@pytest.fixture
def same(request: pytest.FixtureRequest, tmp_path: Path) -> Same:
    """Compare the screen with the picture of the test's name."""
    name = re.sub(r"\W+", "_", request.node.name.removeprefix("test_")).strip("_")
    path = PICTURES / f"{name}.svg"

    async def compare(app: ScreenApp, size: tuple[int, int], *keys: str) -> None:
        seen = await look(app, size, *keys)
        if os.environ.get("DRAW"):
            path.write_text(seen, encoding="utf-8")
        if not path.exists() or path.read_text(encoding="utf-8") != seen:
            now = tmp_path / path.name
            now.write_text(seen, encoding="utf-8")
            pytest.fail(f"the screen looks different: {path} was, {now} is; if that is meant: DRAW=1 pytest")

    return compare


@sizes
async def test_followers_wait_below_their_primers(same: Same, contracts: Path, size: tuple[int, int]) -> None:
    await same(screen_of(contracts, PRIMERS), size)


@sizes
async def test_what_is_stuck_and_why_stands_at_the_top(
    same: Same, contracts: Path, size: tuple[int, int]
) -> None:
    await same(screen_of(contracts, STUCK), size)


@sizes
async def test_jobs_wait_at_a_limit(same: Same, limited: Path, size: tuple[int, int]) -> None:
    await same(screen_of(limited, 9.0), size)


@sizes
async def test_only_failed_jobs(same: Same, contracts: Path, size: tuple[int, int]) -> None:
    await same(screen_of(contracts, END), size, "f", "down")


@sizes
async def test_details_with_attempts_and_stream(same: Same, contracts: Path, size: tuple[int, int]) -> None:
    await same(screen_of(contracts, STUCK), size, "down", "down", "down", "enter")


@sizes
async def test_a_question_is_answered(same: Same, contracts: Path, size: tuple[int, int]) -> None:
    await same(screen_of(contracts, STUCK, Notes()), size, "a", "m", "a", "y", "enter")


@sizes
async def test_cancelling_names_its_target(same: Same, contracts: Path, size: tuple[int, int]) -> None:
    await same(screen_of(contracts, STUCK, Notes()), size, "down", "down", "down", "c")


@sizes
async def test_help(same: Same, contracts: Path, size: tuple[int, int]) -> None:
    await same(screen_of(contracts, STUCK, Notes()), size, "question_mark")


@sizes
async def test_nothing_yet(
    same: Same, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    monkeypatch.chdir(tmp_path)
    source = Follow(LogReader("events.jsonl"), clock=lambda: 0.0)
    await same(ScreenApp(source, ticks=False), size)


@sizes
async def test_the_end_of_a_replay(same: Same, contracts: Path, size: tuple[int, int]) -> None:
    await same(screen_of(contracts, END), size)


@pytest.mark.parametrize("part", ["2", "3"], ids=["lanes", "timeline"])
async def test_the_other_parts_of_a_small_screen(same: Same, contracts: Path, part: str) -> None:
    await same(screen_of(contracts, STUCK), SMALL, part)


async def test_a_filter_as_it_is_typed(same: Same, contracts: Path) -> None:
    await same(screen_of(contracts, STUCK), SMALL, "/", *"acme term")
