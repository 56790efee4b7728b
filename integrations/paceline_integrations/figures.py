"""How times and amounts are written for people, wherever that is."""

from __future__ import annotations

__all__ = ["amount", "count", "duration"]


def duration(seconds: float) -> str:
    """Write how long something took, as exactly as it matters: "12 ms", "4.0 s", "3 min 04 s", "2 d 05 h"."""
    if seconds < 0.0995:
        return f"{max(0.0, seconds) * 1e3:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours_left = divmod(hours, 24)
    if days:
        return f"{days:,} d {hours_left:02} h"
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def amount(number: int | None) -> str:
    """Write a number of tokens: "812", "12.3k", "4.56M"; a dash where it is unknown."""
    if number is None:
        return "-"
    if number < 1_000:
        return str(number)
    if number < 999_500:
        return f"{number / 1_000:.{0 if number >= 99_950 else 1}f}k"
    return f"{number / 1_000_000:,.2f}M"


def count(number: int, one: str, several: str | None = None) -> str:
    """Write how many there are: "1 job", "12 jobs"."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"
