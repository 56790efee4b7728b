"""Nothing of the developer's machine reaches a test, and core never blocks the loop."""

import os
import signal
from collections.abc import Iterator

import pytest
from blockbuster import BlockBuster
from hypothesis import settings

# No deadline: a slow machine is not a broken promise. CI replays the same examples each time.
settings.register_profile("desk", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")

# A shell that starts the tests in the background has them, and all that they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

FOREIGN = ("PACELINE_", "GIGACHAT_", "OPENAI_", "LANGCHAIN_", "LANGSMITH_", "OTEL_")
PROXIES = {"http_proxy", "https_proxy", "all_proxy"}

# Locks handed over between threads, and files read to show a traceback or to import, are short and meant.
WATCHED = (
    "time.sleep",
    "socket.",
    "ssl.",
    "sqlite3.",
    "builtins.input",
    "io.BufferedWriter",
    "io.TextIOWrapper.write",
)


@pytest.fixture(autouse=True)
def _no_foreign_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key in the developer's shell must not turn a test into a bill, nor a proxy into a detour."""
    for name in tuple(os.environ):
        if name.startswith(FOREIGN) or name.lower() in PROXIES:
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _core_does_not_block_the_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """A blocking call below core, in a running loop, raises; a test that means it is marked `blocks_loop`."""
    if request.node.get_closest_marker("blocks_loop"):
        yield
        return
    watch = BlockBuster("paceline")
    watched = [function for name, function in watch.functions.items() if name.startswith(WATCHED)]
    for function in watched:
        function.activate()
    try:
        yield
    finally:
        for function in watched:
            function.deactivate()
