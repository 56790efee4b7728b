"""A group whose primer plans and whose followers execute: they share its prefix and come as planned."""

import asyncio
from dataclasses import dataclass

from paceline import Engine, GroupPolicy, Usage, current_job

HANDBOOK = "Everything that one has to know about moving house. " * 50


@dataclass
class Ask:
    prompt: str


async def model(ask: Ask) -> list[str] | str:
    """Stands for a chain, a graph or an agent: it reads the handbook and what it is asked."""
    ctx = current_job()
    assert ctx is not None
    assert ctx.group is not None
    await asyncio.sleep(
        0.05 if ctx.job.role == "primer" else 0.02
    )  # the prefix is read once, and then cached
    read = len(HANDBOOK) // 4
    ctx.usage(Usage(input_tokens=read + 20, cached_tokens=0 if ctx.job.role == "primer" else read))
    if ctx.job.role == "primer":
        ctx.group.share({"tone": "brief"})  # whatever the others should know besides the plan
        return ["pack the books", "measure the sofa", "cancel the phone"]
    return f"{ask.prompt}: done, {ctx.group.shared['tone']}"


async def main() -> None:
    policy = GroupPolicy(release="complete", on_follower_failure="continue")
    async with (
        Engine(model, slots=2) as engine,
        engine.open_group("the move", policy=policy) as group,
    ):
        plan: list[str] = await (await group.submit_primer(Ask("Make a plan.")))
        steps = [await group.add_follower(Ask(step), name=step) for step in plan]
        done = [await step for step in steps]

        # A step may turn up more: the group is open until its block is left.
        more = await group.add_follower(Ask("water the plants"), name="a late one")
        print([*done, await more])

        usage = [(await step.wait()).usage for step in steps]
        print("cached:", [each.cached_tokens for each in usage if each is not None])


asyncio.run(main())
