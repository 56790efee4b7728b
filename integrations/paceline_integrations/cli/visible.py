"""Text from jobs, made fit for a terminal: what would steer it is shown instead of obeyed."""

from __future__ import annotations

import unicodedata
from typing import Final

__all__ = ["visible"]

_STEERING: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
# These change the order in which what follows is shown: an answer must not be given to another question.
_BIDI: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def visible(text: str, *, lines: bool = False) -> str:
    r"""Write each control character as its escape (`\x1b`); with `lines`, line breaks and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_with_lines if lines else _shown, text.replace("\r\n", "\n") if lines else text))


def _with_lines(sign: str) -> str:
    return sign if sign == "\n" else "    " if sign == "\t" else _shown(sign)


def _shown(sign: str) -> str:
    if sign in _BIDI or unicodedata.category(sign) in _STEERING:
        return sign.encode("unicode_escape").decode("ascii")
    return sign
