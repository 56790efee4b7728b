"""Executors that ask, for `--executor asks:...`: the tests copy this file into the folder of the run."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from paceline import Job, JobContext, Question, Suspend, current_job, flow, task

QUESTIONS: dict[str, Suspend] = {
    "may": Suspend("May I?", schema=bool),
    "which": Suspend({"tool": "send", "to": "a@b.c"}, schema=Literal["approve", "edit", "reject"]),
    "many": Suspend("How many?", schema={"type": "integer", "minimum": 3}),
    "two": Suspend([Question("a", "First?", str), Question("b", "Second?", bool)]),
    "rude": Suspend("\x1b]0;owned\x07Fine\x9b2J?\x1b[8m"),
    "soon": Suspend("In time?", timeout=0.2, default="by itself"),
    "late": Suspend("In time?", timeout=0.2),
    "whom": Suspend("To whom?"),
}


async def work(payload: Any) -> Any:
    """Ask what the payload names, and return the answer; `slow` takes its time, anything else is returned."""
    ctx = current_job()
    assert ctx is not None
    if payload == "twice" and ctx.job.state != "really":
        return Suspend("May I?" if ctx.job.reply is None else "Really?", state=ctx.job.reply and "really")
    if payload == "slow":
        await asyncio.sleep(0.8)
    if payload == "hang":
        print("hanging", flush=True)  # noqa: T201 - to be waited for
        await asyncio.sleep(1000)
    if payload == "crash":
        raise RuntimeError("no luck")
    if ctx.job.reply is None and payload in QUESTIONS:
        return QUESTIONS[payload]
    return payload if ctx.job.reply is None else ctx.job.reply


@task
async def send(payload: Any) -> Any:
    """Ask from within a flow."""
    return await work(payload)


@flow
async def plan(payload: Any) -> list[Any]:
    """Ask by itself, and have a job below it ask."""
    ctx = current_job()
    assert ctx is not None
    return [await ctx.ask("Shall we?", schema=bool), await send(payload)]


@flow
async def hurry(by_itself: bool) -> Any:
    """Ask by itself, and give little time for an answer."""
    ctx = current_job()
    assert ctx is not None
    return await ctx.ask("Now?", timeout=0.5, **({"default": "by itself"} if by_itself else {}))


class OneAtATime:
    """Jobs that all need the same key, which one that asks keeps."""

    def lock(self, job: Job) -> str | None:
        """Name the key."""
        del job
        return "key"

    async def execute(self, job: Job, ctx: JobContext) -> Any:
        """Work as the others do."""
        del ctx
        return await work(job.payload)


one_at_a_time = OneAtATime()
