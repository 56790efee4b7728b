"""What may be tried again: held for a while, and counted once."""

from __future__ import annotations

import pytest

from paceline import JobResult, PacelineError
from paceline_integrations.cli.retries import Again, Retries


def again(number: int) -> Again:
    return Again(number, JobResult(id=f"j{number}", name=f"n{number}", status="failed"), number)


def test_what_is_held_counts_when_nobody_can_try_it_again() -> None:
    counted: list[str] = []
    retries = Retries(lambda result: counted.append(result.id))
    for number in range(3):
        retries.hold(again(number))
    retries.take("j1")
    assert counted == []
    retries.close()
    assert counted == ["j0", "j2"]
    retries.hold(again(3))
    assert counted == ["j0", "j2", "j3"]
    retries.close()
    assert counted == ["j0", "j2", "j3"]


def test_of_too_many_the_first_are_given_up() -> None:
    counted: list[str] = []
    retries = Retries(lambda result: counted.append(result.id), most=2)
    for number in range(4):
        retries.hold(again(number))
    assert counted == ["j0", "j1"]
    assert retries.find("j3").payload == 3
    with pytest.raises(PacelineError, match="only a job of the file that failed"):
        retries.find("j0")
