"""What a job is expected to use, before it runs: what its executor says, or the user, or a rough count.

The rough count goes by OpenAI's rule of thumb, about 4 characters of English a token ("What are tokens and
how to count them?", help.openai.com). Tokenizers work on bytes, so other scripts are counted by their bytes
of UTF-8, four a token: two Cyrillic letters, one and a third of Chinese. Each message has about four tokens
of its own besides (OpenAI's cookbook, "How to count tokens with tiktoken").
"""

from __future__ import annotations

import inspect
import logging
import math
from collections.abc import Callable, Collection, Mapping, Sequence, Set as AbstractSet
from itertools import islice
from typing import cast

from ._bodies import Inputs
from ._job import Job
from ._usage import Cost

__all__ = ["Estimator", "rough_tokens"]

_log = logging.getLogger("paceline")
_UNKNOWN = Cost()


class Estimator:
    """Says what a job will use, as well as anybody can; it never raises.

    `function` is the user's own (`Engine(estimate=)`), asked where the executor has no answer.
    """

    __slots__ = ("_function", "_told")

    def __init__(self, function: Callable[[Job], Cost | None] | None = None) -> None:
        if function is not None and not callable(function):  # pyright: ignore[reportUnnecessaryComparison]
            raise TypeError(f"estimate must be a function of a job that returns a Cost, not {function!r}")
        self._function = function
        self._told: set[tuple[str, str]] = set()
        """Whose errors have been logged: once for each executor is enough, there may be many jobs."""

    @property
    def asks(self) -> bool:
        """Whether the user has a function of their own."""
        return self._function is not None

    def cost(self, job: Job, own: Callable[[Job], Cost | None] | None = None) -> Cost | None:
        """What the job is expected to use; parts that nobody knows are None, and all is where nobody says.

        `own` is the `estimate` of the job's executor, if it has one. Where that gives None the engine's
        function is asked. A payload that is made of what other jobs put out is not known yet. An error, or a
        nonsensical answer, is logged once for each executor, and stands for "unknown".
        """
        if isinstance(job.payload, Inputs):
            return None
        for source, function in (("executor", own), ("engine", self._function)):
            if function is not None:
                cost = self._asked(job, source, function)
                if cost is not None:
                    return cost
        return None

    def _asked(self, job: Job, source: str, function: Callable[[Job], Cost | None]) -> Cost | None:
        try:
            return _checked(function(job))
        except BaseException as error:  # noqa: BLE001 - logged; a guess that fails must not fail the job
            if (job.executor, source) not in self._told:
                self._told.add((job.executor, source))
                _log.warning(
                    "estimate of %s for job %r (executor %r) failed; what its jobs use counts as unknown "
                    "(further such errors are not logged)",
                    "the executor" if source == "executor" else "the engine",
                    job.name,
                    job.executor,
                    exc_info=error,
                )
            return _UNKNOWN


def _checked(answer: object) -> Cost | None:
    if answer is None:
        return None
    if (
        type(answer) is Cost
        and type(answer.requests) is int
        and answer.requests >= 0
        and answer.money is None
    ):
        given, got = answer.input_tokens, answer.output_tokens
        if type(given) is int and type(got) is int and given >= 0 and got >= 0:
            return answer  # nearly all
    if not isinstance(answer, Cost):
        if inspect.iscoroutine(answer):
            answer.close()
        raise TypeError(f"estimate(job) must return a Cost or None, not {answer!r}")
    for part in ("input_tokens", "output_tokens", "requests", "money"):
        value: object = getattr(answer, part)
        if not _is_amount(value) and (value is not None or part == "requests"):
            raise ValueError(f"{part} of an estimate must be a finite number of at least 0, not {value!r}")
    return answer


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


# The rough count.

