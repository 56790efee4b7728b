"""Lanes that are added, re-weighted, capped, closed and opened again while the engine runs."""

import asyncio
from collections import Counter

import pytest

from paceline import Closed, Engine, Job, JobContext, Lane, MemorySink, UnknownName, events
from paceline.testing import VirtualClock


class Log:
    """Each job takes its payload's seconds; keeps count of what runs in each lane."""

    def __init__(self) -> None:
        self.started: list[tuple[float, str]] = []
        self.running: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    async def execute(self, job: Job, ctx: JobContext) -> object:
        self.started.append((now(), job.lane))
        self.running[job.lane] += 1
        self.most[job.lane] = max(self.most[job.lane], self.running[job.lane])
        try:
            if not isinstance(job.payload, int):
                return await job.payload(ctx)
            await asyncio.sleep(job.payload)
            return None
        finally:
            self.running[job.lane] -= 1

    def between(self, begin: float, end: float) -> Counter[str]:
        return Counter(lane for when, lane in self.started if begin <= when < end)


def now() -> float:
    return asyncio.get_running_loop().time()


def test_a_cap_is_a_cap_even_for_a_lane_alone() -> None:
    """acty: with max_inflight=1 there were 10 in flight."""
    log = Log()

    async def main() -> float:
        async with Engine(log, lanes=[Lane("a", max_running=2)], slots=8) as engine:
            for _ in range(10):
                await engine.submit(1, lane="a")
        return now()

    assert VirtualClock().run(main) == 5
    assert log.most["a"] == 2


def test_a_cap_counts_nested_jobs_but_not_their_parked_parents() -> None:
    log = Log()
    most_leaves = 0
    leaves = 0

    async def leaf(ctx: JobContext) -> int:
        nonlocal leaves, most_leaves
        leaves += 1
        most_leaves = max(most_leaves, leaves)
        await asyncio.sleep(1)
        leaves -= 1
        return 1

    async def parent(ctx: JobContext) -> int:
        handles = [await ctx.spawn(leaf) for _ in range(3)]
        return sum([await handle for handle in handles])

    async def main() -> None:
        async with Engine(log, lanes=[Lane("a", max_running=2)], slots=8) as engine:
            handles = [await engine.submit(parent, lane="a") for _ in range(4)]
            assert [await handle for handle in handles] == [3] * 4
            assert now() == 6

    VirtualClock().run(main)
    assert most_leaves == 2


def test_a_cap_counts_abandoned_attempts_until_they_are_gone() -> None:
    log = Log()

    async def stubborn(ctx: JobContext) -> None:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            await asyncio.sleep(7)

    async def main() -> None:
        async with Engine(log, lanes=[Lane("a", max_running=1)], slots=2) as engine:
            handle = await engine.submit(stubborn, lane="a")
            await asyncio.sleep(1)
            handle.cancel()
            other = await engine.submit(1, lane="a")
            assert engine.snapshot().slots_used == 0
            assert other.waiting is not None
            assert (other.waiting.kind, other.waiting.on) == ("lane_cap", "a")
            await other
            assert now() == 9

    VirtualClock().run(main)


def test_a_new_weight_counts_from_now_on() -> None:
    log = Log()

    async def main() -> None:
        async with Engine(log, lanes=[Lane("a"), Lane("b")], slots=1) as engine:
            for _ in range(400):
                await engine.submit(1, lane="a")
                await engine.submit(1, lane="b")
            await asyncio.sleep(100)
            engine.lane("a").update(weight=4.0)
            await asyncio.sleep(100)
            engine.lane("a", weight=1.0)
            await asyncio.sleep(100)
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        VirtualClock().run(main)
    assert abs(log.between(0, 100)["a"] - 50) <= 1
    assert abs(log.between(100, 200)["a"] - 80) <= 2
    assert abs(log.between(200, 300)["a"] - 50) <= 2


def test_a_new_cap_counts_from_now_on_and_leaves_what_runs_alone() -> None:
    log = Log()

    async def main() -> None:
        async with Engine(log, slots=8) as engine:
            for _ in range(40):
                await engine.submit(10)
            await asyncio.sleep(1)
            lane = engine.lane("default")
            lane.update(max_running=2)
            assert lane.max_running == 2
            assert engine.snapshot().lanes["default"].running == 8
            await asyncio.sleep(10)
            assert engine.snapshot().lanes["default"].running == 2
            lane.update(max_running=None)
            assert engine.snapshot().lanes["default"].running == 8
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        VirtualClock().run(main)


def test_a_lane_shows_what_it_is_set_to_however_it_was_reached() -> None:
    """acty: lane("x", weight=1.0) left 2.0 in the scheduler, and lane("y") showed 1.0 for a lane of 3."""

    async def main() -> None:
        async with Engine(Log(), lanes=[Lane("y", 3.0)]) as engine:
            assert engine.lane("y").weight == 3.0
            new = engine.lane("x", weight=2.0)
            engine.lane("x", weight=1.0)
            assert new.weight == engine.lane("x").weight == engine.snapshot().lanes["x"].weight == 1.0
            engine.lane("x", max_running=4)
            assert (new.weight, new.max_running) == (1.0, 4)
            engine.lane("x", weight=5.0)
            assert (new.weight, new.max_running) == (5.0, 4)

    VirtualClock().run(main)


