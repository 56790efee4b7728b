"""A backend on loopback, and a process in which OpenTelemetry is not set up yet."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.metrics import _internal as metrics
from opentelemetry.util._once import Once

from paceline_integrations.otel._configure_sdk import _Made

from .receiver import Receiver, receiving


@pytest.fixture(autouse=True)
def _nothing_goes_on_sending() -> Iterator[None]:
    """What a test leaves at work, once its backend is gone, would be heard in the logs of the next ones."""
    before = set(threading.enumerate())
    yield
    until = time.monotonic() + 15
    for thread in set(threading.enumerate()) - before:
        thread.join(max(0.0, until - time.monotonic()))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A backend that takes what comes."""
    with receiving() as found:
        yield found


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a process that has just begun: providers can be set once in one."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())
    monkeypatch.setattr(metrics, "_METER_PROVIDER", None)
    monkeypatch.setattr(metrics, "_METER_PROVIDER_SET_ONCE", Once())
    monkeypatch.setattr(_Made, "telemetry", None)
    filters = {name: list(logging.getLogger(name).filters) for name in _loggers()}
    yield
    if _Made.telemetry is not None:
        _Made.telemetry.shutdown(0.0)
    for name in _loggers():
        logging.getLogger(name).filters[:] = filters.get(name, [])


def _loggers() -> list[str]:
    return [name for name in logging.root.manager.loggerDict if name.startswith("opentelemetry.")]
