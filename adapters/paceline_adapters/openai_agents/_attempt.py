"""Where an attempt at a job begins, at the start of a run or where another left it; and what it keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

from agents import Agent, RunState, Session
from agents.exceptions import ModelBehaviorError
from agents.version import __version__

from paceline import CannotGoOn, Job, JobContext, Suspend

from ._questions import decide, questions
from ._running import Finished, Given
from ._saved import Phase, Saved, restored, run_of, saved_of
from ._sessions import Sessions, size, wind_back
from ._settings import items_of
from ._tools import ANSWERS
from ._watch import Watch

__all__ = ["Attempt"]


@final
class Attempt:
    """One attempt at a job: what it goes on from, and what it keeps for the next."""

    __slots__ = ("_began", "_ctx", "_job", "_run", "_said", "_saved", "_session", "_watch")

    def __init__(self, job: Job, ctx: JobContext, session: Session | None, watch: Watch) -> None:
        self._job: Job = job
        self._ctx: JobContext = ctx
        self._session: Session | None = session
        self._watch: Watch = watch
        self._saved: Saved = saved_of(job)
        self._began: int | None = self._saved.get("began")
        self._run: RunState[Any, Any] | None = None
        """The run that goes on; None while it is the first."""
        self._said: Mapping[str, Any] = self._saved.get("said", {})

    async def given(self, agent: Agent[Any], sessions: Sessions) -> Given:
        """What the SDK is to run: the job's input, or the run that an earlier attempt has left.

        Raises:
            TypeError: if the payload is not what an agent takes, or an answer is no decision.
            CannotGoOn: if that run cannot be gone on with.
        """
        if self._saved["phase"] == "begun":
            items = items_of(self._job)
            if self._session is not None:
                await self._begin(self._session)
                await sessions.hand_on_prompt(self._ctx, self._session, items)
            return items
        self._run = run = await restored(self._job, self._saved, agent, self._watch.context)
        self._watch.go_on()
        if self._saved["phase"] == "asked":
            self._said, acts = decide(run, self._job.reply)
            await self._keep("acting" if acts else "going")
        else:
            await wind_back(self._session, self._saved.get("items"))
        if self._said:
            ANSWERS.set(self._said)
        self._watch.before_first_call = self._no_longer_acting
        return run

    async def failed(self, error: Exception) -> None:
        """Keep how far the run came, for a retry.

        Raises:
            CannotGoOn: if the SDK will not go on, since a tool has acted and its output is lost.
        """
        if self._run is None or self._watch.before_first_call is None:
            return
        if self._saved["phase"] == "going" and isinstance(error, ModelBehaviorError):
            raise CannotGoOn(f"job {self._job.name!r} cannot go on where it failed: {error}") from error
        await self._keep("going")

    def succeeded(self) -> None:
        """There is nothing more to go on from: whoever sends the job back wants it done again."""
        if self._run is not None:
            self._ctx.checkpoint(Saved(phase="begun", began=self._began))

    def suspend(self, result: Finished, timeout: float | None) -> Suspend:
        """Ask about the calls that wait for approval."""
        saved = Saved(
            phase="asked",
            sdk=__version__,
            run=run_of(result.to_state()),
            began=self._began,
        )
        return Suspend(questions(result.interruptions), state=saved, timeout=timeout)

    async def _begin(self, session: Session) -> None:
        if "began" in self._saved:
            await wind_back(session, self._saved["began"])
        else:
            self._began = await size(session)
            self._ctx.checkpoint(Saved(phase="begun", began=self._began))

    async def _no_longer_acting(self) -> None:
        await self._keep("going")

    async def _keep(self, phase: Phase) -> None:
        assert self._run is not None
        self._ctx.checkpoint(
            Saved(
                phase=phase,
                sdk=__version__,
                run=run_of(self._run),
                said=dict(self._said),
                items=await size(self._session),
                began=self._began,
            )
        )
