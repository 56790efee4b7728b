"""An agent that fans out: one call of a tool runs many jobs, as a group, in the agent's own lane.

Both agents' models are scripted, so that this runs offline.
"""

import asyncio

from agents import Agent
from agents.testing import ModelStep, ScriptedModel, assistant_message, function_call

from paceline import Engine, Lane
from paceline_adapters.openai_agents import AgentExecutor, group_tool

TOPICS = ["tides", "bread", "moss"]


def planner(engine: Engine) -> Agent[None]:
    research = group_tool(
        engine,
        name="research",
        description="Research several topics, all at once.",
        executor="researcher",
        primer=True,  # the first goes ahead, so that the others find the prompt cached
        limit=10,  # more are refused, and the model is told
    )
    script = ScriptedModel([
        [function_call("research", {"items": TOPICS}, call_id="1")],
        [assistant_message("Three topics, one report.")],
    ])  # fmt: skip
    return Agent(name="planner", instructions="Write a report.", tools=[research], model=script)


async def main() -> None:
    # One step each: a scripted model says the same to whoever asks first.
    finds = ScriptedModel([ModelStep(output=[assistant_message("found something")]) for _ in TOPICS])
    researcher = Agent(name="researcher", instructions="Research one topic.", model=finds)

    async with Engine(
        {"researcher": AgentExecutor(researcher)},
        lanes=[Lane("acme", weight=2.0)],
        slots=1,  # enough: the planner gives its slot back while it waits for its jobs
    ) as engine:
        handle = await engine.submit("Report!", executor=AgentExecutor(planner(engine)), lane="acme")
        print(await handle)
        counts = engine.snapshot().counts
        assert counts["succeeded"] == 1 + len(TOPICS), counts
        print(f"jobs: {counts['succeeded']}, all in lane acme")


asyncio.run(main())
