"""Jobs and groups that wait for others."""

import asyncio
from typing import Any

import pytest

from paceline import (
    Ended,
    Engine,
    Handle,
    JobSkipped,
    MemorySink,
    PacelineError,
    Suspend,
    WaitReason,
    current_job,
    events,
)
from paceline.testing import VirtualClock


async def work(payload: Any) -> object:
    ctx = current_job()
    assert ctx is not None
    if isinstance(payload, BaseException):
        raise payload
    if payload == "ask":
        return ctx.job.reply or Suspend("?")
    return await asyncio.sleep(payload, now() + payload)


def now() -> float:
    return asyncio.get_running_loop().time()


def test_a_job_starts_after_the_success_of_all_it_waits_for() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            first = await engine.submit(3)
            second = await engine.submit(5)
            last = await engine.submit(1, after=[first, second])
            assert last.waiting == WaitReason("dependency", first.id)
            await first
            assert last.waiting == WaitReason("dependency", second.id)
            assert await last == 6
            assert await (await engine.submit(1, after=first)) == 7

    VirtualClock().run(main)


def test_a_job_whose_dependency_fails_is_skipped_down_the_chain_with_the_first_cause() -> None:
    error = OSError("at the root")

    async def main() -> None:
        async with Engine(work) as engine:
            root = await engine.submit(error)
            middle = await engine.submit(1, after=root)
            leaf = await engine.submit(1, after=[middle])
            late = await engine.submit(1, after=[leaf])
            for handle in (middle, leaf, late):
                result = await handle.wait()
                assert result.status == "skipped"
                assert result.error is not None
                assert result.error.exception is error
                with pytest.raises(JobSkipped, match="at the root") as caught:
                    await handle
                assert caught.value.__cause__ is error

    VirtualClock().run(main)


def test_ended_waits_for_any_end() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            failing = await engine.submit(OSError())
            cancelled = await engine.submit(100)
            last = await engine.submit(1, after=[Ended(failing), Ended(cancelled)])
            await asyncio.sleep(4)
            assert last.waiting == WaitReason("dependency", cancelled.id)
            cancelled.cancel()
            assert await last == 5

    VirtualClock().run(main)


def test_success_is_needed_where_both_it_and_the_end_are_named() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            failing = await engine.submit(OSError("no"))
            both: list[Handle | Ended] = [failing, Ended(failing)]
            for after in (both, both[::-1]):
                assert (await (await engine.submit(1, after=after)).wait()).status == "skipped"

    VirtualClock().run(main)


def test_what_has_ended_already_is_taken_as_it_ended() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            good, bad = await engine.submit(1), await engine.submit(OSError("no"))
            await good.wait()
            await bad.wait()
            assert await (await engine.submit(1, after=good)) == 2
            assert await (await engine.submit(1, after=Ended(bad))) == 3
            skipped = await engine.submit(1, after=[good, bad])
            assert skipped.status == "skipped"
            with pytest.raises(JobSkipped, match="no"):
                await skipped

    VirtualClock().run(main)


def test_a_job_after_a_group_waits_for_all_of_it() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            group = await engine.submit_group("g", primer=2, followers=[3, 9])
            last = await engine.submit(1, after=group)
            assert last.waiting == WaitReason("dependency", "g")
            assert await last == 12

    VirtualClock().run(main)


def test_a_job_after_a_group_that_did_not_succeed_is_skipped_unless_its_end_is_enough() -> None:
    error = OSError("a follower's")

    async def main() -> None:
        async with Engine(work) as engine:
            group = await engine.submit_group("g", primer=2, followers=[3, error])
            needy = await engine.submit(1, after=group)
            patient = await engine.submit(1, after=Ended(group))
            result = await needy.wait()
            assert result.status == "skipped"
            assert result.error is not None
            assert result.error.exception is error
            assert await patient == 6
            assert (await (await engine.submit(1, after=group)).wait()).status == "skipped"
            assert await (await engine.submit(1, after=Ended(group))) == 7

    VirtualClock().run(main)


def test_a_job_after_a_cancelled_group_is_skipped_and_told_so() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            group = await engine.submit_group("g", followers=[9])
            needy = await engine.submit(1, after=group)
            group.cancel("no more money")
            result = await needy.wait()
            assert result.status == "skipped"
            assert result.error is not None
            assert "no more money" in result.error.message

    VirtualClock().run(main)


