"""`max_running` counts what really runs, below everything, and leaves no room unused (G4: it was no cap)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, strategies

from paceline import (
    Engine,
    GraphRun,
    Handle,
    PacelineError,
    RetryPolicy,
    as_completed,
    dag,
    flow,
    gather,
    task,
)
from paceline.testing import VirtualClock

running: dict[str, int] = {}
most: dict[str, int] = {}


@pytest.fixture(autouse=True)
def _nothing_has_run() -> None:
    running.clear()
    most.clear()


@task
async def leaf(seconds: float, *where: str) -> float:
    """Count how many run at once: in all, and in each place."""
    for each in ("all", *where):
        running[each] = running.get(each, 0) + 1
        most[each] = max(most.get(each, 0), running[each])
    try:
        return await asyncio.sleep(seconds, seconds)
    finally:
        for each in ("all", *where):
            running[each] -= 1


@dag
async def chain(seconds: float) -> float:
    return await leaf(await leaf(seconds))


def timed(start: Callable[[Engine], Awaitable[Any]], slots: int = 20) -> float:
    """How long a run takes."""

    async def main() -> float:
        async with Engine(slots=slots) as engine:
            await (await start(engine))
            return asyncio.get_running_loop().time()

    return VirtualClock().run(main)


@flow
async def twenty() -> None:
    await gather(*(leaf(1) for _ in range(20)))


def test_a_cap_holds_at_declaration_for_some_calls_and_for_one_run() -> None:
    @flow(max_running=4)
    async def declared() -> None:
        await gather(*(leaf(1) for _ in range(20)))

    @flow
    async def calling() -> None:
        await twenty.with_options(max_running=5)()

    async def by_executor(engine: Engine) -> Handle:
        return await engine.submit({}, executor=declared)

    async def for_one_run(engine: Engine) -> GraphRun[None]:
        return await twenty.start(engine, max_running=2)

    async def for_one_run_beyond_the_declared(engine: Engine) -> GraphRun[None]:
        return await declared.start(engine, max_running=10)

    starts: list[tuple[Callable[[Engine], Awaitable[Any]], int]] = [
        (twenty.start, 20),
        (declared.start, 4),
        (calling.start, 5),
        (for_one_run, 2),
        (for_one_run_beyond_the_declared, 10),
        (by_executor, 4),
    ]
    for start, cap in starts:
        most.clear()
        assert timed(start) == 20 / cap
        assert most == {"all": cap}


def test_a_cap_holds_for_nested_flows_graphs_maps_and_tasks_that_run_flows_all_together() -> None:
    @flow
    async def inner() -> None:
        await gather(leaf(1), leaf(1))

    @task
    async def runs_a_flow() -> None:
        await inner()

    @flow(max_running=3)
    async def outer() -> None:
        await gather(inner(), inner(), runs_a_flow(), chain(1), chain(1), leaf.map([1] * 4), leaf(1), leaf(1))

    # Sixteen leaves of a second, and a task that is parked meanwhile.
    assert timed(outer.start) == 6
    assert most == {"all": 3}


def test_each_of_several_caps_holds() -> None:
    @flow(max_running=2)
    async def narrow(where: str) -> None:
        await gather(*(leaf(1, where) for _ in range(6)))

    @flow(max_running=5)
    async def wide() -> None:
        await gather(*(narrow(where) for where in "abcd"))

    assert timed(wide.start) == pytest.approx(24 / 5, abs=1)
    assert most == {"all": 5, "a": 2, "b": 2, "c": 2, "d": 2}


def test_gather_and_as_completed_have_a_cap_of_their_own() -> None:
    @flow
    async def body() -> None:
        await gather(*(leaf(1, "gather") for _ in range(6)), max_running=2)
        found = [each async for each in as_completed([leaf(1, "each") for _ in range(6)], max_running=3)]
        assert len(found) == 6

    assert timed(body.start) == 3 + 2
    assert most == {"all": 3, "gather": 2, "each": 3}


def test_the_cap_of_gather_holds_whenever_it_is_awaited() -> None:
    @flow
    async def body() -> None:
        later = asyncio.create_task(gather(*(leaf(1, "first") for _ in range(4)), max_running=1))  # noqa: RUF006 - awaited
        last = gather(*(leaf(1, "second") for _ in range(4)), max_running=2)
        each = as_completed([leaf(1, "third") for _ in range(4)], max_running=2)
        await asyncio.sleep(0.5)
        await last
        assert [result.status async for result in each] == ["succeeded"] * 4
        await later

    assert timed(body.start) == 4
    assert most == {"all": 5, "first": 1, "second": 2, "third": 2}


def test_the_cap_of_gather_counts_what_runs_below_its_calls() -> None:
    @flow
    async def inner() -> None:
        await gather(leaf(1), leaf(1), chain(1))

    @flow
    async def body() -> None:
        await gather(inner(), inner(), chain(1), max_running=2)

    assert timed(body.start) == 5
    assert most == {"all": 2}


def test_a_cap_on_calls_that_are_on_their_way_is_refused() -> None:
    @flow
    async def body() -> None:
        calls = [leaf(1), leaf(1)]
        await asyncio.sleep(0)
        with pytest.raises(
            PacelineError, match=r"cannot hold back <Call 'body/0' of 'leaf'>.*same expression"
        ):
            await gather(*calls, max_running=1)
        with pytest.raises(PacelineError, match="cannot hold back <Future"):
            await gather(asyncio.get_running_loop().create_future(), max_running=1)
        wrong: Any
        for wrong in (0, -1, True, "2"):
            with pytest.raises((ValueError, TypeError), match="max_running must be a whole number"):
                await gather(leaf(1), max_running=wrong)

    timed(body.start)


def test_a_map_has_the_cap_of_its_task() -> None:
    @flow
    async def body() -> None:
        await leaf.with_options(max_running=3).map([1.0] * 9)

    assert timed(body.start) == 3
    assert most == {"all": 3}


def test_what_a_cap_holds_back_leaves_its_slots_to_others() -> None:
    @flow
    async def body() -> None:
        capped = gather(*(leaf(1, "capped") for _ in range(6)), max_running=1)
        await gather(*(leaf(1, "free") for _ in range(6)))
        assert asyncio.get_running_loop().time() == 3  # two of three slots
        await capped

    assert timed(body.start, slots=3) == 6


def test_a_place_under_a_cap_is_free_while_its_job_backs_off_or_is_parked() -> None:
    tries: list[float] = []

    @task(retry=RetryPolicy(attempts=2, base=8, cap=8))
    async def flaky() -> None:
        tries.append(asyncio.get_running_loop().time())
        if len(tries) == 1:
            raise ValueError

    @flow(max_running=1)
    async def body() -> None:
        await gather(flaky(), leaf(1))

    timed(body.start)
    assert most == {"all": 1}
    assert tries[0] == 0
    assert tries[1] > 0


@given(
    caps=strategies.tuples(*(strategies.integers(1, 5) for _ in range(3))),
    slots=strategies.integers(1, 6),
    shape=strategies.lists(
        strategies.tuples(strategies.sampled_from("abc"), strategies.integers(0, 6)), max_size=6
    ),
    seed=strategies.integers(0, 5),
)
def test_random_nestings_never_run_more_than_any_cap_allows_nor_fewer_than_all_allow(
    caps: tuple[int, int, int], slots: int, shape: list[tuple[str, int]], seed: int
) -> None:
    running.clear()
    most.clear()
    outer_cap, inner_cap, gather_cap = caps

    @flow(max_running=inner_cap)
    async def inner(count: int, where: str) -> None:
        await gather(*(leaf(1, where) for _ in range(count)))

    @flow(max_running=outer_cap)
    async def outer() -> None:
        await gather(
            *(
                inner(count, f"{number}")
                if kind == "a"
                else leaf.map([1.0] * count)
                if kind == "b"
                else chain(1)
                for number, (kind, count) in enumerate(shape)
            ),
            max_running=gather_cap,
        )

    async def main() -> float:
        async with Engine(slots=slots) as engine:
            await (await outer.start(engine))
            return asyncio.get_running_loop().time()

    seconds = VirtualClock(seed).run(main)
    at_once = min(outer_cap, gather_cap, slots)
    work = sum(2 if kind == "c" else count for kind, count in shape)
    longest = max([0, *(-(-count // inner_cap) if kind == "a" else 2 for kind, count in shape)])
    assert all(count <= inner_cap for where, count in most.items() if where != "all")
    assert most.get("all", 0) <= at_once
    assert seconds <= work / at_once + longest
