"""The timeline as a picture: a row for each slot, above them how many jobs waited, all on one axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from paceline_integrations.figures import count, duration

from ._bars import MOST_ROWS, Bars, Cell, Strip
from ._markup import Markup, joined, tag
from ._sketch import Queue
from ._words import GLYPHS, clock, words

__all__ = ["timeline"]

_ROW: Final = 24
_BAR: Final = 18
_QUEUE: Final = 44
_AXIS: Final = 24
_ZOOMS: Final = (1, 2, 4, 8, 16, 32)
_TICKS: Final = 14
_FINE_TICKS: Final = 112
_STEPS: Final = (
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0),
    *(60.0, 120.0, 300.0, 600.0, 1_200.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 43_200.0, 86_400.0),
)
_LEGEND: Final = ("succeeded", "running", "suspended", "failed", "again", "cancelled")
_SAID: Final = {"again": "was tried again", "suspended": "asked something"}


def timeline(bars: Bars, queue: Sequence[Queue], seconds: float) -> Markup:
    """Draw when each slot worked on what; it can be made wider, and then be moved."""
    seconds = max(seconds, 1e-3)
    top = _QUEUE + 8 if queue else 0
    height = top + bars.rows * _ROW + _AXIS
    parts = [*_axis(seconds, height)]
    if queue:
        parts.append(_queue(queue, seconds))
    drawn = _strips(bars.strips, seconds, top) if bars.strips is not None else _cells(bars, seconds, top)
    picture = tag("svg", *parts, *drawn, class_="timeline", height=height, role="img", aria_label="timeline")
    labels = [tag("span", "waiting", class_="queue-label")] if queue else []
    labels += [tag("span", f"slot {row + 1}") for row in range(bars.rows)]
    return joined(
        [
            *_zoom(),
            tag(
                "div",
                tag("div", *labels, class_="slots"),
                tag("div", picture, class_="scroll", tabindex=0),
                class_="chart",
            ),
            _legend(bars, queue),
        ]
    )


def _zoom() -> Iterator[Markup]:
    """Buttons that make the picture wider: they are plain radio buttons, the style sheet does the rest."""
    for zoom in _ZOOMS:
        name = f"zoom-{zoom}"
        checked = "checked" if zoom == 1 else None
        yield tag("input", type="radio", name="zoom", id=name, class_=f"zoom {name}", checked=checked)
        yield tag("label", "whole run" if zoom == 1 else f"{zoom} \N{MULTIPLICATION SIGN}", for_=name)


def _legend(bars: Bars, queue: Sequence[Queue]) -> Markup:
    strips = bars.strips
    used = {each.outcome for each in (strips if strips is not None else bars.cells())}
    parts = [
        tag(
            "span",
            tag("span", GLYPHS[each], class_=f"key {each}"),
            _SAID.get(each, words(each)),
        )
        for each in _LEGEND
        if each in used
    ]
    if strips is not None:
        parts.append(tag("span", tag("span", "◆", class_="key primer"), "primer of a group"))
        if any(each.first_token is not None for each in strips):
            parts.append(tag("span", tag("span", class_="key pale"), "before the first token"))
    else:
        said = (
            f"{count(bars.attempts, 'attempt')}: too many to draw each; the worst in a piece gives its colour"
        )
        parts.append(tag("span", said))
    if any(each.held for each in queue):
        parts.append(tag("span", tag("span", class_="key held"), "jobs held by a limit, budget or question"))
    if bars.left_out:
        parts.append(tag("span", f"{count(bars.left_out, 'attempt')} in further slots than {MOST_ROWS}"))
    return tag("p", *parts, class_="legend")


def _axis(seconds: float, height: int) -> Iterator[Markup]:
    """Lines and times: few, and between them those that are shown once there is room."""
    step, finer = _step(seconds, _TICKS), _step(seconds, _FINE_TICKS)
    coarse = {round(number * step, 3) for number in range(int(seconds / step) + 1)}
    for number in range(int(seconds / finer) + 1):
        time = round(number * finer, 3)
        if time not in coarse:
            yield _tick(time, seconds, height, "fine")
    for time in sorted(coarse):
        yield _tick(time, seconds, height, None)


def _step(seconds: float, most: int) -> float:
    return next((each for each in _STEPS if seconds / each <= most), seconds / most)


def _tick(time: float, seconds: float, height: int, kind: str | None) -> Markup:
    x = _share(time, seconds)
    # Text that would cross an edge goes to the other side.
    anchor = "start" if time == 0 else "end" if time > 0.97 * seconds else "middle"
    line = tag("line", class_="grid", x1=x, x2=x, y1="0", y2=str(height - _AXIS + 4))
    label = tag("text", clock(time), class_="tick", x=x, y=height - 6, text_anchor=anchor)
    return tag("g", line, label, class_=kind)


def _queue(queue: Sequence[Queue], seconds: float) -> Markup:
    """How many jobs waited, as an area; the part that something unusual held lies at its bottom."""
    most = max(1, *(each.waiting for each in queue))
    shapes = [
        tag("polygon", points=_area(queue, seconds, most, held=held), class_="held" if held else "queue")
        for held in (False, True)
    ]
    area = tag(
        "svg", *shapes, viewBox="0 0 1000 100", preserveAspectRatio="none", width="100%", height=str(_QUEUE)
    )
    label = tag("text", f"{most:,}", class_="tick", x="4", y="11")
    line = tag("line", class_="grid", x1="0", x2="100%", y1=str(_QUEUE), y2=str(_QUEUE))
    targets = [
        tag(
            "rect",
            tag("title", f"{clock(round(one.time))}: {one.waiting:,} waiting, {one.held:,} of them held"),
            class_="target",
            x=_share(one.time, seconds),
            width=_share(two.time - one.time, seconds),
            height=str(_QUEUE),
        )
        for one, two in zip(queue, [*queue[1:], Queue(seconds, 0, 0)], strict=True)
    ]
    return joined([area, line, label, *targets])


def _area(queue: Sequence[Queue], seconds: float, most: int, *, held: bool) -> Markup:
    points = [(1000 * queue[0].time / seconds, 100.0)]
    for place, each in enumerate(queue):
        after = queue[place + 1].time if place + 1 < len(queue) else seconds
        y = 100 - 96 * (each.held if held else each.waiting) / most
        points += [(1000 * each.time / seconds, y), (1000 * after / seconds, y)]
    points.append((points[-1][0], 100.0))
    return Markup(" ".join(f"{x:.2f},{y:.2f}" for x, y in points))


def _strips(strips: Sequence[Strip], seconds: float, top: int) -> Iterator[Markup]:
    for each in sorted(strips, key=lambda strip: (strip.row, strip.started)):
        long = each.ended - each.started
        where = f"{each.group} / " if each.group is not None else ""
        said = f"{where}{each.name} · {words(each.outcome)} · {duration(long)}"
        said += f" · from {clock(round(each.started, 1))}"
        if each.attempt > 1:
            said += f" · attempt {each.attempt}"
        bar = [tag("title", said), tag("rect", class_="body", width="100%", height=str(_BAR), rx=3)]
        if each.first_token is not None and long > 0:
            share = min(1.0, max(0.0, (each.first_token - each.started) / long))
            bar.append(tag("rect", class_="pale", width=f"{share:.2%}", height=str(_BAR), rx=3))
        sign = "◆" if each.role == "primer" and each.outcome in {"succeeded", "running"} else ""
        label = f"{GLYPHS.get(each.outcome, '')}{sign} {each.name if each.role != 'primer' else each.group}"
        bar.append(tag("text", label, x="5", y="13"))
        yield tag(
            "svg",
            *bar,
            class_=f"bar {each.outcome}",
            x=_share(each.started, seconds),
            y=top + each.row * _ROW + 3,
            width=_width(long, seconds),
            height=_BAR,
        )


def _cells(bars: Bars, seconds: float, top: int) -> Iterator[Markup]:
    for each in bars.cells():
        yield tag(
            "rect",
            tag("title", _cell_said(each)),
            class_=f"bar {each.outcome}",
            x=_share(each.started, seconds),
            y=top + each.row * _ROW + 3,
            width=_width(min(each.ended, seconds) - each.started, seconds),
            height=_BAR,
            opacity=round(0.35 + 0.65 * min(1.0, each.filled / max(1e-9, each.ended - each.started)), 2),
        )


def _cell_said(cell: Cell) -> str:
    return (
        f"{count(cell.attempts, 'attempt')} · the worst {words(cell.outcome)} · "
        f"{clock(round(cell.started, 1))} to {clock(round(cell.ended, 1))}"
    )


def _share(seconds: float, whole: float) -> str:
    return f"{100 * min(1.0, max(0.0, seconds / whole)):.3f}%"


def _width(seconds: float, whole: float) -> str:
    """However short it was, it is seen."""
    return f"{100 * max(0.0008, min(1.0, seconds / whole)):.3f}%"
