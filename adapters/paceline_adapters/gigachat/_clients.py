"""The client that requests go by: without retries of its own, and closed by whoever made it."""

from __future__ import annotations

from typing import Any

from gigachat import GigaChatAsyncClient, GigaChatSyncClient

from paceline import PerLoop

__all__ = ["clients", "model_of"]


def clients(given: GigaChatAsyncClient | None) -> PerLoop[GigaChatAsyncClient]:
    """The client that a user gave, or one for each event loop.

    Raises:
        TypeError: if the client cannot be awaited, or is none.
        ValueError: if it retries by itself.
    """
    if given is not None:
        _check(given)
    return PerLoop(given, lambda: GigaChatAsyncClient(max_retries=0), GigaChatAsyncClient.aclose)


def model_of(given: GigaChatAsyncClient | None) -> str | None:
    """The model that a client asks where a request names none."""
    model: object = _setting(given, "model")
    return model if isinstance(model, str) and model.strip() else None


def _check(client: object) -> None:
    if isinstance(client, GigaChatSyncClient) and not isinstance(client, GigaChatAsyncClient):
        raise TypeError(
            "GigaChatSyncClient would block the event loop: give a GigaChatAsyncClient(...), or a "
            "GigaChat(...), of the same arguments"
        )
    if not isinstance(client, GigaChatAsyncClient):
        raise TypeError(f"the client must be a gigachat.GigaChat, or None to have one made, not {client!r}")
    retries = _setting(client, "max_retries")
    if retries:
        raise ValueError(
            f"this client tries each request {retries + 1} times by itself, and holds a place of the engine "
            "while it waits: make it with max_retries=0 (GIGACHAT_MAX_RETRIES counts too), and give the "
            f"engine retry=RetryPolicy(attempts={retries + 1})"
        )


def _setting(client: GigaChatAsyncClient | None, name: str) -> Any:
    """What the client was made with. It keeps that to itself; where it does not tell, nothing is known."""
    return getattr(getattr(client, "_settings", None), name, None)
