"""A program that is killed and started again goes on from the checkpoints that it left on disk."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # each starts several programs that import LangGraph
PROGRAM = Path(__file__).with_name("approving.py")
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the program, and leave none behind."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str) -> subprocess.Popen[str]:
        program = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(tmp_path), *arguments], stdout=subprocess.PIPE, text=True
        )
        started.append(program)
        return program

    yield run
    for program in started:
        if program.poll() is None:
            program.kill()
        program.communicate()


def said(program: subprocess.Popen[str]) -> str:
    """The next line that it says."""
    assert program.stdout is not None
    return program.stdout.readline().strip()


def killed(program: subprocess.Popen[str]) -> None:
    program.kill()
    assert program.wait() == -9


def did(folder: Path) -> list[str]:
    return (folder / "did").read_text().split()


def test_a_question_survives_its_program_and_is_answered_once(start: Start, tmp_path: Path) -> None:
    first = start()
    question = said(first)
    assert question.startswith("asks send it? {'type': 'string'} ")
    killed(first)

    second = start()
    assert said(second) == question
    killed(second)

    third = start("yes")
    assert said(third) == question
    assert said(third) == "['in', 'written', 'answered yes', 'sent']"
    assert third.wait() == 0
    assert did(tmp_path) == ["write", "ask", "send"]


@pytest.mark.parametrize("node", ["write", "ask", "send"])
def test_a_program_that_is_killed_in_a_node_runs_that_node_again_and_none_before(
    start: Start, tmp_path: Path, node: str
) -> None:
    (tmp_path / "hang").write_text(node)
    first = start("yes")
    lines = [said(first)]
    while not lines[-1].startswith("hangs"):
        lines.append(said(first))
    killed(first)
    (tmp_path / "hang").unlink()

    second = start("yes")
    lines = [said(second)]
    while lines[-1].startswith("asks"):
        lines.append(said(second))
    assert lines[-1] == "['in', 'written', 'answered yes', 'sent']"
    assert second.wait() == 0
    before = ["write", "ask", "send"]
    again = before.index(node)
    assert did(tmp_path) == [*before[: again + 1], *before[again:]]
