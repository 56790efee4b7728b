"""The text of the help: keys, signs and parts of the screen."""

from __future__ import annotations

from typing import Final

from textual.content import Content

from ._ink import GLYPHS, INKS, STATES

__all__ = ["help_text", "keys"]

_MEANINGS: Final = {
    "running": "at work",
    "waiting": "waiting",
    "suspended": "asks something",
    "succeeded": "done",
    "failed": "failed",
    "cancelled": "cancelled",
    "skipped": "skipped: not needed, or not possible",
}
_BARS: Final = (
    ("━", "done", "succeeded"),
    ("▞", "failed", "failed"),
    ("╌", "cancelled, skipped", "cancelled"),
    ("╸", "at work", "running"),
    ("─", "to come", "waiting"),
)
_KEYS: Final = (
    ("↑ ↓ pgup pgdn", "move", ""),
    ("→ ←", "open and close a group or graph", ""),
    ("enter, esc", "into a job's details, and back", ""),
    ("tab, 1 2 3 4", "the next part; jobs, lanes, timeline, details", ""),
    ("/", "filter: words in name, lane, group, key or status", ""),
    ("f", "failed jobs only", ""),
    ("space", "pause: the picture stands still", ""),
    ("[ ]", "timeline: more time, less time", ""),
    ("+ -", "faster, slower", "replay"),
    (", .", "ten seconds back, on (or to what happens next)", "replay"),
    ("r", "run a failed job again", "controls"),
    ("c", "cancel a job (asks first)", "controls"),
    ("a", "answer a job's question", "controls"),
    ("q", "leave", ""),
)


def help_text(*, replay: bool, controls: bool) -> Content:
    """All that a person may want to know, for this kind of screen."""
    shown = {"": True, "replay": replay, "controls": controls}
    lines = [
        Content.assemble((f"{key:<15}", "bold"), meaning) for key, meaning, where in _KEYS if shown[where]
    ]
    lines.append(Content(""))
    lines += [Content("   ").join(map(_legend, row)) for row in (STATES[:4], STATES[4:])]
    signs = (_sign(sign, state, meaning) for sign, meaning, state in _BARS)
    lines.append(Content.assemble("bars ", Content("  ").join(signs)))
    lines.append(Content("last column: how long it runs or ran; of what waits, for how long"))
    lines.append(
        Content.styled(
            "The first job of a group (primer) reads what they share; the others wait, and find it cached.",
            "$text-muted",
        )
    )
    return Content("\n").join(lines)


def keys(*, replay: bool, controls: bool, wide: bool) -> list[tuple[str, str]]:
    """The keys named at the bottom of the screen."""
    found = [("/", "filter"), ("f", "failed"), ("space", "pause")]
    if controls:
        found += [("r", "retry"), ("c", "cancel"), ("a", "answer")]
    if replay:
        found += [("+-", "speed"), (",.", "jump")]
    found.append(("enter", "open"))
    if wide:
        found += [("tab", "next part"), ("[ ]", "timeline")]
    return [*found, ("?", "help"), ("q", "quit")]


def _legend(state: str) -> Content:
    return _sign(GLYPHS[state], state, _MEANINGS[state])


def _sign(sign: str, state: str, meaning: str) -> Content:
    colour = INKS[state].color
    return Content.assemble((f"{sign} ", "" if colour is None else colour.name), meaning)
