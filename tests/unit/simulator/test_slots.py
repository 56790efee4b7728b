"""The cache per slot: who gets which slot, and what is in it."""

import pytest
from hypothesis import given, strategies as st

from paceline_integrations.simulator._cache import Lease
from paceline_integrations.simulator._slots import SlotCache
from paceline_integrations.simulator._tokens import Prompt


def prompt(letters: str, model: str = "m") -> Prompt:
    return Prompt(model, "".join(letter * 4 for letter in letters))


def open_slot(cache: SlotCache, letters: str, now: float) -> Lease:
    lease = cache.open(prompt(letters), now)
    lease.commit(now)
    return lease


def run(cache: SlotCache, letters: str, now: float) -> int:
    lease = open_slot(cache, letters, now)
    lease.close(now)
    return lease.cached


def test_a_slot_gives_back_every_token_that_both_prompts_share() -> None:
    cache = SlotCache(slots=1)
    assert run(cache, "abcdefgh", 0) == 0
    assert run(cache, "abcdeXYZ", 1) == 5
    assert run(cache, "abcdefgh", 2) == 5


def test_the_last_token_is_always_evaluated() -> None:
    cache = SlotCache(slots=1)
    run(cache, "abcd", 0)
    assert run(cache, "abcd", 1) == 3


def test_the_longest_common_prefix_chooses_the_slot() -> None:
    cache = SlotCache(slots=3)
    busy = [open_slot(cache, letters, 0) for letters in ("abcd....", "abcdef..", "xyz.....")]
    for lease in busy:
        lease.close(1)
    assert run(cache, "abcdefgh", 2) == 6
    assert run(cache, "xyzw", 3) == 3


def test_without_kinship_the_least_recently_used_slot_is_taken() -> None:
    cache = SlotCache(slots=2)
    first, second = open_slot(cache, "aaaa", 0), open_slot(cache, "bbbb", 1)
    second.close(2)
    first.close(3)
    run(cache, "cccc", 4)
    assert run(cache, "aaaa", 5) == 3
    assert run(cache, "bbbb", 6) == 0


def test_a_header_in_common_is_no_kinship() -> None:
    cache = SlotCache(slots=2)
    run(cache, "<aaaaaaaaaaaaaaaaaaa", 0)
    assert run(cache, "<bbbbbbbbbbbbbbbbbbb", 1) == 0
    assert run(cache, "<aaaaaaaaaaaaaaaaaaa", 2) == 19


def test_busy_slots_are_not_read() -> None:
    cache = SlotCache(slots=2)
    lease = open_slot(cache, "aaaa", 0)
    assert run(cache, "aaaa", 1) == 0
    lease.close(2)


def test_there_must_be_a_free_slot() -> None:
    cache = SlotCache(slots=1)
    open_slot(cache, "a", 0)
    with pytest.raises(RuntimeError, match="every slot is busy"):
        cache.open(prompt("a"), 1)


def test_a_request_that_ends_before_its_first_token_leaves_what_was_shared() -> None:
    cache = SlotCache(slots=1)
    run(cache, "abcdef", 0)
    cache.open(prompt("abcxyz"), 1).close(2)
    assert run(cache, "abcdef", 3) == 3


def test_models_share_nothing() -> None:
    cache = SlotCache(slots=1)
    run(cache, "abcd", 0)
    assert cache.open(prompt("abcd", model="other"), 1).cached == 0


def test_a_prefix_below_the_smallest_is_not_read() -> None:
    cache = SlotCache(slots=1, min_prefix=4)
    run(cache, "abcdef", 0)
    assert run(cache, "abcxyz", 1) == 0


def test_clear_forgets() -> None:
    cache = SlotCache(slots=1)
    run(cache, "abcd", 0)
    cache.clear()
    assert run(cache, "abcd", 1) == 0


@given(st.lists(st.text(alphabet="ab", min_size=1, max_size=8), max_size=20), st.integers(1, 3))
def test_what_is_cached_was_the_prompt_of_an_earlier_request(prompts: list[str], slots: int) -> None:
    cache = SlotCache(slots=slots)
    seen: list[str] = []
    for now, letters in enumerate(prompts):
        cached = run(cache, letters, now)
        assert cached < len(letters)
        assert cached == 0 or any(earlier.startswith(letters[:cached]) for earlier in seen)
        seen.append(letters)


def evaluated(slots: int, order: list[str]) -> int:
    cache = SlotCache(slots=slots)
    return sum(len(letters) - run(cache, letters, now) for now, letters in enumerate(order))


def test_interleaved_groups_thrash_a_single_slot_and_consecutive_ones_do_not() -> None:
    groups = [[f"{letter * 20}{member}!" for member in "12345"] for letter in "abc"]
    consecutive = [text for group in groups for text in group]
    interleaved = [group[turn] for turn in range(5) for group in groups]
    ideal = 3 * (20 + 5 * 2)
    assert evaluated(1, consecutive) == ideal
    assert evaluated(1, interleaved) == 3 * 5 * 22
    assert evaluated(3, interleaved) == ideal