def test_a_job_after_an_open_group_waits_until_it_is_closed_and_done() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            async with engine.open_group("g") as group:
                last = await engine.submit(1, after=group)
                await (await group.submit_primer(1))
                await asyncio.sleep(5)
                assert last.status == "waiting"
                await group.add_follower(4)
            assert await last == 11

    VirtualClock().run(main)


def test_a_group_waits_for_others_before_its_primer_starts() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            first = await engine.submit(3)
            group = await engine.submit_group("g", primer=1, followers=[1], after=first)
            assert group.status == "waiting"
            assert group.primer is not None
            assert group.primer.waiting == WaitReason("dependency", first.id)
            assert [result.output for result in await group.results()] == [4, 5]
            second = await engine.submit_group("h", primer=1, followers=[1], after=[group])
            assert [result.output for result in await second.results()] == [6, 7]

    VirtualClock().run(main)


def test_a_group_after_a_failure_is_skipped_whole() -> None:
    error = OSError("first things first")

    async def main() -> None:
        async with Engine(work) as engine:
            failing = await engine.submit(error)
            group = await engine.submit_group("g", primer=1, followers=[1, 1], after=failing)
            results = await group.results()
            assert [result.status for result in results] == ["skipped"] * 3
            assert {result.error.exception if result.error else None for result in results} == {error}
            assert group.status == "skipped"
            last = await engine.submit(1, after=group)
            assert (await last.wait()).status == "skipped"

    VirtualClock().run(main)


def test_an_open_group_after_others_holds_members_that_come_before_and_after() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            first = await engine.submit(3)
            async with engine.open_group("g", after=first) as group:
                await group.submit_primer(1)
                await asyncio.sleep(10)
                await group.add_follower(1)
            assert [result.output for result in await group.results()] == [4, 11]

    VirtualClock().run(main)


def test_what_waits_for_a_suspended_job_waits_on() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            asking = await engine.submit("ask")
            last = await engine.submit(1, after=asking)
            ended = await engine.submit(1, after=Ended(asking))
            await asyncio.sleep(50)
            assert last.waiting == WaitReason("dependency", asking.id)
            assert ended.status == "waiting"
            await engine.reply(asking.id, "yes")
            assert await last == 51
            assert await ended == 51

    VirtualClock().run(main)


def test_only_handles_and_groups_of_this_engine_can_be_waited_for() -> None:
    async def main() -> None:
        async with Engine(work) as engine, Engine(work) as other:
            foreign = await other.submit(1)
            with pytest.raises(PacelineError, match="another engine"):
                await engine.submit(1, after=foreign)
            with pytest.raises(PacelineError, match="another engine"):
                await engine.submit_group("g", primer=1, after=foreign)
            for wrong in ("job-7", None, 3, foreign.id):
                with pytest.raises(TypeError, match="handles and groups"):
                    await engine.submit(1, after=wrong)  # type: ignore[arg-type]
            assert engine.snapshot().counts["waiting"] == 0
            assert engine.snapshot().groups == ()

    VirtualClock().run(main)


def test_a_job_may_wait_for_the_same_thing_twice() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            first = await engine.submit(3)
            assert await (await engine.submit(1, after=[first, first])) == 4

    VirtualClock().run(main)


def test_a_thousand_jobs_in_a_row_end_in_one_sweep() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            handle = await engine.submit(OSError("at the root"))
            for _ in range(5000):
                handle = await engine.submit(0, after=handle)
            assert (await handle.wait()).status == "skipped"
            assert engine.snapshot().counts["skipped"] == 5000

    VirtualClock().run(main)


def test_the_record_says_what_a_job_waits_for() -> None:
    sink = MemorySink()

    async def main() -> tuple[str, ...]:
        async with Engine(work, sinks=[sink]) as engine:
            first = await engine.submit(1)
            group = await engine.submit_group("g", followers=[1])
            await engine.submit(1, after=[first, Ended(group)])
            return first.id, "g"

    assert VirtualClock().run(main) == sink.of(events.JobSubmitted)[-1].after
