"""Virtual time: exact, ordered by the seed alone, still while threads work, and never stuck in silence."""

import asyncio
import gc
import math
import os
import random
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import anyio
import pytest
from hypothesis import given, strategies as st

from paceline._loop import hooks
from paceline.testing import ClockRefused, ClockStalled, VirtualClock

SEEDS = range(20)


def now() -> float:
    return asyncio.get_running_loop().time()


def unreached(reader: object, writer: object) -> None:
    pytest.fail("a connection under a virtual clock")


def orders(main: Callable[[], Coroutine[Any, Any, list[int]]]) -> list[list[int]]:
    """Run under several seeds, each twice, and check that a seed repeats itself."""
    found = [VirtualClock(seed).run(main) for seed in SEEDS]
    assert found == [VirtualClock(seed).run(main) for seed in SEEDS]
    return found


def test_time_starts_at_zero_and_stays_readable_after_the_run() -> None:
    clock = VirtualClock()
    assert clock.time() == 0.0
    assert clock.run(asyncio.sleep, 86_400, "a day later") == "a day later"
    assert clock.time() == 86_400


def test_a_second_run_goes_on_where_the_first_ended() -> None:
    clock = VirtualClock()

    async def draw() -> tuple[float, float]:
        await asyncio.sleep(1)
        return now(), hooks(asyncio.get_running_loop()).random.random()

    first, second = clock.run(draw), clock.run(draw)
    assert (first[0], second[0]) == (1.0, 2.0)
    expected = random.Random(0)
    assert (first[1], second[1]) == (expected.random(), expected.random())


def test_a_long_chain_of_sleeps_takes_no_real_time() -> None:
    async def main() -> float:
        for _ in range(1000):
            await asyncio.sleep(1000)
        return now()

    began = time.monotonic()
    assert VirtualClock().run(main) == 1_000_000
    assert time.monotonic() - began < 30


@given(st.lists(st.floats(min_value=0, max_value=1e12, allow_nan=False), max_size=50), st.integers())
def test_timers_fire_in_the_order_of_their_times_and_exactly_then(delays: list[float], seed: int) -> None:
    async def main() -> list[tuple[float, float]]:
        loop = asyncio.get_running_loop()
        fired: list[tuple[float, float]] = []
        for delay in delays:
            loop.call_at(delay, lambda due: fired.append((due, loop.time())), delay)
        await asyncio.sleep(2e12)
        return fired

    fired = VirtualClock(seed).run(main)
    assert [due for due, _ in fired] == sorted(delays)
    assert all(due == at for due, at in fired)


def test_times_that_differ_by_the_last_bit_are_two_moments() -> None:
    async def main() -> list[set[float]]:
        loop = asyncio.get_running_loop()
        rounds: list[set[float]] = []

        def fire() -> None:
            rounds.append({loop.time()})

        later = 0.1 + 0.2  # not 0.3
        loop.call_at(later, fire)
        loop.call_at(0.3, fire)
        await asyncio.sleep(1)
        return rounds

    assert VirtualClock().run(main) == [{0.3}, {0.1 + 0.2}]


def test_timeouts_leave_no_drift() -> None:
    async def main() -> list[float]:
        seen: list[float] = []
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await asyncio.Event().wait()
            seen.append(now())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 1)
        seen.append(now())
        return seen

    assert VirtualClock().run(main) == [0.1, 0.1 + 0.1, 0.1 + 0.1 + 0.1, 0.1 + 0.1 + 0.1 + 1]


@pytest.mark.parametrize("delay", [500, math.inf])
def test_a_timer_that_never_comes_is_not_jumped_to(delay: float) -> None:
    async def main() -> None:
        timer = asyncio.get_running_loop().call_later(delay, pytest.fail)
        if delay < math.inf:
            timer.cancel()
        await asyncio.sleep(1)
        await asyncio.Event().wait()

    with pytest.raises(ClockStalled) as caught:
        VirtualClock().run(main)
    assert caught.value.now == 1


def test_cancelled_timers_do_not_pile_up_until_they_are_due() -> None:
    async def main() -> int:
        timers: list[weakref.ref[asyncio.TimerHandle]] = []
        for _ in range(10_000):
            timer = asyncio.get_running_loop().call_later(500, pytest.fail)
            timers.append(weakref.ref(timer))
            timer.cancel()
        return sum(timer() is not None for timer in timers)

    assert VirtualClock().run(main) < 2000


