"""Prefix caches in the making when time is over, when nobody waits any more, or when the engine is left."""

import asyncio
import contextlib
import logging
from typing import Any

import pytest

from paceline import DeadlineExceeded, Engine, PrefixCache, Suspend
from paceline.testing import VirtualClock

from .caches import Provider, Seen, ends, error_of, now, submit, told


def test_a_creation_that_hangs_is_given_up_in_time() -> None:
    provider = Provider(1000)

    async def main() -> None:
        async with Engine(Seen()) as engine:
            primer, *_ = await (await submit(engine, "g", PrefixCache(provider, timeout=30))).results()
            assert now() == 30
            assert isinstance(error_of(primer).__cause__, TimeoutError)
            assert "longer than the 30 s" in str(error_of(primer))

    VirtualClock().run(main)
    assert provider.stopped == 1


class Deaf(Provider):
    """Swallows being cancelled, for so many seconds."""

    async def made(self, number: int) -> Any:
        loop = asyncio.get_running_loop()
        until = loop.time() + self.seconds
        while loop.time() < until:
            try:
                await asyncio.sleep(until - loop.time())
            except asyncio.CancelledError:
                self.stopped += 1
        return f"handle {number}"


def test_one_that_was_made_in_time_is_left_alone_when_the_time_is_over() -> None:
    async def main() -> None:
        cache = PrefixCache(Provider(), timeout=30)
        async with Engine(Seen()) as engine:
            await ends(engine, "g", cache)
            await cache.invalidate("p")
            await asyncio.sleep(100)
            assert not cache.entries

    VirtualClock().run(main)


def test_one_that_ignores_that_holds_up_no_job_and_is_undone_if_it_ends_in_time() -> None:
    provider = Deaf(33)

    async def main() -> None:
        cache = PrefixCache(provider, timeout=30)
        async with Engine(Seen(), grace=5) as engine:
            assert (await ends(engine, "g", cache))[0] == "failed"
            assert now() == 30
        assert now() == 33
        assert not cache.entries

    VirtualClock().run(main)
    assert provider.undone == ["handle 1"]
    assert provider.stopped == 1


def test_one_that_never_ends_is_left_behind_with_a_word(caplog: pytest.LogCaptureFixture) -> None:
    class Stone(Provider):
        async def made(self, number: int) -> Any:
            while True:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.get_running_loop().create_future()

    async def main() -> None:
        async with Engine(Seen(), grace=5) as engine:
            assert (await ends(engine, "g", PrefixCache(Stone(), timeout=30)))[0] == "failed"
        assert now() == 35

    with caplog.at_level(logging.WARNING, "paceline"):
        VirtualClock().run(main)
    assert "abandoned at the end of the run: prefix cache 'p'" in caplog.text


def test_a_group_that_is_cancelled_does_not_take_the_making_from_the_others() -> None:
    provider = Provider()

    async def main() -> None:
        cache = PrefixCache(provider)
        async with Engine(Seen()) as engine:
            first, second = await submit(engine, "a", cache), await submit(engine, "b", cache)
            await asyncio.sleep(1)
            first.cancel()
            assert told(await first.results()) == ["cancelled"] * 3
            assert now() == 1
            assert told(await second.results()) == ["skipped", "handle 1", "handle 1"]

    VirtualClock().run(main)
    assert (len(provider.began), provider.stopped) == (1, 0)


def test_when_all_that_wait_for_it_are_gone_it_is_cancelled() -> None:
    provider = Provider()

    async def main() -> None:
        cache = PrefixCache(provider)
        async with Engine(Seen()) as engine:
            groups = [await submit(engine, name, cache) for name in "ab"]
            await asyncio.sleep(1)
            for group in groups:
                group.cancel()
            await asyncio.sleep(0.1)
            assert provider.stopped == 1
            # And is made anew for one that comes later.
            assert await ends(engine, "c", cache) == ["handle 2"] * 3

    VirtualClock().run(main)


def test_one_cancelled_before_it_began_is_never_begun() -> None:
    provider = Provider()

    async def main() -> None:
        async with Engine(Seen()) as engine:
            (await submit(engine, "g", PrefixCache(provider))).cancel()

    VirtualClock().run(main)
    assert provider.began == []


def test_what_is_made_when_nobody_waits_any_more_is_undone() -> None:
    provider = Deaf(10)

    async def main() -> None:
        cache = PrefixCache(provider)
        async with Engine(Seen(), grace=20) as engine:
            group = await submit(engine, "g", cache)
            await asyncio.sleep(1)
            group.cancel()
        assert now() == 10
        assert not cache.entries

    VirtualClock().run(main)
    assert provider.undone == ["handle 1"]


def test_a_deadline_ends_a_job_that_waits_for_its_prefix() -> None:
    provider = Provider(100)

    async def main() -> None:
        async with Engine(Seen()) as engine:
            primer, *_ = await (await submit(engine, "g", PrefixCache(provider), deadline=7)).results()
            assert isinstance(error_of(primer), DeadlineExceeded)
            assert now() == 7

    VirtualClock().run(main)
    assert provider.stopped == 1


def test_a_timeout_does_not_count_the_wait_for_the_prefix() -> None:
    async def main() -> None:
        async with Engine(Seen()) as engine:
            assert await ends(engine, "g", PrefixCache(Provider(50)), timeout=2) == ["handle 1"] * 3

    VirtualClock().run(main)


def test_leaving_by_an_error_leaves_no_creation_behind() -> None:
    provider = Provider(100)

    async def main() -> None:
        engine = Engine(Seen())
        await engine.__aenter__()
        await submit(engine, "g", PrefixCache(provider))
        await asyncio.sleep(1)
        await engine.__aexit__(OSError, OSError("left"), None)
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
        assert now() == 1

    VirtualClock().run(main)
    assert provider.stopped == 1


def test_leaving_normally_waits_for_the_prefix_and_its_jobs() -> None:
    async def main() -> None:
        async with Engine(Seen()) as engine:
            suspended = await engine.submit("x", executor=asking)
            group = await submit(engine, "g", PrefixCache(Provider(50)))
        assert told(await group.results()) == ["handle 1"] * 3
        assert suspended.status == "suspended"

    VirtualClock().run(main)


async def asking(payload: Any) -> Suspend:
    return Suspend("?")
