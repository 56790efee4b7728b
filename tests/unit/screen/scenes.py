"""Runs as they are recorded for the pictures: each in virtual time, so that it is the same every time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from paceline import Engine, Job, JobContext, JsonlSink, Lane, Limits, RetryPolicy, Suspend, Usage
from paceline.testing import VirtualClock

__all__ = ["contracts", "limited", "write"]

QUESTIONS = (
    "parties",
    "term and renewal",
    "liability cap",
    "governing law",
    "termination",
    "payment",
    "warranties",
    "data protection",
    "assignment",
    "force majeure",
    "indemnity",
    "audit rights",
)
ODD: dict[tuple[str, str], dict[str, Any]] = {
    ("acme", "governing law"): {"fails": 9},
    ("acme", "term and renewal"): {"fails": 1},
    ("acme", "liability cap"): {"asks": "The cap is ten times the usual one. Is that agreed?"},
}


class Model:
    """Reads a prompt, streams an answer, and now and then fails or asks, by what the payload says."""

    name = "gpt-5"

    async def execute(self, job: Job, ctx: JobContext) -> object:
        chance = random.Random(f"{job.name} {job.group} {ctx.attempt}")
        payload: dict[str, Any] = job.payload
        warm = job.role == "follower"
        await asyncio.sleep((0.4 if warm else 2.4) + chance.random() * 0.8)
        if payload.get("fails", 0) >= ctx.attempt:
            raise payload.get("error", ConnectionError)("the provider closed the connection")
        if payload.get("asks") and job.reply is None:
            return Suspend(payload["asks"], schema=bool)
        section = chance.randint(2, 19)
        words = f"The contract says of {job.name}: see section {section}, in full and in part.".split()
        for word in words:
            ctx.emit(f"{word} ")
            await asyncio.sleep(0.08 + chance.random() * 0.12)
        ctx.usage(
            Usage(
                input_tokens=8_200,
                cached_tokens=7_900 if warm else 0,
                output_tokens=len(words) * 9,
                requests=1,
                money=0.0021 if warm else 0.0164,
                model=self.name,
            )
        )
        return " ".join(words)


async def contracts(path: Path) -> None:
    """Contracts are read in groups; a person chats in between, and one job waits for an answer."""
    engine = Engine(
        {"gpt-5": Model()},
        lanes=[Lane("interactive", weight=3.0), Lane("batch", weight=1.0, max_running=3)],
        slots=4,
        limits={"gpt-5": Limits(requests_per_minute=60)},
        retry=RetryPolicy(attempts=2, base=2.0),
        sinks=[JsonlSink(path, content="full", chunks=True)],
        run_id="2026-11-20-contracts",
    )
    async with engine:
        for client in ("acme", "globex", "initech", "umbrella"):
            async with engine.open_group(
                f"contract {client}", lane="batch", metadata={"tenant": client}
            ) as group:
                await group.submit_primer({}, name="read the contract")
                for question in QUESTIONS:
                    odd: dict[str, Any] = (
                        {"fails": 9} if (client, question) == ("acme", "governing law") else {}
                    )
                    odd |= {"fails": 1} if (client, question) == ("acme", "term and renewal") else {}
                    if (client, question) == ("acme", "liability cap"):
                        odd |= {"asks": "The cap is ten times the usual one. Is that agreed?"}
                    await group.add_follower({"q": question, **odd}, name=question)
        await asyncio.sleep(3.0)
        for number in range(1, 9):
            await engine.submit({"q": "?"}, name=f"chat {number}", lane="interactive", executor="gpt-5")
            await asyncio.sleep(0.7)


async def limited(path: Path) -> None:
    """More requests are wanted than the model's limit lets through."""
    engine = Engine(
        {"gpt-5": Model()},
        lanes=[Lane("mail", weight=2.0), Lane("archive", weight=1.0)],
        slots=8,
        limits={"gpt-5": Limits(requests_per_minute=12)},
        sinks=[JsonlSink(path, content="full", chunks=True)],
        run_id="2026-11-20-mail",
    )
    async with engine:
        for number in range(1, 25):
            lane = "mail" if number % 3 else "archive"
            await engine.submit({}, name=f"letter {number}", lane=lane, executor="gpt-5")


def write(scene: Callable[[Path], Coroutine[Any, Any, None]], path: Path) -> None:
    """Record a run in virtual time; questions of its jobs stay open."""
    VirtualClock(seed=3).run(scene, path)
