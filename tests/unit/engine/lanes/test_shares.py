"""Lanes: backlogged ones are served in proportion to their weights, and nobody saves up credit."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Sequence

import pytest

from paceline import Engine, Job, JobContext, Lane, Usage
from paceline.testing import VirtualClock


class Log:
    """Each job takes its payload's seconds; notes the lane of each start."""

    def __init__(self) -> None:
        self.started: list[tuple[float, str]] = []

    async def execute(self, job: Job, ctx: JobContext) -> object:
        self.started.append((now(), job.lane))
        await asyncio.sleep(job.payload)
        return None

    def between(self, begin: float, end: float) -> Counter[str]:
        return Counter(lane for when, lane in self.started if begin <= when < end)


def now() -> float:
    return asyncio.get_running_loop().time()


async def fill(engine: Engine, lanes: Sequence[str], jobs: int, seconds: float = 1.0) -> None:
    for lane in lanes:
        for _ in range(jobs):
            await engine.submit(seconds, lane=lane)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("slots", [1, 8])
@pytest.mark.parametrize("weights", [(1, 1), (2, 1), (5, 1), (3, 2)])
def test_shares_follow_the_weights_in_every_window(weights: tuple[int, int], slots: int, seed: int) -> None:
    """acty: with 2:1 the share in windows of 300 jobs swung from 0 to 1."""
    log = Log()

    async def main() -> None:
        lanes = [Lane("heavy", weights[0]), Lane("light", weights[1])]
        async with Engine(log, lanes=lanes, slots=slots) as engine:
            await fill(engine, ["light", "heavy"], 600)

    VirtualClock(seed).run(main)
    both_backlogged = slice(slots, int(600 * sum(weights) / max(weights)) - 50)
    order = [lane for _, lane in log.started][both_backlogged]
    share = weights[0] / sum(weights)
    for begin in range(0, len(order) - 60, 7):
        window = order[begin : begin + 60]
        assert abs(window.count("heavy") - share * 60) <= 2


@pytest.mark.parametrize("seed", range(5))
def test_the_bound_of_the_promise_holds_where_jobs_cost_differently(seed: int) -> None:
    """|served_f/w_f - served_g/w_g| <= (slots+1)(Lf/wf + Lg/wg), at every dispatch, reservations included."""
    slots, weights, costs = 4, {"a": 3.0, "b": 1.0}, {"a": (1, 9, 2), "b": (5, 1, 30)}
    worst: list[float] = []

    async def main() -> None:
        lanes = [Lane(name, weight) for name, weight in weights.items()]
        async with Engine(work, lanes=lanes, slots=slots) as engine:
            for lane in weights:
                for cost in itertools.islice(itertools.cycle(costs[lane]), 200):
                    await engine.submit((engine, cost), lane=lane, cost=cost)
            await asyncio.sleep(300)
            raise asyncio.CancelledError

    async def work(payload: tuple[Engine, float]) -> None:
        engine, cost = payload
        lanes = engine.snapshot().lanes
        if all(lanes[name].ready for name in weights):
            worst.append(abs(lanes["a"].served / weights["a"] - lanes["b"].served / weights["b"]))
        await asyncio.sleep(cost)

    with pytest.raises(asyncio.CancelledError):
        VirtualClock(seed).run(main)
    assert len(worst) > 50
    assert max(worst) <= (slots + 1) * (9 / 3 + 30 / 1)


def test_an_idle_lane_comes_back_without_credit() -> None:
    log = Log()

    async def main() -> None:
        async with Engine(log, lanes=[Lane("a"), Lane("b")], slots=1) as engine:
            await fill(engine, ["a"], 200)
            await asyncio.sleep(100)
            await fill(engine, ["b"], 100)
            await asyncio.sleep(40)
            assert abs(log.between(100, 140)["b"] - 20) <= 1
            engine.lane("b").update(weight=1000.0)

    VirtualClock().run(main)


