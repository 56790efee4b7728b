"""A folder with a module of executors, and the command line called in it."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from paceline_integrations.cli._app import call

MODULE = '''
import asyncio
from paceline import Cost, Suspend, Usage, current_job

print("imported")

async def echo(payload):
    print("working")
    current_job().first_token()
    cached = 0 if current_job().job.role == "primer" else 90
    current_job().usage(Usage(input_tokens=100, cached_tokens=cached, output_tokens=7))
    if payload == "fail":
        raise ValueError("no such\\npage")
    if payload == "ask":
        return Suspend("May I?")
    return payload

def sync(payload):
    return payload

class Late:
    """Answers later what came first."""
    def __init__(self):
        self.seen = 0
    async def execute(self, job, ctx):
        self.seen += 1
        await asyncio.sleep(0.2 / self.seen)
        return job.payload

class Counting:
    """Knows beforehand what it needs."""
    def estimate(self, job):
        return Cost(input_tokens=100, output_tokens=7)
    async def execute(self, job, ctx):
        return job.payload

late = Late()
counting = Counting()
mistake = 42
tries = []

async def third_time(payload):
    tries.append(payload)
    if len(tries) < 3:
        raise ConnectionError("try again")
    return len(tries)

def nothing(): ...
'''


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


Call = Callable[..., Ended]
Write = Callable[[Sequence[dict[str, Any]]], Path]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A fresh folder, module and logger for each test; what a process would leave behind is undone."""
    (tmp_path / "jobs.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))
    monkeypatch.setenv("COLUMNS", "100")
    logger = logging.getLogger("paceline")
    before = logger.level, logger.propagate, list(logger.handlers)
    yield
    sys.modules.pop("jobs", None)
    logger.setLevel(before[0])
    logger.propagate = before[1]
    logger.handlers[:] = before[2]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write groups.jsonl."""

    def put(groups: Sequence[dict[str, Any]]) -> Path:
        path = tmp_path / "groups.jsonl"
        path.write_text("".join(json.dumps(group) + "\n" for group in groups))
        return path

    return put


@pytest.fixture
def paceline(capsys: pytest.CaptureFixture[str]) -> Call:
    """Call the command line, in this process."""

    def run(*arguments: str) -> Ended:
        capsys.readouterr()
        code = call(list(arguments))
        out, err = capsys.readouterr()
        return Ended(code, str(out), str(err))

    return run


def rows(path: Path | str) -> list[dict[str, Any]]:
    """Read a file of JSON lines."""
    return [json.loads(line) for line in Path(path).read_text().splitlines()]
