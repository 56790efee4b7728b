"""Arithmetic over what ran when, against the plain way of asking the same."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, strategies as st

from paceline._timeline import critical_path, most_at_once

TIMES = st.integers(0, 12)
SPANS = st.lists(st.tuples(TIMES, TIMES).map(lambda span: (min(span), max(span))), max_size=12)


def by_looking_at_every_moment(spans: list[tuple[int, int]]) -> int:
    """Open spans over each half moment; of those without length one at a time."""
    most = 0
    for double in range(26):
        moment = Fraction(double, 2)
        running = sum(1 for start, end in spans if start < moment < end)
        most = max(most, running + any(start == end == moment for start, end in spans))
    return most


@given(SPANS)
def test_the_width_is_the_most_at_any_moment(spans: list[tuple[int, int]]) -> None:
    assert most_at_once((float(start), float(end)) for start, end in spans) == by_looking_at_every_moment(
        spans
    )


def test_what_ends_when_another_starts_does_not_overlap_it() -> None:
    assert most_at_once([(0.0, 1.0), (1.0, 2.0), (2.0, 2.0), (2.0, 3.0)]) == 1
    assert most_at_once([(0.0, 2.0), (1.0, 1.0)]) == 2
    assert most_at_once([(1.0, 1.0), (1.0, 1.0)]) == 1
    assert most_at_once([(0.0, float("inf")), (5.0, float("inf"))]) == 2
    assert most_at_once([]) == 0


@st.composite
def graphs(draw: st.DrawFn) -> tuple[dict[str, list[str]], dict[str, float]]:
    """Tasks that each wait for some of those before them, and end in whatever order."""
    count = draw(st.integers(1, 9))
    names = [str(number) for number in range(count)]
    after = {
        name: draw(st.lists(st.sampled_from(names[:number]), unique=True)) if number else []
        for number, name in enumerate(names)
    }
    ends = draw(st.permutations([float(number) for number in range(count)]))
    # Some never ran.
    ran = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    return after, {name: end for name, end, did in zip(names, ends, ran, strict=True) if did}


def by_recursion(after: dict[str, list[str]], ended: dict[str, float]) -> list[str]:
    def back(names: list[str]) -> list[str]:
        there = [name for name in names if name in ended]
        if not there:
            return []
        last = max(there, key=ended.__getitem__)
        return [*back(after[last]), last]

    return back(list(after))


@given(graphs())
def test_the_critical_path_goes_back_by_the_latest_end(
    graph: tuple[dict[str, list[str]], dict[str, float]],
) -> None:
    after, ended = graph
    assert critical_path(after, ended) == by_recursion(after, ended)


def test_of_tasks_that_ended_at_the_same_time_the_last_one_told_counts() -> None:
    after = {"b": ["a"], "c": ["a", "b"]}
    assert critical_path(after, {"a": 1.0, "b": 1.0, "c": 1.0}) == ["a", "b", "c"]


def test_a_task_in_a_body_waits_for_what_the_body_waits_for() -> None:
    after = {"inner": ["load"], "deep": ["first"], "end": ["inner"]}
    ended = {"load": 1.0, "inner": 5.0, "first": 2.0, "deep": 4.0, "leaf": 4.0, "end": 6.0}
    body_of = {"inner": None, "first": "inner", "deep": "inner", "leaf": "deep"}
    assert critical_path(after, ended, {"inner", "deep"}, body_of) == ["load", "first", "leaf", "end"]


def test_a_task_that_waits_for_the_body_it_lies_in_or_for_itself_ends_the_path() -> None:
    assert critical_path({"a": ["in"]}, {"in": 2.0, "a": 1.0}, {"in"}, {"a": "in"}) == ["a"]
    assert critical_path({"a": ["b"], "b": ["a"]}, {"a": 1.0, "b": 2.0}) == ["a", "b"]
