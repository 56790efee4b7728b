"""Answers that are none, and what an error means for its job.

AnswerError                     the provider answered, but not with what was asked for
 ├── AnswerRefused              a filter stopped it
 ├── AnswerIncomplete           it ended early: too long
 ├── AnswerInvalid              it does not fit the format that was asked for
 ├── AnswerFailed               the provider says, in an answer that began well, that it failed
 └── ToolsCalled                there is no text, but the call of a function
"""

from __future__ import annotations

import json
import time

import gigachat
from pydantic import ValidationError

from paceline import Failure, PacelineError, classify_error, classify_http

__all__ = [
    "AnswerError",
    "AnswerFailed",
    "AnswerIncomplete",
    "AnswerInvalid",
    "AnswerRefused",
    "ToolsCalled",
    "classify",
]

# A mistake in the payload or in the settings (no model, say): another attempt makes it again.
_MISTAKES = (
    gigachat.GigaChatException,
    ArithmeticError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    TypeError,
    ValueError,
)


class AnswerError(PacelineError):
    """Base of what is wrong with an answer; `response` is the client's object, where there is a whole one."""

    def __init__(self, message: str, response: object = None) -> None:
        super().__init__(message)
        self.response: object = response


class AnswerRefused(AnswerError):
    """Raised when a filter stopped the answer; `refusal` is what came instead of it. Not tried again."""

    def __init__(self, refusal: str, response: object = None) -> None:
        super().__init__(f"GigaChat's filter stopped the answer, and says: {refusal[:200]!r}", response)
        self.refusal: str = refusal


class AnswerIncomplete(AnswerError):
    """Raised when an answer reached its most tokens; `text` is what there was of it. Not tried again.

    `reason` is the provider's word: "length".
    """

    def __init__(self, reason: str, text: str, response: object = None) -> None:
        super().__init__(
            f"the answer was cut off after {len(text)} characters, at its most tokens; error.text has them, "
            "max_tokens allows it more, and output='response' takes such answers for good",
            response,
        )
        self.reason: str = reason
        self.text: str = text


class AnswerInvalid(AnswerError):
    """Raised when an answer does not fit the format that was asked for; `text` is the answer. Tried again.

    What pydantic has to say of it is the `__cause__`.
    """

    def __init__(self, text: str, wanted: str, response: object = None) -> None:
        super().__init__(f"the answer is no {wanted}: {text[:200]!r}", response)
        self.text: str = text


class AnswerFailed(AnswerError):
    """Raised when the provider says, in an answer that began well, that it failed.

    `code` is the HTTP status that it gives for it, if any; that decides whether the job is tried again.
    """

    def __init__(self, message: str, code: str | None = None, response: object = None) -> None:
        super().__init__(f"GigaChat failed: {message}" + (f" ({code})" if code else ""), response)
        self.code: str | None = code


class ToolsCalled(AnswerError):
    """Raised when text was wanted and the model called a function instead, of `names`. Not tried again."""

    def __init__(self, names: tuple[str, ...], response: object = None) -> None:
        super().__init__(
            f"the model gave no text but called {', '.join(names)}; output='response' hands such answers out",
            response,
        )
        self.names: tuple[str, ...] = names


def classify(error: Exception) -> Failure:
    """Say whether another attempt may succeed, when, and whose fault it was.

    What is not known is retryable; mistakes in payloads and settings are not.
    """
    if isinstance(error, AnswerError):
        return _of_answer(error)
    if isinstance(error, ValidationError | json.JSONDecodeError | UnicodeDecodeError):
        return Failure(True, fault="provider")  # payloads were looked at before: it is what came
    known = classify_error(error, now=time.time())
    if known is not None:
        return known
    if isinstance(error, _MISTAKES):
        return Failure(False, fault="request")
    return Failure(True)


def _of_answer(error: AnswerError) -> Failure:
    if isinstance(error, AnswerInvalid):
        return Failure(True)
    if isinstance(error, AnswerFailed):
        return classify_http(None, code=error.code)
    return Failure(False, fault="request")