def test_a_callback_cancelled_in_the_round_in_which_it_is_due_does_not_run() -> None:
    async def main() -> list[object]:
        loop = asyncio.get_running_loop()
        complaints: list[object] = []
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        timers: list[asyncio.TimerHandle] = []

        def cancel_all() -> None:
            for timer in timers:
                timer.cancel()

        timers.extend(loop.call_later(1, cancel_all) for _ in range(2))
        loop.call_soon(complaints.append, "called").cancel()
        await asyncio.sleep(2)
        return complaints

    assert VirtualClock().run(main) == []


async def simultaneous_timers() -> list[int]:
    order: list[int] = []

    async def one(i: int) -> None:
        await asyncio.sleep(1)
        assert now() == 1
        order.append(i)

    await asyncio.gather(*(one(i) for i in range(6)))
    return order


async def simultaneous_call_later() -> list[int]:
    order: list[int] = []
    for i in range(6):
        asyncio.get_running_loop().call_later(1, order.append, i)
    await asyncio.sleep(2)
    return order


async def simultaneous_completions() -> list[int]:
    found: list[int] = []
    deliver = hooks(asyncio.get_running_loop()).deliver
    for i in range(6):
        deliver(i, found.append, i)
    assert found == []  # not before the round is over
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return found


async def threads_of_unequal_speed() -> list[int]:
    order: list[int] = []

    async def one(i: int) -> None:
        await asyncio.to_thread(time.sleep, random.uniform(0, 0.002))
        order.append(i)

    await asyncio.gather(*(one(i) for i in range(4)))
    return order


@pytest.mark.parametrize(
    "main",
    [simultaneous_timers, simultaneous_call_later, simultaneous_completions, threads_of_unequal_speed],
)
def test_the_seed_alone_orders_what_is_simultaneous(
    main: Callable[[], Coroutine[Any, Any, list[int]]],
) -> None:
    found = orders(main)
    assert len({tuple(order) for order in found}) > len(SEEDS) // 3
    assert all(sorted(order) == list(range(len(order))) for order in found)


def test_no_seed_permutes_call_soon() -> None:
    async def main() -> list[int]:
        order: list[int] = []
        loop = asyncio.get_running_loop()
        for i in range(100):
            (loop.call_soon if i % 2 else loop.call_soon_threadsafe)(order.append, i)
        await asyncio.sleep(0)
        return order

    assert orders(main) == [list(range(100))] * len(SEEDS)


def test_completions_that_come_one_after_another_are_not_swapped() -> None:
    async def main() -> list[int]:
        found: list[int] = []
        for i in range(20):
            hooks(asyncio.get_running_loop()).deliver(-i, found.append, i)
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        return found

    assert orders(main) == [list(range(20))] * len(SEEDS)


def test_a_task_that_spins_does_not_keep_completions_from_the_engine() -> None:
    async def main() -> None:
        done: list[bool] = []
        hooks(asyncio.get_running_loop()).deliver(0, done.append, True)
        while not done:  # noqa: ASYNC110 - the fault that is tried
            await asyncio.sleep(0)

    VirtualClock().run(main)


def test_a_run_that_can_never_go_on_names_who_waits_where() -> None:
    cancelled: list[str] = []

    async def consumer() -> None:
        try:
            await asyncio.Queue[int]().get()
        except asyncio.CancelledError:
            cancelled.append("consumer")
            raise

    async def main() -> None:
        task = asyncio.create_task(consumer(), name="the consumer")
        await asyncio.sleep(3)
        await task

    with pytest.raises(ClockStalled, match=r"stands still at 3\.0 for ever") as caught:
        VirtualClock().run(main)
    error = caught.value
    assert error.now == 3
    assert len(error.waiting) == 2
    assert any(line.startswith("the consumer: consumer (test_virtual_clock.py:") for line in error.waiting)
    assert "> get (queues.py:" in str(error)
    assert cancelled == ["consumer"]


def test_a_task_that_will_not_be_cancelled_stalls_the_end_instead_of_hanging() -> None:
    kept: list[object] = []

    async def stubborn() -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue

    async def main() -> None:
        kept.append(asyncio.create_task(stubborn(), name="stubborn"))
        await asyncio.sleep(0)

    with pytest.raises(ClockStalled, match="stubborn: stubborn"):
        VirtualClock().run(main)


def test_left_tasks_and_async_generators_are_ended_as_asyncio_run_does() -> None:
    ended: list[str] = []

    async def left() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append("task")

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(1)
            ended.append("generator")

    kept: list[object] = []

    async def main() -> None:
        task = asyncio.create_task(left())
        generator = numbers()
        kept.extend([task, generator])
        assert await anext(generator) == 1

    clock = VirtualClock()
    clock.run(main)
    assert ended == ["task", "generator"]
    assert clock.time() == 1


