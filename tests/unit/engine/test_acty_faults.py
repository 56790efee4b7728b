"""What goes wrong in acty 0.1 (the closest prior art), one test a fault, named by it: it goes right here.

Its prefix-cache registry (A22 to A24) has no counterpart yet.
"""

import asyncio
import gc
import signal
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from types import FrameType
from typing import Any

import pytest

from paceline import (
    Engine,
    GroupPolicy,
    Job,
    JobCancelled,
    JobContext,
    JobFailed,
    JobResult,
    JobSkipped,
    Lane,
    RetryPolicy,
    WrongLoop,
    events,
)
from paceline._record import GroupRecord, Record
from paceline.testing import EchoExecutor, FaultExecutor, Hang, Nonsense, Raise, VirtualClock


class Log:
    """Each job takes its payload's seconds; a primer speaks at once. Notes who started when."""

    def __init__(self) -> None:
        self.started: list[tuple[float, Job]] = []
        self.running = 0
        self.most = 0

    async def execute(self, job: Job, ctx: JobContext) -> object:
        self.started.append((now(), job))
        self.running += 1
        self.most = max(self.most, self.running)
        if job.role == "primer":
            ctx.first_token()
        try:
            await asyncio.sleep(job.payload)
            return None
        finally:
            self.running -= 1


def now() -> float:
    return asyncio.get_running_loop().time()


def statuses(results: Sequence[JobResult]) -> list[str]:
    return [result.status for result in results]


@pytest.mark.parametrize("groups", [1, 8, 100])
def test_a1_lanes_reach_the_dispatch_of_followers(groups: int) -> None:
    """There a follower in a lane of weight 10 waited for all 10,000 background followers."""
    log = Log()

    async def main() -> None:
        lanes = [Lane("background"), Lane("vip", 10.0)]
        async with Engine(log, lanes=lanes, slots=8) as engine:
            for number in range(groups):
                followers = [1] * (10_000 // groups)
                await engine.submit_group(
                    f"background {number}", primer=1, followers=followers, lane="background"
                )
            await asyncio.sleep(10.5)
            vip = await engine.submit_group("vip", primer=1, followers=[1], lane="vip")
            submitted = now()
            await vip.results()
            assert now() - submitted <= 2.5
            for name in engine.snapshot().groups:
                engine.group(name).cancel()

    VirtualClock().run(main)


@pytest.mark.parametrize("slots", [1, 8])
def test_a2_weighted_shares_are_kept_in_every_window(slots: int) -> None:
    """There the share of a 2:1 lane in windows of 300 swung from 0.0 to 1.0."""
    log = Log()

    async def main() -> None:
        lanes = [Lane("two", 2.0), Lane("one")]
        async with Engine(log, lanes=lanes, slots=slots) as engine:
            for lane in ("one", "two"):
                for number in range(20):
                    await engine.submit_group(f"{lane} {number}", primer=1, followers=[1] * 59, lane=lane)
            await asyncio.sleep(1600 / slots)
            for name in engine.snapshot().groups:
                engine.group(name).cancel()

    VirtualClock().run(main)
    order = [job.lane for _, job in log.started][8:1500]
    shares = [order[begin : begin + 300].count("two") / 300 for begin in range(0, 1180, 20)]
    assert max(abs(share - 2 / 3) for share in shares) < 0.02


def test_a3_a_lanes_cap_is_a_cap() -> None:
    log = Log()

    async def main() -> None:
        async with Engine(log, lanes=[Lane("capped", max_running=1)], slots=10) as engine:
            await engine.submit_group("g", primer=1, followers=[1] * 10, lane="capped")

    VirtualClock().run(main)
    assert log.most == 1


def test_a4_a_small_group_is_not_behind_all_of_a_large_one() -> None:
    """There the single follower of the second group ran as job 503 of 503."""
    log = Log()

    async def main() -> None:
        async with Engine(log, slots=2) as engine:
            await engine.submit_group("large", primer=1, followers=[1] * 500)
            await engine.submit_group("small", primer=1, followers=[1])

    VirtualClock().run(main)
    place = [job.group for _, job in log.started if job.role == "follower"].index("small")
    assert place <= 3


@pytest.mark.parametrize("payload", [Hang(), Hang(swallow=3)])
def test_a5_a_loop_that_is_torn_down_with_jobs_in_flight_ends(payload: Hang) -> None:
    async def main() -> None:
        async with Engine(FaultExecutor(), grace=0.1) as engine:
            await engine.submit(payload)
            asyncio.get_running_loop().call_later(0.05, signal.raise_signal, signal.SIGINT)
            await asyncio.Event().wait()

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())


@pytest.mark.parametrize(
    "payload", [Raise(asyncio.CancelledError), Nonsense(), {"group_id": "?"}, Raise(SystemExit)]
)
@pytest.mark.parametrize("role", ["primer", "follower"])
def test_a6_whatever_an_executor_does_the_group_comes_to_its_end(role: str, payload: object) -> None:
    async def main() -> None:
        async with Engine(FaultExecutor()) as engine:
            primer, follower = (payload, "x") if role == "primer" else ("x", payload)
            group = await engine.submit_group("g", primer=primer, followers=[follower, "y"])
            results = await group.results()
            expected = "failed" if isinstance(payload, Raise) else "succeeded"
            assert results[0 if role == "primer" else 1].status == expected
            assert group.status == expected
            assert engine.snapshot().groups == ()

    VirtualClock().run(main)


