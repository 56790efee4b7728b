"""Colours of the whole screen, and where its parts are."""

from __future__ import annotations

from typing import Final

from textual.theme import Theme

from ._dialogs import DIALOGS

__all__ = ["CSS", "THEME"]

THEME: Final = Theme(
    name="paceline",
    primary="#5bc8f5",
    secondary="#6f8fb8",
    accent="#d58cff",
    warning="#f0b94d",
    error="#ff6f6f",
    success="#62c98d",
    foreground="#d5dbe6",
    background="#0d1117",
    surface="#11161e",
    panel="#19202b",
    dark=True,
)

CSS: Final = (
    """
Screen { background: $background; }
#body { height: 1fr; }
#side { width: 1fr; }
#jobs, #lanes, #timeline, #detail { height: 1fr; width: 1fr; }
#filter { display: none; height: 1; border: none; padding: 0 1; background: $panel; }
#filter.asked { display: block; }
#body Pane { border: none; }
.wide #body Pane { border: round $panel-lighten-2; }
.wide #body Pane:focus { border: round $primary; }
.wide #jobs { width: 11fr; }
.wide #side { width: 10fr; }
.wide #lanes { height: auto; max-height: 28%; }
.wide #timeline { height: auto; max-height: 40%; }
.wide Parts { display: none; }
.wide.wider Header { height: 3; }
.wide Reasons { height: 3; }
.low Header, .low Reasons { height: 1; }
.low Parts { display: none; }
"""
    + DIALOGS
)
