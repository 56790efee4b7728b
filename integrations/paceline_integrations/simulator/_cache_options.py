"""The prompt caching parameters of OpenAI's two APIs, as they come in.

A lifetime is taken from the options for the whole request; one of a single breakpoint is not looked at.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from ._ask import Wire
from ._caching import PLAIN, CacheTtl, Caching

__all__ = ["CacheKey", "CacheOptions", "ChatCacheOptions", "caching_of"]

CacheKey = Annotated[str, Field(max_length=64)]


class ChatCacheOptions(Wire):
    """`prompt_cache_options` of Chat Completions, which knows no other lifetime and cannot prewarm."""

    model_config = ConfigDict(extra="forbid")

    mode: Literal["implicit", "explicit"] = "implicit"
    ttl: Literal["30m"] | None = None


class CacheOptions(Wire):
    """`prompt_cache_options` of Responses."""

    mode: Literal["implicit", "explicit"] = "implicit"
    ttl: CacheTtl | None = None
    prewarm: bool = False


def caching_of(options: CacheOptions | ChatCacheOptions | None, marks: tuple[int, ...]) -> Caching:
    """What the options and the breakpoints of a request come to."""
    if options is None:
        return Caching(marks=marks, told=True) if marks else PLAIN
    return Caching(explicit=options.mode == "explicit", marks=marks, ttl=options.ttl, told=True)
