"""The shared cache: whole blocks, readable from the first token on, gone by time or for room."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, strategies as st

from paceline_integrations.simulator._blocks import SharedCache
from paceline_integrations.simulator._cache import Lease
from paceline_integrations.simulator._caching import Caching
from paceline_integrations.simulator._tokens import Prompt


def prompt(letters: str, model: str = "m") -> Prompt:
    """A prompt with one token a letter."""
    return Prompt(model, "".join(letter * 4 for letter in letters))


def run(cache: SharedCache, letters: str, now: float = 0.0) -> int:
    """Answer a whole request at once; how many tokens were cached."""
    lease = cache.open(prompt(letters), now)
    lease.commit(now)
    lease.close(now)
    return lease.cached


def test_whole_blocks_of_a_shared_prefix_are_read() -> None:
    cache = SharedCache(block=4)
    assert run(cache, "aaaabbbbcc") == 0
    assert run(cache, "aaaabbbbdd") == 8
    assert run(cache, "aaaabbbxdd") == 4
    assert run(cache, "xaaabbbbdd") == 0


def test_nothing_is_readable_before_the_first_token() -> None:
    cache = SharedCache(block=4)
    first = cache.open(prompt("aaaabbbbc"), 0.0)
    assert cache.open(prompt("aaaabbbbc"), 1.0).cached == 0
    first.commit(2.0)
    assert cache.open(prompt("aaaabbbbc"), 3.0).cached == 8


def test_a_request_that_ends_before_its_first_token_leaves_nothing() -> None:
    cache = SharedCache(block=4)
    cache.open(prompt("aaaabbbbc"), 0.0).close(1.0)
    assert len(cache) == 0


def test_the_last_token_is_always_evaluated() -> None:
    cache = SharedCache(block=4)
    run(cache, "aaaabbbb")
    assert run(cache, "aaaabbbb") == 4
    assert run(cache, "aaaabbbbc") == 8


def test_models_share_nothing() -> None:
    cache = SharedCache(block=4)
    run(cache, "aaaabbbbc")
    assert cache.open(prompt("aaaabbbbc", model="other"), 0.0).cached == 0


def test_a_prefix_below_the_smallest_is_neither_written_nor_read() -> None:
    cache = SharedCache(block=4, min_prefix=8)
    assert run(cache, "aaaabbb") == 0
    assert len(cache) == 0
    run(cache, "aaaabbbbcccc")
    assert run(cache, "aaaaxxxxxxxx") == 0
    assert run(cache, "aaaabbbbxxxx") == 8


def test_the_time_to_live_counts_from_the_start_of_the_request_that_wrote() -> None:
    cache = SharedCache(block=4, ttl=10.0)
    slow = cache.open(prompt("aaaac"), 0.0)
    slow.commit(6.0)
    assert cache.open(prompt("aaaad"), 9.9).cached == 4
    other = SharedCache(block=4, ttl=10.0)
    slow = other.open(prompt("aaaac"), 0.0)
    slow.commit(6.0)
    assert other.open(prompt("aaaad"), 10.0).cached == 0


def test_reading_begins_the_time_to_live_anew() -> None:
    cache = SharedCache(block=4, ttl=10.0)
    run(cache, "aaaac", 0.0)
    assert cache.open(prompt("aaaad"), 9.0).cached == 4
    assert cache.open(prompt("aaaad"), 18.0).cached == 4
    assert cache.open(prompt("aaaad"), 28.0).cached == 0


def test_without_a_time_to_live_a_block_stays() -> None:
    cache = SharedCache(block=4, ttl=None)
    run(cache, "aaaac", 0.0)
    assert run(cache, "aaaac", 1e9) == 4


def test_the_least_recently_used_prefix_makes_room() -> None:
    cache = SharedCache(block=4, capacity=8)
    run(cache, "aaaax", 0.0)
    run(cache, "bbbbx", 1.0)
    assert run(cache, "aaaax", 2.0) == 4
    run(cache, "ccccx", 3.0)
    assert run(cache, "aaaax", 4.0) == 4
    assert run(cache, "bbbbx", 5.0) == 0


def test_a_prompt_larger_than_the_cache_keeps_its_beginning() -> None:
    cache = SharedCache(block=4, capacity=8)
    run(cache, "aaaabbbbccccddddx")
    assert run(cache, "aaaabbbbccccddddx") == 8


def test_expired_blocks_are_dropped_though_nobody_asks_for_them() -> None:
    cache = SharedCache(block=4, ttl=10.0)
    for number in range(100):
        run(cache, chr(ord("A") + number) * 4 + "x", float(number))
    assert len(cache) <= 10


def test_clear_forgets_and_requests_under_way_still_commit() -> None:
    cache = SharedCache(block=4)
    lease = cache.open(prompt("aaaac"), 0.0)
    run(cache, "bbbbc")
    cache.clear()
    lease.commit(0.0)
    assert run(cache, "bbbbc") == 0
    assert run(cache, "aaaac") == 4


@dataclass
class Model:
    """The plainest cache that obeys the same words: prefixes by their text, each with its last use."""

    block: int
    ttl: float
    expiry: dict[str, float] = field(default_factory=dict[str, float])

    def cached(self, text: str, now: float) -> int:
        count = 0
        while count + self.block < len(text) and self.expiry.get(text[: count + self.block], -1.0) > now:
            count += self.block
        for end in range(self.block, count + 1, self.block):
            self.touch(text[:end], now)
        return count

    def write(self, text: str, started: float) -> None:
        for end in range(self.block, len(text) + 1, self.block):
            self.touch(text[:end], started)

    def touch(self, prefix: str, started: float) -> None:
        self.expiry[prefix] = max(self.expiry.get(prefix, 0.0), started + self.ttl)


STEPS = st.lists(
    st.tuples(st.text(alphabet="ab", min_size=1, max_size=12), st.integers(0, 6), st.booleans()), max_size=30
)


@given(st.integers(1, 4), st.integers(1, 12), STEPS)
def test_any_overlap_of_requests_reads_what_a_plain_model_reads(
    block: int, ttl: int, steps: list[tuple[str, int, bool]]
) -> None:
    cache, model, now = SharedCache(block=block, ttl=ttl), Model(block, ttl), 0
    begun: list[tuple[Lease, str, int]] = []
    for letters, passed, answers in steps:
        now += passed
        lease = cache.open(prompt(letters), now)
        assert lease.cached == model.cached(letters, now)
        assert 0 <= lease.cached < len(letters)
        begun.append((lease, letters, now))
        if answers:
            earlier, text, started = begun.pop(0)
            earlier.commit(now)
            model.write(text, started)


@given(st.lists(st.text(alphabet="ab", min_size=1, max_size=12), max_size=30), st.integers(1, 5))
def test_capacity_is_never_exceeded(prompts: list[str], blocks: int) -> None:
    cache = SharedCache(block=2, capacity=2 * blocks)
    for letters in prompts:
        run(cache, letters)
        assert len(cache) <= blocks


@pytest.mark.parametrize("followers", [1, 4, 9])
def test_a_group_released_at_the_first_token_evaluates_its_prefix_once(followers: int) -> None:
    cache = SharedCache(block=4)
    prefix, evaluated = "abcdefghijkl", 0
    texts = [prefix, *(f"{prefix}{number}" for number in range(followers))]
    for text in texts:
        evaluated += len(text) - run(cache, text + "!")
    assert evaluated == len(prefix) + followers


def open_marked(cache: SharedCache, letters: str, *marks: int, explicit: bool = True) -> Lease:
    """Answer a request with breakpoints at once."""
    lease = cache.open(prompt(letters), 0.0, Caching(explicit=explicit, marks=marks))
    lease.commit(0.0)
    return lease


def test_a_breakpoint_within_a_block_is_read_by_those_that_have_it_too() -> None:
    cache = SharedCache(block=4)
    assert open_marked(cache, "aaaabbcccc", 6).written == 6
    assert open_marked(cache, "aaaabbdddd", 6).cached == 6
    assert open_marked(cache, "aaaabbdddd", 5).cached == 4
    assert run(cache, "aaaabbdddd") == 4


def test_explicitly_nothing_is_kept_beyond_the_last_breakpoint() -> None:
    cache = SharedCache(block=4)
    open_marked(cache, "aaaabbbbccccd", 4)
    assert open_marked(cache, "aaaabbbbccccd", 4, 8).cached == 4
    assert open_marked(cache, "aaaabbbbccccd").cached == 0, "no breakpoint, no caching"


def test_a_later_breakpoint_is_read_past_one_that_nobody_wrote() -> None:
    cache = SharedCache(block=4)
    run(cache, "aaaabbbbccccd")
    assert open_marked(cache, "aaaabbbbccccd", 2, 8).cached == 8


def test_a_breakpoint_below_the_smallest_prefix_is_not_kept() -> None:
    cache = SharedCache(block=4, min_prefix=6)
    assert open_marked(cache, "aaaabbbb", 5).written == 0
    assert open_marked(cache, "aaaabbbb", 5, 7).written == 7


def test_a_scope_shares_nothing_with_another() -> None:
    cache = SharedCache(block=4)
    for scope, cached in (("one", 0), ("two", 0), ("one", 8), (None, 0)):
        lease = cache.open(prompt("aaaabbbbc"), 0.0, Caching(scope=scope))
        lease.commit(0.0)
        assert lease.cached == cached


def test_a_lifetime_that_is_asked_for_outlasts_the_servers() -> None:
    cache = SharedCache(block=4, ttl=10.0)
    cache.open(prompt("aaaab"), 0.0, Caching(ttl="30m")).commit(0.0)
    assert cache.open(prompt("aaaab"), 1789.0).cached == 4
    assert cache.open(prompt("aaaab"), 1800.0).cached == 0
