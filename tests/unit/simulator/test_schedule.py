"""The schedule of an answer, and the chunks it is streamed in."""

import pytest
from hypothesis import given, strategies as st

from paceline_integrations.simulator._schedule import Schedule


def schedule(*, prefill_rate: float = 0.0, decode_rate: float = 0.0, tokens: int = 10) -> Schedule:
    return Schedule(
        start=100.0, evaluated=500, tokens=tokens, prefill_rate=prefill_rate, decode_rate=decode_rate
    )


def test_the_first_token_comes_when_what_was_not_cached_is_read() -> None:
    assert schedule(prefill_rate=1000.0).due(1) == pytest.approx(100.5)


def test_an_answer_takes_its_prefill_and_a_step_for_each_token() -> None:
    assert schedule(prefill_rate=1000.0, decode_rate=20.0).due(11) == pytest.approx(100.5 + 10 / 20)


def test_rates_of_zero_take_no_time() -> None:
    assert schedule().due(1) == schedule().due(11) == 100.0
    assert schedule().ready(100.0) == 10


def test_slow_tokens_are_sent_one_by_one() -> None:
    slow, sent = schedule(decode_rate=20.0), 0
    chunks: list[int] = []
    while sent < 10:
        sent = slow.next_chunk(sent, slow.due(sent) if sent else 100.0)
        chunks.append(sent)
    assert chunks == list(range(1, 11))


def test_fast_tokens_are_sent_several_at_once_after_the_first() -> None:
    fast = schedule(decode_rate=10_000.0, tokens=1000)
    assert fast.next_chunk(0, 100.0) == 1
    assert fast.next_chunk(1, 100.0) == 51


def test_who_has_fallen_behind_catches_up_in_one_chunk() -> None:
    late = schedule(decode_rate=20.0, tokens=100)
    assert late.next_chunk(1, late.due(60)) == 60


@given(st.floats(0.1, 1e5), st.integers(1, 500), st.lists(st.floats(0.0, 0.05), min_size=1, max_size=20))
def test_chunks_cover_the_answer_in_order_and_never_run_ahead_of_it(
    rate: float, tokens: int, delays: list[float]
) -> None:
    made = schedule(decode_rate=rate, tokens=tokens)
    sent, now, turn = 0, 100.0, 0
    while sent < tokens:
        following = made.next_chunk(sent, now)
        assert sent < following <= tokens
        now = max(now, made.due(following))
        assert made.ready(now) >= following
        sent, turn = following, turn + 1
        now += delays[turn % len(delays)]