def test_a7_followers_of_an_open_group_that_gets_no_primer_run_when_it_is_closed() -> None:
    async def main() -> None:
        async with Engine(EchoExecutor()) as engine:
            async with engine.open_group("g") as group:
                handles = [await group.add_follower(number) for number in range(3)]
            assert [await handle for handle in handles] == [0, 1, 2]

    VirtualClock().run(main)


def test_a8_a_primer_whose_retries_are_used_up_lets_nobody_hang() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor(), retry=RetryPolicy(attempts=2)) as engine:
            group = await engine.submit_group("g", primer=Raise(OSError), followers=["x", "y"])
            assert statuses(await group.results()) == ["failed", "skipped", "skipped"]

    VirtualClock().run(main)


def test_a9_failing_groups_give_their_place_to_the_next() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor(), slots=1, max_active_groups=1) as engine:
            groups = [
                await engine.submit_group(
                    f"g{number}", primer=Raise(OSError) if number % 2 else "x", followers=["y"]
                )
                for number in range(10)
            ]
            for number, group in enumerate(groups):
                assert statuses(await group.results()) == (
                    ["failed", "skipped"] if number % 2 else ["succeeded", "succeeded"]
                )

    VirtualClock().run(main)


def test_a10_a_skipped_followers_error_is_the_primers_own() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor()) as engine:
            error = LookupError("no such book")
            group = await engine.submit_group("g", primer=Raise(error), followers=["x"])
            with pytest.raises(JobSkipped, match="LookupError: no such book") as caught:
                await group.followers[0]
            assert caught.value.__cause__ is error

    VirtualClock().run(main)


def test_a11_leaving_right_after_submit_drops_nothing() -> None:
    log = Log()

    async def main() -> None:
        async with Engine(log) as engine:
            policy = GroupPolicy(settle=30.0)
            group = await engine.submit_group("g", primer=1, followers=[1] * 5, policy=policy)
        assert statuses(await group.results()) == ["succeeded"] * 6

    VirtualClock().run(main)
    assert len(log.started) == 6


@pytest.mark.parametrize("limit", [{"timeout": 5}, {"idle_timeout": 5}, {"deadline": 5}])
@pytest.mark.parametrize("payload", [Hang(), Hang(swallow=100)])
def test_a12_a_hung_job_ends_by_its_time_limits_and_holds_up_nobody(
    payload: Hang, limit: dict[str, Any]
) -> None:
    async def main() -> None:
        async with Engine(FaultExecutor(), slots=1, grace=2) as engine:
            handle = await engine.submit(payload, **limit)
            assert await (await engine.submit("x")) == "x"
            assert handle.status == "failed"
            assert now() == 5

    VirtualClock().run(main)


def test_a13_jobs_and_groups_can_be_cancelled_and_so_end() -> None:
    async def main() -> None:
        faults = FaultExecutor()
        async with Engine(faults) as engine:
            handle = await engine.submit(Hang())
            group = await engine.submit_group("g", followers=[Hang(), Hang()])
            await asyncio.sleep(1)
            assert faults.hanging == 3
            handle.cancel()
            group.cancel()
            await asyncio.sleep(0)
            assert faults.hanging == 0
            with pytest.raises(JobCancelled):
                await handle

    VirtualClock().run(main)


def test_a14_a_backoff_holds_no_slot() -> None:
    """There three workers backing off kept a healthy job waiting for 0.96 s."""

    async def main() -> None:
        async with Engine(
            FaultExecutor(), slots=3, retry=RetryPolicy(attempts=5, base=1000, cap=1000)
        ) as engine:
            failing = [await engine.submit(Raise(OSError)) for _ in range(3)]
            await asyncio.sleep(0.001)
            assert engine.snapshot().slots_used == 0
            began = now()
            await (await engine.submit("healthy"))
            assert now() == began
            for handle in failing:
                handle.cancel()

    VirtualClock().run(main)


def test_a15_memory_holds_what_is_unfinished_and_held_and_nothing_else() -> None:
    """There 5,000 groups that were over left 25,000 entries behind."""

    def records() -> int:
        gc.collect()
        return sum(isinstance(each, Record | GroupRecord) for each in gc.get_objects())

    async def main() -> None:
        before = records()
        async with Engine(EchoExecutor(), slots=4) as engine:
            for number in range(300):
                await (await engine.submit_group(f"g{number}", primer="p", followers=["a", "b"])).results()
                await (await engine.submit(number, key=f"k{number}"))
                engine.lane(f"tenant-{number}", weight=2.0)
                await (await engine.submit(number, lane=f"tenant-{number}", priority=number))
                engine.lane(f"tenant-{number}").close()
            assert records() <= before + 4
            run = engine._run
            assert run is not None
            assert (len(run.records), len(run.groups), len(run.tasks)) == (0, 0, 0)
            assert list(run.scheduler.lanes) == ["default"]
            assert run.scheduler.unfinished == run.scheduler.unfinished_groups == 0

    VirtualClock().run(main)


