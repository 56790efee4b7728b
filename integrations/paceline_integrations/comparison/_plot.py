"""A picture of a comparison: what each slot did all the time, and how many tokens had to be read. Pure.

It is an SVG with no background of its own, in colours that can be read on white and on black.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import Final
from xml.sax.saxutils import escape

from ._policies import Comparison, Outcome, Span

__all__ = ["draw", "rows_of"]

_TEXT: Final = "#768089"
_READ: Final = "#e8590c"
_ANSWER: Final = "#5b9bd5"
_IDLE: Final = "#8b949e"

_FONTS: Final = "system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif"
_MARGIN: Final = 8
_WIDTH: Final = 960
_LABEL: Final = 256
"""Where the timelines begin."""
_TIMELINE: Final = 400
_BARS: Final = 704
_BAR: Final = 130
"""How wide the longest bar is; what it stands for is written behind it."""
_STRIP: Final = 56
"""How high a timeline is, however many slots it shows."""
_GAP: Final = 18


def draw(comparisons: Sequence[Comparison], heading: str) -> str:
    """Draw servers one below the other, and the policies below one another in each; return an SVG."""
    parts = [_words(0, 18, heading, size=15, weight=600), *_legend(38)]
    top = 52.0
    for comparison in comparisons:
        panel, top = _panel(comparison, top)
        parts += panel
    description = "; ".join(
        f"{comparison.server.title}: "
        + ", ".join(
            f"{each.policy.title} {each.evaluated:,} tokens in {each.seconds:.1f} s"
            for each in comparison.outcomes
        )
        for comparison in comparisons
    )
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-_MARGIN} 0 {_WIDTH} {_n(top)}" role="img" '
        f'font-family="{_FONTS}" fill="{_TEXT}">'
    )
    names = f"<title>{escape(heading)}</title>\n<desc>{escape(description)}</desc>"
    return "\n".join([opening, names, *parts, "</svg>", ""])


def rows_of(spans: Iterable[Span]) -> list[tuple[int, Span]]:
    """Give each request a row in which it is alone while it is worked on, the uppermost that is free."""
    free: list[int] = []
    busy: list[tuple[float, int]] = []
    placed: list[tuple[int, Span]] = []
    rows = 0
    for span in sorted(spans, key=lambda one: (one.began, one.ended)):
        while busy and busy[0][0] <= span.began + 1e-9:
            heappush(free, heappop(busy)[1])
        if free:
            row = heappop(free)
        else:
            row, rows = rows, rows + 1
        heappush(busy, (span.ended, row))
        placed.append((row, span))
    return placed


def _panel(comparison: Comparison, top: float) -> tuple[list[str], float]:
    outcomes = comparison.outcomes
    step, end = _axis(max(each.seconds for each in outcomes))
    scale = _TIMELINE / end
    most = max(each.evaluated for each in outcomes)
    parts = [_words(0, top + 20, comparison.server.title, size=13, weight=600)]
    top += 34
    begin = top
    for outcome in outcomes:
        parts += _strip(outcome, comparison.server.slots, top, scale)
        parts += _bar(outcome, top, most)
        top += _STRIP + _GAP
    bottom = top - _GAP
    ticks = [(_LABEL + number * step * scale, number * step) for number in range(round(end / step) + 1)]
    lines = "".join(f"M{_n(x)} {begin - 4}V{bottom + 4}" for x, _ in ticks)
    parts.insert(1, f'<path d="{lines}" stroke="{_IDLE}" stroke-opacity="0.3"/>')
    parts += [_words(x, bottom + 17, f"{time:g} s", size=11, anchor="middle") for x, time in ticks]
    ideal = _BARS + _BAR * outcomes[0].ideal / most
    parts.append(f'<path d="M{_n(ideal)} {begin - 4}V{bottom + 4}" stroke="{_TEXT}" stroke-dasharray="3 3"/>')
    parts.append(_words(ideal, bottom + 17, "each document once", size=11, anchor="start"))
    return parts, bottom + 34


def _strip(outcome: Outcome, slots: int, top: float, scale: float) -> list[str]:
    height = _STRIP / slots
    read: list[str] = []
    answer: list[str] = []
    for row, span in rows_of(outcome.spans):
        y = _n(top + (row + 0.5) * height)
        first = _LABEL + span.first_token * scale
        read.append(f"M{_n(_LABEL + span.began * scale)} {y}H{_n(first)}")
        answer.append(f"M{_n(first)} {y}H{_n(_LABEL + span.ended * scale)}")
    thick = _n(height * (0.8 if slots <= 16 else 1.25))  # thin ones overlap, or the seams would show
    end = outcome.seconds * scale
    middle = top + _STRIP / 2
    return [
        _words(0, middle - 2, outcome.policy.title, size=13, weight=600),
        _words(0, middle + 15, f"{outcome.seconds:.1f} s", size=13),
        _box(_LABEL, top, end, _STRIP, _IDLE, 0.18),
        f'<path d="{"".join(answer)}" stroke="{_ANSWER}" stroke-width="{thick}"/>',
        f'<path d="{"".join(read)}" stroke="{_READ}" stroke-width="{thick}"/>',
    ]


def _bar(outcome: Outcome, top: float, most: int) -> list[str]:
    width = _BAR * outcome.evaluated / most
    middle = top + _STRIP / 2
    return [
        _box(_BARS, middle - 9, width, 18, _READ),
        _words(_BARS + width + 8, middle + 5, f"{outcome.evaluated / 1000:,.0f}k tokens", size=13),
    ]


def _legend(y: float) -> list[str]:
    parts: list[str] = []
    x = 0.0
    for colour, opacity, text in (
        (_READ, 1.0, "a slot reads prompt tokens that no cache had: paid in full"),
        (_ANSWER, 1.0, "it answers"),
        (_IDLE, 0.35, "it idles"),
    ):
        parts.append(_box(x, y - 10, 12, 12, colour, opacity))
        parts.append(_words(x + 18, y, text, size=12))
        x += 36 + 6.3 * len(text)
    return parts


def _axis(longest: float) -> tuple[float, float]:
    """The step between ticks, a round number, and where the axis ends: at the first tick beyond."""
    rough = max(longest, 1e-9) / 5
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    return step, step * max(1, math.ceil(longest / step))


def _box(x: float, y: float, width: float, height: float, colour: str, opacity: float = 1.0) -> str:
    faint = "" if opacity == 1 else f' fill-opacity="{opacity:g}"'
    return f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" fill="{colour}"{faint}/>'


def _words(x: float, y: float, text: str, *, size: int, weight: int = 400, anchor: str = "start") -> str:
    bold = "" if weight == 400 else f' font-weight="{weight}"'
    where = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{_n(x)}" y="{_n(y)}" font-size="{size}"{bold}{where}>{escape(text)}</text>'


def _n(number: float) -> str:
    """A coordinate, as exactly as can be seen."""
    return f"{number:.2f}".rstrip("0").rstrip(".")
