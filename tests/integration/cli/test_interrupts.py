"""Ctrl-C: results so far are on disk, and the process is gone in time, whatever its jobs do."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from paceline_integrations.cli.interrupts import GRACE

from .conftest import Write, rows

PROGRAM = "from paceline_integrations.cli import main; main()"
JOBS = """
import asyncio, os, signal, time

def hang():
    print("hanging", flush=True)

async def polite(payload):
    if payload == "hang":
        hang()
        await asyncio.sleep(1000)
    return payload

def thread(payload):
    if payload == "hang":
        hang()
        time.sleep(1000)
    return payload

async def stubborn(payload):
    if payload == "hang":
        hang()
        while True:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                pass
    return payload

async def pool(payload):
    if payload == "hang":
        hang()
        await asyncio.to_thread(time.sleep, 1000)
    return payload

async def last_moment(payload):
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(0)
    return payload

async def block(payload):
    if payload == "hang":
        hang()
        time.sleep(1000)
    return payload
"""


@contextmanager
def run_until_it_hangs(write: Write, executor: str, *arguments: str) -> Generator[subprocess.Popen[str]]:
    """Run one job at a time, the last of which hangs, until it does."""
    Path("stuck.py").write_text(JOBS)
    write([{"group": "a", "followers": [1, 2, 3, "hang"]}])
    command = [
        sys.executable,
        "-c",
        PROGRAM,
        "run",
        "groups.jsonl",
        "--executor",
        f"stuck:{executor}",
        "--slots",
        "1",
    ]
    with subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline() == "hanging\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_its_results_and_tells_how_far_it_came(write: Write, number: int) -> None:
    with run_until_it_hangs(write, "polite", "--out", "r.jsonl") as process:
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert [row["output"] for row in rows("r.jsonl")] == [1, 2, 3]
    assert "3 done, 0 failed, 1 not finished in " in out
    assert err == ""


KINDS = pytest.mark.parametrize("executor", ["polite", "thread", "stubborn", "pool", "block"])


@KINDS
def test_the_process_is_gone_within_its_grace(write: Write, executor: str) -> None:
    with run_until_it_hangs(write, executor, "--out", "r.jsonl") as process:
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        passed = time.monotonic() - begun
    assert process.returncode == 130
    assert passed < GRACE
    assert [row["output"] for row in rows("r.jsonl")] == [1, 2, 3]
    assert [path.name for path in Path().glob("*r.jsonl*")] == ["r.jsonl"]


@KINDS
def test_an_impatient_person_is_served_at_once_and_loses_nothing(write: Write, executor: str) -> None:
    with run_until_it_hangs(write, executor, "--out", "r.jsonl") as process:
        begun = time.monotonic()
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            time.sleep(0.05)
        passed = time.monotonic() - begun
    assert process.returncode == 130
    assert passed < GRACE / 2
    assert sorted(row["output"] for row in rows("r.jsonl")) == [1, 2, 3]


def test_a_job_that_ends_as_the_run_is_interrupted_has_its_result_kept(write: Write) -> None:
    Path("stuck.py").write_text(JOBS)
    write([{"group": "a", "followers": [1, 2, 3]}])
    command = [sys.executable, "-c", PROGRAM, "run", "groups.jsonl", "--executor", "stuck:last_moment"]
    ended = subprocess.run([*command, "--slots", "1", "--out", "r.jsonl"], timeout=20, check=False)
    assert ended.returncode == 130
    assert rows("r.jsonl")[0]["output"] == 1


def test_results_on_standard_output_are_out_before_the_end(write: Write) -> None:
    with run_until_it_hangs(write, "thread") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=20)
    assert all(line.endswith("\n") for line in lines)
    assert rest == ""


def test_a_report_is_printed_even_so(write: Write) -> None:
    with run_until_it_hangs(write, "polite", "--json") as process:
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert '"state":"cancelled"' in out
    assert '"succeeded":3' in out


def test_what_was_written_survives_a_kill(write: Write) -> None:
    with run_until_it_hangs(write, "block", "--out", "r.jsonl") as process:
        process.kill()
        process.wait(20)
    assert [row["output"] for row in rows("r.jsonl")] == [1, 2, 3]


def test_a_reader_that_goes_away_ends_the_run_without_a_word(write: Write) -> None:
    Path("stuck.py").write_text(JOBS)
    write([{"group": f"g{n}", "followers": ["x" * 5000] * 20} for n in range(50)])
    command = [sys.executable, "-c", PROGRAM, "run", "groups.jsonl", "--executor", "stuck:polite"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(20) == 1
