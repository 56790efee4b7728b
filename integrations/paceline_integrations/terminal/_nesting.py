"""Which task lies in which: a node of a nested graph in that graph, an item of a map in that map."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

__all__ = ["nested"]

_ITEM: Final = re.compile(r"(.+)\[\d+\]", re.DOTALL)


def nested(names: Iterable[str]) -> dict[str | None, list[str]]:
    """What lies directly in each: `pages[3]` in `pages`, `inner/load` in `inner`, where these are there."""
    known = dict.fromkeys(names)
    found: dict[str | None, list[str]] = {}
    for name in known:
        body = next((each for each in _around(name) if each in known), None)
        found.setdefault(body, []).append(name)
    return found


def _around(name: str) -> Iterator[str]:
    while name:
        item = _ITEM.fullmatch(name)
        name = name.rpartition("/")[0] if item is None else item[1]
        if name:
            yield name
