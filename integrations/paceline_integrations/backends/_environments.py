"""Environments of their own for what is too large to live in the project's: made once, kept, found again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ._errors import BackendError
from ._locks import locked

__all__ = ["Environment", "kept_folder", "quiet"]

_MARKER = "paceline.json"
_TOLD = 1_500  # characters of what pip said last
_MEGABYTE = 2**20


def kept_folder() -> Path:
    """Where environments are kept between runs: `PACELINE_BACKENDS`, else a folder of the user's cache."""
    said = os.environ.get("PACELINE_BACKENDS")
    if said:
        return Path(said).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "paceline" / "backends"


def quiet(_: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A Python environment with packages of its own, made by the running Python and kept for the next run.

    `requires` are arguments of `pip install`, `megabytes` what it takes on the disk. Let the name say what is
    in it, versions and all: one that is made anew under its old name may be in use by somebody.
    """

    name: str
    requires: tuple[str, ...]
    megabytes: int = 500

    @property
    def folder(self) -> Path:
        """Where it is, or will be."""
        return kept_folder() / f"{self.name}-py{sys.version_info.major}.{sys.version_info.minor}"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    @property
    def ready(self) -> bool:
        """Whether it is there, whole, and of these packages."""
        try:
            made_of = json.loads((self.folder / _MARKER).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        # An interpreter that was upgraded away leaves a link to nothing.
        return bool(made_of == list(self.requires)) and self.python.exists()

    def make(self, tell: Callable[[str], None] = quiet) -> Path:
        """Make it unless it is there, and return its interpreter; `tell` gets a line for what takes long.

        It counts as made only once all is in it: what was broken off is begun anew. Two processes that want
        the same one make it once.

        Raises:
            BackendError: if there is no room, or pip fails: most often for want of a network.
        """
        if self.ready:
            return self.python
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            with locked(
                self.folder.with_name(f"{self.folder.name}.lock"),
                lambda: tell(f"waiting for another process that installs {self.name}"),
            ):
                if not self.ready:
                    self._build(tell)
        except OSError as error:
            raise BackendError(
                f"{self.name} cannot be installed below {kept_folder()}: {error}; "
                "PACELINE_BACKENDS names another folder"
            ) from error
        return self.python

    def _build(self, tell: Callable[[str], None]) -> None:
        free = shutil.disk_usage(self.folder.parent).free / _MEGABYTE
        if free < self.megabytes:
            raise BackendError(
                f"{self.name} takes about {self.megabytes:,} MB, but {self.folder.parent} has only "
                f"{free:,.0f} MB left; PACELINE_BACKENDS names another folder"
            )
        tell(f"installing {self.name} into {self.folder} (about {self.megabytes:,} MB; it is kept)")
        shutil.rmtree(self.folder, ignore_errors=True)
        self._run([sys.executable, "-m", "venv", str(self.folder)])
        pip = [str(self.python), "-m", "pip", "--disable-pip-version-check", "--no-input"]
        self._run([*pip, "install", "-q", *self.requires])
        (self.folder / _MARKER).write_text(json.dumps(self.requires), encoding="utf-8")

    def _run(self, command: Sequence[str]) -> None:
        # Told is what goes wrong; paths of the running environment would be taken for the new one's.
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        ended = subprocess.run(  # noqa: S603 - our own command
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environ,
            check=False,
        )
        if ended.returncode:
            said = ended.stdout.decode(errors="replace").strip()
            raise BackendError(
                f"{self.name} could not be installed into {self.folder}: {command[2]} ended with code "
                f"{ended.returncode}. It needs the network once, and about {self.megabytes:,} MB of disk; "
                "pip's own settings (PIP_INDEX_URL, a proxy) hold. It said last:",
                said[-_TOLD:],
            )