def test_unknown_lanes_are_refused_and_the_known_ones_listed() -> None:
    async def main() -> None:
        async with Engine(Log(), lanes=[Lane("a")]) as engine:
            for refused in (engine.submit(1, lane="b"), engine.submit_group("g", followers=[1], lane="b")):
                with pytest.raises(UnknownName, match=r"no lane named 'b'; known: 'a', 'default'") as caught:
                    await refused
                assert caught.value.known == ("a", "default")
            with pytest.raises(UnknownName, match=r"engine\.lane"):
                engine.lane("b")
            with pytest.raises(UnknownName):
                [each async for each in engine.map([1], lane="b")]

    VirtualClock().run(main)


@pytest.mark.parametrize("settings", [{"weight": 0}, {"weight": -1}, {"max_running": 0}])
def test_settings_out_of_range_are_refused_and_change_nothing(settings: dict[str, float]) -> None:
    async def main() -> None:
        async with Engine(Log(), lanes=[Lane("a", 3.0, 2)]) as engine:
            with pytest.raises(ValueError, match="lane 'a'"):
                engine.lane("a", **settings)  # type: ignore[arg-type]
            with pytest.raises(ValueError, match="lane 'new'"):
                engine.lane("new", **settings)  # type: ignore[arg-type]
            assert (engine.lane("a").weight, engine.lane("a").max_running) == (3.0, 2)
            assert "new" not in engine.snapshot().lanes

    VirtualClock().run(main)


def test_a_closed_lane_takes_no_more_and_finishes_what_it_has() -> None:
    log = Log()

    async def main() -> None:
        async with Engine(log, lanes=[Lane("a")], slots=1) as engine:
            handles = [await engine.submit(1, lane="a") for _ in range(3)]
            lane = engine.lane("a")
            lane.close()
            assert lane.closed
            assert engine.snapshot().lanes["a"].closed
            with pytest.raises(Closed, match="lane 'a' is closed"):
                await engine.submit(1, lane="a")
            for handle in handles:
                await handle
            assert "a" not in engine.snapshot().lanes
            with pytest.raises(UnknownName, match="'a'"):
                await engine.submit(1, lane="a")

    VirtualClock().run(main)


def test_a_closed_lane_can_be_opened_again_before_and_after_it_is_forgotten() -> None:
    async def main() -> None:
        async with Engine(Log(), lanes=[Lane("a", 2.0)], slots=1) as engine:
            running = await engine.submit(1, lane="a")
            engine.lane("a").close()
            engine.lane("a", weight=3.0)
            await (await engine.submit(1, lane="a"))
            await running
            engine.lane("a").close()
            assert "a" not in engine.snapshot().lanes
            again = engine.lane("a", weight=7.0)
            assert (again.weight, again.closed) == (7.0, False)
            await (await engine.submit(1, lane="a"))

    VirtualClock().run(main)


def test_an_abandoned_attempt_keeps_its_closed_lane_until_it_is_gone() -> None:
    log = Log()

    async def stubborn(ctx: JobContext) -> None:
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            await asyncio.sleep(7)

    async def main() -> None:
        async with Engine(log, lanes=[Lane("a", max_running=1)]) as engine:
            handle = await engine.submit(stubborn, lane="a")
            await asyncio.sleep(1)
            engine.lane("a").close()
            handle.cancel()
            assert "a" in engine.snapshot().lanes
            await asyncio.sleep(8)
            assert "a" not in engine.snapshot().lanes

    VirtualClock().run(main)


def test_a_handle_to_a_forgotten_lane_does_not_bring_half_of_it_back() -> None:
    async def main() -> None:
        async with Engine(Log(), lanes=[Lane("a", 2.0)]) as engine:
            lane = engine.lane("a")
            lane.close()
            lane.update(weight=5.0)
            await (await engine.submit(1, lane="a"))
            assert (lane.weight, lane.closed, engine.lane("a").weight) == (5.0, False, 5.0)

    VirtualClock().run(main)


def test_an_open_group_in_a_lane_that_is_closed_still_takes_its_followers() -> None:
    """The group was accepted: like a job that was, it runs to its end, and the lane stays until then."""

    async def main() -> None:
        async with Engine(Log(), lanes=[Lane("a")]) as engine:
            async with engine.open_group("g", lane="a") as group:
                await (await group.submit_primer(1))
                engine.lane("a").close()
                assert "a" in engine.snapshot().lanes
                await (await group.add_follower(1))
                await group.add_follower(1)
                assert engine.snapshot().lanes["a"].unfinished == 1
            assert [each.status for each in await group.results()] == ["succeeded"] * 3
            assert "a" not in engine.snapshot().lanes

    VirtualClock().run(main)


def test_every_change_is_recorded_with_the_new_state() -> None:
    sink = MemorySink()

    async def main() -> None:
        async with Engine(Log(), sinks=[sink]) as engine:
            lane = engine.lane("a", weight=2.0)
            lane.update(max_running=3)
            lane.close()

    VirtualClock().run(main)
    assert [(each.weight, each.max_running, each.closed) for each in sink.of(events.LaneChanged)] == [
        (2.0, None, False),
        (2.0, 3, False),
        (2.0, 3, True),
    ]
