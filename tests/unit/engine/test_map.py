"""`engine.map`: payloads in, results out, and never more than a window of jobs between them."""

import asyncio
import gc
import itertools
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import anyio
import pytest

from paceline import (
    Closed,
    Engine,
    EngineNotOpen,
    JobResult,
    Lane,
    RetryPolicy,
    Suspend,
    UnknownName,
    current_job,
    flow,
    gather,
    task,
)
from paceline.testing import EchoExecutor, FaultExecutor, Raise, VirtualClock


async def work(payload: Any) -> object:
    if isinstance(payload, BaseException):
        raise payload
    if isinstance(payload, Suspend):
        return payload
    return await asyncio.sleep(payload, payload)


def now() -> float:
    return asyncio.get_running_loop().time()


async def collect(results: AsyncIterator[JobResult]) -> list[Any]:
    return [result.output for result in [each async for each in results]]


async def keep(results: AsyncIterator[JobResult], outputs: list[object]) -> None:
    async for result in results:
        outputs.append(result.output)  # noqa: PERF401 - what came before an error counts too


class Counting:
    """Payloads without end, and how many were taken."""

    def __init__(self, payload: float = 1) -> None:
        self.taken = 0
        self.payload = payload

    def __iter__(self) -> Iterator[float]:
        while True:
            self.taken += 1
            yield self.payload

    async def __aiter__(self) -> AsyncIterator[float]:
        for payload in iter(self):
            yield payload


def test_results_come_as_jobs_end() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            assert await collect(engine.map([5, 1, 3])) == [1, 3, 5]

    VirtualClock().run(main)


def test_or_in_the_order_of_the_payloads() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            assert await collect(engine.map([5, 1, 3], ordered=True)) == [5, 1, 3]

    VirtualClock().run(main)


def test_an_async_iterable_is_taken_too() -> None:
    async def payloads() -> AsyncIterator[float]:
        for number in (5, 1, 2):
            await asyncio.sleep(1)
            yield number

    async def main() -> None:
        async with Engine(work) as engine:
            assert await collect(engine.map(payloads())) == [1, 2, 5]

    VirtualClock().run(main)


def test_a_result_does_not_wait_for_a_slow_source() -> None:
    async def payloads() -> AsyncIterator[float]:
        for _ in range(3):
            yield 1
            await asyncio.sleep(100)

    async def main() -> None:
        async with Engine(work) as engine:
            assert [now() async for _ in engine.map(payloads())] == [1, 101, 201]

    VirtualClock().run(main)


def test_a_result_does_not_wait_for_room_for_the_next_payload() -> None:
    async def main() -> None:
        async with Engine(work, slots=1, max_pending=1) as engine:
            assert [now() async for _ in engine.map([1] * 5, window=50)] == [1, 2, 3, 4, 5]

    VirtualClock().run(main)


def test_a_source_runs_in_one_task_so_that_it_may_hold_scopes() -> None:
    async def payloads() -> AsyncIterator[float]:
        async with anyio.create_task_group():
            for _ in range(5):
                await anyio.sleep(1)
                yield 1

    async def main() -> None:
        async with Engine(work) as engine:
            assert await collect(engine.map(payloads())) == [1] * 5

    VirtualClock().run(main)


def test_nothing_is_taken_before_it_is_asked_for() -> None:
    async def main() -> None:
        source = Counting()
        async with Engine(work) as engine:
            results = engine.map(source)
            await asyncio.sleep(10)
            assert source.taken == 0
            await results.aclose()

    VirtualClock().run(main)


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("window", [1, 3, 20])
def test_at_most_a_window_is_taken_and_not_yet_yielded(window: int, ordered: bool) -> None:
    async def main() -> None:
        source = Counting()
        async with (
            Engine(work, slots=4) as engine,
            aclosing(engine.map(source, window=window, ordered=ordered)) as results,
        ):
            yielded = 0
            async for _ in results:
                yielded += 1
                assert source.taken - yielded <= window
                await asyncio.sleep(0.3)
                assert source.taken - yielded <= window
                if yielded == 60:
                    break
            assert source.taken - yielded >= window - 1

    VirtualClock().run(main)


