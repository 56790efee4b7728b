"""Asking a server on this machine: JSON both ways, past any proxy."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any

from ._errors import BackendError

__all__ = ["answers", "ask"]

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_TOLD = 500


def ask(
    url: str, body: Mapping[str, Any] | None = None, *, absent_ok: bool = False, timeout: float = 30.0
) -> Any:
    """GET, or POST what is given, and return what comes back; None for what is not there, if that is fine.

    Raises:
        BackendError: if there is no answer, one that says no, or one that is no JSON.
    """
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(url, data, headers)  # noqa: S310 - loopback, by us
    try:
        with _DIRECT.open(request, timeout=timeout) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        if absent_ok and error.code == 404:
            return None
        said = error.read(_TOLD).decode(errors="replace")
        raise BackendError(f"{url} was answered with {error.code}: {said}") from error
    except (OSError, ValueError, HTTPException) as error:
        raise BackendError(f"{url} was not answered: {error}") from error


def answers(url: str, *, timeout: float = 2.0) -> bool:
    """Whether a GET is answered with success."""
    try:
        with _DIRECT.open(url, timeout=timeout) as response:
            return bool(response.status == 200)
    except (OSError, HTTPException):  # refused, reset, timed out, or an answer that says no
        return False
