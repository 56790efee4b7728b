"""The timeline: which slot each attempt had."""

from __future__ import annotations

from hypothesis import given, strategies as st

from paceline.events import AttemptAbandoned

from .story import Story


def test_an_attempt_gets_the_lowest_row_that_is_free() -> None:
    story = Story()
    story.submit("a", "b", "c", "d")
    story.start("a")
    story.start("b")
    story.start("c")
    story.wait(1.0)
    story.end("b")
    story.end("a")
    story.start("d")
    rows = {bar.name: bar.row for bar in story.bars}
    assert rows == {"a": 0, "b": 1, "c": 2, "d": 0}
    assert story.state.rows == 3
    assert [(each.row, each.number) for each in story.job("d").attempts] == [(0, 1)]


def test_a_bar_tells_its_job_and_how_it_ended() -> None:
    story = Story()
    story.group("contract")
    story.start("intro", group="contract")
    story.wait(1.0)
    story.answer("intro")
    story.wait(1.0)
    story.retry("intro")
    (bar,) = story.bars
    assert (bar.name, bar.row, bar.attempt) == ("intro", 0, story.job("intro").attempt)
    told = bar.attempt
    assert (told.started, told.first_token, told.ended, told.outcome) == (1_000.0, 1_001.0, 1_002.0, "failed")


def test_a_suspended_or_abandoned_attempt_has_given_back_its_row() -> None:
    story = Story()
    story.submit("a", "b", "c")
    story.start("a")
    story.suspend("a", "1")
    story.start("b")
    story.tell(AttemptAbandoned(job="b", attempt=1, reason="timeout"))
    story.start("c")
    assert [(bar.name, bar.row, bar.attempt.ended) for bar in story.bars] == [
        ("a", 0, 1_000.0),
        ("b", 0, 1_000.0),
        ("c", 0, None),
    ]


def test_graphs_have_no_bar() -> None:
    story = Story()
    story.submit("report", role="graph")
    story.start("report")
    assert (story.state.rows, story.bars) == (0, [])


def test_only_the_bars_of_some_time_are_looked_at() -> None:
    story = Story()
    for each in range(5):
        story.submit(f"j{each}")
        story.start(f"j{each}")
        story.wait(1.0)
        story.end(f"j{each}")
        story.wait(1.0)
    story.submit("runs")
    story.start("runs")
    assert [bar.name for bar in story.state.bars_between(1_002.5, 1_004.5)] == ["j1", "j2"]
    assert [bar.name for bar in story.state.bars_between(1_009.0, 2_000.0)] == ["j4", "runs"]
    assert story.state.bars_between(0.0, 999.0) == []


def test_bars_are_found_though_the_clock_was_set_back() -> None:
    story = Story()
    for name, ended in (("a", 1_100.0), ("b", 1_050.0)):
        story.submit(name)
        story.start(name)
        story.time = ended
        story.end(name)
        story.time = 1_020.0
    assert [bar.name for bar in story.state.bars_between(1_060.0, 2_000.0)] == ["a"]
    assert [bar.name for bar in story.state.bars_between(1_000.0, 2_000.0)] == ["a", "b"]


def test_the_oldest_bars_go_first() -> None:
    story = Story(keep=1)
    for each in range(20):
        story.ran(f"j{each}")
        story.wait(1.0)
    assert [bar.name for bar in story.bars] == ["j16", "j17", "j18", "j19"]


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.floats(-1.0, 5.0)), max_size=60))
def test_no_two_bars_share_a_row_at_the_same_time(steps: list[tuple[int, bool, float]]) -> None:
    story = Story()
    number = 0
    open_jobs: list[str] = []
    for which, starts, seconds in steps:
        story.wait(seconds)
        if starts or not open_jobs:
            number += 1
            open_jobs.append(f"j{number}")
            story.submit(f"j{number}")
            story.start(f"j{number}")
        else:
            story.end(open_jobs.pop(which % len(open_jobs)))
        running = [bar for bar in story.bars if bar.attempt.ended is None]
        assert len({bar.row for bar in running}) == len(running) == len(open_jobs)
        told = [bar.attempt for bar in story.bars]
        assert all(each.ended is None or each.ended >= each.started for each in told)
    rows = [bar.row for bar in story.bars]
    assert story.state.rows == (max(rows) + 1 if rows else 0)
