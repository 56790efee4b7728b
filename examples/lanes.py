"""Lanes: two tenants share one engine; the one with twice the weight gets twice the slots while both wait."""

import asyncio
from collections import Counter

from paceline import Engine, Lane


async def answer(question: str) -> str:
    await asyncio.sleep(0.001)
    return question.upper()


async def main() -> None:
    lanes = [Lane("paying", weight=2.0), Lane("free", max_running=3)]
    async with Engine(answer, lanes=lanes, slots=4) as engine:
        handles = [
            await engine.submit(f"question {number}", lane=lane)
            for lane in ("free", "paying")
            for number in range(60)
        ]
        first = Counter[str]()
        while first.total() < 60:
            await asyncio.sleep(0.001)
            first = Counter({name: int(lane.served) for name, lane in engine.snapshot().lanes.items()})
        print(f"of the first {first.total()} jobs: {first['paying']} paying, {first['free']} free")
        assert 1.5 < first["paying"] / first["free"] < 2.5

        # Weights change while jobs run, and lanes come and go.
        engine.lane("free").update(weight=5.0)
        engine.lane("new-tenant", weight=1.0)
        newcomer = await engine.submit("a first question", lane="new-tenant")
        print("the new tenant hears:", await newcomer)
        waiting = handles[59].waiting
        print(f"the last free question {'runs' if waiting is None else waiting}")


asyncio.run(main())
