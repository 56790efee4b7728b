"""`submit_threadsafe`: the one door for other threads."""

import asyncio
import concurrent.futures
import contextvars
import threading

import pytest

from paceline import Engine, EngineNotOpen, JobFuture, KeyConflict, Suspend, UnknownName, WrongLoop
from paceline.testing import DelayExecutor, EchoExecutor, FaultExecutor, Hang, Raise, VirtualClock

TENANT: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="nobody")


def test_another_thread_submits_and_waits() -> None:
    def work(engine: Engine) -> None:
        futures = [engine.submit_threadsafe(i, name=f"job {i}") for i in range(20)]
        assert [future.result(10).output for future in futures] == list(range(20))
        assert futures[3].result().name == "job 3"
        assert futures[3].exception() is None
        failed = engine.submit_threadsafe(Raise(ValueError("no"))).result(10)
        assert failed.status == "failed"
        assert failed.error is not None
        assert failed.error.message == "no"
        assert engine.submit_threadsafe(Suspend("?")).result(10).status == "suspended"

    async def main() -> None:
        async with Engine(FaultExecutor(), slots=2) as engine:
            await asyncio.to_thread(work, engine)

    asyncio.run(main())


def test_what_submitting_raises_comes_out_of_the_future() -> None:
    def work(engine: Engine) -> None:
        with pytest.raises(UnknownName, match="nowhere"):
            engine.submit_threadsafe(1, lane="nowhere").result(10)
        assert isinstance(engine.submit_threadsafe(1, lane="nowhere").exception(10), UnknownName)
        held = engine.submit_threadsafe(Hang(), key="k")
        with pytest.raises(KeyConflict):
            engine.submit_threadsafe(2, key="k").result(10)
        assert held.cancel()

    async def main() -> None:
        async with Engine(FaultExecutor()) as engine:
            await asyncio.to_thread(work, engine)

    asyncio.run(main())


def test_a_job_from_another_thread_runs_in_a_copy_of_that_threads_context() -> None:
    async def tenant(payload: object) -> str:
        return TENANT.get()

    def work(engine: Engine) -> str:
        TENANT.set("ada")
        return str(engine.submit_threadsafe(1).result(10).output)

    async def main() -> None:
        async with Engine(tenant) as engine:
            assert await asyncio.to_thread(work, engine) == "ada"
            assert TENANT.get() == "nobody"

    asyncio.run(main())


def test_cancelling_the_future_cancels_the_job() -> None:
    async def main() -> None:
        faults = FaultExecutor()
        async with Engine(faults) as engine:
            started = engine.submit_threadsafe(Hang())
            early = engine.submit_threadsafe(Hang())
            assert early.cancel()
            while faults.hanging < 1:  # noqa: ASYNC110 - the executor has no event to tell it
                await asyncio.sleep(0.001)
            await asyncio.to_thread(started.cancel)
            while faults.hanging:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.001)
            assert engine.snapshot().counts["cancelled"] == 2
            for future in (started, early):
                with pytest.raises(concurrent.futures.CancelledError):
                    future.result(10)

    asyncio.run(main())


def test_a_future_that_has_its_result_can_not_be_cancelled() -> None:
    async def main() -> None:
        async with Engine(EchoExecutor()) as engine:
            future = engine.submit_threadsafe(1)
            result = await asyncio.wrap_future(future)
            assert future.cancel() is False
            assert (await asyncio.to_thread(future.result)) == result

    asyncio.run(main())


def test_waiting_on_the_loops_own_thread_is_refused_until_the_result_is_there() -> None:
    async def main() -> None:
        async with Engine(EchoExecutor()) as engine:
            future = engine.submit_threadsafe(1)
            for wait in (future.result, future.exception):
                with pytest.raises(WrongLoop, match="JobFuture") as caught:
                    wait()
                assert "await engine.submit" in "".join(caught.value.__notes__)
            await asyncio.wrap_future(future)
            assert future.result().output == 1

    asyncio.run(main())


