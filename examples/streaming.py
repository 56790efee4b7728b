"""Streaming: chunks as they come; and when a retry starts over, the listener is told so."""

import asyncio

from paceline import Engine, Job, JobContext, RetryPolicy, StreamRestarted

WORDS = "the first breaks the wind and the rest draft behind".split()


class Storyteller:
    async def execute(self, job: Job, ctx: JobContext) -> str:
        for number, word in enumerate(WORDS):
            await asyncio.sleep(0.002)
            if ctx.attempt == 1 and number == 4:
                raise ConnectionError("the line went dead")
            ctx.emit(word + " ")
        return " ".join(WORDS)


async def main() -> None:
    async with Engine(Storyteller(), retry=RetryPolicy(attempts=2, base=0.0)) as engine:
        handle = await engine.submit("tell me", stream=True)
        told = ""
        while handle.status not in ("succeeded", "failed"):
            try:
                async for chunk in handle.stream():
                    told += chunk
            except StreamRestarted:
                print(f"heard {told!r}, then it started over")
                told = ""
        print(f"heard {told!r}")
        assert told.strip() == await handle


asyncio.run(main())
