"""A person at a terminal that is none: which question what is typed is for."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable

import pytest
from rich.console import Console

from paceline import Question
from paceline.testing import VirtualClock
from paceline_integrations.cli.asked import Asked, Asker
from paceline_integrations.cli.asking import LEFT_OPEN, Person
from paceline_integrations.cli.keys import Terminal


class Keyboard(Terminal):
    """Types by call."""

    def __init__(self) -> None:
        super().__init__(-1, -1)
        self.typed: Callable[[bytes], object] | None = None

    def open(self, typed: Callable[[bytes], object]) -> None:
        self.typed = typed

    def close(self) -> None:
        self.typed = None

    def type(self, keys: bytes) -> None:
        assert self.typed is not None, "nobody listens"
        self.typed(keys)


def asked(job: str, value: str = "May I?", schema: object = bool) -> Asked:
    return Asked(Asker(job, job, job), Question("1", value, schema))


@pytest.fixture
def keyboard() -> Keyboard:
    return Keyboard()


@pytest.fixture
def person(keyboard: Keyboard) -> Person:
    return Person(keyboard, Console(file=io.StringIO(), width=80, height=30))


def said(person: Person) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    while not person.said.empty():
        question, answer = person.said.get_nowait()
        found.append((question.asker.id, answer))
    return found


def test_what_is_typed_while_an_answer_is_looked_at_is_lost(person: Person, keyboard: Keyboard) -> None:
    async def main() -> None:
        first, second = asked("a"), asked("b")
        person.ask(first, second)
        keyboard.type(b"y\ry\r")
        keyboard.type(b"y\r")
        assert said(person) == [("a", True)]
        person.accepted(first, True)
        keyboard.type(b"n\r")
        assert said(person) == [("b", False)]

    asyncio.run(main())


def test_an_answer_to_a_question_that_is_gone_is_not_given_to_the_next(
    person: Person, keyboard: Keyboard
) -> None:
    async def main() -> None:
        first, second = asked("a"), asked("b", schema=str)
        person.ask(first, second)
        keyboard.type(b"ye")
        person.withdraw(first)
        keyboard.type(b"s\r")
        assert said(person) == []
        await asyncio.sleep(2)
        keyboard.type(b"me\r")
        assert said(person) == [("b", "me")]

    VirtualClock().run(main)


def test_a_question_behind_the_first_may_be_withdrawn(person: Person, keyboard: Keyboard) -> None:
    async def main() -> None:
        first, second = asked("a"), asked("b")
        person.ask(first, second)
        person.withdraw(second)
        keyboard.type(b"y\r")
        person.accepted(first, True)
        assert person.render() is None
        assert keyboard.typed is None

    asyncio.run(main())


def test_nobody_is_asked_once_the_terminal_has_gone(person: Person, keyboard: Keyboard) -> None:
    async def main() -> None:
        person.ask(asked("a"))
        keyboard.type(b"")
        person.ask(asked("b"))
        assert said(person) == [("a", LEFT_OPEN), ("b", LEFT_OPEN)]
        assert keyboard.typed is None

    asyncio.run(main())
