"""What a job sees of its group, and when it is told to stream."""

import asyncio
import itertools
from typing import Any

import pytest

from paceline import Engine, GroupPolicy, Job, JobContext
from paceline.testing import VirtualClock


def test_a_member_sees_its_groups_name_metadata_and_primer() -> None:
    seen: list[tuple[str, str, Any, Any]] = []

    class Looking:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            assert ctx.group is not None
            primer = ctx.group.primer
            seen.append(
                (job.role, ctx.group.name, ctx.group.metadata["book"], primer.output if primer else None)
            )
            return await asyncio.sleep(1, f"the {job.role}'s output")

    async def main() -> None:
        async with Engine(Looking()) as engine:
            await engine.submit_group("g", primer="p", followers=["f"], metadata={"book": 7})

    VirtualClock().run(main)
    assert seen == [("primer", "g", 7, None), ("follower", "g", 7, "the primer's output")]


def test_the_primers_result_is_there_even_when_it_failed() -> None:
    seen: list[str] = []

    class Looking:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            if job.role == "primer":
                raise OSError("no")
            assert ctx.group is not None
            assert ctx.group.primer is not None
            seen.append(ctx.group.primer.status)
            return None

    async def main() -> None:
        policy = GroupPolicy(on_primer_failure="run_followers")
        async with Engine(Looking()) as engine:
            await engine.submit_group("g", primer="p", followers=["f"], policy=policy)

    VirtualClock().run(main)
    assert seen == ["failed"]


def test_what_the_primer_shares_reaches_followers_before_it_ends() -> None:
    seen: list[tuple[float, object, object]] = []

    class Sharing:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            assert ctx.group is not None
            if job.role == "primer":
                assert ctx.group.shared is None
                ctx.group.share({"session": 42})
                ctx.first_token()
                await asyncio.sleep(10)
                return None
            seen.append((asyncio.get_running_loop().time(), ctx.group.shared, ctx.group.primer))
            return None

    async def main() -> None:
        async with Engine(Sharing()) as engine:
            await engine.submit_group("g", primer="p", followers=["f"])

    VirtualClock().run(main)
    assert seen == [(0, {"session": 42}, None)]


def test_a_job_by_itself_has_no_group() -> None:
    class Looking:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            return ctx.group

    async def main() -> None:
        async with Engine(Looking()) as engine:
            assert await (await engine.submit("x")) is None

    VirtualClock().run(main)


CASES = list(itertools.product([False, True], repeat=4))


@pytest.mark.parametrize(("asked", "heard", "followers", "at_first_token"), CASES)
def test_streaming_is_told_where_chunks_are_of_use(
    asked: bool, heard: bool, followers: bool, at_first_token: bool
) -> None:
    """Asked for, listened to, or a primer whose first token somebody waits for."""

    class Looking:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            await asyncio.sleep(1)
            return ctx.streaming

    async def main() -> tuple[object, object]:
        policy = GroupPolicy(release="first_token" if at_first_token else "complete")
        async with Engine(Looking()) as engine:
            group = await engine.submit_group(
                "g", primer="p", followers=["f"] if followers else [], policy=policy, stream=asked
            )
            alone = await engine.submit("x", stream=asked)
            assert group.primer is not None
            streams = [group.primer.stream(), alone.stream()] if heard else []
            outputs = await group.primer, await alone
            for stream in streams:
                await stream.aclose()
            return outputs

    primer, alone = VirtualClock().run(main)
    assert primer == (asked or heard or (followers and at_first_token))
    assert alone == (asked or heard)


def test_a_follower_is_not_told_to_stream_and_a_primer_that_has_released_need_not() -> None:
    seen: list[tuple[str, bool]] = []

    class Looking:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            seen.append((job.role, ctx.streaming))
            ctx.first_token()
            seen.append((job.role, ctx.streaming))
            return None

    async def main() -> None:
        async with Engine(Looking()) as engine:
            await engine.submit_group("g", primer="p", followers=["f"])

    VirtualClock().run(main)
    assert seen == [("primer", True), ("primer", False), ("follower", False), ("follower", False)]


def test_a_primer_of_a_group_that_is_open_may_yet_have_followers() -> None:
    class Looking:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            return ctx.streaming

    async def main() -> None:
        async with Engine(Looking()) as engine, engine.open_group("g") as group:
            assert await (await group.submit_primer("p")) is True

    VirtualClock().run(main)


def test_a_listener_that_goes_away_takes_streaming_with_it() -> None:
    class Looking:
        async def execute(self, job: Job, ctx: JobContext) -> object:
            before = ctx.streaming
            await asyncio.sleep(2)
            return before, ctx.streaming

    async def main() -> None:
        async with Engine(Looking()) as engine:
            handle = await engine.submit("x")
            stream = handle.stream()
            await asyncio.sleep(1)
            await stream.aclose()
            assert await handle == (True, False)

    VirtualClock().run(main)
