"""What runs while a person watches, in the folder of a test."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from paceline import Suspend, Usage, current_job


async def work(payload: str) -> object:
    job = current_job()
    assert job is not None
    job.first_token()
    job.usage(Usage(input_tokens=100, cached_tokens=50, output_tokens=7, requests=1))
    sys.stdout.write(f"printed by {payload}\n")
    if payload == "ask":
        return "yes" if job.job.reply else Suspend("May I?", schema=bool)
    if payload == "bad" and not is_there("mended"):
        raise ValueError("not mended")
    if payload == "slow":
        await until("go")
    if payload == "for ever":
        await asyncio.Event().wait()
    if payload == "exit":
        sys.exit("exit of a job")
    if payload == "interrupt":
        raise KeyboardInterrupt
    if payload == "hold":
        hold()
    return payload


def hold() -> None:
    """Hold the event loop."""
    Path("holds").touch()
    time.sleep(60)


def is_there(name: str) -> bool:
    return Path(name).exists()


async def until(name: str) -> None:
    while not is_there(name):  # noqa: ASYNC110 - another process makes the file
        await asyncio.sleep(0.01)