@pytest.mark.parametrize("groups", [10, 400])
def test_a16_the_work_for_a_job_does_not_grow_with_the_number_of_groups(groups: int) -> None:
    """Function calls for each job, counted: there each follower that ended scanned all active groups."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    async def main() -> None:
        async with Engine(EchoExecutor(), slots=8, max_active_groups=10_000) as engine:
            for number in range(groups):
                await engine.submit_group(f"g{number}", primer="p", followers=["f"] * 9)

    sys.setprofile(count)
    try:
        asyncio.run(main())
    finally:
        sys.setprofile(None)
    assert calls / (groups * 10) < 250


def test_a17_a_sink_that_blocks_holds_up_no_job() -> None:
    """It writes nothing before all jobs have ended: there it would have stopped them all."""
    all_ended = threading.Event()
    written: list[object] = []

    class Blocking:
        def write(self, batch: Sequence[events.Event]) -> None:
            assert all_ended.wait(20)
            written.extend(batch)

        def close(self) -> None:
            """Nothing to close."""

    async def main() -> None:
        async with Engine(EchoExecutor(), sinks=[Blocking()], grace=20) as engine:
            group = await engine.submit_group("g", primer="p", followers=["f"] * 100)
            assert statuses(await group.results()) == ["succeeded"] * 101
            all_ended.set()

    asyncio.run(main())
    assert len(written) > 300


def test_a18_submitting_waits_for_room() -> None:
    """There 2,000 groups were accepted at once, with a queue of 4."""

    async def main() -> None:
        async with Engine(Log(), slots=1, max_pending=4, max_active_groups=2) as engine:
            accepted: list[float] = []
            for number in range(20):
                await engine.submit_group(f"g{number}", primer=1, followers=[1])
                accepted.append(now())
                assert engine.snapshot().counts["waiting"] <= 4 + 1
            assert accepted[-1] > 25

    VirtualClock().run(main)


def test_a19_a_dependency_that_is_unknown_is_refused() -> None:
    async def main() -> None:
        async with Engine(EchoExecutor()) as engine:
            with pytest.raises(TypeError, match="handles and groups"):
                await engine.submit("x", after=["job-17"])  # type: ignore[list-item]

    VirtualClock().run(main)


def test_a20_results_are_all_there_however_late_they_are_asked_for() -> None:
    async def main() -> None:
        async with Engine(EchoExecutor()) as engine:
            group = await engine.submit_group("g", primer="p", followers=["f"] * 7)
            await asyncio.sleep(100)
            assert len(await group.results()) == 8
            assert len([result async for result in group.as_completed()]) == 8
        assert len(await group.results()) == 8

    VirtualClock().run(main)


def test_a21_a_lane_is_what_it_was_last_set_to_and_shows_it() -> None:
    log = Log()

    async def main() -> None:
        async with Engine(log, lanes=[Lane("x", 9.0), Lane("y", 3.0)], slots=1) as engine:
            assert engine.lane("y").weight == 3.0
            engine.lane("x", weight=1.0)
            assert engine.lane("x").weight == 1.0
            for lane in ("x", "y"):
                for _ in range(100):
                    await engine.submit(1, lane=lane)
            await asyncio.sleep(80)
            engine.lane("x").close()

    VirtualClock().run(main)
    assert abs(Counter(job.lane for _, job in log.started[:80])["x"] - 20) <= 1


def test_a25_a_sync_function_does_not_block_the_loop() -> None:
    """It waits for what only the loop can do meanwhile."""
    ticked = threading.Event()

    def work(payload: str) -> str:
        assert ticked.wait(20)
        return payload

    async def main() -> None:
        async with Engine(work) as engine:
            handle = await engine.submit("x")
            await asyncio.sleep(0.01)
            assert handle.status == "running"
            ticked.set()
            assert await handle == "x"

    asyncio.run(main())


def test_a26_another_threads_loop_is_refused_and_shown_the_door_that_works() -> None:
    async def main() -> None:
        async with Engine(EchoExecutor()) as engine:

            def elsewhere() -> str:
                with pytest.raises(WrongLoop, match="submit_threadsafe"):
                    asyncio.run(engine.submit("x"))
                return str(engine.submit_threadsafe("y").result(20).output)

            assert await asyncio.to_thread(elsewhere) == "y"

    asyncio.run(main())


def test_a27_a_name_is_free_right_after_a_failure_and_late_followers_are_told() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor()) as engine:
            async with engine.open_group("g") as group:
                primer = await group.submit_primer(Raise(LookupError("first")))
                with pytest.raises(JobFailed):
                    await primer
                late = await group.add_follower("x")
                with pytest.raises(JobSkipped, match="first"):
                    await late
            again = await engine.submit_group("g", primer="x", followers=["y"])
            assert statuses(await again.results()) == ["succeeded", "succeeded"]

    VirtualClock().run(main)
