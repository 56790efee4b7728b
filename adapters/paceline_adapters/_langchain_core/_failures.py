"""What an error of a chain means for its job, without importing any provider."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, cast

from langchain_core.exceptions import OutputParserException

from paceline import Failure, JobError, classify_http

__all__ = ["classify"]

# A mistake in the chain or its input: another attempt makes it again.
_MISTAKES = (ArithmeticError, AttributeError, ImportError, LookupError, NameError, TypeError, ValueError)
# By name, for openai, anthropic, httpx and httpx2 alike: a request that broke before there was a status.
_BROKEN = frozenset(
    {"APIConnectionError", "APIError", "ModelAPIError", "ModelConnectionError", "TransportError"}
)
_PARSERS = ("langchain_core.output_parsers", "langchain_classic.output_parsers", "langchain.output_parsers")


def classify(error: BaseException) -> Failure:
    """Say whether another attempt may succeed, when, and whose fault it was.

    HTTP statuses by `classify_http`. Broken connections and timeouts are the provider's; an answer that a
    parser refuses is worth another attempt; mistakes in templates, payloads and code are not. What is not
    known is retryable.
    """
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and status >= 400:
        return classify_http(status, _headers(error), code=_code(error), now=time.time())
    if isinstance(error, ConnectionError | TimeoutError) or _BROKEN & _names(error):
        return _broken(_code(error))
    if isinstance(error, OutputParserException) or _while_parsing(error):
        return Failure(True)
    if isinstance(error, JobError) and isinstance(error.__cause__, Exception):
        return classify(error.__cause__)
    if isinstance(error, _MISTAKES) or getattr(error, "is_retryable", None) is False:
        return Failure(False, fault="request")
    return Failure(True)


def _broken(code: str | None) -> Failure:
    """A connection that broke, or, where there is a code, an error told in a stream that had begun as 200."""
    if code is None:
        return classify_http(None)
    return classify_http(429 if code in {"rate_limit_exceeded", "insufficient_quota"} else 500, code=code)


def _names(error: BaseException) -> set[str]:
    return {cls.__name__ for cls in type(error).__mro__}


def _headers(error: BaseException) -> Mapping[str, str] | None:
    headers = getattr(getattr(error, "response", None), "headers", None)
    return cast("Mapping[str, str]", headers) if isinstance(headers, Mapping) else None


def _code(error: BaseException) -> str | None:
    for name in ("code", "type"):
        value: Any = getattr(error, name, None)
        if isinstance(value, str) and value:
            return value
    return None


def _while_parsing(error: BaseException) -> bool:
    """Whether it was raised below an output parser: a `ValidationError` of the model's answer, say."""
    return any(module.startswith(_PARSERS) for module in _modules(error))


def _modules(error: BaseException) -> Iterator[str]:
    traceback = error.__traceback__
    while traceback is not None:
        yield str(traceback.tb_frame.f_globals.get("__name__", ""))
        traceback = traceback.tb_next
