"""The jobs of a group share a session, and with it the prefix that GigaChat keeps."""

from __future__ import annotations

import asyncio
from typing import Any

from gigachat import GigaChatAsyncClient, custom_headers_cvar, session_id_cvar

from paceline import Engine, GroupPolicy
from paceline_adapters.gigachat import GigaChatExecutor

from .conftest import Giga, Serve

DOCUMENT = "the tide comes in and the tide goes out " * 40


def run_group(
    giga: Giga, name: str = "tides", client: GigaChatAsyncClient | None = None, **options: Any
) -> Any:
    async def main() -> Any:
        async with Engine(GigaChatExecutor(client or giga.client(), **options)) as engine:
            payloads = [f"{DOCUMENT}{question}" for question in ("when?", "where?", "why?")]
            group = await engine.submit_group(name, primer=payloads[0], followers=payloads[1:])
            return await group.results()

    return asyncio.run(giga.run(main))


def test_a_groups_requests_bear_its_name_as_their_session_and_read_the_primers_prefix(giga: Giga) -> None:
    primer, *followers = run_group(giga)
    assert giga.sessions() == ["tides"] * 3
    assert primer.usage.cached_tokens == 0
    expected = (len(DOCUMENT) // 4 + 2) // 16 * 16
    assert [one.usage.cached_tokens for one in followers] == [expected, expected]


def test_followers_read_the_prefix_from_the_primers_first_token_on(serve: Serve) -> None:
    giga = serve(decode_rate=200.0)

    async def main() -> Any:
        policy = GroupPolicy(release="first_token")
        async with Engine(GigaChatExecutor(giga.client())) as engine:
            group = await engine.submit_group("tides", primer=DOCUMENT, followers=[DOCUMENT], policy=policy)
            await group.followers[0].wait()
            return await group.results()

    primer, follower = asyncio.run(giga.run(main))
    assert follower.usage.cached_tokens
    assert follower.attempts[0].started < primer.attempts[0].ended
    assert giga.server.requests()[0].stream, "to know when it begins"


def test_groups_do_not_share_and_lone_jobs_have_no_session(giga: Giga) -> None:
    async def main() -> None:
        async with Engine(GigaChatExecutor(giga.client()), slots=1) as engine:
            for name in ("one", "two"):
                await (await engine.submit_group(name, followers=["hello"])).results()
            await (await engine.submit("hello"))

    asyncio.run(giga.run(main))
    assert giga.sessions() == ["one", "two", None]


def test_a_name_that_no_header_takes_is_replaced_by_one_of_its_own(giga: Giga) -> None:
    run_group(giga, "приливы " * 20)
    [session] = set(giga.sessions())
    assert session is not None
    assert session.isascii()
    assert len(session) <= 64


def test_the_users_own_session_and_headers_win_and_are_sent(giga: Giga) -> None:
    async def main() -> None:
        async with Engine(GigaChatExecutor(giga.client()), slots=1) as engine:
            session_id_cvar.set("mine")
            await (await engine.submit_group("one", followers=["hello"])).results()
            session_id_cvar.set(None)
            custom_headers_cvar.set({"x-session-id": "custom", "x-trace": "t"})
            await (await engine.submit_group("two", followers=["hello"])).results()

    asyncio.run(giga.run(main))
    assert giga.sessions() == ["mine", "custom"]
    assert giga.server.requests()[1].headers["x-trace"] == "t"


def test_the_session_is_set_for_the_attempt_alone(giga: Giga) -> None:
    seen: list[str | None] = []

    class Look:
        async def around(self, job: Any, ctx: Any, call_next: Any) -> object:
            output = await call_next(job, ctx)
            seen.append(session_id_cvar.get())
            return output

    async def main() -> None:
        async with Engine(GigaChatExecutor(giga.client()), middleware=[Look()]) as engine:
            await (await engine.submit_group("one", followers=["hello"])).results()

    asyncio.run(giga.run(main))
    assert (seen, giga.sessions()) == ([None], ["one"])