def test_the_window_is_twice_the_slots_unless_told_otherwise() -> None:
    async def main() -> None:
        source = Counting()
        async with Engine(work, slots=3) as engine:
            async with aclosing(engine.map(source)) as results:
                async for _ in results:
                    break
            assert source.taken in (6, 7)

    VirtualClock().run(main)


@pytest.mark.parametrize("ordered", [False, True])
def test_memory_stays_constant_over_any_number_of_payloads(ordered: bool) -> None:
    class Payload:
        """Something that can be referred to weakly."""

    alive: weakref.WeakSet[Payload] = weakref.WeakSet()
    most = 0

    def payloads() -> Iterator[Payload]:
        for _ in range(500):
            payload = Payload()
            alive.add(payload)
            yield payload
            del payload

    async def main() -> None:
        nonlocal most
        async with Engine(EchoExecutor(), slots=2) as engine:
            async for result in engine.map(payloads(), window=4, ordered=ordered):
                most = max(most, len(alive))
                assert result.ok
            gc.collect()
            assert len(alive) <= 1

    VirtualClock().run(main)
    assert most <= 8


def test_an_infinite_source_can_be_left_and_what_is_unfinished_is_cancelled() -> None:
    async def main() -> None:
        async with Engine(work, slots=2) as engine:
            async with aclosing(engine.map(itertools.repeat(1))) as results:
                async for _ in results:
                    break
            counts = engine.snapshot().counts
            assert (counts["running"], counts["waiting"]) == (0, 0)
            assert counts["cancelled"] >= 2
            assert now() == 1

    VirtualClock().run(main)


def test_leaving_the_loop_cancels_the_source_too() -> None:
    closed: list[float] = []

    async def payloads() -> AsyncIterator[float]:
        try:
            yield 1
            await asyncio.sleep(1000)
        finally:
            closed.append(now())

    async def main() -> None:
        async with Engine(work) as engine:
            async with aclosing(engine.map(payloads())) as results:
                async for _ in results:
                    break
            assert closed == [1]

    VirtualClock().run(main)


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_when_the_source_raises_the_results_before_come_first(ordered: bool, asynchronous: bool) -> None:
    def payloads() -> Iterator[float]:
        yield 3
        yield 1
        raise LookupError("no third line")

    async def agen() -> AsyncIterator[float]:
        for payload in payloads():
            yield payload

    async def main() -> None:
        async with Engine(work) as engine:
            outputs: list[object] = []
            results = engine.map(agen() if asynchronous else payloads(), ordered=ordered)
            with pytest.raises(LookupError, match="no third line"):
                await keep(results, outputs)
            assert outputs == ([3, 1] if ordered else [1, 3])

    VirtualClock().run(main)


def test_failures_are_results_like_others() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor()) as engine:
            payloads = ["a", Raise(OSError), "b", Raise(OSError, times=1, then="c")]
            results = [
                each async for each in engine.map(payloads, ordered=True, retry=RetryPolicy(attempts=2))
            ]
            assert [each.status for each in results] == ["succeeded", "failed", "succeeded", "succeeded"]
            assert [each.output for each in results] == ["a", None, "b", "c"]

    VirtualClock().run(main)


def test_a_suspended_item_is_yielded_as_such_and_does_not_hold_up_the_others() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            results = [each async for each in engine.map([1, Suspend("?"), 1], ordered=True, window=1)]
            assert [each.status for each in results] == ["succeeded", "suspended", "succeeded"]

    VirtualClock().run(main)


def test_items_have_positional_keys_and_a_common_name() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            results = [each async for each in engine.map([1, 1], name="books", ordered=True)]
            assert [each.key for each in results] == ["books[0]", "books[1]"]
            with pytest.raises(ValueError, match="a key names one job"):
                await collect(engine.map([1], key="k"))

    VirtualClock().run(main)


@pytest.mark.parametrize("slots", [1, 2])
def test_a_map_inside_a_job_works_with_one_slot(slots: int) -> None:
    async def nested(payload: Any) -> object:
        if payload:
            return await asyncio.sleep(1, payload)
        return sum([result.output async for result in engine.map(range(1, 6), window=2)])

    async def main() -> None:
        async with engine:
            assert await (await engine.submit(0)) == 15

    engine = Engine(nested, slots=slots)
    VirtualClock().run(main)


