"""The caller's hold on a lane."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from ._errors import UnknownName
from ._policies import Lane

if TYPE_CHECKING:
    from ._run import Run
    from ._scheduler import LaneState

__all__ = ["UNSET", "LaneHandle", "Unset", "lane_handle"]


class Unset:
    """Stands for a setting that was not given, where None means something."""


UNSET = Unset()


@final
class LaneHandle:
    """A lane of an open engine: what it is set to, and the way to change that while jobs run."""

    __slots__ = ("_lane", "_run")

    def __init__(self, run: Run, lane: LaneState) -> None:
        self._run = run
        self._lane = lane

    @property
    def name(self) -> str:
        """Its name, as in `submit(lane=...)`."""
        return self._lane.label

    @property
    def weight(self) -> float:
        """Its weight."""
        return self._lane.weight

    @property
    def max_running(self) -> int | None:
        """How many of its jobs may run at once; None: no cap."""
        return self._lane.capacity

    @property
    def closed(self) -> bool:
        """Whether it takes no more jobs."""
        return self._lane.closed

    def update(self, *, weight: float | Unset = UNSET, max_running: int | Unset | None = UNSET) -> None:
        """Change what is given, from now on; jobs that run are left alone.

        Raises:
            ValueError: if the weight is not a positive finite number or the cap is below 1.
        """
        run, lane = self._run, self._lane
        run.check("lane.update")
        wanted = Lane(
            lane.label,
            lane.weight if isinstance(weight, Unset) else weight,
            lane.capacity if isinstance(max_running, Unset) else max_running,
        )
        # If it was closed and is forgotten, this makes another one.
        self._lane = lane = run.scheduler.set_lane(wanted.name, wanted.weight, wanted.max_running)
        lane.closed = False
        if run.history is not None:
            run.history.lane_changed(lane)
        run.dispatch()

    def close(self) -> None:
        """Take no more jobs; those accepted run to their end."""
        self._run.check("lane.close")
        self._run.close_lane(self._lane)

    def __repr__(self) -> str:
        return f"<Lane {self.name!r} weight={self.weight:g} max_running={self.max_running}>"


def lane_handle(
    run: Run, name: str, weight: float | Unset = UNSET, max_running: int | Unset | None = UNSET
) -> LaneHandle:
    """Get a lane; with settings, create or change it."""
    run.check("engine.lane")
    lanes = run.scheduler.lanes
    lane = lanes.get(name)
    if isinstance(weight, Unset) and isinstance(max_running, Unset):
        if lane is None:
            raise UnknownName("lane", name, lanes, f"create it with engine.lane({name!r}, weight=1.0)")
        return LaneHandle(run, lane)
    if lane is None:
        wanted = Lane(
            name,
            1.0 if isinstance(weight, Unset) else weight,
            None if isinstance(max_running, Unset) else max_running,
        )
        lane = run.scheduler.set_lane(wanted.name, wanted.weight, wanted.max_running)
        if run.history is not None:
            run.history.lane_changed(lane)
        return LaneHandle(run, lane)
    handle = LaneHandle(run, lane)
    handle.update(weight=weight, max_running=max_running)
    return handle
