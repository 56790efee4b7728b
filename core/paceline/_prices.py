"""What tokens cost. No price is built in: a table of them is the user's, read from a file of theirs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from os import PathLike
from typing import TYPE_CHECKING, Any

from ._checks import number
from ._usage import Usage

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Price", "load_prices", "price_of"]

_MILLION = 1_000_000
# What providers put after a model's name to say which edition answered: "-2025-08-07", "-0613", "@20250929",
# "-001", "-latest", "-preview-05-06", "-v1:0". A further word or a small number ("-mini", "-32k", "-1") names
# another model, whose price is not guessed.
_EDITION = r"(?:[-@:](?:\d{4}-\d{2}(?:-\d{2})?|\d{3,8}|latest|preview(?:-\d{2}-\d{2,4})?|v\d+(?::\d+)?))+"


@dataclass(frozen=True, slots=True)
class Price:
    """Money for a million tokens of a model, in whatever currency the table is in.

    `cached_input` is for input tokens read from the provider's prefix cache, `cache_write` for those written
    to it; None: as any other input.

    Raises:
        ValueError, TypeError: if a price is not a finite number of at least 0.
    """

    input: float
    output: float
    cached_input: float | None = None
    cache_write: float | None = None

    def __post_init__(self) -> None:
        for name in ("input", "output", "cached_input", "cache_write"):
            price = getattr(self, name)
            if price is not None or name in {"input", "output"}:
                number("Price", name, price)

    def money(self, usage: Usage) -> float | None:
        """What a usage costs, or None where tokens are unknown that have a price.

        Cached and written tokens are part of `input_tokens`, as `Usage` says; unknown ones are taken for
        plain input. `usage.money` is not looked at.
        """
        if usage.input_tokens is None or (usage.output_tokens is None and self.output):
            return None
        cached = min(usage.cached_tokens or 0, usage.input_tokens)
        written = min(usage.cache_write_tokens or 0, usage.input_tokens - cached)
        read_at = self.input if self.cached_input is None else self.cached_input
        write_at = self.input if self.cache_write is None else self.cache_write
        whole = (
            (usage.input_tokens - cached - written) * self.input
            + cached * read_at
            + written * write_at
            + (usage.output_tokens or 0) * self.output
        )
        return whole / _MILLION


def price_of(prices: Mapping[str, Price], model: str) -> Price | None:
    """Find the price of a model by its name, or by its name without the edition that providers answer with.

    `gpt-5-2025-08-07` has the price of `gpt-5` unless it has its own; `gpt-5-mini` never has. None: unknown.
    """
    price = prices.get(model)
    if price is not None:
        return price
    found = (name for name in prices if model.startswith(name) and re.fullmatch(_EDITION, model[len(name) :]))
    name = max(found, key=len, default=None)
    return None if name is None else prices[name]


def load_prices(path: str | PathLike[str]) -> dict[str, Price]:
    """Read a table of prices from a JSON or TOML file: by model, what a million tokens cost.

    As TOML, `input` and `output` being needed:

        ["gpt-5.6"]
        input = 2.0
        output = 8.0
        cached_input = 0.2
        cache_write = 2.5

    As JSON the same: `{"gpt-5.6": {"input": 2.0, "output": 8.0}}`. What ends in `.json` is read as JSON, all
    else as TOML.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is not such a table; the message names the file, the model and the remedy.
    """
    from pathlib import Path  # it takes as long to load as much of this package, and few read a table

    from ._tables import read_table

    where = Path(path)
    return {model: _price(where, model, entry) for model, entry in read_table(where, "a model").items()}


def _price(path: "Path", model: str, entry: dict[str, Any]) -> Price:
    known = tuple(field.name for field in fields(Price))
    from ._tables import refuse_unknown

    refuse_unknown(path, model, entry, known)
    missing = [name for name in ("input", "output") if name not in entry]
    if missing:
        raise ValueError(
            f"{path}: {model!r}: {' and '.join(missing)} missing: "
            "say what a million tokens cost, 0 if they cost nothing"
        )
    try:
        return Price(**entry)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {model!r}: {str(error).removeprefix('Price: ')}") from error