@pytest.mark.parametrize("virtual", [True, False])
def test_a_sync_job_that_waits_for_its_child_is_parked_so_that_one_slot_is_enough(virtual: bool) -> None:
    def nested(depth: int) -> int:
        if not depth:
            return 0
        future = engine.submit_threadsafe(depth - 1)
        inner = future.result().output
        assert future.exception() is None
        assert isinstance(inner, int)
        return 1 + inner

    engine = Engine(nested, slots=1, max_pending=1)

    async def main() -> None:
        async with engine:
            assert await (await engine.submit(10)) == 10
            snapshot = engine.snapshot()
            assert (snapshot.slots_used, snapshot.parked, snapshot.lanes["default"].running) == (0, 0, 0)

    if virtual:
        VirtualClock().run(main)
    else:
        asyncio.run(main())


def test_a_sync_job_that_waits_in_vain_has_its_slot_again_when_it_goes_on() -> None:
    inside = threading.Event()
    go_on = threading.Event()

    def impatient(payload: object) -> str:
        future = engine.submit_threadsafe(Hang(), executor=faults)
        for _ in range(2):
            with pytest.raises(TimeoutError):
                future.result(timeout=0.05)
        inside.set()
        go_on.wait(10)
        assert future.cancel()
        return "went on"

    faults = FaultExecutor()
    engine = Engine(impatient, slots=2)

    async def main() -> None:
        async with engine:
            handle = await engine.submit(1)
            await asyncio.to_thread(inside.wait)
            snapshot = engine.snapshot()
            assert (snapshot.parked, snapshot.slots_used) == (0, 2)
            go_on.set()
            assert await handle == "went on"

    asyncio.run(main())


def test_a_thread_whose_job_was_cancelled_can_submit_no_more() -> None:
    told: list[BaseException | None] = []
    inside, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def stubborn(payload: object) -> None:
        inside.set()
        go_on.wait(10)
        told.append(engine.submit_threadsafe("again").exception(10))
        done.set()

    engine = Engine(stubborn)

    async def main() -> None:
        async with engine:
            handle = await engine.submit(1)
            await asyncio.to_thread(inside.wait)
            handle.cancel()
            go_on.set()
        assert done.is_set()
        assert isinstance(told[0], EngineNotOpen)

    asyncio.run(main())


def test_a_thread_that_waits_for_a_job_gets_its_result_when_the_engine_is_left_by_an_error() -> None:
    futures: list[JobFuture] = []

    async def main() -> None:
        with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the block is what raises
            async with Engine(FaultExecutor()) as engine:
                futures.append(engine.submit_threadsafe(Hang()))
                await asyncio.sleep(0.01)
                raise ZeroDivisionError

    asyncio.run(main())
    assert futures[0].result(0).status == "cancelled"


def test_after_the_loop_is_closed_submitting_says_so() -> None:
    engines: list[Engine] = []

    async def main() -> None:
        engine = Engine(EchoExecutor())
        await engine.__aenter__()  # as a program does that loses its loop
        engines.append(engine)

    asyncio.run(main())
    with pytest.raises(EngineNotOpen, match="loop is closed"):
        engines[0].submit_threadsafe(1)


def test_a_key_from_another_thread_finds_the_job_that_has_ended() -> None:
    async def main() -> None:
        async with Engine(EchoExecutor()) as engine:
            handle = await engine.submit(1, key="k")
            await handle
            result = await asyncio.to_thread(lambda: engine.submit_threadsafe(1, key="k").result(10))
            assert result.id == handle.id

    asyncio.run(main())


def test_a_sync_job_whose_patience_ends_goes_on_only_when_there_is_a_slot_for_it() -> None:
    """With one slot its child has it: the wait is over when the child is, and then there is a result."""

    def impatient(payload: object) -> object:
        future = engine.submit_threadsafe("child", executor=DelayExecutor(0.2, 0.2))
        return future.result(timeout=0.01).output

    engine = Engine(impatient, slots=1)

    async def main() -> None:
        async with engine:
            assert await (await engine.submit("parent")) == "child"

    asyncio.run(main())
