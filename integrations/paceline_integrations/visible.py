"""Text from jobs, made fit to be shown: what would steer a terminal or a page is shown instead of obeyed."""

from __future__ import annotations

import unicodedata
from typing import Final

__all__ = ["plain_text", "visible"]

_STEERING: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
# These change the order in which what follows is shown: an answer must not be given to another question.
_BIDI: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_BREAKS: Final = str.maketrans("\r\n\t", "   ")
_MOST: Final = 10_000


def visible(text: str, *, lines: bool = False) -> str:
    r"""Write each control character as its escape (`\x1b`); with `lines`, line breaks and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_with_lines if lines else _shown, text.replace("\r\n", "\n") if lines else text))


def plain_text(value: object, width: int | None = None) -> str:
    r"""Bring a value to one line that is safe to show, of at most `width` characters (10,000 if not said).

    Line breaks and tabs become spaces, control characters and what changes the direction of writing their
    escapes (`\x1b`); for what is cut off at the end there is an ellipsis. A value that is no text is shown by
    its `repr`; one that has none, by its type.
    """
    most = _MOST if width is None else max(0, width)
    text = value if isinstance(value, str) else _spelled(value)
    # Cut before it is looked at sign by sign: it may be millions long.
    line = visible(text[: 2 * most + 2].replace("\r\n", " ").translate(_BREAKS))
    if len(line) > most:
        line = f"{line[: most - 1]}…" if most else ""
    return line


def _spelled(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - foreign code may raise anything
        return f"<{type(value).__name__}: cannot be shown, {type(error).__name__}>"


def _with_lines(sign: str) -> str:
    return sign if sign == "\n" else "    " if sign == "\t" else _shown(sign)


def _shown(sign: str) -> str:
    if sign in _BIDI or unicodedata.category(sign) in _STEERING:
        return sign.encode("unicode_escape").decode("ascii")
    return sign