_BYTES = 4.0
_MESSAGE = 4.0
_ATTACHMENT = 765.0
"""A picture, sound or other file: what OpenAI counts for a picture of 1024 x 1024 pixels in high detail."""
_ATTACHED = frozenset(
    {"audio", "file", "image", "image_url", "input_audio", "input_file", "input_image", "media", "video"}
)
_PARTS = 10_000
"""How many parts of a payload are looked at; the others are taken to be like those before them."""
_DEPTH = 64
_SAMPLE = 65_536
"""Characters of a text in another script that are encoded; the rest is taken to be like them."""


def rough_tokens(payload: object) -> int:
    """Count roughly how many tokens the texts in a payload have.

    Texts are found in any nesting of mappings, sequences, sets, dataclasses, pydantic models, and messages:
    mappings with `role` and `content`, and objects with a `content`. Pictures and other files count a flat
    figure. What is none of these (an iterator, say) is left alone and counts nothing. Never raises; the work
    is bounded, whatever the payload is.
    """
    try:
        tokens = _Count().tokens(payload, 0)
    except Exception:  # noqa: BLE001 - objects of users, whose attributes may do anything
        _log.debug("the tokens of a payload cannot be counted", exc_info=True)
        return 0
    return math.ceil(tokens) if tokens < math.inf else 0


class _Count:
    """One count: how many parts it may still look at, and what it is inside of."""

    __slots__ = ("_inside", "_left")

    def __init__(self) -> None:
        self._left = _PARTS
        self._inside: set[int] = set()

    def tokens(self, value: object, depth: int) -> float:
        self._left -= 1
        if isinstance(value, str):
            return _text(value)
        if value is None:
            return 0.0
        if isinstance(value, bool | int | float):
            return 1.0
        if isinstance(value, bytes | bytearray | memoryview):
            return _ATTACHMENT
        if depth >= _DEPTH or self._left <= 0 or id(value) in self._inside or isinstance(value, type):
            return 0.0
        self._inside.add(id(value))
        try:
            return self._nested(value, depth + 1)
        except Exception:  # noqa: BLE001 - one part that cannot be read does not hide the others
            _log.debug("a part of a payload cannot be counted", exc_info=True)
            return 0.0
        finally:
            self._inside.discard(id(value))

    def _nested(self, value: object, depth: int) -> float:
        if isinstance(value, Mapping):
            return self._mapping(cast("Mapping[object, object]", value), depth)
        if isinstance(value, Sequence | AbstractSet):
            return self._several(cast("Collection[object]", value), depth)
        fields = getattr(type(value), "__dataclass_fields__", None)
        if fields is not None:
            return self._several([getattr(value, name, None) for name in fields], depth)
        content: object = getattr(value, "content", None)
        if content is not None:
            parts = [content, getattr(value, "tool_calls", None)]
            return _MESSAGE + self._several(parts, depth)
        if hasattr(type(value), "model_fields"):
            return self._several(list(vars(value).values()), depth)
        return 0.0

    def _mapping(self, value: Mapping[object, object], depth: int) -> float:
        kind = value.get("type")
        if isinstance(kind, str) and kind in _ATTACHED:
            return _ATTACHMENT
        tokens = self._several(value.values(), depth)
        if "content" in value and "role" in value:
            return tokens + _MESSAGE
        if kind is None:  # data: the names are likely to be read by the model as well
            names = [name for name in islice(value, _PARTS) if isinstance(name, str)]
            tokens += sum(map(_text, names)) * len(value) / max(1, min(len(value), _PARTS))
        return tokens

    def _several(self, values: Collection[object], depth: int) -> float:
        """All parts of one value; those beyond what is looked at are taken to be like the others."""
        size, seen, total = len(values), 0, 0.0
        for each in islice(values, max(0, self._left)):
            total += self.tokens(each, depth)
            seen += 1
            if self._left <= 0:
                break
        return total * size / seen if 0 < seen < size else total


def _text(text: str) -> float:
    if text.isascii():
        size = float(len(text))
    else:
        sample = text[:_SAMPLE].encode("utf-8", "replace")
        size = len(sample) * len(text) / min(len(text), _SAMPLE)
    if text.startswith("data:") and ";base64," in text[:256]:
        return _ATTACHMENT
    return size / _BYTES
