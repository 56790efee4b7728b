"""How times, amounts and values are written on the screen: short, in as few columns as they take.

Values are payloads, outputs and questions of jobs: any object, of any size, which may misbehave.
"""

from __future__ import annotations

import json
import reprlib
from datetime import datetime
from typing import Any, Final

from paceline_integrations.figures import amount as amount, count as count, duration

__all__ = ["amount", "clock", "count", "in_full", "money", "one_line", "shown", "span", "whole"]

_MOST: Final = 1_000


class _Repr(reprlib.Repr):
    def repr_instance(self, x: Any, level: int) -> str:  # noqa: ARG002 - as it is called
        try:
            text = repr(x)
        except Exception as error:  # noqa: BLE001 - whoever wrote its __repr__: the screen goes on
            return f"<{type(x).__name__}: cannot be shown, {type(error).__name__}>"
        return text if len(text) <= self.maxother else f"{text[: self.maxother]}…"


_REPR: Final = _Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = _MOST
_REPR.maxdict = _REPR.maxlist = _REPR.maxtuple = _REPR.maxset = 40


def span(seconds: float) -> str:
    """Write how long something takes: "0.8 s", "12 s", "3 min 04 s", "2 h 05 min"."""
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    return duration(max(60.0, seconds))


def clock(seconds: float) -> str:
    """Write a time on an axis that begins at 0: "0:07", "12:30", "1:02:03"."""
    minutes, rest = divmod(int(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def whole(epoch: float) -> str:
    """Write a wall time, as the clock on the wall here shows it."""
    return datetime.fromtimestamp(epoch).astimezone().strftime("%H:%M:%S")


def money(value: float) -> str:
    """Write what was paid, in the currency that the prices are in."""
    return f"{value:,.2f}" if value >= 10 else f"{value:.4f}" if value < 0.1 else f"{value:.3f}"


def shown(value: object, most: int = _MOST) -> str:
    """Write a value in at most so many characters. It never fails."""
    text = value if isinstance(value, str) else _REPR.repr(value)
    return text if len(text) <= most else f"{text[:most]}…"


def one_line(value: object) -> str:
    """Write a value in one line, whatever breaks there are in it."""
    return " ".join(shown(value).split())


def in_full(value: object) -> str:
    """Write a question for the person who is to answer it: as it is, or as JSON. It never fails."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, indent=2, ensure_ascii=False, default=shown)
    except (TypeError, ValueError, RecursionError):
        return shown(value)
