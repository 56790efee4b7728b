"""The screen as it looks: `pytest tests/unit/screen --snapshot-update` draws the pictures anew."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from paceline_integrations.runstate import LogReader
from paceline_integrations.screen import Follow, ScreenApp

from .screens import Notes, draw, screen_of

Compare = Callable[..., bool]
Before = Callable[[Pilot[Any]], Awaitable[None]]

SMALL, LARGE = (80, 24), (200, 50)
PRIMERS, STUCK, END = 2.0, 21.0, 60.0
"""Moments of the run: followers wait for their primers; jobs wait for a lane and one asks; all is over."""

sizes = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "200x50"])


def shown(*keys: str) -> Before:
    async def before(pilot: Pilot[Any]) -> None:
        await draw(pilot)
        await pilot.press(*keys)
        await draw(pilot)

    return before


@sizes
def test_followers_wait_below_their_primers(
    snap_compare: Compare, contracts: Path, size: tuple[int, int]
) -> None:
    assert snap_compare(screen_of(contracts, PRIMERS), terminal_size=size, run_before=shown())


@sizes
def test_what_is_stuck_and_why_stands_at_the_top(
    snap_compare: Compare, contracts: Path, size: tuple[int, int]
) -> None:
    assert snap_compare(screen_of(contracts, STUCK), terminal_size=size, run_before=shown())


@sizes
def test_jobs_wait_at_a_limit(snap_compare: Compare, limited: Path, size: tuple[int, int]) -> None:
    assert snap_compare(screen_of(limited, 9.0), terminal_size=size, run_before=shown())


@sizes
def test_only_failed_jobs(snap_compare: Compare, contracts: Path, size: tuple[int, int]) -> None:
    before = shown("f", "down")
    assert snap_compare(screen_of(contracts, END), terminal_size=size, run_before=before)


@sizes
def test_details_with_attempts_and_stream(
    snap_compare: Compare, contracts: Path, size: tuple[int, int]
) -> None:
    before = shown("down", "down", "down", "enter")
    assert snap_compare(screen_of(contracts, STUCK), terminal_size=size, run_before=before)


@sizes
def test_a_question_is_answered(snap_compare: Compare, contracts: Path, size: tuple[int, int]) -> None:
    before = shown("a", "m", "a", "y", "enter")
    assert snap_compare(screen_of(contracts, STUCK, Notes()), terminal_size=size, run_before=before)


@sizes
def test_cancelling_names_its_target(snap_compare: Compare, contracts: Path, size: tuple[int, int]) -> None:
    before = shown("down", "down", "down", "c")
    assert snap_compare(screen_of(contracts, STUCK, Notes()), terminal_size=size, run_before=before)


@sizes
def test_help(snap_compare: Compare, contracts: Path, size: tuple[int, int]) -> None:
    before = shown("question_mark")
    assert snap_compare(screen_of(contracts, STUCK, Notes()), terminal_size=size, run_before=before)


@sizes
def test_nothing_yet(
    snap_compare: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    monkeypatch.chdir(tmp_path)
    source = Follow(LogReader("events.jsonl"), clock=lambda: 0.0)
    assert snap_compare(ScreenApp(source, ticks=False), terminal_size=size, run_before=shown())


@sizes
def test_the_end_of_a_replay(snap_compare: Compare, contracts: Path, size: tuple[int, int]) -> None:
    assert snap_compare(screen_of(contracts, END), terminal_size=size, run_before=shown())


@pytest.mark.parametrize("part", ["2", "3"], ids=["lanes", "timeline"])
def test_the_other_parts_of_a_small_screen(snap_compare: Compare, contracts: Path, part: str) -> None:
    assert snap_compare(screen_of(contracts, STUCK), terminal_size=SMALL, run_before=shown(part))


def test_a_filter_as_it_is_typed(snap_compare: Compare, contracts: Path) -> None:
    before = shown("/", *"acme term")
    assert snap_compare(screen_of(contracts, STUCK), terminal_size=SMALL, run_before=before)
