"""The caller's hold on a lane."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from ._errors import UnknownName
from ._limits import Budget, Limits
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
    def limits(self) -> Limits | None:
        """What else limits its jobs, all together."""
        return self._run.admission.lane_settings(self.name).limits

    @property
    def budget(self) -> Budget | None:
        """What they may spend."""
        return self._run.admission.lane_settings(self.name).budget

    @property
    def closed(self) -> bool:
        """Whether it takes no more jobs."""
        return self._lane.closed

    def update(
        self,
        *,
        weight: float | Unset = UNSET,
        max_running: int | Unset | None = UNSET,
        limits: Limits | Unset | None = UNSET,
        budget: Budget | Unset | None = UNSET,
    ) -> None:
        """Change what is given, from now on; jobs that run are left alone.

        A larger budget lets go on what waits for it. Limits and a budget for a lane that had neither hold for
        jobs that are submitted from then on.

        Raises:
            ValueError, TypeError: if the weight is not a positive finite number, the cap below 1, or the
                limits or budget are none.
        """
        run, lane = self._run, self._lane
        run.check("lane.update")
        before = run.admission.lane_settings(lane.label)
        wanted = Lane(
            lane.label,
            lane.weight if isinstance(weight, Unset) else weight,
            lane.capacity if isinstance(max_running, Unset) else max_running,
            before.limits if isinstance(limits, Unset) else limits,
            before.budget if isinstance(budget, Unset) else budget,
        )
        # If it was closed and is forgotten, this makes another one.
        self._lane = lane = run.scheduler.set_lane(wanted.name, wanted.weight, wanted.max_running)
        run.admission.set_lane(wanted)
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
    run: Run,
    name: str,
    weight: float | Unset = UNSET,
    max_running: int | Unset | None = UNSET,
    limits: Limits | Unset | None = UNSET,
    budget: Budget | Unset | None = UNSET,
) -> LaneHandle:
    """Get a lane; with settings, create or change it."""
    run.check("engine.lane")
    lanes = run.scheduler.lanes
    lane = lanes.get(name)
    if all(isinstance(setting, Unset) for setting in (weight, max_running, limits, budget)):
        if lane is None:
            raise UnknownName("lane", name, lanes, f"create it with engine.lane({name!r}, weight=1.0)")
        return LaneHandle(run, lane)
    if lane is None:
        wanted = Lane(name)  # refused names are refused before there is anything of it
        lane = run.scheduler.set_lane(wanted.name, wanted.weight, wanted.max_running)
        try:
            return _updated(LaneHandle(run, lane), weight, max_running, limits, budget)
        except BaseException:
            run.scheduler.drop_lane(lane)
            raise
    return _updated(LaneHandle(run, lane), weight, max_running, limits, budget)


def _updated(
    handle: LaneHandle,
    weight: float | Unset,
    max_running: int | Unset | None,
    limits: Limits | Unset | None,
    budget: Budget | Unset | None,
) -> LaneHandle:
    handle.update(weight=weight, max_running=max_running, limits=limits, budget=budget)
    return handle
