"""Prefix caches that cannot be made: who fails by it, and what is undone."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from paceline import (
    CacheFailed,
    Engine,
    Failure,
    GroupPolicy,
    JobFailed,
    MemorySink,
    PrefixCache,
    RetryPolicy,
    events,
)
from paceline.testing import VirtualClock

from .caches import Failing, Implicit, Provider, Seen, ends, error_of, submit, told


def test_a_creation_that_fails_fails_the_primer_with_the_providers_error_chained() -> None:
    """And leaves nobody hanging, whose place among the active groups others wait for (in acty it did)."""
    error = OSError("no room")
    provider = Failing(1, error)

    async def main() -> None:
        cache = PrefixCache(provider)
        async with Engine(Seen(), slots=1, max_active_groups=1) as engine:
            group = await submit(engine, "g", cache)
            primer, *followers = await group.results()
            assert [primer.status, *(each.status for each in followers)] == ["failed", "skipped", "skipped"]
            failed = error_of(primer)
            assert isinstance(failed, CacheFailed)
            assert failed.__cause__ is error
            assert str(failed) == "group 'g': create failed for the prefix 'p': OSError: no room"
            assert [error_of(each) for each in followers] == [failed, failed]
            assert group.primer is not None
            with pytest.raises(JobFailed, match="no room") as caught:
                await group.primer
            assert caught.value.__cause__ is failed
            assert group.status == "failed"
            # It is not kept: the next group that wants it tries again.
            assert await ends(engine, "h", cache) == ["handle 2"] * 3

    VirtualClock().run(main)


def test_all_that_wait_for_it_fail_each_by_an_error_that_names_its_group() -> None:
    async def main() -> None:
        cache = PrefixCache(Failing(1, OSError()))
        async with Engine(Seen()) as engine:
            groups = [await submit(engine, name, cache) for name in "ab"]
            errors = [error_of((await group.results())[0]) for group in groups]
            assert ["group 'a'" in str(errors[0]), "group 'b'" in str(errors[1])] == [True, True]

    VirtualClock().run(main)


def test_followers_that_run_without_their_primer_run_without_a_handle() -> None:
    provider = Failing(9, OSError())

    async def main() -> None:
        policy = GroupPolicy(on_primer_failure="run_followers")
        async with Engine(Seen()) as engine:
            assert await ends(engine, "g", PrefixCache(provider), policy=policy) == ["failed", None, None]

    VirtualClock().run(main)
    assert len(provider.began) == 1


def test_a_creation_is_tried_again_as_often_as_the_job_may_be() -> None:
    sink = MemorySink()

    async def main() -> None:
        retry = RetryPolicy(attempts=3, base=10.0)
        async with Engine(Seen(), sinks=[sink], retry=retry) as engine:
            results = await (await submit(engine, "a", PrefixCache(Failing(2, OSError())))).results()
            assert told(results) == ["handle 3"] * 3
            assert [[each.number for each in result.attempts] for result in results] == [[1]] * 3
            assert await ends(engine, "b", PrefixCache(Failing(3, OSError()))) == ["failed"] + ["skipped"] * 2

    VirtualClock().run(main)
    assert [event.attempt for event in sink.of(events.JobRetried)] == [0] * 4


def test_the_executor_judges_the_providers_own_error() -> None:
    class Judge(Seen):
        def classify(self, error: Exception) -> Failure:
            return Failure(isinstance(error, OSError))

    async def main() -> None:
        async with Engine(Judge(), retry=RetryPolicy(attempts=2)) as engine:
            assert await ends(engine, "a", PrefixCache(Failing(1, OSError()))) == ["handle 2"] * 3
            provider = Failing(1, ValueError())
            assert (await ends(engine, "b", PrefixCache(provider)))[0] == "failed"
            assert len(provider.began) == 1

    VirtualClock().run(main)


@pytest.mark.parametrize("error", [SystemExit(3), asyncio.CancelledError(), GeneratorExit()])
def test_whatever_the_provider_raises_is_the_end_of_its_own_group_only(error: BaseException) -> None:
    async def main() -> None:
        async with Engine(Seen()) as engine:
            other = await engine.submit("x")
            assert (await ends(engine, "g", PrefixCache(Failing(1, error))))[0] == "failed"
            assert (await other.wait()).ok

    VirtualClock().run(main)


def test_a_keyboard_interrupt_in_the_provider_ends_the_engine() -> None:
    async def main() -> None:
        async with Engine(Seen()) as engine:
            await submit(engine, "g", PrefixCache(Failing(1, KeyboardInterrupt())))
            await asyncio.sleep(100)

    with pytest.raises(KeyboardInterrupt):
        VirtualClock().run(main)


def test_a_create_that_is_not_async_is_named() -> None:
    class Sync(Implicit):
        def create(self, payload: Any, context: Mapping[str, Any]) -> str:
            return "handle"

    async def main() -> None:
        async with Engine(Seen()) as engine:
            group = await submit(engine, "g", PrefixCache(Sync()))
            message = str(error_of((await group.results())[0]))
            assert "create failed" in message
            assert "await" in message

    VirtualClock().run(main)


@pytest.mark.parametrize(
    ("fingerprint", "said"),
    [
        (lambda: 1 / 0, "Naming.fingerprint failed: ZeroDivisionError"),
        (lambda: None, "Naming.fingerprint must return a text, not None"),
        (lambda: "", "Naming.fingerprint must return a text, not ''"),
        (lambda: 7, "Naming.fingerprint must return a text, not 7"),
    ],
)
def test_a_provider_that_names_no_prefix_fails_the_primer(fingerprint: Any, said: str) -> None:
    class Naming(Provider):
        def fingerprint(self, payload: Any, context: Mapping[str, Any]) -> str:
            return fingerprint()  # type: ignore[no-any-return]

    async def main() -> None:
        async with Engine(Seen()) as engine:
            primer, *_ = await (await submit(engine, "g", PrefixCache(Naming()))).results()
            assert said in str(error_of(primer))

    VirtualClock().run(main)


def test_what_was_made_but_never_got_ready_is_undone() -> None:
    class NeverReady(Provider):
        async def wait_ready(self, handle: object) -> None:
            raise OSError("rejected")

    provider = NeverReady()

    async def main() -> None:
        async with Engine(Seen()) as engine:
            primer, *_ = await (await submit(engine, "g", PrefixCache(provider))).results()
            assert "wait_ready failed for the prefix 'p': OSError: rejected" in str(error_of(primer))

    VirtualClock().run(main)
    assert provider.undone == ["handle 1"]


def test_a_failure_to_undo_is_logged_and_hides_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Hopeless(Provider):
        async def wait_ready(self, handle: object) -> None:
            raise OSError("rejected")

        async def invalidate(self, handle: object) -> None:
            raise LookupError("nor this")

    async def main() -> None:
        async with Engine(Seen()) as engine:
            primer, *_ = await (await submit(engine, "g", PrefixCache(Hopeless()))).results()
            assert isinstance(error_of(primer).__cause__, OSError)

    VirtualClock().run(main)
    assert "made in vain and could not be undone" in caplog.text
