"""A program that can be killed: a graph that writes, asks and sends, with its checkpoints in SQLite on disk.

    python approving.py FOLDER [answer]

It appends what its nodes do to FOLDER/did, and says what it comes to, a line each. Without an answer it waits
for ever once it is asked; a file FOLDER/hang has the node of that name wait for ever.
"""

from __future__ import annotations

import asyncio
import operator
import sys
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.types import interrupt

from paceline import Engine
from paceline_adapters.langgraph import GraphExecutor

FOLDER = Path(sys.argv[1])
Builder: Any = StateGraph  # its own types are half known


class State(TypedDict):
    log: Annotated[list[str], operator.add]


async def did(what: str) -> None:
    with (FOLDER / "did").open("a") as file:
        file.write(f"{what}\n")
    hang = FOLDER / "hang"
    if hang.exists() and hang.read_text() == what:
        say(f"hangs in {what}")
        await asyncio.Event().wait()


def say(what: object) -> None:
    print(what, flush=True)  # noqa: T201 - this is how it tells the test


async def write(state: State) -> dict[str, Any]:
    await did("write")
    return {"log": ["written"]}


async def ask(state: State) -> dict[str, Any]:
    answer = interrupt("send it?", response_schema={"type": "string"})
    await did("ask")
    return {"log": [f"answered {answer}"]}


async def send(state: State) -> dict[str, Any]:
    await did("send")
    return {"log": ["sent"]}


def builder() -> Any:
    graph = Builder(State).add_node(write).add_node(ask).add_node(send)
    return graph.add_edge(START, "write").add_edge("write", "ask").add_edge("ask", "send")


async def main() -> None:
    async with AsyncSqliteSaver.from_conn_string(str(FOLDER / "checkpoints.sqlite")) as saver:
        executor = GraphExecutor(
            builder().compile(checkpointer=saver),
            thread=lambda job: f"letter of {job.name}",
            durability="sync",
        )
        async with Engine(executor) as engine:
            handle = await engine.submit({"log": ["in"]}, name="alice")
            while (await handle.wait()).status == "suspended":
                (question,) = handle.questions
                say(f"asks {question.value} {question.schema} {question.id}")
                if len(sys.argv) == 2:
                    await asyncio.Event().wait()
                await engine.reply(handle.id, sys.argv[2])
            say((await handle)["log"])


asyncio.run(main())
