"""Whatever ends a flow ends all that it has started, nested ones too, and leaves nothing running (S5)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from paceline import (
    Engine,
    GraphRun,
    JobCancelled,
    JobFailed,
    PacelineError,
    RetryPolicy,
    dag,
    flow,
    gather,
    task,
)
from paceline.testing import VirtualClock

log: list[str] = []


@pytest.fixture(autouse=True)
def _empty_log() -> None:
    log.clear()


@task
async def work(name: str, seconds: float = 50) -> str:
    log.append(f"{name} starts")
    try:
        return await asyncio.sleep(seconds, name)
    finally:
        log.append(f"{name} ends")


@dag
async def graph() -> str:
    return await work("node")


@flow
async def inner() -> None:
    await gather(work("deep"), graph())


@task
async def runs() -> None:
    await inner.run()


@flow
async def outer() -> None:
    log.append("outer starts")
    try:
        await gather(inner(), work.map(["item"]), work("leaf"), runs())
    finally:
        log.append("outer ends")


def now() -> float:
    return asyncio.get_running_loop().time()


async def by_run(engine: Engine) -> str:
    run = await outer.start(engine)
    await asyncio.sleep(2)
    assert run.cancel("enough")
    assert run.status == "cancelled"
    with pytest.raises(JobCancelled, match="enough"):
        await run
    return (await run.report()).state


async def by_handle(engine: Engine) -> str:
    handle = await engine.submit({}, executor=outer)
    await asyncio.sleep(2)
    assert handle.cancel()
    return (await handle.wait()).status


async def by_timeout(engine: Engine) -> str:
    return (await outer.with_options(timeout=2).run(engine)).state


async def by_deadline(engine: Engine) -> str:
    return (await outer.with_options(deadline=2).run(engine)).state


async def by_cancelled_run(engine: Engine) -> str:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2):
            await outer.run(engine)
    return "gone"


async def by_parent(engine: Engine) -> str:
    @flow
    async def parent() -> None:
        await outer()

    run: GraphRun[None] = await parent.start(engine)
    await asyncio.sleep(2)
    run.cancel()
    return run.status


async def by_its_own_failure(engine: Engine) -> str:
    @flow
    async def failing() -> None:
        outer()
        await asyncio.sleep(2)
        raise ValueError("enough")

    return (await failing.run(engine)).state


async def by_a_call_that_fails(engine: Engine) -> str:
    @task
    async def fail() -> None:
        await asyncio.sleep(2)
        raise ValueError

    @flow
    async def failing() -> None:
        await gather(outer(), fail())

    return (await failing.run(engine)).state


@pytest.mark.parametrize(
    ("way", "state"),
    [
        (by_run, "cancelled"),
        (by_handle, "cancelled"),
        (by_timeout, "failed"),
        (by_deadline, "failed"),
        (by_cancelled_run, "gone"),
        (by_parent, "cancelled"),
        (by_its_own_failure, "failed"),
        (by_a_call_that_fails, "failed"),
    ],
)
def test_the_end_of_a_flow_ends_all_that_it_has_started(
    way: Callable[[Engine], Awaitable[str]], state: str
) -> None:
    async def main() -> None:
        async with Engine() as engine:
            assert await way(engine) == state
            await asyncio.sleep(0.01)  # a cancelled task takes some rounds of the loop to end
            snapshot = engine.snapshot()
            assert (snapshot.slots_used, snapshot.counts["running"], len(snapshot.abandoned)) == (0, 0, 0)
        assert now() == 2.01

    VirtualClock().run(main)
    names = ["deep", "deep", "item", "leaf", "node", "node", "outer"]
    assert sorted(log) == sorted(f"{name} {what}" for name in names for what in ("starts", "ends"))


def test_leaving_the_engine_by_an_error_ends_a_flow_and_all_that_it_has_started() -> None:
    async def main() -> None:
        async def leave() -> None:
            async with Engine() as engine:
                await outer.start(engine)
                await asyncio.sleep(2)
                raise KeyError

        with pytest.raises(KeyError):
            await leave()
        assert now() == 2

    VirtualClock().run(main)
    assert sum(line.endswith("starts") for line in log) == sum(line.endswith("ends") for line in log) == 7


def test_cancelling_a_run_or_an_await_in_an_engine_of_its_own_leaves_nothing_running() -> None:
    async def main() -> None:
        for start in (outer.run, outer):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(2):
                    await start()
        assert now() == 4
        assert len(asyncio.all_tasks()) == 1

    VirtualClock().run(main)
    assert sum(line.endswith("starts") for line in log) == sum(line.endswith("ends") for line in log) == 14


def test_leaving_the_engine_normally_lets_a_flow_go_on_to_its_end() -> None:
    @flow
    async def body() -> str:
        await work("first", 1)
        await asyncio.sleep(1)
        return await work("second", 1)

    async def main() -> Any:
        async with Engine() as engine:
            run = await body.start(engine)
        assert now() == 3
        return await run

    assert VirtualClock().run(main) == "second"


def test_cancelling_a_call_raises_where_it_is_awaited_and_leaves_the_others() -> None:
    @flow
    async def body() -> str:
        one, other = work("one"), work("other", 3)
        await asyncio.sleep(1)
        assert one.handle.cancel("not needed")
        with pytest.raises(JobCancelled, match="not needed"):
            await one
        return await other

    async def main() -> tuple[str, float]:
        return await body(), now()

    assert VirtualClock().run(main) == ("other", 3)


def test_a_flow_that_swallows_its_cancellation_can_start_nothing_more() -> None:
    @flow
    async def body() -> str:
        try:
            await work("one")
        except asyncio.CancelledError:
            for start in (work, inner):
                with pytest.raises(
                    PacelineError, match="flow 'body' has ended or was given up; it cannot call"
                ):
                    start("two") if start is work else start()  # type: ignore[call-arg]
            log.append("refused")
        return "went on"

    async def main() -> None:
        async with Engine() as engine:
            run = await body.start(engine)
            await asyncio.sleep(1)
            run.cancel()
            assert run.status == "cancelled"
        assert run.status == "cancelled"

    VirtualClock().run(main)
    assert sorted(log) == ["one ends", "one starts", "refused"]


def test_a_stray_task_of_a_flow_that_is_tried_again_does_not_call_in_its_name() -> None:
    strays: list[asyncio.Task[Any]] = []
    refused: list[str] = []

    @flow
    async def body() -> int:
        async def stray() -> None:
            await asyncio.sleep(1)
            try:
                work("stray")
            except PacelineError as error:
                refused.append(str(error))

        strays.append(asyncio.create_task(stray()))
        if len(strays) == 1:
            raise ValueError("again")
        await asyncio.sleep(5)
        return len(strays)

    async def main() -> int:
        async with Engine() as engine:
            return await (await body.with_options(retry=RetryPolicy(attempts=2, base=0)).start(engine))

    assert VirtualClock().run(main) == 2
    assert len(refused) == 1
    assert log == ["stray starts", "stray ends"]


def test_a_cancelled_error_that_nobody_asked_for_is_a_failure() -> None:
    """S10: there it escaped from run() without a report."""

    @task
    async def cancels() -> None:
        raise asyncio.CancelledError("mine")

    @flow
    async def caught() -> str:
        with pytest.raises(JobFailed) as failed:
            await cancels()
        assert isinstance(failed.value.__cause__, asyncio.CancelledError)
        return "went on"

    @flow
    async def itself() -> None:
        raise asyncio.CancelledError("mine")

    async def main() -> None:
        assert await caught() == "went on"
        report = await itself.run()
        assert report.state == "failed"
        assert report.error is not None
        assert "CancelledError" in report.error.type

    VirtualClock().run(main)


def test_calls_that_a_failing_flow_makes_last_never_run() -> None:
    kept: list[Any] = []

    @flow
    async def body() -> None:
        kept.append(work("never"))
        raise ValueError

    async def main() -> None:
        assert (await body.run()).state == "failed"
        with pytest.raises(PacelineError, match=r"its flow has ended|its parent failed"):
            await kept[0]

    VirtualClock().run(main)
    asyncio.run(main())
    assert not log