def test_a_lane_that_was_at_its_cap_comes_back_without_credit() -> None:
    log = Log()

    async def main() -> None:
        async with Engine(log, lanes=[Lane("a"), Lane("b", max_running=1)], slots=2) as engine:
            await engine.submit(100, lane="b")
            await fill(engine, ["a", "b"], 200)
            await asyncio.sleep(99)
            assert log.between(0, 99)["b"] == 1
            engine.lane("b").update(max_running=None)
            await asyncio.sleep(20)
            assert log.between(100, 110)["b"] <= 12

    VirtualClock().run(main)


def test_slots_are_never_idle_while_any_lane_has_work() -> None:
    log = Log()

    async def main() -> float:
        lanes = [Lane("heavy", 1000.0), Lane("light", 0.001)]
        async with Engine(log, lanes=lanes, slots=4) as engine:
            await fill(engine, ["light"], 40)
            await asyncio.sleep(5)
            assert engine.snapshot().slots_used == 4
        return now()

    assert VirtualClock().run(main) == 10


def test_a_heavy_lanes_job_behind_ten_thousand_others_starts_within_one_jobs_time() -> None:
    log = Log()

    async def main() -> None:
        async with Engine(log, lanes=[Lane("background"), Lane("vip", 10.0)], slots=8) as engine:
            await engine.submit_group("books", followers=[1] * 5_000, lane="background")
            await fill(engine, ["background"], 5_000)
            await asyncio.sleep(20.5)
            submitted = now()
            await (await engine.submit(0, lane="vip"))
            assert now() - submitted <= 1
            engine.group("books").cancel()
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        VirtualClock().run(main)


def test_a_lane_with_few_jobs_is_served_between_those_of_one_with_many() -> None:
    """Even the light lane: it is behind, and so comes next."""
    log = Log()

    async def main() -> None:
        async with Engine(log, lanes=[Lane("many", 5.0), Lane("few", 1.0)], slots=1) as engine:
            await fill(engine, ["many"], 300)
            await fill(engine, ["few"], 3)
            await asyncio.sleep(25)
            assert log.between(0, 25)["few"] == 3

    VirtualClock().run(main)


def test_priority_counts_in_its_own_lane_only() -> None:
    order: list[str] = []

    async def note(payload: str) -> None:
        order.append(payload)
        await asyncio.sleep(1)

    async def main() -> None:
        async with Engine(note, lanes=[Lane("a"), Lane("b")], slots=1) as engine:
            first = await engine.submit("first", lane="a")
            for number in range(3):
                await engine.submit(f"low {number}", lane="a", priority=-1)
            for number in range(3):
                await engine.submit(f"high {number}", lane="a", priority=7)
            for number in range(3):
                await engine.submit(f"b {number}", lane="b", priority=-100)
            await first

    VirtualClock().run(main)
    assert [each for each in order if not each.startswith("b")] == [
        "first",
        *(f"high {number}" for number in range(3)),
        *(f"low {number}" for number in range(3)),
    ]
    assert [each for each in order[:7] if each.startswith("b")] == ["b 0", "b 1", "b 2"]


def test_with_tokens_as_unit_shares_are_those_of_tokens_not_of_jobs() -> None:
    """Jobs of lane a use ten times the tokens; each lane gets half the tokens."""
    tokens: Counter[str] = Counter()

    class Spending:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            await asyncio.sleep(1)
            used = 1000 if job.lane == "a" else 100
            tokens[job.lane] += used
            ctx.usage(Usage(input_tokens=used - 10, output_tokens=10))
            return None

    async def main() -> None:
        async with Engine(Spending(), lanes=[Lane("a"), Lane("b")], slots=2, cost="tokens") as engine:
            await fill(engine, ["a", "b"], 400)
            await asyncio.sleep(200)
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        VirtualClock().run(main)
    assert 0.9 < tokens["a"] / tokens["b"] < 1.1
