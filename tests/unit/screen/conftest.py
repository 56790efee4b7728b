"""What the screen's tests share: a recorded run, a clock on the wall that shows the same everywhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import scenes


@pytest.fixture(scope="session")
def contracts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of a run: contracts in groups, chats between them, a failure, a retry and a question."""
    path = tmp_path_factory.mktemp("scenes") / "contracts.jsonl"
    scenes.write(scenes.contracts, path)
    return path


@pytest.fixture(scope="session")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of a run whose model has a limit that most jobs wait at."""
    path = tmp_path_factory.mktemp("scenes") / "letters.jsonl"
    scenes.write(scenes.limited, path)
    return path


@pytest.fixture(autouse=True)
def _same_clock_everywhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.delenv("NO_COLOR", raising=False)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()
