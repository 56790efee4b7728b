"""Errors as OpenAI's API writes them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from ._limits import Refusal

__all__ = ["ApiError", "bad_request", "invalid_body", "rate_limited", "retry_headers"]


class ApiError(Exception):
    """Raised when a request is answered by an error: a status, OpenAI's error body and headers."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.param = param
        self.code = code
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """The JSON body."""
        error = {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}
        return {"error": error}


def bad_request(message: str, *, param: str | None = None, code: str | None = None) -> ApiError:
    """An error of the one who asks."""
    return ApiError(400, message, kind="invalid_request_error", param=param, code=code)


def invalid_body(error: ValidationError) -> ApiError:
    """Say what is wrong with a body: the first thing that is."""
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return bad_request(f"We could not parse the JSON body of your request. ({first['msg']})")
    param = _path(first["loc"])
    if first["type"] == "missing":
        code = "missing_required_parameter"
        return bad_request(f"Missing required parameter: '{param}'.", param=param, code=code)
    return bad_request(f"Invalid value for '{param}': {first['msg']}.", param=param, code="invalid_value")


def _path(location: Iterable[int | str]) -> str | None:
    """Write a place as OpenAI does: `messages[0].content`."""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return path.removeprefix(".") or None


def rate_limited(refusal: Refusal) -> ApiError:
    """The 429 of a limit. What can never fit is not worth another try, and says so."""
    kind = "requests per min (RPM)" if refusal.kind == "requests" else "tokens per min (TPM)"
    if math.isinf(refusal.retry_after):
        message = f"Request too large on {kind}: Limit {refusal.limit}, Requested {refusal.asked}."
        headers = {"x-should-retry": "false"}
    else:
        message = (
            f"Rate limit reached on {kind}: Limit {refusal.limit}, Remaining {refusal.remaining}, "
            f"Requested {refusal.asked}. Please try again in {refusal.retry_after:.3f}s."
        )
        headers = retry_headers(refusal.retry_after)
    return ApiError(429, message, kind=refusal.kind, code="rate_limit_exceeded", headers=headers)


def retry_headers(seconds: float) -> dict[str, str]:
    """Retry-After in whole seconds, as HTTP wants it, and in milliseconds, which OpenAI's clients prefer."""
    return {"retry-after": str(math.ceil(seconds)), "retry-after-ms": str(math.ceil(seconds * 1000))}
