"""A registry of prefix caches by itself: what it takes, what it knows, and what it forgets."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from paceline import CacheEntry, Engine, Group, PacelineError, PrefixCache
from paceline.testing import EchoExecutor, VirtualClock

NEW_YEAR = 946_684_800.0  # the wall time at which the virtual clock begins


class Named:
    """Prefixes named by their payload; handles that are numbered."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.undone: list[object] = []

    def fingerprint(self, payload: Any, context: Mapping[str, Any]) -> str:
        return f"{context.get('tenant', '')}:{payload}"

    async def create(self, payload: Any, context: Mapping[str, Any]) -> str:
        self.made.append(self.fingerprint(payload, context))
        return f"handle {len(self.made)}"

    async def invalidate(self, handle: object) -> None:
        self.undone.append(handle)


async def use(cache: PrefixCache, payload: str, **options: Any) -> Group:
    """Let a group make, or use, the prefix of this payload."""
    async with Engine(EchoExecutor()) as engine:
        return await engine.submit_group("g", primer=payload, followers=[1], cache=cache, **options)


def used(group: Group) -> list[str]:
    assert group.primer is not None
    return [handle.status for handle in (group.primer, *group.followers)]


class Nameless:
    async def create(self, payload: Any, context: Mapping[str, Any]) -> str:
        return "handle"


class Strange(Named):
    wait_ready = 5


