"""An agent as a flow: it decides its own next steps.

It calls tools side by side, hears of their errors, asks a person, and gives up after so many steps. The model
here is a stand-in for one that answers in the same form.
"""

import asyncio
from dataclasses import dataclass

from paceline import Engine, JobFailed, RunReport, current_job, flow, gather, task


@dataclass(frozen=True)
class Use:
    tool: str
    town: str


@dataclass(frozen=True)
class Ask:
    question: str


@dataclass(frozen=True)
class Answer:
    text: str


Move = list[Use] | Ask | Answer
Seen = list[tuple[object, str]]  # what was done, and what came of it


@task(timeout=5.0)
async def weather(town: str) -> str:
    await asyncio.sleep(0.02)
    return {"Ghent": "rain", "Bruges": "dry", "Ostend": "dry"}[town]


@task
async def distance(town: str) -> str:
    await asyncio.sleep(0.02)
    return {"Ghent": "10 km", "Bruges": "48 km", "Ostend": "71 km"}[town]


TOOLS = {"weather": weather, "distance": distance}


@task
async def think(seen: Seen) -> Move:
    """Where a model would be asked: given all that was seen, what next?"""
    if not seen:
        return [Use("weather", town) for town in ("Ghent", "Bruges", "Ostend", "Atlantis")]
    known = {done: result for done, result in seen if isinstance(done, Use)}
    asked = {done.question: result for done, result in seen if isinstance(done, Ask)}
    if "yes" in asked.values():
        return Answer(f"agreed: {next(question for question in asked if asked[question] == 'yes')}")
    for use, result in known.items():
        if use.tool != "weather" or result != "dry":
            continue
        way = known.get(Use("distance", use.town))
        if way is None:
            return [Use("distance", use.town)]
        if f"{use.town}, {way}?" not in asked:
            return Ask(f"{use.town}, {way}?")
    return Answer("we stay at home")


async def attempt(use: Use) -> tuple[Use, str]:
    """Call a tool. What goes wrong is no reason to stop: the model hears of it, like of any other result."""
    try:
        return use, await TOOLS[use.tool](use.town)
    except JobFailed as failed:
        return use, f"failed: {failed.__cause__!r}"


@flow(max_running=3)
async def plan_ride(steps: int = 8) -> str:
    seen: Seen = []
    for _ in range(steps):
        match await think(seen):
            case Answer(text):
                return text
            case Ask(question) as ask:
                job = current_job()
                assert job is not None
                seen = [*seen, (ask, await job.ask(question))]  # rests, without a slot, until it is answered
            case uses:
                seen = [*seen, *await gather(*(attempt(use) for use in uses))]
    return f"no plan after {steps} steps"


async def ride_with(person: dict[str, str], steps: int) -> RunReport:
    """Run the agent, and answer what it asks as this person would."""
    async with Engine() as engine:
        run = await plan_ride.start(engine, steps=steps)
        while (report := await run.report()).state == "suspended":
            [asked] = run.handle.questions
            answer = person.get(str(asked.value), "no")
            print(f"  {asked.value} {answer}")
            await engine.reply(run.id, answer)
        return report


async def main() -> None:
    for person, steps, expected in [
        ({"Bruges, 48 km?": "yes"}, 8, "agreed: Bruges, 48 km?"),
        ({"Ostend, 71 km?": "yes"}, 8, "agreed: Ostend, 71 km?"),
        ({}, 8, "we stay at home"),
        ({}, 4, "no plan after 4 steps"),
    ]:
        report = await ride_with(person, steps)
        print(f"{report.output}: {report.totals.jobs} jobs, {report.totals.failed} failed")
        assert report.output == expected
        assert report.totals.failed == 1, "nobody knows the weather in Atlantis"
        assert report.width == 3, "four were asked for, and the flow allows three at once"


asyncio.run(main())
