"""What `--provider`, `--providers` and `--prices` name: facts and prices, out of files."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from paceline import Price, Provider, UnknownName, load_prices, load_providers

from ._errors import CommandError

__all__ = ["known_prices", "known_provider", "known_providers"]


def known_providers(facts: Path | None) -> Mapping[str, Provider]:
    """Read what is known of providers, a file of one's own included.

    Raises:
        CommandError: if that file cannot be read, or is none of facts.
    """
    with _told("--providers", facts):
        return load_providers(facts)


def known_provider(name: str, facts: Path | None) -> Provider:
    """Look a provider up.

    Raises:
        CommandError: if nothing is known of it (the known are listed), or the file is wrong.
    """
    known = known_providers(facts)
    if name not in known:
        wrong = UnknownName("provider", name, known, "describe yours in a file for --providers")
        raise CommandError(f"--provider: {wrong}")
    return known[name]


def known_prices(path: Path) -> Mapping[str, Price]:
    """Read what models cost.

    Raises:
        CommandError: if the file cannot be read, or is none of prices.
    """
    with _told("--prices", path):
        return load_prices(path)


@contextmanager
def _told(flag: str, path: Path | None) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise CommandError(f"{flag}: {path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise CommandError(f"{flag}: {error}") from error
