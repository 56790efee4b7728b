"""How times and amounts are written on the screen: short, and in as few columns as they take."""

from __future__ import annotations

from datetime import datetime

__all__ = ["amount", "clock", "count", "money", "span", "whole"]


def span(seconds: float) -> str:
    """Write how long something takes: "0.8 s", "12 s", "3 min 04 s", "2 h 05 min"."""
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours_left = divmod(hours, 24)
    if days:
        return f"{days} d {hours_left:02} h"
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def clock(seconds: float) -> str:
    """Write a time on an axis that begins at 0: "0:07", "12:30", "1:02:03"."""
    minutes, rest = divmod(int(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def whole(epoch: float) -> str:
    """Write a wall time, as the clock on the wall here shows it."""
    return datetime.fromtimestamp(epoch).astimezone().strftime("%H:%M:%S")


def amount(number: int | None) -> str:
    """Write a number of tokens: "812", "12.3k", "4.56M"; "-" where it is unknown."""
    if number is None:
        return "-"
    if number < 1_000:
        return str(number)
    if number < 999_500:
        return f"{number / 1_000:.{0 if number >= 99_950 else 1}f}k"
    return f"{number / 1_000_000:.2f}M"


def money(value: float) -> str:
    """Write what was paid, in the currency that the prices are in."""
    return f"{value:,.2f}" if value >= 10 else f"{value:.4f}" if value < 0.1 else f"{value:.3f}"


def count(number: int, one: str, several: str | None = None) -> str:
    """Write how many there are: "1 job", "12 jobs"."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"
