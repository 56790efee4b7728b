"""Ctrl-C, in real processes: they are gone within grace and a little, and say nothing but what is so."""

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Generator
from contextlib import contextmanager

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGINT to a child process is POSIX")

HEAD = """
import asyncio, logging, math, sys, threading, time
from paceline import Engine, Ended, RetryPolicy
from paceline.testing import FaultExecutor, Hang, Block, Raise

logging.basicConfig(format="LOG %(message)s", stream=sys.stdout)

def ready():
    print("READY", flush=True)

def finish(main, **options):
    try:
        asyncio.run(main(), **options)
    except KeyboardInterrupt:
        print("INTERRUPTED", flush=True)
"""

ALL_KINDS = """
def sync_hang(payload):
    started.release()
    threading.Event().wait()

async def main():
    faults = FaultExecutor()
    try:
        async with Engine(faults, slots=16, grace=GRACE) as engine:
            for _ in range(3):
                await engine.submit(sync_hang, executor=sync_hang)
            for swallow in (0, 1, math.inf):
                await engine.submit(Hang(swallow))
            stuck = await engine.submit(Hang(math.inf))
            await asyncio.sleep(0.05)
            stuck.cancel()
            queued = [await engine.submit(Hang()) for _ in range(100)]
            await engine.submit("never", after=Ended(queued[0]))
            for _ in range(3):
                await asyncio.to_thread(started.acquire)
            while faults.hanging < 4:
                await asyncio.sleep(0.01)
            ready()
            WAIT
    finally:
        print("LEFT", engine.snapshot().counts["cancelled"], flush=True)

started = threading.Semaphore(0)
"""


@contextmanager
def started(program: str) -> Generator[subprocess.Popen[str]]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONWARNINGS": "default"}
    process = subprocess.Popen(
        [sys.executable, "-c", HEAD + textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line == "READY\n", line + process.communicate()[1]


def interrupted(process: subprocess.Popen[str], *pauses: float) -> tuple[str, str, float]:
    """Send a Ctrl-C, and another after each pause; what it says until it is gone, and how long that took."""
    until_ready(process)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    for pause in pauses:
        time.sleep(pause)
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    return out, err, time.monotonic() - began


def all_kinds(grace: float, wait: str = "await asyncio.sleep(1000)") -> str:
    return ALL_KINDS.replace("GRACE", str(grace)).replace("WAIT", wait) + "\nfinish(main)\n"


@pytest.mark.parametrize("wait", ["await asyncio.sleep(1000)", "pass  # it drains"])
def test_one_ctrl_c_ends_everything_within_grace_and_says_what_it_abandoned(wait: str) -> None:
    with started(all_kinds(0.5, wait)) as process:
        out, err, took = interrupted(process)
    assert err == ""
    assert process.returncode == 0
    assert 0.5 <= took < 4
    lines = out.splitlines()
    assert lines[-2:] == ["LEFT 108", "INTERRUPTED"]
    abandoned = [
        line for line in lines if line.startswith("LOG abandoned at the end of the run: attempt 1 of job")
    ]
    assert len(abandoned) == 3 + 3  # the threads, and what swallowed its cancellation
    assert len(lines) == len(abandoned) + 2


def test_a_second_ctrl_c_does_not_wait_for_grace() -> None:
    with started(all_kinds(60)) as process:
        out, err, took = interrupted(process, 0.5)
    assert took < 5
    assert out.splitlines()[-2:] == ["LEFT 108", "INTERRUPTED"]
    assert err == ""


def test_a_ctrl_c_while_a_job_blocks_the_loop_ends_it_when_pressed_again() -> None:
    program = """
    async def block(payload):
        ready()
        time.sleep(30)

    async def main():
        async with Engine(block, grace=0.5) as engine:
            await (await engine.submit(1)).wait()

    finish(main)
    """
    with started(program) as process:
        out, err, took = interrupted(process, 0.2)
    assert took < 5
    assert out.splitlines()[-1] == "INTERRUPTED"
    assert err == ""


def test_jobs_that_obey_are_waited_for_no_longer_than_they_need() -> None:
    program = """
    async def tidy(payload):
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            await asyncio.sleep(0.2)
            print("TIDIED", flush=True)
            raise

    async def main():
        async with Engine(tidy, grace=60) as engine:
            await engine.submit(1)
            await asyncio.sleep(0.01)
            ready()

    finish(main)
    """
    with started(program) as process:
        out, err, took = interrupted(process)
    assert 0.2 <= took < 4
    assert out.splitlines() == ["TIDIED", "INTERRUPTED"]
    assert err == ""


def test_without_a_handler_the_process_ends_as_python_does_on_ctrl_c() -> None:
    program = """
    async def main():
        async with Engine(FaultExecutor(), grace=0.1) as engine:
            await engine.submit(Hang(math.inf))
            await asyncio.sleep(0.01)
            ready()

    asyncio.run(main())
    """
    with started(program) as process:
        _, err, took = interrupted(process)
    assert took < 4
    assert process.returncode == -signal.SIGINT
    assert err.splitlines()[-1] == "KeyboardInterrupt"
    assert not re.search("Task was destroyed|never retrieved|never awaited|Exception ignored", err)


def test_a_program_ends_though_a_job_that_swallows_cancellation_is_left() -> None:
    program = """
    async def main():
        async with Engine(FaultExecutor(), grace=0.2) as engine:
            handle = await engine.submit(Hang(math.inf))
            hanging = await engine.submit(1, executor=lambda _: threading.Event().wait())
            await asyncio.sleep(0.05)
            handle.cancel()
            hanging.cancel()
        print("READY", flush=True)

    asyncio.run(main())
    """
    with started(program) as process:
        out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert out.splitlines()[-1] == "READY"


def test_a_keyboard_interrupt_raised_by_a_job_comes_out_of_asyncio_run() -> None:
    program = """
    async def main():
        async with Engine(FaultExecutor(), grace=0.2) as engine:
            await engine.submit(Hang(math.inf))
            await engine.submit(Raise(KeyboardInterrupt))

    finish(main)
    """
    with started(program) as process:
        out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert out.splitlines()[-1] == "INTERRUPTED"


@pytest.mark.parametrize("pauses", [(), (0.3,)])
def test_under_uvloop_ctrl_c_does_the_same(pauses: tuple[float, ...]) -> None:
    pytest.importorskip("uvloop")
    program = all_kinds(0.5 if not pauses else 60).replace(
        "finish(main)", "import uvloop\nasyncio.run = uvloop.run\nfinish(main)"
    )
    with started(program) as process:
        out, err, took = interrupted(process, *pauses)
    assert took < 5
    assert out.splitlines()[-2:] == ["LEFT 108", "INTERRUPTED"]
    assert err == ""
