"""Whose conversation a run belongs to: a session of its own, or one that runs take turns with."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from agents import ItemHelpers, RunResult, RunResultStreaming, Session, TResponseInputItem

from paceline import Job, JobContext

__all__ = ["Fork", "SessionFactory", "Sessions", "size", "wind_back"]

SessionFactory: TypeAlias = Callable[[str], Session | Awaitable[Session]]
"""Makes a session of an id, for each attempt anew: `lambda name: SQLiteSession(name, "chats.db")`."""


@dataclass(frozen=True, slots=True)
class Fork:
    """What a primer hands to its followers: the items that their sessions begin with."""

    items: list[TResponseInputItem]


class Sessions:
    """Finds the session of a job."""

    def __init__(self, given: object) -> None:
        self._one: Session | None = None
        self._lock: str | None = None
        """That of the one session: by the same name always, though it may get its id only when it is used."""
        self._make: SessionFactory | None = None
        if not isinstance(given, type) and callable(getattr(given, "get_items", None)):
            self._one = cast("Session", given)
            self._lock = _lock_of(self._one)
        elif callable(given):
            self._make = cast("SessionFactory", given)
        elif given is not None:
            raise TypeError(
                "session= takes a Session of the SDK, or a function that makes one of its id, such as "
                f"lambda name: SQLiteSession(name, 'chats.db'); not {type(given).__name__}"
            )

    def lock(self, named: str | None) -> str | None:
        """The lock of a session that several jobs may use, one at a time: two runs in one would mix.

        Raises:
            ValueError: if a session is named, and there is nothing that could make it.
        """
        if named is None:
            return self._lock
        if self._make is None:
            raise ValueError(
                f"config= names the session {named!r}, which nobody makes: give the executor a function, "
                'AgentExecutor(agent, session=lambda name: SQLiteSession(name, "chats.db"))'
            )
        return f"agents session {named}"

    @asynccontextmanager
    async def opened(self, job: Job, ctx: JobContext, named: str | None) -> AsyncGenerator[Session | None]:
        """The session for one attempt, if it has any. One that is made for it is closed after it."""
        if self._make is None:
            yield self._one
            return
        made = self._make(named or job.id)
        session = await made if inspect.isawaitable(made) else made
        try:
            if job.role == "follower" and named is None:
                await _begin_as_forked(session, ctx)
            yield session
        finally:
            await _close(session)

    async def hand_on_prompt(
        self, ctx: JobContext, session: Session, asked: str | list[TResponseInputItem]
    ) -> None:
        """Let a primer's followers begin with what it has heard before and is asked now."""
        if self._forks(ctx):
            _share(ctx, [*await session.get_items(), *ItemHelpers.input_to_new_input_list(asked)])

    def hand_on_all(self, ctx: JobContext, result: RunResult | RunResultStreaming) -> None:
        """Let a primer's followers begin with all that was said.

        Not before its end: halfway there may be calls of tools without their outputs, which no model takes.
        """
        if self._forks(ctx):
            _share(ctx, result.to_input_list())

    def _forks(self, ctx: JobContext) -> bool:
        return self._make is not None and ctx.job.role == "primer" and ctx.group is not None


def _lock_of(session: Session) -> str:
    try:
        return f"agents session {session.session_id}"
    except ValueError:  # OpenAI's server gives its sessions their ids, and has not been asked yet
        return f"agents session {id(session):#x}"


def _share(ctx: JobContext, items: list[TResponseInputItem]) -> None:
    group = ctx.group
    assert group is not None
    if group.shared is None or isinstance(group.shared, Fork):  # what a tool has shared is left alone
        group.share(Fork(items))


async def size(session: Session | None) -> int | None:
    """How many items a session holds; None where there is none."""
    return None if session is None else len(await session.get_items())


async def wind_back(session: Session | None, items: int | None) -> None:
    """Take out what a failed attempt has added, so that the next one says nothing twice."""
    if session is None or items is None:
        return
    # Counted again each time: a session may show its latest items only.
    while (surplus := len(await session.get_items()) - items) > 0:
        for _ in range(surplus):
            if await session.pop_item() is None:
                return


async def _begin_as_forked(session: Session, ctx: JobContext) -> None:
    shared: object = None if ctx.group is None else ctx.group.shared
    if isinstance(shared, Fork) and shared.items and not await session.get_items(limit=1):
        await session.add_items(list(shared.items))


async def _close(session: Session) -> None:
    close: Any = getattr(session, "close", None)
    if callable(close):
        closed: object = close()
        if inspect.isawaitable(closed):
            await closed