def test_the_items_of_a_map_inside_a_job_are_its_children() -> None:
    parents: set[str | None] = set()

    async def nested(payload: Any) -> object:
        ctx = current_job()
        assert ctx is not None
        if payload:
            parents.add(ctx.job.parent)
            return payload
        await collect(engine.map([1, 2]))
        return ctx.job.id

    async def main() -> None:
        async with engine:
            parent = await (await engine.submit(0))
            assert parents == {parent}

    engine = Engine(nested)
    VirtualClock().run(main)


def test_an_empty_source_gives_nothing() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            assert await collect(engine.map([])) == []

    VirtualClock().run(main)


def test_what_cannot_be_mapped_is_refused() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            with pytest.raises(TypeError):
                await collect(engine.map(3))  # type: ignore[arg-type]
            with pytest.raises(ValueError, match="window"):
                await collect(engine.map([1], window=0))
            with pytest.raises(UnknownName):
                await collect(engine.map([1], lane="nowhere"))
            with pytest.raises(UnknownName):
                await collect(engine.map([1], executor="nobody"))
        with pytest.raises(EngineNotOpen):
            await collect(engine.map([1]))

    VirtualClock().run(main)


def test_a_lane_that_is_closed_meanwhile_ends_the_map_after_what_it_had_taken() -> None:
    async def main() -> None:
        async with Engine(work, lanes=[Lane("a")], slots=1) as engine:
            outputs: list[object] = []
            asyncio.get_running_loop().call_later(2.5, engine.lane("a").close)
            with pytest.raises(Closed, match="lane 'a'"):
                await keep(engine.map(itertools.repeat(1), lane="a", window=2), outputs)
            assert len(outputs) in (4, 5)

    VirtualClock().run(main)


def test_a_map_that_goes_on_while_the_engine_is_left_ends_with_what_was_taken() -> None:
    async def main() -> None:
        outputs: list[object] = []

        async with Engine(work, slots=2) as engine:
            consuming = asyncio.create_task(keep(engine.map(itertools.repeat(1), window=2), outputs))
            await asyncio.sleep(2.5)
        with pytest.raises(EngineNotOpen):
            await consuming
        assert len(outputs) == 6

    VirtualClock().run(main)


def test_max_pending_holds_a_map_back_but_not_for_ever() -> None:
    async def main() -> None:
        async with Engine(work, slots=1, max_pending=2) as engine:
            results = engine.map([1] * 10, window=8)
            count = 0
            async for _ in results:
                count += 1
                assert engine.snapshot().counts["waiting"] <= 2
            assert count == 10

    VirtualClock().run(main)


def test_max_running_caps_all_jobs_of_one_map_together_and_what_they_start() -> None:
    running: dict[str, int] = {}
    most: dict[str, int] = {}

    @task
    async def leaf(name: str) -> str:
        running[name] = running.get(name, 0) + 1
        most[name] = max(most.get(name, 0), running[name])
        await asyncio.sleep(1)
        running[name] -= 1
        return name

    @flow
    async def three(name: str) -> list[str]:
        return await gather(*(leaf(name) for _ in range(3)))

    async def main() -> None:
        async with Engine(leaf, slots=20) as engine:
            await asyncio.gather(
                collect(engine.map([{"name": "capped"}] * 6, max_running=2)),
                collect(engine.map([{"name": "flows"}] * 3, executor=three, max_running=4)),
                collect(engine.map([{"name": "free"}] * 6)),
            )

    VirtualClock().run(main)
    assert most == {"capped": 2, "flows": 4, "free": 6}


def test_max_running_is_refused_where_it_would_do_nothing() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            with pytest.raises(ValueError, match="max_running is for graphs, flows and maps; 'work' is none"):
                await engine.submit(1, max_running=2)
            with pytest.raises(ValueError, match=r"group 'g': max_running .*GroupPolicy\(in_flight"):
                await engine.submit_group("g", followers=[1], max_running=2)  # type: ignore[call-arg]  # that is the point
            with pytest.raises(ValueError, match="max_running must be a whole number of at least 1"):
                engine.map([1], max_running=0)
            assert engine.snapshot().counts["waiting"] == 0

    VirtualClock().run(main)
