"""A model has answered, but not with what was asked for: the same errors from every adapter of a client.

OutputError                the model's answer is not what was asked for
 ├── OutputRefused         it declined, or a filter stopped it
 ├── OutputIncomplete      it ended early: at its most tokens, or stopped on the way
 ├── OutputInvalid         it does not fit the format that was asked for
 ├── OutputFailed          the provider says, in an answer that began well, that it failed
 └── ToolsCalled           there is no text, but calls of tools
"""

from __future__ import annotations

from ._errors import PacelineError

__all__ = [
    "OutputError",
    "OutputFailed",
    "OutputIncomplete",
    "OutputInvalid",
    "OutputRefused",
    "ToolsCalled",
]


class OutputError(PacelineError):
    """Base of what is wrong with a model's answer; `response` is the client's object, if it is whole."""

    def __init__(self, message: str, response: object = None) -> None:
        super().__init__(message)
        self.response: object = response


class OutputRefused(OutputError):
    """Raised when the model declined, or a filter stopped it; `refusal` is what it said. Not tried again."""

    def __init__(self, refusal: str, response: object = None) -> None:
        super().__init__(f"the model refused, or a filter did: {refusal[:200]!r}", response)
        self.refusal: str = refusal


class OutputIncomplete(OutputError):
    """Raised when an answer ended early; `text` is what there was of it. Not tried again.

    `reason` is the provider's word: "max_output_tokens" or "length" (allow it more), "content_filter".
    """

    def __init__(self, reason: str, text: str, response: object = None) -> None:
        super().__init__(
            f"the answer ended after {len(text)} characters, because of {reason!r}; error.text has them, and "
            "output='response' takes such answers for good",
            response,
        )
        self.reason: str = reason
        self.text: str = text


class OutputInvalid(OutputError):
    """Raised when an answer does not fit the format that was asked for; `text` is the answer. Tried again.

    What pydantic has to say of it is the `__cause__`.
    """

    def __init__(self, text: str, wanted: str, response: object = None) -> None:
        super().__init__(f"the answer is no {wanted}: {text[:200]!r}", response)
        self.text: str = text


class OutputFailed(OutputError):
    """Raised when the provider says, in an answer that began well, that it failed.

    `code` is the provider's, or the HTTP status that it gives for it; it decides whether the job is tried
    again (`classify_http`).
    """

    def __init__(self, message: str, code: str | None = None, response: object = None) -> None:
        super().__init__(f"the provider failed: {message}" + (f" ({code})" if code else ""), response)
        self.code: str | None = code


class ToolsCalled(OutputError):
    """Raised when text was wanted and the model called tools instead; `names` are theirs. Not tried again."""

    def __init__(self, names: tuple[str, ...], response: object = None) -> None:
        super().__init__(
            f"the model gave no text but called {', '.join(names)}; output='response' hands such answers "
            "out, and an agent runs the tools",
            response,
        )
        self.names: tuple[str, ...] = names
