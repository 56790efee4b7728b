"""What requests came, with what, and what became of each: the provider's side, for tests to look at."""

from __future__ import annotations

import json
from collections import deque
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict
from starlette.datastructures import Headers
from starlette.types import Scope

from ._ask import Ask

__all__ = ["Entry", "Outcome", "RequestLog", "SimulatorRequest"]

Outcome: TypeAlias = Literal["open", "answered", "refused", "dropped", "cancelled", "failed"]

_SECRET = frozenset({"authorization", "proxy-authorization", "cookie", "api-key", "x-api-key"})
_KEPT_BYTES = 1 << 16


class SimulatorRequest(BaseModel):
    """One request as it was received, and what became of it.

    `headers` have lower-case names, and none that holds a credential. `body` is the JSON as sent (None: there
    was none, or more than 64 KiB). `outcome` is "open" while it is worked on or its answer is on its way,
    then "answered", "refused" (with `status`, 400 or more), "dropped" (broken off on demand), "cancelled"
    (the client hung up first) or "failed" (by a fault of the simulator). `model`, `cache_key` and
    `prompt_tokens` are there once the body was read.
    """

    model_config = ConfigDict(frozen=True)

    method: str
    path: str
    headers: dict[str, str]
    body: Any = None
    model: str | None = None
    stream: bool = False
    cache_key: str | None = None
    prompt_tokens: int | None = None
    status: int | None = None
    outcome: Outcome = "open"


class Entry:
    """A request as it goes on: little enough to be kept for each of many."""

    __slots__ = ("_ask", "_body", "_scope", "outcome", "status")

    def __init__(self, scope: Scope) -> None:
        self._scope = (scope["method"], scope["path"], scope["headers"])
        self._body = b""
        self._ask: tuple[str, bool, str | None, int] | None = None
        self.outcome: Outcome = "open"
        self.status: int | None = None

    def received(self, body: bytes) -> None:
        """Its body has been read."""
        self._body = body if len(body) <= _KEPT_BYTES else b""

    def understood(self, ask: Ask) -> None:
        """It has been found to be well-formed."""
        self._ask = (ask.prompt.model, ask.stream, ask.cache_key, ask.prompt.tokens)

    def told(self) -> SimulatorRequest:
        """Freeze what is known of it."""
        method, path, headers = self._scope
        model, stream, cache_key, tokens = self._ask or (None, False, None, None)
        return SimulatorRequest(
            method=method,
            path=path,
            headers={name: value for name, value in Headers(raw=headers).items() if name not in _SECRET},
            body=_json(self._body),
            model=model,
            stream=stream,
            cache_key=cache_key,
            prompt_tokens=tokens,
            status=self.status,
            outcome=self.outcome,
        )


class RequestLog:
    """The last requests, oldest first, and how many are not over; what is told of them is made when asked."""

    def __init__(self, size: int) -> None:
        self._entries: deque[Entry] = deque(maxlen=size)
        self.unfinished = 0

    def begin(self, scope: Scope) -> Entry:
        """A request came."""
        entry = Entry(scope)
        self._entries.append(entry)
        self.unfinished += 1
        return entry

    def end(self, entry: Entry) -> None:
        """It is over."""
        if entry.outcome == "open":
            entry.outcome = "failed"
        self.unfinished -= 1

    def told(self) -> tuple[SimulatorRequest, ...]:
        """The requests as they stand."""
        return tuple(entry.told() for entry in self._entries)

    def clear(self) -> None:
        """Forget them; those under way stay open."""
        self._entries.clear()


def _json(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None
