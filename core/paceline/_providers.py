"""What is known of providers' prefix caches: data, in `providers.toml`, which users override by their own."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from os import PathLike
from pathlib import Path
from typing import Any, Literal, cast

from ._checks import count, instance, number, text
from ._errors import UnknownName
from ._tables import read_table, refuse_unknown

__all__ = ["Provider", "load_providers", "provider"]

_BUILT_IN = Path(__file__).with_name("providers.toml")


@dataclass(frozen=True, slots=True)
class Provider:
    """How a provider's prefix cache behaves. Prices are multiples of that of a plain input token.

    A prefix below `min_prefix` tokens is not cached, a longer one in whole blocks of `step` tokens. Written
    tokens cost `write`, cached ones `read`. An unused prefix lives for `ttl` seconds (None: it does not
    expire), counted from the start of the request that last wrote or read it. `settle`: seconds from the
    first token until it can be relied on to be readable. `reads_exempt`: cached tokens do not count toward
    the limit of input tokens per minute. `cache`: blocks that any request can read ("shared"), one prompt in
    each of the server's slots ("slot"), or "none". `leads` names the facts that were not checked.

    Raises:
        ValueError, TypeError: if a value is out of range or no such value.
    """

    name: str
    min_prefix: int = 0
    step: int = 1
    write: float = 1.0
    read: float = 1.0
    ttl: float | None = None
    settle: float = 0.0
    reads_exempt: bool = False
    cache: Literal["shared", "slot", "none"] = "shared"
    leads: tuple[str, ...] = ()
    source: str = ""
    notes: str = ""

    def __post_init__(self) -> None:
        text("Provider", "name", self.name)
        owner = f"provider {self.name!r}"
        number(owner, "min_prefix", self.min_prefix)
        if self.min_prefix:
            count(owner, "min_prefix", self.min_prefix)
        count(owner, "step", self.step)
        for name in ("write", "read", "settle"):
            number(owner, name, getattr(self, name))
        if self.ttl is not None:
            number(owner, "ttl", self.ttl, above=True)
        instance(owner, "reads_exempt", self.reads_exempt, bool, "write true or false")
        if self.cache not in ("shared", "slot", "none"):
            raise ValueError(f"{owner}: cache must be 'shared', 'slot' or 'none', not {self.cache!r}")
        for name in ("source", "notes"):
            instance(owner, name, getattr(self, name), str)
        for lead in self.leads:
            if lead not in _FACTS:
                raise ValueError(f"{owner}: leads names {lead!r}; known: {', '.join(_FACTS)}")

    def cached(self, prefix: int) -> int:
        """How many tokens of a prefix are cached: whole blocks of it, or 0 where it is too short."""
        if self.cache == "none" or prefix < self.min_prefix:
            return 0
        return prefix - prefix % self.step


_KEYS = tuple(field.name for field in fields(Provider) if field.name != "name")
_FACTS = _KEYS[: _KEYS.index("leads")]


def load_providers(path: str | PathLike[str] | None = None) -> dict[str, Provider]:
    """Read what is known of providers, by name; what a file of your own says comes first.

    Its entries are as those of `providers.toml` in this package, in TOML or, by the ending `.json`, JSON. An
    entry of a known name needs only what differs; another is a new provider.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is not such a file; the message names the file, the provider and the remedy.
    """
    entries = {name: (_BUILT_IN, entry) for name, entry in read_table(_BUILT_IN, "a provider").items()}
    if path is not None:
        own = Path(path)
        for name, entry in read_table(own, "a provider").items():
            refuse_unknown(own, name, entry, _KEYS)
            known = entries[name][1] if name in entries else {}
            # What the user says was looked up by the user.
            leads = [lead for lead in known.get("leads", ()) if lead not in entry]
            entries[name] = own, {**known, "leads": leads, **entry}
    return {name: _provider(where, name, entry) for name, (where, entry) in entries.items()}


def provider(name: str, path: str | PathLike[str] | None = None) -> Provider:
    """Look one provider up; `path` is as for `load_providers`.

    Raises:
        UnknownName: if there is none of that name; it lists the known.
        OSError, ValueError: as `load_providers`.
    """
    known = load_providers(path)
    if name not in known:
        raise UnknownName("provider", name, known, "describe others in a file of your own (load_providers)")
    return known[name]


def _provider(path: Path, name: str, entry: Mapping[str, Any]) -> Provider:
    facts = dict(entry)
    leads: Any = facts.pop("leads", [])
    try:
        if not isinstance(leads, list):
            raise TypeError(f"provider {name!r}: leads must be a list of names of facts, not {leads!r}")
        return Provider(name, **facts, leads=tuple(cast("list[str]", leads)))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error
