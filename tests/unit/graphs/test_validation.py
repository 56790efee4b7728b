"""`validate=True`: arguments and results are held against annotations, and converted as pydantic does."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any, cast

import pytest
from pydantic import BaseModel
from typing_extensions import TypedDict

from paceline import Engine, InputError, JobFailed, RetryPolicy, flow, task
from paceline.testing import VirtualClock


class Document(BaseModel):
    """A model."""

    title: str
    pages: int = 1


class Hit(TypedDict):
    """A typed mapping."""

    score: float


@dataclass
class Point:
    """A dataclass."""

    x: int


class Opaque:
    """Nothing that pydantic knows."""


def outcome(one: Any, *args: Any, **kwargs: Any) -> Any:
    """What a call gives, in place and in a flow alike."""

    @flow
    async def body() -> Any:
        return await one(*args, **kwargs)

    async def main() -> Any:
        in_flow = await body()
        assert repr(await one(*args, **kwargs)) == repr(in_flow)
        return in_flow

    return VirtualClock().run(main)


def refusal(one: Any, *args: Any) -> str:
    """Why a call is refused."""

    async def main() -> None:
        await one(*args)

    with pytest.raises((InputError, ValueError)) as caught:
        VirtualClock().run(main)
    return str(caught.value)


@task(validate=True)
async def typed(document: Document, hits: list[Hit], point: Point | None = None, plain: Any = None) -> Any:
    return document, hits, point, plain


def test_arguments_are_converted() -> None:
    assert outcome(typed, {"title": "T", "pages": "3"}, [{"score": "0.5"}], {"x": 1}, "as it is") == (
        Document(title="T", pages=3),
        [{"score": 0.5}],
        Point(1),
        "as it is",
    )


def test_without_it_values_pass_as_they_are() -> None:
    loose = task(typed.fn)
    assert outcome(loose, {"title": 1}, "no list") == ({"title": 1}, "no list", None, None)


MISFITS: list[tuple[tuple[Any, ...], str, str]] = [
    (({"pages": 1}, []), "document", "title"),
    (({"title": "T"}, [{"score": "high"}]), "hits", "0.score"),
    (({"title": "T"}, [], 3), "point", "Point"),
]


@pytest.mark.parametrize(("args", "argument", "said"), MISFITS)
def test_an_argument_that_does_not_fit_fails_the_task_by_name_and_is_not_tried_again(
    args: tuple[Any, ...], argument: str, said: str
) -> None:
    @flow
    async def body() -> str:
        call = typed.with_options(retry=RetryPolicy(attempts=3, base=0))(*args)
        with pytest.raises(JobFailed, match="after 1 attempt:") as caught:
            await call
        assert isinstance(caught.value.__cause__, InputError)
        return str(caught.value.__cause__)

    async def main() -> str:
        with pytest.raises(InputError, match=f"task 'typed': argument '{argument}' does not fit"):
            await typed(*args)
        return str(await body())

    message = VirtualClock().run(main)
    assert message.startswith(f"task 'typed': argument {argument!r} does not fit its annotation: ")
    assert said in message


def test_what_is_returned_is_converted_and_what_does_not_fit_is_tried_again() -> None:
    answers = iter(["nonsense", '{"no": 1}', "7"])

    @task(validate=True, retry=RetryPolicy(attempts=3, base=0))
    async def guess() -> int:
        return next(answers)  # type: ignore[return-value]

    @flow
    async def body() -> Any:
        call = guess()
        return await call, [each.error for each in (await call.handle.wait()).attempts]

    async def main() -> Any:
        return await body()

    output, errors = VirtualClock().run(main)
    assert output == 7
    assert errors[0].type == "ValueError"
    assert "task 'guess': what it returned does not fit its annotation" in errors[0].message
    assert errors[2] is None


def test_rest_arguments_are_each_held_against_the_annotation() -> None:
    @task(validate=True)
    async def total(*numbers: int, **named: float) -> float:
        return sum(numbers) + sum(named.values())

    assert outcome(total, "1", "2", a="0.5") == 3.5
    assert "argument 'numbers' does not fit its annotation: 1 validation error" in refusal(total, 1, "x")


def test_sync_tasks_and_methods_are_checked_too() -> None:
    class Counter:
        @task(validate=True)
        def twice(self, number: int) -> int:
            return 2 * number

    assert outcome(Counter().twice, "21") == 42
    assert "argument 'number'" in refusal(Counter().twice, "x")


def test_a_class_that_pydantic_does_not_know_is_held_against_by_isinstance() -> None:
    @task(validate=True)
    async def take(thing: Opaque, things: list[Opaque] | None = None) -> bool:
        return True

    one = Opaque()
    assert outcome(take, one, [one])
    assert "Opaque" in refusal(take, "other")
    assert "Opaque" in refusal(take, one, ["other"])


def test_an_annotation_that_cannot_be_checked_is_said_once_and_passes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @task(validate=True)
    async def take(one: "Lost", two: list["Lost"], three: type[3]) -> int:  # type: ignore[name-defined, valid-type]  # noqa: F821
        return 3

    async def main() -> None:
        async with Engine(cast("Any", take)) as engine:
            for _ in range(2):
                assert await (await engine.submit({"one": 1, "two": [2], "three": 3})) == 3

    with caplog.at_level(logging.WARNING, "paceline"):
        VirtualClock().run(main)
    asyncio.run(main())
    said = [each.message for each in caplog.records]
    assert all("is not checked" in each and "task 'take'" in each for each in said)
    assert len(said) == len(set(said))
