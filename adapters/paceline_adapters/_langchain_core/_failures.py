"""What an error of a chain means for its job, without importing any provider."""

from __future__ import annotations

import time
from collections.abc import Iterator

from langchain_core.exceptions import OutputParserException

from paceline import MISTAKES, Failure, JobError, classify_error

__all__ = ["classify"]

_PARSERS = ("langchain_core.output_parsers", "langchain_classic.output_parsers", "langchain.output_parsers")


def classify(error: BaseException) -> Failure:
    """Say whether another attempt may succeed, when, and whose fault it was.

    What HTTP clients raise, by `classify_error`; an answer that a parser refuses is worth another attempt;
    mistakes in templates, payloads and code are not. What is not known is retryable.
    """
    told = classify_error(error, now=time.time())
    if told is not None:
        return told
    if isinstance(error, OutputParserException) or _while_parsing(error):
        return Failure(True)
    if isinstance(error, JobError) and isinstance(error.__cause__, Exception):
        return classify(error.__cause__)
    if isinstance(error, MISTAKES) or getattr(error, "is_retryable", None) is False:
        return Failure(False, fault="request")
    return Failure(True)


def _while_parsing(error: BaseException) -> bool:
    """Whether it was raised below an output parser: a `ValidationError` of the model's answer, say."""
    return any(module.startswith(_PARSERS) for module in _modules(error))


def _modules(error: BaseException) -> Iterator[str]:
    traceback = error.__traceback__
    while traceback is not None:
        yield str(traceback.tb_frame.f_globals.get("__name__", ""))
        traceback = traceback.tb_next
