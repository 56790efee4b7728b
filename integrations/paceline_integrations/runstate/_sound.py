"""Values of events as they can be reckoned with: a damaged log may say anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from paceline.events import ErrorText

__all__ = ["FAR", "amount", "moment", "said", "short"]

FAR: Final = 1e11
"""No time in epoch seconds is later."""
_MOST: Final = 1e15
_ERROR: Final = 4_000


def amount(value: float | None) -> float | None:
    """A number that is neither negative nor endless; None for any other."""
    return value if value is not None and 0 <= value < _MOST else None


def moment(value: float | None) -> float | None:
    """A time that can be; None for any other."""
    return value if value is not None and 0 <= value < FAR else None


def short(text: str, most: int = _ERROR) -> str:
    """The beginning of a text that may be endless."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def said(error: ErrorText | None) -> str:
    """An error as one text; empty if there is none."""
    if error is None:
        return ""
    kind = error.type.removeprefix("__main__.")
    return short(f"{kind}: {error.message}" if error.message else kind)
