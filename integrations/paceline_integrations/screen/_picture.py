"""What all parts of the screen draw from: the state of the run, and the moment that is shown."""

from __future__ import annotations

from paceline_integrations.runstate import Node, RunState

from ._sources import Source

__all__ = ["Picture"]


class Picture:
    """The run at one moment. `now` changes once for each drawing, so that all parts show the same moment."""

    def __init__(self, source: Source) -> None:
        self.source: Source = source
        self.now: float = source.now
        self.selected: Node | None = None

    @property
    def state(self) -> RunState:
        """The state of the run."""
        return self.source.state

    @property
    def nothing(self) -> str:
        """What is said where there are no jobs."""
        return self.source.nothing

    @property
    def begin(self) -> float:
        """When the run began, as far as is known; in epoch seconds."""
        started = self.state.run.started
        return self.now if started is None else started

    def tick(self) -> None:
        """Another moment is shown."""
        self.now = self.source.now
