"""Faults on demand: by chance, from the settings, or of one request, from its `x-simulate` header.

The header is a list of wishes: `x-simulate: latency=0.5, status=503, retry-after=2`.

| wish | what happens |
|---|---|
| `latency=S` | S seconds pass before anything else |
| `status=N` | the answer is that HTTP error (400 to 599) |
| `retry-after=S` | with `status`: the answer says when to come back |
| `drop=N` | the connection breaks after N tokens of the answer |
| `hang`, `hang=N` | nothing more comes after 0, or N, tokens; the connection stays open |
| `first=N` | all this befalls only the first N requests of this very header and prompt |
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ._errors import ApiError, bad_request, retry_headers
from ._settings import SimulatorSettings

__all__ = ["HEADER", "Fault", "FaultPlan"]

HEADER = "x-simulate"
Seconds = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Tokens = Annotated[int, Field(ge=0)]


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one request. `drop` and `hang` are after so many tokens; None: not at all."""

    latency: float = 0.0
    status: int | None = None
    retry_after: float | None = None
    drop: int | None = None
    hang: int | None = None

    def cut(self, tokens: int) -> int:
        """How many of an answer's tokens are sent before it breaks off, or before its end."""
        return min((tokens, *(point for point in (self.drop, self.hang) if point is not None)))

    @property
    def hangs(self) -> bool:
        """Whether the answer, where it breaks off, hangs rather than drops."""
        return self.hang is not None and (self.drop is None or self.hang <= self.drop)

    def error(self) -> ApiError | None:
        """The error that is answered, if any."""
        if self.status is None:
            return None
        headers = {} if self.retry_after is None else retry_headers(self.retry_after)
        message = f"The simulator was asked to answer {self.status}."
        if self.status == 429:
            return ApiError(429, message, kind="requests", code="rate_limit_exceeded", headers=headers)
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        return ApiError(self.status, message, kind=kind, headers=headers)


class _Wishes(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=lambda name: name.replace("_", "-"))

    latency: Seconds = 0.0
    status: Annotated[int, Field(ge=400, le=599)] | None = None
    retry_after: Seconds | None = None
    drop: Tokens | None = None
    hang: Tokens | None = None
    first: Annotated[int, Field(ge=1)] | None = None


_NO_WISHES = _Wishes()
_KNOWN = ", ".join(str(field.alias) for field in _Wishes.model_fields.values())


class FaultPlan:
    """Decides what goes wrong with each request.

    Chance is drawn from the seed, the prompt and how often it came before: whatever order requests arrive in,
    the same ones fail, and a retry has luck of its own.
    """

    def __init__(self, settings: SimulatorSettings) -> None:
        self._settings = settings
        self._chancy = settings.jitter > 0 or settings.fail_rate > 0 or settings.drop_rate > 0
        self._seen: Counter[tuple[str | None, bytes]] = Counter()

    def of(self, header: str | None, digest: bytes, tokens: int) -> Fault:
        """Plan the request of this `x-simulate` header and prompt digest, whose answer has so many tokens.

        Raises:
            ApiError: if the header asks for something unknown or out of range.
        """
        wishes = _NO_WISHES if header is None else _read(header)
        if not self._chancy and header is None:
            return Fault(latency=self._settings.latency)
        self._seen[header, digest] += 1
        times = self._seen[header, digest]
        by_chance = self._by_chance(Random(digest + times.to_bytes(8)), tokens)  # noqa: S311 - repeatable
        if wishes.first is not None and times > wishes.first:
            return by_chance
        return Fault(
            latency=by_chance.latency + wishes.latency,
            status=wishes.status or by_chance.status,
            retry_after=wishes.retry_after,
            drop=by_chance.drop if wishes.drop is None else wishes.drop,
            hang=wishes.hang,
        )

    def _by_chance(self, random: Random, tokens: int) -> Fault:
        settings = self._settings
        # Each is drawn whatever the others are: changing one setting must not change another's luck.
        wait, failure, drop = random.random(), random.random(), random.random()
        return Fault(
            latency=settings.latency + wait * settings.jitter,
            status=500 if failure < settings.fail_rate else None,
            drop=random.randrange(max(1, tokens)) if drop < settings.drop_rate else None,
        )


def _read(header: str) -> _Wishes:
    values: dict[str, str] = {}
    for wish in header.split(","):
        name, _, value = wish.strip().partition("=")
        values[name.strip()] = value.strip() or "0"
    try:
        return _Wishes.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = str(first["loc"][0])
        message = f"Invalid header {HEADER}: {name!r}: {first['msg']}. It knows {_KNOWN}."
        raise bad_request(message, param=HEADER, code="invalid_value") from error
