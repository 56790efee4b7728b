"""The session that a request belongs to: GigaChat keeps prefixes by it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from gigachat import GigaChatAsyncClient, custom_headers_cvar, session_id_cvar

from paceline import JobContext

__all__ = ["session_of"]

_HEADER = "x-session-id"


@contextmanager
def session_of(ctx: JobContext, client: GigaChatAsyncClient) -> Generator[None]:
    """Send what is asked inside under the group's name, unless the user has named a session.

    It is set for the attempt alone: the client reads it where it writes its headers.
    """
    if ctx.group is None or _chosen(client):
        yield
        return
    token = session_id_cvar.set(ctx.group.cache_key)
    try:
        yield
    finally:
        session_id_cvar.reset(token)


def _chosen(client: GigaChatAsyncClient) -> bool:
    """Whether the user has named one: for the context, among other headers, or, in newer clients, for all."""
    custom = custom_headers_cvar.get() or {}
    return bool(
        session_id_cvar.get()
        or any(name.lower() == _HEADER for name in custom)
        or getattr(getattr(client, "_settings", None), "session_id", None)
    )
