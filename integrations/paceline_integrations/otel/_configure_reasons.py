"""Why something did not arrive, in plain words: exporters tell it in those of their libraries."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

__all__ = ["in_plain_words"]

_ANSWERED: Final = re.compile(r"code: (\d{3}), reason: (.*)", re.DOTALL)
_UNKNOWN_HOST: Final = ("getaddrinfo", "name resolution", "resolve", "name or service not known")


def in_plain_words(text: str, target: str) -> str | None:
    """What an exporter to this target said, for whoever has to mend it; None if it is nothing known."""
    parts = urlsplit(target)
    place = f"{parts.scheme}://{parts.netloc}" if parts.netloc else target
    said = text.lower()
    if "connection" in said and "refused" in said:
        return f"nothing listens at {place} (connection refused): is it running?"
    if any(each in said for each in _UNKNOWN_HOST):
        return f"there is no host {parts.hostname!r}, as far as this machine knows"
    if "timed out" in said:
        return f"{place} did not answer in time"
    answered = _ANSWERED.search(text)
    if answered is None:
        return None
    code, reason = answered.groups()
    told = f"it answered {code} ({reason})"
    if code in {"404", "405"} and "spans" in said and not parts.path.endswith("/v1/traces"):
        return f"{told}: most backends take spans at {place}/v1/traces"
    return told
