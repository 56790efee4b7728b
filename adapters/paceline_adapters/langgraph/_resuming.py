"""How an attempt begins on a thread with a history: afresh, where it stopped, with answers, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from langgraph.types import Command, StateSnapshot

from paceline import CannotGoOn, Job

__all__ = [
    "ASK",
    "BREAKPOINT",
    "DONE",
    "PAYLOAD",
    "STANDS",
    "Breakpoints",
    "Memory",
    "checkpoint_of",
    "memory_of",
    "plan",
]

PAYLOAD = "paceline.payload"
"""Under which a checkpoint's metadata has the fingerprint of the payload that its run began with."""

STANDS: Final = {"stands": True}
"""The state of a job whose graph is at rest, before it is known where."""

ASK: Final[Any] = object()
"""Instead of an input: do not run the graph, what it waits for is not there yet."""

DONE: Final[Any] = object()
"""Instead of an input: an earlier attempt has come to the end, and was cut short before it could say so."""

BREAKPOINT: Final = "breakpoint"
"""The id of the question that a graph without a question of its own asks."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a job knows of its rest: where, what was asked there, and, once it has a reply, the answers."""

    thread_id: str
    checkpoint: str
    asked: tuple[str, ...]
    answers: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def at_breakpoint(self) -> bool:
        """Whether nothing but a breakpoint stopped the graph."""
        return self.asked == (BREAKPOINT,)

    def state(self) -> dict[str, Any]:
        """This as the state of a suspended job: plain data, so that another process can go on with it."""
        return {"thread_id": self.thread_id, "checkpoint": self.checkpoint, "asked": list(self.asked)}


@dataclass(frozen=True, slots=True)
class Breakpoints:
    """Where a graph was told to stop: before these nodes of its own ("*" for all), or elsewhere too."""

    before: frozenset[str] = frozenset()
    anywhere: bool = False

    def stand(self, snapshot: StateSnapshot, *, known: bool) -> bool:
        """Whether the graph may stand at one; `known`: if it stood at another than these, it would be."""
        here = "*" in self.before or not self.before.isdisjoint(snapshot.next)
        return here or (self.anywhere and not known)


def memory_of(job: Job) -> Memory | None:
    """What the job saved when it rested; None if it has not, or its nodes have saved something else since."""
    state: object = job.state
    if not isinstance(state, Mapping) or not state.keys() >= {"thread_id", "checkpoint", "asked"}:
        return None
    saved = cast("Mapping[str, Any]", state)
    asked = tuple(saved["asked"])
    answers = {asked[0]: job.reply} if len(asked) == 1 else cast("Mapping[str, Any]", job.reply or {})
    return Memory(saved["thread_id"], saved["checkpoint"], asked, answers)


def checkpoint_of(snapshot: StateSnapshot) -> str:
    """The id of the checkpoint that a snapshot shows; "" if there is none."""
    return str((snapshot.config.get("configurable") or {}).get("checkpoint_id") or "")


def plan(
    job: Job,
    snapshot: StateSnapshot,
    memory: Memory | None,
    *,
    mark: str,
    known: bool,
    breakpoints: Breakpoints,
) -> Any:
    """What to run the graph with: an input, a `Command`, None to go on where it stopped; or `ASK`, or `DONE`.

    `mark` is the payload's fingerprint; `known` says that an earlier attempt saw why the graph stopped.

    Raises:
        CannotGoOn: if another job has moved the thread on, or a breakpoint's question was answered by no.
    """
    _refuse_moved(job, snapshot, memory)
    if memory is not None and not snapshot.next:
        return DONE
    if not snapshot.next or not _is_its_own(job, snapshot, memory, mark):
        return job.payload
    pending = {each.id for each in snapshot.interrupts}
    answers = {key: value for key, value in memory.answers.items() if key in pending} if memory else {}
    if answers:
        resume: Command[Any] = Command(resume=answers)
        return resume
    if pending:
        # Beside tasks that wait for answers there may be one that has failed, and can be tried again.
        waiting = sum(bool(task.interrupts) for task in snapshot.tasks)
        return ASK if waiting == len(snapshot.next) else None
    if memory is not None and memory.at_breakpoint and _is_approved(job, snapshot, memory):
        return None
    return ASK if breakpoints.stand(snapshot, known=known) else None


def _is_its_own(job: Job, snapshot: StateSnapshot, memory: Memory | None, mark: str) -> bool:
    """Whether what is unfinished on the thread is what the job is about; else its payload replaces it."""
    if memory is not None or job.payload is None:
        return True
    found: Mapping[str, Any] = snapshot.metadata or {}
    return found.get("paceline.job.id") == job.id or (mark != "" and found.get(PAYLOAD) == mark)


def _refuse_moved(job: Job, snapshot: StateSnapshot, memory: Memory | None) -> None:
    """The answer to a question that is no longer the thread's must not reach the graph.

    Somebody may have changed the graph's state by hand meanwhile, but not have gone on to its end.
    """
    writer: object = (snapshot.metadata or {}).get("paceline.job.id")
    if memory is None or checkpoint_of(snapshot) == memory.checkpoint or writer == job.id:
        return
    if writer is None and snapshot.next:
        return
    somebody = "somebody else" if writer is None else f"job {writer}"
    raise CannotGoOn(
        f"job {job.name!r}: while it waited for its answer, {somebody} has gone on in its thread "
        f"{memory.thread_id!r}: what was asked is no longer open there; submit it again. Between jobs of an "
        "engine lock_held_while_suspended=True (the default) does not let this happen"
    )


def _is_approved(job: Job, snapshot: StateSnapshot, memory: Memory) -> bool:
    """Whether the graph may pass the breakpoint where it stands; it may have done so, and failed, before."""
    updated = (snapshot.metadata or {}).get("source") == "update"
    if checkpoint_of(snapshot) != memory.checkpoint and not updated:
        return False
    if memory.answers[BREAKPOINT] is not True:
        raise CannotGoOn(
            f"job {job.name!r}: it was not to go past the breakpoint before {', '.join(snapshot.next)}"
        )
    return True
