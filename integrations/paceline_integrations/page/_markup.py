"""HTML that cannot be broken by what is put into it: a text is escaped unless it was made here."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Final

from paceline_integrations.runstate import plain_text

__all__ = ["Markup", "joined", "tag", "text"]

_MOST: Final = 500
_VOID: Final = frozenset({"meta", "input", "br"})


class Markup(str):
    """HTML that is finished: it is put in as it is, any other text is escaped."""

    __slots__ = ()


def text(value: object, most: int = _MOST) -> Markup:
    """Write any value as text: one line of at most `most` characters, nothing of which is HTML."""
    return Markup(html.escape(plain_text(value, most)))


def tag(element: str, /, *inside: str | None, **attributes: str | float | None) -> Markup:
    """Write an element. `class_` is its class; `_` in names of attributes is `-`; None leaves one out."""
    written = "".join(
        f' {_name(key)}="{_value(value)}"' for key, value in attributes.items() if value is not None
    )
    if element in _VOID:
        return Markup(f"<{element}{written}>")
    return Markup(f"<{element}{written}>{joined(inside)}</{element}>")


def joined(parts: Iterable[str | None]) -> Markup:
    """Put parts one after another."""
    return Markup("".join(each if isinstance(each, Markup) else text(each) for each in parts if each))


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _value(value: str | float) -> str:
    if isinstance(value, Markup):
        return value
    if isinstance(value, str):
        return html.escape(plain_text(value, _MOST))
    return f"{value:.4f}".rstrip("0").rstrip(".")
