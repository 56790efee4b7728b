"""Text of an exact number of tokens."""

from __future__ import annotations

from random import Random

__all__ = ["words"]

# Three letters and a space are one token.
_VOCABULARY = (
    "air all and any bar bay big bow but day dry far few for gap has her him his hub its lap lay leg "
    "let lot low map new not now off old one our out own pen ran raw rim run saw say see set she sky "
    "sun ten the top tow try two use via was way who win yes yet you "
)
_WORDS = [_VOCABULARY[start : start + 3] for start in range(0, len(_VOCABULARY), 4)]


def words(random: Random, tokens: int) -> str:
    """Draw a sentence of exactly that many tokens (1 or more)."""
    return " ".join(random.choices(_WORDS, k=tokens)).capitalize() + "."