@pytest.mark.parametrize(
    ("provider", "message"),
    [
        (Nameless(), "it needs a method fingerprint"),
        (Named, "it needs a method fingerprint"),
        (None, "it needs a method fingerprint"),
        (Strange(), "wait_ready of .* is not a method"),
    ],
)
def test_what_is_no_provider_is_refused(provider: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        PrefixCache(provider)


@pytest.mark.parametrize(
    "setting",
    [{"ttl": 0}, {"ttl": -1.0}, {"ttl": float("nan")}, {"timeout": 0}, {"max_creations": 0}],
)
def test_a_number_out_of_range_is_refused(setting: dict[str, Any]) -> None:
    (name,) = setting
    with pytest.raises(ValueError, match=f"PrefixCache: {name} must be"):
        PrefixCache(Named(), **setting)


def test_what_is_known_is_data_in_the_callers_own_mapping() -> None:
    kept: dict[str, CacheEntry] = {}
    cache = PrefixCache(Named(), entries=kept)

    async def main() -> None:
        await asyncio.sleep(10)
        await use(cache, "a", cache_context={"tenant": "acme"})

    VirtualClock().run(main)
    at = NEW_YEAR + 10
    assert kept == {"acme:a": CacheEntry("acme:a", "handle 1", created=at, used=at)}
    assert cache.entries == kept
    assert repr(cache) == "<PrefixCache of Named: 1 known>"


def test_what_another_process_has_made_is_used() -> None:
    provider = Named()
    kept = {":a": CacheEntry(":a", "handle 0", NEW_YEAR - 500, NEW_YEAR - 50)}
    group = VirtualClock().run(use, PrefixCache(provider, ttl=100, entries=kept), "a")
    assert used(group) == ["skipped", "succeeded"]
    assert provider.made == []


@pytest.mark.parametrize(("age", "known"), [(99, True), (100, False), (-50, True), (-100, False)])
def test_an_entry_counts_for_its_time_to_live_and_not_if_the_clock_was_set_back_by_more(
    age: float, known: bool
) -> None:
    """An age below zero: the entry was written by a clock that has been set back since."""
    provider = Named()
    kept = {":a": CacheEntry(":a", "handle 0", NEW_YEAR - age, NEW_YEAR - age)}
    VirtualClock().run(use, PrefixCache(provider, ttl=100, entries=kept), "a")
    assert provider.made == ([] if known else [":a"])


def test_without_a_time_to_live_nothing_expires() -> None:
    provider = Named()
    kept = {":a": CacheEntry(":a", "handle 0", 0.0, 0.0)}
    VirtualClock().run(use, PrefixCache(provider, entries=kept), "a")
    assert provider.made == []


def test_what_has_expired_does_not_stay_in_memory() -> None:
    provider = Named()
    cache = PrefixCache(provider, ttl=10)

    async def main() -> None:
        for number in range(50):
            await use(cache, f"p{number}")
            await asyncio.sleep(4)
            assert len(cache.entries) <= 6

    VirtualClock().run(main)
    assert len(provider.made) == 50


def test_what_is_used_again_and_again_stays() -> None:
    provider = Named()
    cache = PrefixCache(provider, ttl=10)

    async def main() -> None:
        for number in range(20):
            await use(cache, "often")
            await use(cache, f"once {number}")
            await asyncio.sleep(4)

    VirtualClock().run(main)
    assert provider.made.count(":often") == 1


def test_invalidating_does_away_with_the_prefix_here_and_at_the_provider() -> None:
    provider = Named()
    cache = PrefixCache(provider)

    async def main() -> None:
        await use(cache, "a", cache_context={"tenant": "acme"})
        assert not await cache.invalidate("a")
        assert not await cache.invalidate("a", {"tenant": "other"})
        assert provider.undone == []
        assert await cache.invalidate("a", {"tenant": "acme"})
        assert provider.undone == ["handle 1"]
        assert not cache.entries
        await use(cache, "a", cache_context={"tenant": "acme"})

    VirtualClock().run(main)
    assert provider.made == ["acme:a"] * 2


def test_a_provider_that_fails_to_invalidate_says_so_and_the_prefix_is_forgotten() -> None:
    class Stubborn(Named):
        async def invalidate(self, handle: object) -> None:
            raise OSError(f"no to {handle}")

    cache = PrefixCache(Stubborn())

    async def main() -> None:
        await use(cache, "a")
        with pytest.raises(OSError, match="no to handle 1"):
            await cache.invalidate("a")
        assert not cache.entries
        for payload in ("b", "c"):
            await use(cache, payload)
        with pytest.raises(ExceptionGroup, match="did not do away with") as caught:
            await cache.clear()
        assert [str(each) for each in caught.value.exceptions] == ["no to handle 2", "no to handle 3"]
        assert not cache.entries

    VirtualClock().run(main)


def test_clearing_does_away_with_all() -> None:
    provider = Named()
    cache = PrefixCache(provider)

    async def main() -> None:
        for payload in ("a", "b"):
            await use(cache, payload)
        await cache.clear()

    VirtualClock().run(main)
    assert provider.undone == ["handle 1", "handle 2"]
    assert not cache.entries


def test_a_handle_that_the_provider_has_lost_is_forgotten_without_asking_it() -> None:
    provider = Named()
    cache = PrefixCache(provider)

    async def main() -> None:
        for payload in ("a", "b"):
            await use(cache, payload)

    VirtualClock().run(main)
    assert not cache.forget("handle 7")
    assert cache.forget("handle 2")
    assert list(cache.entries) == [":a"]
    assert provider.undone == []


def test_one_registry_serves_engines_and_event_loops_one_after_another() -> None:
    provider = Named()
    cache = PrefixCache(provider, ttl=1000)
    clock = VirtualClock()
    for _ in range(2):
        clock.run(use, cache, "a")

    async def twice() -> None:
        await use(cache, "a")
        await use(cache, "a")

    clock.run(twice)
    assert provider.made == [":a"]


def test_two_event_loops_at_once_are_told_to_have_a_registry_each() -> None:
    class Inner(Named):
        async def create(self, payload: Any, context: Mapping[str, Any]) -> str:
            if payload == "outer":
                self.group = await asyncio.to_thread(lambda: VirtualClock().run(use, cache, "inner"))
            return await super().create(payload, context)

    provider = Inner()
    cache = PrefixCache(provider)

    async def main() -> None:
        assert used(await use(cache, "outer")) == ["succeeded", "succeeded"]

    asyncio.run(main())
    assert provider.group.primer is not None
    error = asyncio.run(provider.group.primer.wait()).error
    assert error is not None
    assert error.exception is not None
    assert isinstance(error.exception.__cause__, PacelineError)
    assert "give each loop its own" in error.message
