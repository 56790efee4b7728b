"""Remote graphs: what the client is called with, and what its answers come to. No server is asked."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from langgraph.pregel.remote import RemoteGraph
from langgraph_sdk.errors import NotFoundError
from langgraph_sdk.schema import StreamPart

from paceline import Engine, RetryPolicy
from paceline_adapters.langgraph import GraphExecutor, text_of

pytestmark = pytest.mark.anyio
ASKED: dict[str, Any] = {
    "id": "0123456789abcdef0123456789abcdef",
    "value": "ok?",
    "response_schema": {"type": "string"},
}


def state(*, interrupts: list[Any], upcoming: list[str]) -> dict[str, Any]:
    """A thread as the server tells of it."""
    checkpoint = {"thread_id": "t", "checkpoint_ns": "", "checkpoint_id": "c1"}
    task = {
        "id": "1",
        "name": "ask",
        "error": None,
        "interrupts": interrupts,
        "state": None,
        "checkpoint": None,
        "result": None,
    }
    return {
        "values": {"log": ["in"]},
        "next": upcoming,
        "tasks": [task] if upcoming else [],
        "checkpoint": checkpoint,
        "metadata": {},
        "created_at": None,
        "parent_checkpoint": None,
    }


class Server:
    """Stands for a client: plays runs, and a thread that is as the last run left it."""

    def __init__(self, *runs: list[tuple[str, Any]]) -> None:
        self.calls: list[dict[str, Any]] = []
        self.runs = self.threads = self
        self.left: list[list[tuple[str, Any]]] = list(runs)
        self.thread: dict[str, Any] | None = None
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()

    async def stream(self, **arguments: Any) -> AsyncIterator[StreamPart]:
        self.calls.append(arguments)
        self.begun.set()
        self.thread = state(interrupts=[], upcoming=[])
        try:
            for event, data in self.left.pop(0):
                if event == "hang":
                    await asyncio.Event().wait()
                if event == "stops":
                    self.thread = state(interrupts=data, upcoming=["ask"])
                    continue
                yield StreamPart(event, data)
        finally:
            self.ended.set()

    async def get_state(self, thread_id: str, **arguments: Any) -> Any:
        if self.thread is None:
            request = httpx.Request("GET", "http://127.0.0.1")
            raise NotFoundError("no such thread", response=httpx.Response(404, request=request), body=None)
        return self.thread


def executor(server: Server, **options: Any) -> GraphExecutor:
    graph = RemoteGraph("helper", client=server, config={"tags": ["bound"]})  # type: ignore[arg-type]  # a stand-in
    return GraphExecutor(graph, **options)


async def test_a_remote_graph_is_run_on_a_thread_of_the_job_with_its_config_and_context() -> None:
    server = Server([("values", {"log": ["in"]}), ("values", {"log": ["in", "out"]})])
    async with Engine(executor(server, context={"user": "alice"}, durability="sync")) as engine:
        handle = await engine.submit(
            {"log": ["in"]}, config={"tags": ["own"], "configurable": {"model": "small"}}
        )
        assert await handle == {"log": ["in", "out"]}
    (call,) = server.calls
    assert call["thread_id"] == str(uuid.uuid5(uuid.NAMESPACE_URL, f"paceline:{handle.id}"))
    assert (call["input"], call["command"]) == ({"log": ["in"]}, None)
    assert (call["context"], call["durability"], call["on_disconnect"]) == (
        {"user": "alice"},
        "sync",
        "cancel",
    )
    config = call["config"]
    assert config["tags"] == ["bound", "own"]
    assert (config["recursion_limit"], config["configurable"]) == (100, {"model": "small"})
    assert config["metadata"]["paceline.job.id"] == handle.id


async def test_its_stream_comes_as_parts() -> None:
    message = {"type": "AIMessageChunk", "content": "well"}
    server = Server([("messages", [message, {}]), ("updates", {"ask": {}}), ("values", {"log": ["out"]})])
    async with Engine(executor(server)) as engine:
        handle = await engine.submit({"log": []}, stream=True)
        chunks = [chunk async for chunk in handle.stream()]
        assert await handle == {"log": ["out"]}
    assert [(part["type"], part["ns"]) for part in chunks] == [("messages", ()), ("updates", ())]
    assert "".join(map(text_of, chunks)) == "well"


async def test_a_remote_primer_releases_its_followers_with_its_first_words() -> None:
    words = ("messages", [{"type": "ai", "content": "well"}, {}])
    server = Server([("updates", {"ask": {}}), words, ("hang", None)], [("values", {"log": ["out"]})])
    async with Engine(executor(server)) as engine:
        group = await engine.submit_group("g", primer={"log": []}, followers=[{"log": []}])
        assert await group.followers[0] == {"log": ["out"]}
        assert group.primer is not None
        assert group.primer.cancel()


@pytest.mark.parametrize("stream", [False, True])
async def test_what_it_asks_suspends_the_job_and_the_answer_goes_back_by_id(stream: bool) -> None:
    server = Server(
        [("stops", [ASKED]), ("values", {"log": ["in"], "__interrupt__": [ASKED]})],
        [("values", {"log": ["in", "yes"]})],
    )
    async with Engine(executor(server)) as engine:
        handle = await engine.submit({"log": ["in"]}, stream=stream)
        await handle.wait()
        (question,) = handle.questions
        assert (question.id, question.value, question.schema) == (ASKED["id"], "ok?", {"type": "string"})
        await engine.reply(handle.id, "yes")
        assert await handle == {"log": ["in", "yes"]}
    first, second = server.calls
    assert second["thread_id"] == first["thread_id"]
    assert second["input"] is None
    assert second["command"]["resume"] == {str(ASKED["id"]): "yes"}


async def test_a_breakpoint_of_the_servers_is_asked_about() -> None:
    server = Server([("stops", []), ("values", {"log": ["in"]})], [("values", {"log": ["in", "out"]})])
    async with Engine(executor(server)) as engine:
        handle = await engine.submit({"log": ["in"]})
        await handle.wait()
        assert [question.value for question in handle.questions] == [
            "The graph has stopped before ask. Is it to go on?"
        ]
        await engine.reply(handle.id, True)
        assert await handle == {"log": ["in", "out"]}
    assert (server.calls[1]["input"], server.calls[1]["command"]) == (None, None)


async def test_a_run_that_failed_before_its_thread_was_made_begins_again() -> None:
    class Weak(Server):
        async def stream(self, **arguments: Any) -> AsyncIterator[StreamPart]:
            if not self.calls:
                self.calls.append(arguments)
                raise ConnectionError("broken")
            async for part in super().stream(**arguments):
                yield part

    server = Weak([("values", {"log": ["out"]})])
    async with Engine(executor(server), retry=RetryPolicy(base=0.0)) as engine:
        assert await (await engine.submit({"log": []})) == {"log": ["out"]}
    assert [call["input"] for call in server.calls] == [{"log": []}] * 2


async def test_cancelling_closes_the_stream_of_the_server() -> None:
    server = Server([("values", {"log": []}), ("hang", None)])
    async with Engine(executor(server)) as engine:
        handle = await engine.submit({"log": []}, stream=True)
        async with asyncio.timeout(10):
            await server.begun.wait()
            assert handle.cancel()
            await server.ended.wait()


def test_forking_a_remote_thread_is_refused() -> None:
    with pytest.raises(ValueError, match="which a remote graph does not show"):
        executor(Server(), thread="fork")
