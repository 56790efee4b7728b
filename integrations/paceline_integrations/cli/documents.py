"""What `paceline demo` reads: the text files of a folder, or the package's own documentation."""

from __future__ import annotations

import codecs
import importlib.metadata
import os
import pydoc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paceline

from ._errors import CommandError

__all__ = ["Document", "Selection", "own_documentation", "read_folder"]

MOST_FILES = 16
MOST_TOKENS = 8_000
_TOKEN = 4
"""Characters, about: it is so in the simulator, and in English text for most models."""
_SKIPPED = frozenset({"__pycache__", "node_modules", "venv", "build", "dist", "site-packages"})
_PROBED = 8_192
_OWN = (
    "Engine",
    "Group",
    "Handle",
    "JobContext",
    "JobResult",
    "Executor",
    "Lane",
    "GroupPolicy",
    "RetryPolicy",
    "JsonlSink",
    "Snapshot",
    "WaitReason",
    "Usage",
)


@dataclass(frozen=True, slots=True)
class Document:
    """A text with a name; long ones are cut."""

    name: str
    text: str
    cut: bool = False

    @property
    def tokens(self) -> int:
        """About how many tokens it has."""
        return -(-len(self.text) // _TOKEN)


@dataclass(frozen=True, slots=True)
class Selection:
    """The documents that are used, out of how many, and where they are from."""

    source: str
    documents: tuple[Document, ...]
    found: int
    things: str = "text files"

    @property
    def tokens(self) -> int:
        """About how many tokens they have together."""
        return sum(document.tokens for document in self.documents)


def own_documentation() -> Selection:
    """Take what the package says of itself, which is there however it was installed."""
    found = [_document("README.md", importlib.metadata.metadata("paceline").json.get("description", ""))]
    for name in _OWN:
        text = pydoc.plain(pydoc.render_doc(getattr(paceline, name)))
        found.append(_document(name, text))
    documents = tuple(document for document in found if document.text.strip())
    return Selection("Paceline's own documentation", documents, len(documents), "texts")


def read_folder(folder: Path) -> Selection:
    """Take the first text files of a folder, by path; hidden ones are passed over.

    Raises:
        CommandError: if it is no folder, or there is no text in it.
    """
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "there is no such folder"
        raise CommandError(f"{folder}: {what}")
    documents: list[Document] = []
    found = 0
    for path in _files(folder):
        text = _text(path)
        if text is None:
            continue
        found += 1
        if len(documents) < MOST_FILES:
            documents.append(_document(str(path.relative_to(folder)), text))
    if not documents:
        raise CommandError(f"{folder}: there is no file of readable text in it")
    return Selection(str(folder), tuple(documents), found)


def _printable(name: str) -> str:
    """A file's name as a terminal may show it: no escape sequence, no half of a character."""
    return "".join(char if char.isprintable() else "?" for char in name)


def _document(name: str, text: object) -> Document:
    whole = str(text)
    most = MOST_TOKENS * _TOKEN
    return Document(_printable(name), whole[:most], cut=len(whole) > most)


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _SKIPPED)
        for name in sorted(files):
            if not name.startswith("."):
                yield Path(place, name)


def _text(path: Path) -> str | None:
    """Read a text, or as much of it as is used; None if it is none."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            raw = file.read(_PROBED)
            if b"\0" in raw:
                return None
            raw += file.read(MOST_TOKENS * _TOKEN * 4 + 4)
        # Not final: the last character may be cut in two, which is no fault of the file's.
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(raw)
    except (OSError, UnicodeDecodeError):
        return None
    return text if text.strip() else None
