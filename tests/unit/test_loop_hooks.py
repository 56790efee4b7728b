"""What an engine asks of its loop: completions in an order of the seed's, and time that waits for threads."""

import asyncio
import contextvars
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import anyio.to_thread
import pytest

from paceline._loop import EngineLoop, hooks
from paceline.testing import VirtualClock


def now() -> float:
    return asyncio.get_running_loop().time()


class EngineThreads:
    """Hands calls to threads as the engine does."""

    def __init__(self) -> None:
        self.hooks = hooks(asyncio.get_running_loop())
        self.found: list[int] = []

    def start(self, order: int, work: Callable[[], object]) -> None:
        def call() -> None:
            work()
            self.hooks.deliver(order, self.found.append, order, thread=True)

        self.hooks.thread_started()
        threading.Thread(target=call, daemon=True).start()


def test_time_stands_still_while_an_engine_thread_works() -> None:
    async def main() -> list[int]:
        threads = EngineThreads()
        loop = asyncio.get_running_loop()
        seen: list[float] = []

        def work() -> None:
            time.sleep(0.02)
            seen.append(loop.time())

        threads.start(1, work)
        await asyncio.sleep(1000)
        assert seen == [0.0]
        return threads.found

    assert VirtualClock().run(main) == [1]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_speed_of_threads_does_not_order_their_completions(seed: int) -> None:
    async def main(slow: int) -> list[int]:
        threads = EngineThreads()
        for i in range(4):
            threads.start(i, partial(time.sleep, 0.02 if i == slow else 0))
        threads.hooks.deliver(4, threads.found.append, 4)
        await asyncio.sleep(1)
        return threads.found

    assert len({tuple(VirtualClock(seed).run(main, slow)) for slow in range(4)}) == 1


def test_a_parked_thread_lets_time_pass() -> None:
    async def main() -> float:
        threads = EngineThreads()
        answered = threading.Event()

        def ask() -> None:
            threads.hooks.thread_parked()
            assert answered.wait(10)

        threads.start(1, ask)
        await asyncio.sleep(5)
        threads.hooks.thread_unparked()
        answered.set()
        await asyncio.sleep(5)
        assert threads.found == [1]
        return now()

    assert VirtualClock().run(main) == 10


def test_waiting_for_a_thread_does_not_spin() -> None:
    async def main() -> float:
        before = time.thread_time()
        await asyncio.to_thread(time.sleep, 0.3)
        return time.thread_time() - before

    assert VirtualClock().run(main) < 0.1


def test_a_thread_that_outlives_its_loop_reports_to_nobody() -> None:
    finish, reported = threading.Event(), threading.Event()

    async def main() -> None:
        engine = hooks(asyncio.get_running_loop())

        def call() -> None:
            finish.wait(10)
            engine.thread_unparked()
            engine.deliver(1, pytest.fail, thread=True)
            reported.set()

        engine.thread_started()
        threading.Thread(target=call).start()
        engine.thread_parked()  # given up

    VirtualClock().run(main)
    finish.set()
    assert reported.wait(10)


@pytest.mark.parametrize("run", [asyncio.to_thread, anyio.to_thread.run_sync])
def test_time_stands_still_for_calls_in_worker_threads(run: Callable[..., Awaitable[object]]) -> None:
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name")

    def work() -> tuple[str, bool]:
        time.sleep(0.02)
        return name.get(), threading.current_thread() is threading.main_thread()

    async def main() -> None:
        name.set("mine")
        other = asyncio.create_task(asyncio.sleep(9))
        assert await run(work) == ("mine", False)
        assert now() == 0
        await other
        with pytest.raises(ZeroDivisionError):
            await run(lambda: 1 // 0)
        with pytest.raises(RuntimeError):  # a coroutine cannot raise StopIteration
            await run(lambda: next(iter(())))

    VirtualClock().run(main)


def test_a_cancelled_call_in_a_thread_still_holds_time_until_it_ends() -> None:
    ended: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()

        def work() -> None:
            time.sleep(0.02)
            ended.append(loop.time())

        complaints: list[object] = []
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        call = asyncio.create_task(asyncio.to_thread(work))
        await asyncio.sleep(0)
        call.cancel()
        await asyncio.sleep(1)
        assert ended == [0.0]
        assert complaints == []

    VirtualClock().run(main)


def test_a_call_that_is_cancelled_before_a_thread_takes_it_never_runs() -> None:
    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        ran: list[str] = []
        finish = threading.Event()

        def first() -> None:
            assert finish.wait(10)
            ran.append("first")

        calls = [
            asyncio.create_task(asyncio.to_thread(call)) for call in (first, partial(ran.append, "second"))
        ]
        await asyncio.sleep(0)
        calls[1].cancel()
        await asyncio.wait(calls[1:])
        finish.set()
        await asyncio.sleep(1)
        return ran

    assert VirtualClock().run(main) == ["first"]


def test_a_call_that_its_executor_gives_up_is_cancelled() -> None:
    async def main() -> None:
        loop, finish = asyncio.get_running_loop(), threading.Event()
        with ThreadPoolExecutor(1) as pool:
            first = loop.run_in_executor(pool, finish.wait, 10)
            second = loop.run_in_executor(pool, pytest.fail)
            pool.shutdown(wait=False, cancel_futures=True)
            finish.set()
            with pytest.raises(asyncio.CancelledError):
                await second
            assert await first

    VirtualClock().run(main)


def test_call_soon_threadsafe_wakes_a_loop_that_waits_for_a_thread() -> None:
    async def main() -> None:
        loop, told = asyncio.get_running_loop(), asyncio.Event()
        heard = threading.Event()

        def work() -> None:
            loop.call_soon_threadsafe(told.set)
            assert heard.wait(10)

        call = asyncio.create_task(asyncio.to_thread(work))
        await told.wait()
        heard.set()
        await call

    VirtualClock().run(main)


def test_the_log_says_when_time_stands_still_for_long(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("paceline.testing._loop.PATIENCE", 0.01)
    said = threading.Event()

    async def main() -> bool:
        return await asyncio.to_thread(said.wait, 10)

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.set()

    listener = Listener()
    logging.getLogger("paceline.testing").addHandler(listener)
    try:
        VirtualClock().run(main)
    finally:
        logging.getLogger("paceline.testing").removeHandler(listener)
    assert said.is_set()
    assert "has stood still at 0.0" in caplog.text


def test_the_virtual_loop_brings_its_own_hooks() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, EngineLoop)
        found = hooks(loop)
        assert found is hooks(loop)
        assert found.virtual
        assert found.wall(1.5) == 946_684_801.5

    VirtualClock().run(main)


def test_an_ordinary_loop_passes_completions_on_as_they_come() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        found = hooks(loop)
        assert not found.virtual
        assert abs(found.wall(loop.time()) - time.time()) < 5
        assert found.wall(8.0) - found.wall(5.0) == pytest.approx(3.0, abs=1e-3)
        seen: list[str] = []
        found.deliver(2, seen.append, "at once")
        assert seen == ["at once"]
        told = asyncio.Event()
        found.thread_started()
        threading.Thread(target=lambda: found.deliver(1, told.set, thread=True)).start()
        found.thread_parked()
        found.thread_unparked()
        await told.wait()

    asyncio.run(main())


def test_a_thread_that_outlives_an_ordinary_loop_reports_to_nobody() -> None:
    loop = asyncio.new_event_loop()
    found = hooks(loop)
    loop.close()
    found.deliver(1, pytest.fail, thread=True)
