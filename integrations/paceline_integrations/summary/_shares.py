"""Whether lanes get their due: their shares while they compete, which sums over a run cannot show."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

__all__ = ["ShareTally"]


class ShareTally:
    """What each lane got while it and another one had jobs waiting, and what was its due."""

    def __init__(self) -> None:
        self._waiting: Mapping[str, float] = {}
        self._served: Mapping[str, float] = {}
        self._got: defaultdict[str, float] = defaultdict(float)
        self._due: defaultdict[str, float] = defaultdict(float)
        self._all: defaultdict[str, float] = defaultdict(float)

    def look(self, waiting: Mapping[str, float], served: Mapping[str, float]) -> None:
        """Take in the time since the last look.

        `waiting` has the weights of the lanes in which jobs wait now, `served` what each lane was served.
        """
        before, waited = self._served, self._waiting
        self._served, self._waiting = served, waiting
        common = waiting.keys() & waited.keys() & before.keys() & served.keys()
        rivals = [name for name in common if waiting[name] > 0]  # a damaged log may say anything
        if len(rivals) < 2:
            return
        weights = sum(waiting[name] for name in rivals)
        got = {name: max(0.0, served[name] - before[name]) for name in rivals}
        whole = sum(got.values())
        for name in rivals:
            self._got[name] += got[name]
            self._due[name] += whole * waiting[name] / weights
            self._all[name] += whole

    def measured(self, name: str) -> tuple[float | None, float | None]:
        """Share and due of a lane, as parts of what it and its rivals got; None where it had no rivals."""
        whole = self._all.get(name)
        return (self._got[name] / whole, self._due[name] / whole) if whole else (None, None)
