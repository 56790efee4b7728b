"""Where the flows of a lane stand whose jobs are under the same shared caps.

Caps nest: a job in a flow in a graph is under the cap of each of them. In every lane, the flows under a cap
stand in a *place*: a queue of its own, which stands in the place of the next cap around it, the outermost in
the lane. A place has the turn of the first flow in it. While its cap is full it leaves the queue that it
stands in, with all that it holds, and when there is room it comes back: both cost the same however much that
is. So what a lane offers may always run, nobody who waits at a cap has to be woken to look whether there is
room, and to ask what runs next changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, final

from ._flows import FIRST
from ._turns import Turns, leave

if TYPE_CHECKING:
    from ._branches import Branch
    from ._entries import Cap
    from ._flows import Flow, Level

__all__ = ["Place", "Standing", "turn_of"]


@final
class Place:
    """The flows of one branch under one cap (and under the same caps around it)."""

    __slots__ = (
        "above",
        "below",
        "branch",
        "cap",
        "count",
        "flows",
        "level",
        "seat",
        "since",
        "ticket",
        "turn",
        "turns",
    )

    def __init__(self, branch: Branch, cap: Cap, above: Place | None) -> None:
        self.branch: Branch = branch
        self.cap: Cap = cap
        self.above: Place | None = above
        """The place of the next cap around it."""
        self.below: dict[Cap, Place] = {}
        self.flows: dict[float, Flow] = {}
        """Its ungrouped flows, by priority."""
        self.count: int = 0
        """All its flows, and the places in it."""
        self.turns: Turns[Standing] = Turns(turn_of)
        self.level: Level
        self.turn: float = 0.0
        """Level and turn of the first in it, as long as it stands in a queue."""
        self.since: float = 0.0
        """Where that level was when it came to stand there: who waited at a cap gets no credit for it."""
        self.seat: Turns[Any] | None = None
        self.ticket: int = 0
        cap.places[self] = None
        if above is not None:
            above.count += 1

    @property
    def top(self) -> Place:
        """The place of the outermost cap, which stands in the lane."""
        place = self
        while place.above is not None:
            place = place.above
        return place

    def first(self) -> Standing | None:
        """What has its turn in it, if that may run; under a cap that waits only those that return may."""
        cap = self.cap
        first = None if cap.crowded else self.turns.first()
        return None if first is None or (cap.asking and first.level.priority != FIRST) else first

    def settle(self, *, anew: bool = False) -> bool:
        """Stand where it belongs now, and so with all around it; whether the lane has seen a change.

        `anew`: its first has just had its turn, and goes behind its equals.
        """
        place: Place | None = self
        while place is not None:
            stands = place.seat is not None
            first = place.first()
            if first is None:
                if not stands:
                    return False
                leave(place)
            else:
                level = first.level
                stays = stands and place.level is level
                if not stays:
                    place.since = level.turn
                turn = max(first.turn, place.since)
                if stays and turn == place.turn and not anew:
                    return False
                place.level, place.turn = level, turn
                (place.branch.open if place.above is None else place.above.turns).put(place)
            place = place.above
        return True

    def drop(self) -> None:
        """One flow or place less is in it; with the last one it is forgotten, and so on around it."""
        place: Place | None = self
        while place is not None:
            place.count -= 1
            if place.count:
                return
            del place.cap.places[place]
            above = place.above
            (place.branch.places if above is None else above.below).pop(place.cap)
            place = above


Standing: TypeAlias = "Flow | Place"
"""What takes turns in a lane."""


def turn_of(standing: Standing) -> tuple[float, float]:
    """By what those in one queue take turns: the highest priority first, then who was charged least."""
    return (-standing.level.priority, standing.turn)
