"""A server in a process of its own, from its start until nobody uses it any more."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from . import _keeper
from ._errors import BackendError
from ._http import answers

__all__ = ["Server", "free_port"]

_LOOK: Final = 0.1
_PATIENCE: Final = 20.0
_TOLD: Final = 2_000  # characters of what it said last
# What a server may know of its surroundings. Not its own settings, nor keys: another's database is not ours
# to write to.
_SURROUNDINGS: Final = frozenset(
    {"HOME", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR"}
)


def free_port() -> int:
    """Find a port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A command that serves. It ends with `stop()`, or with this process, whatever way that ends.

    Its output goes to the file `log`.
    """

    def __init__(self, name: str, command: Sequence[str], environ: Mapping[str, str], log: Path) -> None:
        self._name = name
        self._log = log
        surroundings = {key: value for key, value in os.environ.items() if key in _SURROUNDINGS}
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-I", _keeper.__file__, *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**surroundings, **environ},
                cwd=log.parent,
                start_new_session=True,  # Ctrl-C in a terminal is ours to handle
            )

    def wait_until_up(self, url: str, patience: float) -> None:
        """Wait until a GET of this address succeeds.

        Raises:
            BackendError: if it has ended, or is not up after so many seconds; with what it said last.
        """
        until = time.monotonic() + patience
        while not answers(url):
            code = self._process.poll()
            if code is not None:
                raise BackendError(
                    f"{self._name} ended as it started, with code {code}. It said:", self.said()
                )
            if time.monotonic() > until:
                raise BackendError(
                    f"{self._name} was not up after {patience:,.0f} s; on a slow machine give it more "
                    "`patience`. It said:",
                    self.said(),
                )
            time.sleep(_LOOK)

    def said(self) -> str:
        """Return the end of what it has said."""
        return self._log.read_text(encoding="utf-8", errors="replace")[-_TOLD:].strip()

    def stop(self) -> None:
        """End it, and all that it started; at once if it does not leave by itself."""
        stdin = self._process.stdin
        if stdin is not None:
            stdin.close()  # for its keeper this is the sign
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._kill()
            self._process.wait()

    def _kill(self) -> None:
        if sys.platform == "win32":
            self._process.kill()
        else:
            os.killpg(self._process.pid, signal.SIGKILL)
