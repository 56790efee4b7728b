"""How a state looks: a glyph that is read without colours, and a colour that is seen at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from rich.style import Style

__all__ = [
    "ACCENT",
    "ALERT",
    "BOLD",
    "CALM",
    "CURSOR",
    "CURSOR_AWAY",
    "DIM",
    "GLYPHS",
    "GOOD",
    "INKS",
    "KEY",
    "PLAIN",
    "PRIMER",
    "QUIET",
    "STATES",
    "WARN",
]

PLAIN: Final = Style()
BOLD: Final = Style(color="#f0f4fb", bold=True)
DIM: Final = Style(color="#8a94a6")
QUIET: Final = Style(color="#465064")
"""Lines and empty parts of bars: there, but nothing to read."""
ACCENT: Final = Style(color="#5bc8f5")
GOOD: Final = Style(color="#62c98d")
WARN: Final = Style(color="#f0b94d")
ALERT: Final = Style(color="#ff6f6f")
CALM: Final = Style(color="#6f8fb8")
KEY: Final = Style(color="#f0f4fb", bgcolor="#2a3446")
PRIMER: Final = Style(color="#d9b8ff", bold=True)
CURSOR: Final = Style(bgcolor="#24405c")
CURSOR_AWAY: Final = Style(bgcolor="#1d2735")
"""Of a pane that has not the focus."""

STATES: Final = ("running", "waiting", "suspended", "succeeded", "failed", "cancelled", "skipped")

GLYPHS: Final[Mapping[str, str]] = {
    "running": "●",
    "waiting": "·",
    "suspended": "?",
    "succeeded": "✔",
    "failed": "✘",
    "cancelled": "⊘",
    "skipped": "○",
}

INKS: Final[Mapping[str, Style]] = {
    "running": ACCENT,
    "waiting": DIM,
    "suspended": Style(color="#d58cff", bold=True),
    "succeeded": GOOD,
    "failed": ALERT,
    "cancelled": WARN,
    "skipped": Style(color="#6b7688"),
}
