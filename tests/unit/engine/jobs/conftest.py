"""Whatever a job does, the event loop hears of no error, and nothing is said never to have been retrieved."""

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _nothing_reaches_the_loops_exception_handler(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    heard: list[dict[str, Any]] = []

    def hear(loop: asyncio.BaseEventLoop, context: dict[str, Any]) -> None:
        heard.append(context)

    monkeypatch.setattr(asyncio.BaseEventLoop, "call_exception_handler", hear)
    gc.freeze()  # collecting looks at what this test made, and so is quick
    yield
    gc.collect()  # what was never retrieved, or destroyed while pending, says so when it is collected
    gc.unfreeze()
    assert heard == []
