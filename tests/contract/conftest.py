"""Serves the suites of adapters that speak HTTP, and cancels a thousand streams of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from paceline.testing.adapter_suite import AdapterSuite, Scene

from .provider import Provider

AT_ONCE = 50  # streams at most: the suite cancels 25 at a time, and those before may yet be closing


class HttpSuite(AdapterSuite):
    """A suite whose adapter asks a server: `serve(scene)` is the root of one that plays the scene."""

    serve: Callable[[Scene], str]


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    """The server, for all tests of a session."""
    with Provider() as provider:
        yield provider


@pytest.fixture(autouse=True)
def _suites_are_served(request: pytest.FixtureRequest) -> None:
    suite: object = request.instance
    if isinstance(suite, HttpSuite):
        suite.serve = request.getfixturevalue("provider").serve


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Cancel a thousand streams of each adapter that speaks HTTP."""
    suite: object = getattr(metafunc, "cls", None)
    served = isinstance(suite, type) and issubclass(suite, HttpSuite)
    if served and metafunc.function.__name__ == "test_cancelled_streams_leave_nothing":
        thousand = pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(300)])
        metafunc.parametrize("_cancelled_streams", [AT_ONCE, thousand], indirect=True)


@pytest.fixture(autouse=True)
def _cancelled_streams(request: pytest.FixtureRequest) -> Iterator[None]:
    """So many are cancelled: afterwards no connection is left, nor any file, and there were never many."""
    number: int | None = getattr(request, "param", None)
    if number is None:
        yield
        return
    provider: Provider = request.getfixturevalue("provider")
    vars(request.instance)["cancelled_streams"] = number
    provider.most, files = 0, open_files()
    yield
    end = time.monotonic() + 5
    while provider.connections and time.monotonic() < end:
        time.sleep(0.01)
    assert provider.connections == 0
    assert provider.most <= AT_ONCE
    assert open_files() <= files + 3


def open_files() -> int:
    """How many files and sockets this process has open, where the system says."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0
