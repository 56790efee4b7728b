"""Bars of what became of jobs: full when all is over, and only then."""

from __future__ import annotations

from itertools import product

import pytest

from paceline_integrations.runstate import Counts
from paceline_integrations.screen._gauge import add_bar
from paceline_integrations.screen._line import Line

ENDS = ("succeeded", "failed", "cancelled", "skipped")


def bar_of(width: int, **numbers: int) -> str:
    counts, line = Counts(), Line()
    counts.by.update(numbers)
    add_bar(line, counts, width)
    return line.text


@pytest.mark.parametrize("width", [5, 10, 37])
def test_a_bar_is_full_when_all_is_over_and_only_then(width: int) -> None:
    for numbers in product((0, 1, 2, 7, 1_000), repeat=len(ENDS)):
        ended = dict(zip(ENDS, numbers, strict=True))
        done, not_done = bar_of(width, **ended), bar_of(width, **ended, waiting=1)
        assert len(done) == len(not_done) == width
        assert ("─" in done) is (not any(numbers))
        assert not_done.endswith("─")


def test_each_end_has_a_sign_of_its_own() -> None:
    told = bar_of(10, succeeded=5, failed=1, cancelled=1, suspended=1, running=1, waiting=1)
    assert told == "━━━━━▞╌?╸─"


def test_a_bar_without_room_is_none() -> None:
    assert bar_of(0, succeeded=1, waiting=1) == ""
