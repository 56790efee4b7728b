"""What holds the jobs of a run: the few reasons that tell most."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final

from . import _phrases as phrases
from ._reasons import FRESH, Hold, hold_of, taken

if TYPE_CHECKING:
    from ._book import Book
    from ._views import GroupView, JobView

__all__ = ["Stuck", "stuck"]

_LOOKED_AT: Final = 1_000
_FEWEST: Final = 20


@dataclass(frozen=True, slots=True)
class Stuck:
    """A reason for which jobs wait, how many, until when (epoch seconds), and one of them.

    `text` goes on from their number: "9 jobs" and "wait for their primer 'intro' to answer". Of very many
    jobs that wait only the first of each lane are looked at: then there may be more, `at_least` so many.
    """

    text: str
    kind: str
    jobs: int
    until: float | None
    example: JobView
    at_least: bool = False


@dataclass(slots=True)
class _Pile:
    """Jobs that are held alike: the first of them, and how many for each thing that they wait for."""

    first: JobView
    more: str
    until: float | None
    cut: bool = False
    """Whether not all were looked at that wait where these do."""
    ons: dict[str, int] = field(default_factory=dict[str, int])


def stuck(book: Book) -> list[Stuck]:
    """Say what holds jobs now, the most telling first."""
    piles: dict[str, _Pile] = {}
    for job, cut in _those_that_wait(book):
        hold = hold_of(book, job)
        if hold.words == "lane_share":  # to those who look at all lanes it is no matter which is next
            hold = Hold("slot", "", None, taken(book))
        pile = piles.get(hold.words)
        if pile is None:
            pile = piles[hold.words] = _Pile(job, hold.more, hold.until)
        if hold.until is not None:
            pile.until = hold.until if pile.until is None else min(pile.until, hold.until)
        pile.ons[hold.on] = pile.ons.get(hold.on, 0) + 1
        pile.cut = pile.cut or cut
    found = [_told(book, words, pile) for words, pile in piles.items()]
    return sorted(found, key=lambda each: (phrases.telling(each.kind), -each.jobs))


def _those_that_wait(book: Book) -> Iterator[tuple[JobView, bool]]:
    """The first of those that ask and of each lane, and whether there are more."""
    lanes = [each for each in book.waiting.values() if each]
    most = max(_FEWEST, _LOOKED_AT // max(1, len(lanes)))
    for queue, first in ((book.asking, _LOOKED_AT), *((each, most) for each in lanes)):
        for job in islice(queue.values(), first):
            yield job, len(queue) > first


def _told(book: Book, words: str, pile: _Pile) -> Stuck:
    kind = phrases.kind(words)
    number = sum(pile.ons.values())
    if pile.cut:
        number = max(number, min(_counted(book, kind), book.counts.waiting))
    ons = sorted(pile.ons, key=pile.ons.__getitem__, reverse=True)
    alone = number == 1 and not pile.cut
    text = phrases.one(words, ons[0]) if alone else phrases.many(words, ons)
    text += pile.more if len(ons) == 1 else ""
    return Stuck(text, kind, number, pile.until, pile.first, pile.cut)


def _counted(book: Book, kind: str) -> int:
    """How many jobs are held so, as the groups or the last sample have it."""
    if kind == "release":
        return sum(_unreleased(group) for group in book.groups.values())
    sample = book.sample
    if sample is None or book.now - sample.time > FRESH:
        return 0
    kinds = {"slot", "lane_share"} if kind == "slot" else {kind}
    return sum(each.count for each in sample.waits if each.kind in kinds)


def _unreleased(group: GroupView) -> int:
    """How many followers of a group wait for its primer."""
    if group.released is not None or group.ended is not None or group.primer is None:
        return 0
    return group.counts.waiting - (group.primer.status == "waiting")
