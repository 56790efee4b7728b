"""Whatever a job does, the event loop hears of no error, and nothing is said never to have been retrieved."""

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _nothing_reaches_the_loops_exception_handler(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    heard: list[dict[str, Any]] = []
    monkeypatch.setattr(
        asyncio.BaseEventLoop, "call_exception_handler", lambda self, context: heard.append(context)
    )
    yield
    gc.collect()  # what was never retrieved, or destroyed while pending, says so when it is collected
    assert heard == []