def test_a_clock_keeps_nothing_of_a_run_but_its_time() -> None:
    class Payload:
        pass

    async def main() -> weakref.ref[Payload]:
        payload = Payload()
        loop = asyncio.get_running_loop()
        loop.call_later(1000, id, payload)
        loop.call_soon(hooks(loop).deliver, 1, id, payload)
        return weakref.ref(payload)

    clock = VirtualClock()
    payload = clock.run(main)
    gc.collect()
    assert payload() is None


def test_a_loop_that_has_ended_takes_no_more_timers() -> None:
    async def main() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    with pytest.raises(RuntimeError, match="closed"):
        VirtualClock().run(main).call_later(1, pytest.fail)


def test_a_run_inside_a_running_loop_is_refused() -> None:
    async def main() -> None:
        with pytest.raises(ClockRefused, match="running loop"):
            VirtualClock().run(asyncio.sleep, 1)

    asyncio.run(main())
    VirtualClock().run(main)


def test_a_coroutine_instead_of_its_function_is_refused_with_the_right_line() -> None:
    with pytest.raises(TypeError, match=r"clock\.run\(main\)"):
        VirtualClock().run(asyncio.sleep(1))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_an_error_of_the_main_function_comes_out_of_run() -> None:
    async def main() -> None:
        await asyncio.sleep(1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        VirtualClock().run(main)


@pytest.mark.skipif(sys.platform == "win32", reason="no os.kill with SIGINT")
@pytest.mark.parametrize("wait", [lambda: asyncio.to_thread(time.sleep, 0.1), lambda: asyncio.sleep(0)])
def test_control_c_ends_the_run(wait: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT)).start()
        while True:
            await wait()

    with pytest.raises(KeyboardInterrupt):
        VirtualClock().run(main)


@pytest.mark.parametrize(
    ("operation", "attempt"),
    [
        ("create_connection", lambda: asyncio.open_connection("127.0.0.1", 9)),
        ("create_server", lambda: asyncio.start_server(unreached, "127.0.0.1", 0)),
        ("subprocess_exec", lambda: asyncio.create_subprocess_exec("true")),
        ("subprocess_shell", lambda: asyncio.create_subprocess_shell("true")),
        ("getaddrinfo", lambda: asyncio.get_running_loop().getaddrinfo("localhost", 80)),
        ("add_reader", lambda: asyncio.get_running_loop().add_reader(0, pytest.fail)),
        ("add_signal_handler", lambda: asyncio.get_running_loop().add_signal_handler(2, pytest.fail)),
    ],
)
def test_what_does_not_keep_virtual_time_is_refused(operation: str, attempt: Callable[[], object]) -> None:
    async def main() -> None:
        async def call() -> None:
            found = attempt()
            if isinstance(found, Awaitable):
                await found

        with pytest.raises(ClockRefused, match="Give the code a fake") as caught:
            await call()
        assert caught.value.operation == f"loop.{operation}()"

    VirtualClock().run(main)


def test_it_runs_what_asyncio_and_anyio_are_made_of() -> None:
    async def main() -> list[int]:
        found: list[int] = []
        queue = asyncio.Queue[int](1)
        condition = asyncio.Condition()

        async def produce() -> None:
            for i in range(3):
                await queue.put(i)
                await anyio.sleep(1)
            async with condition:
                condition.notify_all()

        async def consume() -> None:
            while True:
                found.append(await queue.get())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(produce)
            tasks.start_soon(consume)
            async with condition:
                await condition.wait()
            tasks.cancel_scope.cancel()
        send, receive = anyio.create_memory_object_stream[int](0)
        async with send, receive, asyncio.TaskGroup() as group:
            group.create_task(send.send(3))
            found.append(await receive.receive())
        with anyio.move_on_after(2) as scope:
            await anyio.sleep_forever()
        assert scope.cancelled_caught
        assert now() == 5
        return found

    assert VirtualClock().run(main) == [0, 1, 2, 3]


def test_debug_mode_says_nothing_of_slow_callbacks() -> None:
    program = (
        "import asyncio, time\nfrom paceline.testing import VirtualClock\n"
        "async def main():\n    await asyncio.sleep(5)\n    time.sleep(0.2)\n    await asyncio.sleep(5)\n"
        "VirtualClock().run(main)\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", program], env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
