"""What a group gives back, in which order, and under which names and keys."""

import asyncio
import gc
from typing import Any

import pytest

from paceline import Engine, JobResult, NameTaken, Suspend, UnknownName, current_job
from paceline.testing import VirtualClock


async def work(payload: Any) -> object:
    ctx = current_job()
    assert ctx is not None
    if payload == "ask":
        return ctx.job.reply or Suspend("?")
    return await asyncio.sleep(payload, payload)


def test_results_come_primer_first_then_in_submit_order() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            group = await engine.submit_group("g", primer=4, followers=[9, 3, 6])
            results = await group.results()
            assert [result.output for result in results] == [4, 9, 3, 6]
            assert [result.role for result in results] == ["primer", "follower", "follower", "follower"]
            assert await group.results() == results

    VirtualClock().run(main)


def test_as_completed_yields_each_member_as_it_ends() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            group = await engine.submit_group("g", primer=4, followers=[9, 3, 6])
            seen = [(result.output, now()) async for result in group.as_completed()]
            assert seen == [(4, 4), (3, 7), (6, 10), (9, 13)]
            again = [result.output async for result in group.as_completed()]
            assert sorted(again) == [3, 4, 6, 9]

    VirtualClock().run(main)


def now() -> float:
    return asyncio.get_running_loop().time()


def test_leaving_as_completed_early_leaves_the_group_alone() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            group = await engine.submit_group("g", primer=1, followers=[1, 2])
            stream = group.as_completed()
            async for result in stream:
                assert result.role == "primer"
                break
            await stream.aclose()
            assert [result.status for result in await group.results()] == ["succeeded"] * 3

    VirtualClock().run(main)


def test_results_and_as_completed_return_at_rest_and_go_on_after_a_reply() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            group = await engine.submit_group("g", followers=[1, "ask"])
            assert [result.status for result in await group.results()] == ["succeeded", "suspended"]
            resting = [result.status async for result in group.as_completed()]
            assert sorted(resting) == ["succeeded", "suspended"]
            assert engine.group("g").status == "running"
            await engine.reply(group.followers[1].id, "yes")
            assert [result.output for result in await group.results()] == [1, "yes"]
            assert group.status == "succeeded"

    VirtualClock().run(main)


def test_as_completed_yields_a_member_again_that_was_answered_meanwhile() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            group = await engine.submit_group("g", followers=[9, "ask"])
            seen: list[JobResult] = []
            async for result in group.as_completed():
                seen.append(result)
                if result.status == "suspended":
                    await engine.reply(result.id, "yes")
            assert [result.status for result in seen] == ["suspended", "succeeded", "succeeded"]
            assert [result.output for result in seen] == [None, "yes", 9]

    VirtualClock().run(main)


def test_members_have_positional_keys_and_say_their_role_and_group() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            group = await engine.submit_group("g", primer=1, followers=[1, 1, 1, 1], metadata={"book": 7})
            results = await group.results()
            assert [result.key for result in results] == [
                "g/primer",
                "g/follower/0",
                "g/follower/1",
                "g/follower/2",
                "g/follower/3",
            ]
            assert {result.group for result in results} == {"g"}
            assert group.metadata == {"book": 7}
            assert group.name == "g"

    VirtualClock().run(main)


def test_the_name_of_an_unfinished_group_is_taken_and_then_free_again() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            first = await engine.submit_group("g", primer=5, followers=[1])
            with pytest.raises(NameTaken, match="'g'"):
                await engine.submit_group("g", followers=[1])
            with pytest.raises(NameTaken):
                async with engine.open_group("g"):
                    pytest.fail("a second group of an unfinished one's name")
            assert engine.group("g") is first
            await first.results()
            with pytest.raises(UnknownName, match="'g'"):
                engine.group("g")
            second = await engine.submit_group("g", followers=[1])
            assert (await second.results())[0].group == "g"

    VirtualClock().run(main)


def test_the_nth_group_of_a_name_has_its_number_in_its_keys() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            held = [await engine.submit_group("g", primer=1, followers=[1])]
            await held[0].results()
            held.append(await engine.submit_group("g", primer=1, followers=[1]))
            assert [result.key for result in await held[1].results()] == ["g#2/primer", "g#2/follower/0"]
            held.append(await engine.submit_group("g", primer=1))
            assert [result.key for result in await held[2].results()] == ["g#3/primer"]

    VirtualClock().run(main)


def test_a_name_that_nobody_holds_any_more_is_forgotten() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            await (await engine.submit_group("g", primer=1)).results()
            gc.collect()
            again = await engine.submit_group("g", primer=1)
            assert [result.key for result in await again.results()] == ["g/primer"]

    VirtualClock().run(main)


def test_options_of_a_group_hold_for_every_member() -> None:
    seen: list[tuple[Any, int, str]] = []

    async def look(payload: Any) -> None:
        ctx = current_job()
        assert ctx is not None
        seen.append((ctx.job.config, ctx.job.priority, ctx.job.executor))

    async def main() -> None:
        async with Engine({"a": work, "b": look, "default": work}) as engine:
            await engine.submit_group(
                "g", primer=1, followers=[1], executor="b", config={"tags": ["x"]}, priority=3
            )

    VirtualClock().run(main)
    assert seen == [({"tags": ["x"]}, 3, "b")] * 2


def test_bad_groups_are_refused_with_what_was_wrong() -> None:
    async def main() -> None:
        async with Engine(work) as engine:
            with pytest.raises(UnknownName, match=r"no lane named 'nowhere'.*'default'"):
                await engine.submit_group("g", followers=[1], lane="nowhere")
            with pytest.raises(UnknownName, match="no executor named 'nobody'"):
                await engine.submit_group("g", followers=[1], executor="nobody")
            with pytest.raises(TypeError, match="GroupPolicy"):
                await engine.submit_group("g", followers=[1], policy="complete")  # type: ignore[arg-type]
            with pytest.raises(ValueError, match="a key names one job"):
                await engine.submit_group("g", followers=[1], key="k")  # type: ignore[call-arg]
            with pytest.raises(ValueError, match="name"):
                await engine.submit_group("")
            assert engine.snapshot().groups == ()
            assert engine.snapshot().counts["waiting"] == 0

    VirtualClock().run(main)
