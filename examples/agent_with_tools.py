"""One's own OpenAI agent, unchanged, as jobs: a tool, how far it is, a person's approval, and a wrap-up.

Its model is scripted, so that this runs offline; with a real one the rest stays as it is.
"""

import asyncio

from agents import Agent, function_tool
from agents.testing import ScriptedModel, assistant_message, function_call

from paceline import Engine, MemorySink, events
from paceline.instructions import REPORT_STATUS
from paceline_adapters.openai_agents import AgentExecutor, report_status


@function_tool
async def stock(item: str) -> int:
    """How many of it there are."""
    return len(item)


@function_tool(needs_approval=True)
async def order(item: str, count: int) -> str:
    """Order more of it."""
    return f"ordered {count} of {item}"


script = ScriptedModel([
    [function_call("report_status", {"message": "counting", "fraction": 0.5}, call_id="1")],
    [function_call("stock", {"item": "bolts"}, call_id="2")],
    [function_call("order", {"item": "bolts", "count": 10}, call_id="3")],
    # The fourth turn is more than it has: it is asked once more, for an answer without tools.
    [assistant_message("There were 5 bolts; 10 are ordered. I had no time for the nuts.")],
])  # fmt: skip
agent = Agent(
    name="storekeeper",
    instructions=f"See to it that there are enough bolts and nuts. {REPORT_STATUS}",
    tools=[stock, order, report_status],
    model=script,
)


async def main() -> None:
    log = MemorySink()
    async with Engine(AgentExecutor(agent, max_turns=3, wrap_up=True), sinks=[log]) as engine:
        handle = await engine.submit("Check the store.")
        for question in (await handle.wait()).questions:
            print("may it?", question.value)
            await engine.reply(handle.id, True, question=question.id)
        print(await handle)
        usage = (await handle.wait()).usage
        assert usage is not None
        print(usage.requests, "calls of the model, the wrap-up included")
    print([event.message for event in log.events if isinstance(event, events.JobProgress)])


asyncio.run(main())
