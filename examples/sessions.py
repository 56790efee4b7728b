"""Sessions: each group has one, made once; its jobs get the handle and send only what is new.

The service here is a stand-in that reads a document into a session and answers questions about it. Opening a
session takes a while: the group's jobs wait for it without a slot, and others run meanwhile. A second group
about the same document finds its session open, so its primer is not needed.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from paceline import Engine, Job, JobContext, PrefixCache, current_job


class Service:
    """Somebody's API with sessions, and what it charged for."""

    def __init__(self) -> None:
        self.sessions: dict[str, str] = {}
        self.words_read = 0

    async def open(self, document: str) -> str:
        await asyncio.sleep(0.1)
        self.words_read += len(document.split())
        session = f"session-{len(self.sessions) + 1}"
        self.sessions[session] = document
        return session

    async def ask(self, session: str, question: str) -> str:
        await asyncio.sleep(0.02)
        self.words_read += len(question.split())
        return f"{question} ({len(self.sessions[session].split())} words in {session})"


class Sessions:
    """Tells Paceline how to name, open and close a session: a `CacheProvider`."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def fingerprint(self, payload: Any, context: Mapping[str, Any]) -> str:
        return f"{context['tenant']}/{payload['title']}"  # what tenants must not share differs by tenant

    async def create(self, payload: Any, context: Mapping[str, Any]) -> str:
        assert current_job() is None  # it belongs to no job: several groups may wait for it
        return await self.service.open(payload["text"])

    async def invalidate(self, handle: str) -> None:
        del self.service.sessions[handle]


class Assistant:
    """Asks in the session of the job's group."""

    def __init__(self, service: Service) -> None:
        self.service = service

    async def execute(self, job: Job, ctx: JobContext) -> str:
        question = "Is all of it readable?" if job.role == "primer" else job.payload
        return await self.service.ask(ctx.cache, question)


async def main() -> None:
    service = Service()
    sessions = PrefixCache(Sessions(service), ttl=600)
    contract = {"title": "contract", "text": "whereas the parties " * 1000}
    tenant = {"tenant": "acme"}

    async with Engine(Assistant(service), slots=4) as engine:
        for name, questions in {"morning": ["Who signs?", "Until when?"], "evening": ["Any risks?"]}.items():
            group = await engine.submit_group(
                name, primer=contract, followers=questions, cache=sessions, cache_context=tenant
            )
            assert group.primer is not None
            print(f"{name}: the primer", group.primer.waiting or "is not needed, the session is open")
            for result in await group.results():
                print(f"  {result.role:8} {result.status:9} {result.output or ''}")

    print(f"{len(service.sessions)} session, {service.words_read} words read")
    assert len(service.sessions) == 1
    assert service.words_read < 3100
    await sessions.clear()
    assert not service.sessions


asyncio.run(main())
