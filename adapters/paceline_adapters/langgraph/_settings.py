"""What a graph's executor was made with, besides the graph and its threads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from langchain_core.runnables import RunnableConfig
from langgraph.types import StreamMode

from paceline import Job

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Options of a `GraphExecutor`."""

    config: RunnableConfig | None
    context: object | Callable[[Job], object]
    recursion_limit: int
    answer_timeout: float | None
    modes: tuple[StreamMode, ...]
    subgraphs: bool

    def context_of(self, job: Job) -> object:
        """The context of a job's run."""
        # A context may be an instance of a class with __call__; what makes one is a function, or a class.
        return self.context(job) if callable(self.context) else self.context
