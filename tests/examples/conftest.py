"""Runs a script as a person would, in a process of its own, but without a way out of the machine."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# Python runs a `sitecustomize` it finds on its path before the script; children of the script get it as well.
OFFLINE = """
import sys

LOCAL = {None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0", "::"}


def stay_here(event, args):
    if event == "socket.getaddrinfo":
        host = args[0]
    elif event == "socket.connect" and isinstance(args[1], tuple):
        host = args[1][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host not in LOCAL:
        raise PermissionError(f"this must run offline, but it asks for {host!r}")


sys.addaudithook(stay_here)
"""

RunScript = Callable[[Path], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run_script(tmp_path: Path) -> RunScript:
    """Run a Python file offline, warnings as errors, in an empty folder."""
    customize = tmp_path / "offline"
    customize.mkdir()
    (customize / "sitecustomize.py").write_text(OFFLINE)
    folder = tmp_path / "here"
    folder.mkdir()

    def run(script: Path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-W", "error", str(script)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(customize)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )

    return run
