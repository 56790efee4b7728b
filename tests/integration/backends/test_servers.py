"""A server that somebody started ends with its use, whatever way that ends, and says why it did not start."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from paceline_integrations.backends import BackendError, Phoenix
from paceline_integrations.backends._server import Server, free_port

# Serves a port, with a child of its own, and says its ids; the deaf one does not leave when it is asked to.
PROGRAM = """
import http.server, os, signal, subprocess, sys
port, deaf = int(sys.argv[1]), sys.argv[2] == "deaf"
if deaf:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(os.getpid(), child.pid, sorted(os.environ), flush=True)
http.server.HTTPServer(("127.0.0.1", port), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def serving(folder: Path, port: int, manner: str = "kind") -> Server:
    return Server(
        "thing-1.0", [sys.executable, "-c", PROGRAM, str(port), manner], {"OWN": "1"}, folder / "log"
    )


def lives(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return False


def until(done: Callable[[], bool], patience: float = 30.0) -> bool:
    """Look until it is so; what is waited for is another process."""
    end = time.monotonic() + patience
    while not done():
        if time.monotonic() > end:
            return False
        select.select([], [], [], 0.02)
    return True


def ids(folder: Path) -> tuple[int, int]:
    server, child, _ = (folder / "log").read_text(encoding="utf-8").split(" ", 2)
    return int(server), int(child)


def test_stopping_ends_it_and_what_it_started(tmp_path: Path) -> None:
    port = free_port()
    server = serving(tmp_path, port)
    try:
        server.wait_until_up(f"http://127.0.0.1:{port}/", 30.0)
        both = ids(tmp_path)
        assert [lives(pid) for pid in both] == [True, True]
    finally:
        server.stop()
    assert until(lambda: not any(map(lives, both)))


@pytest.mark.slow
def test_one_that_does_not_leave_when_it_is_asked_to_is_ended(tmp_path: Path) -> None:
    port = free_port()
    server = serving(tmp_path, port, "deaf")
    try:
        server.wait_until_up(f"http://127.0.0.1:{port}/", 30.0)
        both = ids(tmp_path)
    finally:
        server.stop()
    assert until(lambda: not any(map(lives, both)))


def test_it_does_not_outlive_one_who_is_killed(tmp_path: Path) -> None:
    port = free_port()
    program = f"""
import runpy, pathlib, time
serving = runpy.run_path({__file__!r})["serving"]
server = serving(pathlib.Path({str(tmp_path)!r}), {port})
server.wait_until_up("http://127.0.0.1:{port}/", 30.0)
print("up", flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"up\n"
        both = ids(tmp_path)
        assert [lives(pid) for pid in both] == [True, True]
        os.kill(owner.pid, signal.SIGKILL)
    assert until(lambda: not any(map(lives, both)))


def test_one_that_ends_as_it_starts_is_told_with_what_it_said(tmp_path: Path) -> None:
    server = Server(
        "thing-1.0", [sys.executable, "-c", "raise SystemExit('no such table')"], {}, tmp_path / "log"
    )
    try:
        with pytest.raises(BackendError, match=r"thing-1\.0 ended as it started, with code 1") as caught:
            server.wait_until_up("http://127.0.0.1:9/", 30.0)
    finally:
        server.stop()
    assert caught.value.log == "no such table"


def test_one_that_does_not_come_up_in_time_is_told(tmp_path: Path) -> None:
    program = "import time; print('still thinking', flush=True); time.sleep(600)"
    server = Server("thing-1.0", [sys.executable, "-c", program], {}, tmp_path / "log")
    try:
        assert until(lambda: bool(server.said()))
        with pytest.raises(BackendError, match=r"was not up after 0 s; .*`patience`") as caught:
            server.wait_until_up(f"http://127.0.0.1:{free_port()}/", 0.0)
    finally:
        server.stop()
    assert caught.value.log == "still thinking"


def test_it_knows_no_key_and_no_setting_of_the_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setenv("PHOENIX_SQL_DATABASE_URL", "elsewhere")
    port = free_port()
    server = serving(tmp_path, port)
    try:
        server.wait_until_up(f"http://127.0.0.1:{port}/", 30.0)
    finally:
        server.stop()
    names = (tmp_path / "log").read_text(encoding="utf-8").split("[")[1]
    assert "'OWN'" in names
    assert "'PATH'" in names
    assert "OPENAI" not in names
    assert "PHOENIX" not in names


def test_a_backend_has_an_address_only_once_it_is_entered() -> None:
    with pytest.raises(RuntimeError, match="Phoenix has no address before it is entered"):
        _ = Phoenix().endpoint
