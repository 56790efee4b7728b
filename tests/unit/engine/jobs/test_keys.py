"""Keys: one key names one piece of work, while it is unfinished or somebody holds it."""

import gc
from typing import NoReturn

import pytest

from paceline import Engine, KeyConflict
from paceline.testing import DelayExecutor, EchoExecutor, FaultExecutor, Hang, VirtualClock


class Array:
    """As numpy's: comparing two gives no yes or no."""

    def __eq__(self, other: object) -> NoReturn:
        raise ValueError("the truth value is ambiguous")

    __hash__ = None  # type: ignore[assignment]


def test_the_same_key_and_payload_give_the_same_job() -> None:
    async def main() -> None:
        async with Engine(DelayExecutor(1, 1)) as engine:
            first = await engine.submit({"q": [1]}, key="k")
            again = await engine.submit({"q": [1]}, key="k")
            assert first == again
            assert first.id == again.id
            await first
            ended = await engine.submit({"q": [1]}, key="k")
            assert ended == first
            assert await ended == {"q": [1]}
            assert engine.snapshot().counts["succeeded"] == 1

    VirtualClock().run(main)


def test_the_same_key_with_another_payload_is_a_conflict_that_names_the_job() -> None:
    async def main() -> None:
        async with Engine(DelayExecutor(1, 1)) as engine:
            handle = await engine.submit(1, key="k")
            with pytest.raises(KeyConflict, match=f"'k' already belongs to job {handle.id}") as caught:
                await engine.submit(2, key="k")
            assert (caught.value.key, caught.value.job_id) == ("k", handle.id)
            await handle
            with pytest.raises(KeyConflict):
                await engine.submit(2, key="k")

    VirtualClock().run(main)


def test_payloads_that_cannot_be_compared_are_the_same_only_if_they_are_one() -> None:
    async def main() -> None:
        async with Engine(EchoExecutor()) as engine:
            array = Array()
            first = await engine.submit(array, key="k")
            assert await engine.submit(array, key="k") == first
            with pytest.raises(KeyConflict):
                await engine.submit(Array(), key="k")

    VirtualClock().run(main)


def test_a_key_is_remembered_while_its_job_is_unfinished_though_nobody_holds_it() -> None:
    async def main() -> None:
        async with Engine(FaultExecutor(), slots=1) as engine:
            first = (await engine.submit(Hang(), key="k")).id
            gc.collect()
            again = await engine.submit(Hang(), key="k")
            assert again.id == first
            again.cancel()

    VirtualClock().run(main)


def test_a_key_is_forgotten_when_its_job_has_ended_and_nobody_holds_it() -> None:
    async def main() -> None:
        async with Engine(EchoExecutor()) as engine:
            handle = await engine.submit(1, key="k")
            await handle
            first = handle.id
            del handle
            gc.collect()
            other = await engine.submit(2, key="k")
            assert other.id != first
            assert await other == 2

    VirtualClock().run(main)


@pytest.mark.parametrize("option", ["key", "name", "lane"])
def test_texts_are_texts_with_something_in_them(option: str) -> None:
    async def main() -> None:
        async with Engine(EchoExecutor()) as engine:
            with pytest.raises(ValueError, match=f"job: {option} must not be empty"):
                await engine.submit(1, **{option: ""})  # type: ignore[arg-type,misc,unused-ignore]
            with pytest.raises(TypeError, match=f"job: {option} must be a text, not 7"):
                await engine.submit(1, **{option: 7})  # type: ignore[arg-type,misc,unused-ignore]

    VirtualClock().run(main)
