"""One's own LangGraph graph, unchanged: it asks a person, rests without a slot, and goes on when answered."""

import asyncio
from typing import Any, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.types import interrupt

from paceline import Engine, ReplyRefused


class Refund(TypedDict):
    customer: str
    amount: int
    approved: bool
    letter: str


async def look_up(state: Refund) -> dict[str, int]:
    return {"amount": 40 * len(state["customer"])}


async def approve(state: Refund) -> dict[str, bool]:
    if state["amount"] < 200:
        return {"approved": True}
    return {"approved": interrupt(f"Refund {state['amount']} to {state['customer']}?", response_schema=bool)}


async def write(state: Refund) -> dict[str, str]:
    word = "is on its way" if state["approved"] else "was declined"
    return {"letter": f"Dear {state['customer']}, your refund of {state['amount']} {word}."}


builder: Any = StateGraph(Refund)
for node in (look_up, approve, write):
    builder.add_node(node.__name__, node)
builder.add_edge(START, "look_up")
builder.add_edge("look_up", "approve")
builder.add_edge("approve", "write")
graph = builder.compile(checkpointer=InMemorySaver())  # in earnest a saver on disk: AsyncSqliteSaver


async def main() -> None:
    async with Engine(graph, slots=1) as engine:
        handles = [await engine.submit({"customer": name}, name=name) for name in ("Ada", "Cleopatra")]
        for handle in handles:
            result = await handle.wait()
            for question in result.questions:  # the others ran on meanwhile: who waits holds no slot
                print(f"{result.name}: {question.value}")
                try:
                    await engine.reply(result.id, "perhaps")
                except ReplyRefused as refused:
                    print(refused)
                await engine.reply(result.id, False)
            print((await handle)["letter"])


asyncio.run(main())
