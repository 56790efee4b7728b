"""What both contracts of GigaChat's API have in common: sessions, errors, tokens of access."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from ._caching import NO_CACHING, Caching
from ._client import Client
from ._endpoint import send_json
from ._errors import ApiError
from ._log import Entry

__all__ = ["caching_of", "give_token", "model_version", "refusal", "session_headers"]

_SESSION = "x-session-id"
_TOKEN_LIFE = 1800.0  # seconds, as the real one's


def caching_of(headers: Mapping[str, str]) -> Caching:
    """One session, one cache: who names none reads nothing, the worst that can happen to them.

    The real server finds most prefixes without it too, by chance; a test needs to know.
    """
    session = headers.get(_SESSION)
    return Caching(scope=session) if session else NO_CACHING


def session_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """What an answer says of its session."""
    return {_SESSION: headers.get(_SESSION, "none")}


def model_version(model: str) -> str:
    """The name that answers give their model: with a version."""
    return f"{model}:1.0"


def refusal(error: ApiError) -> dict[str, Any]:
    """An error's body as GigaChat writes it."""
    return {"status": error.status, "message": error.message}


async def give_token(request: Request, client: Client, _entry: Entry) -> None:
    """Answer `POST /api/v2/oauth`: any credentials give a token for half an hour.

    Raises:
        ApiError: if there are none.
    """
    await request.body()
    if not request.headers.get("authorization", "").startswith("Basic "):
        raise ApiError(401, "Authorization error: header is incorrect", kind="authentication_error")
    now = time.time()
    token = {"access_token": f"token-{now:.6f}", "expires_at": int((now + _TOKEN_LIFE) * 1000)}
    await send_json(client, token)
