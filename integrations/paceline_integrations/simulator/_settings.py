"""What a simulated server is like: its cache, speed, limits and faults."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["CacheKind", "SimulatorSettings"]

CacheKind = Literal["shared", "slot", "none"]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Rate = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class SimulatorSettings(BaseModel):
    """How a simulated server behaves. The defaults refuse nothing, take no time and share a block cache.

    Prefix cache: `cache` is "shared" (blocks of `block` tokens that any request may read, as hosted providers
    and vLLM have), "slot" (one prompt kept in each of `slots` places, token by token, as llama.cpp has) or
    "none". Prefixes shorter than `min_prefix` tokens do not count. `ttl` (seconds from the start of the
    request that last wrote or read a block; None: for ever), `block` and `capacity` (tokens; None: no bound)
    are for the shared cache; `slots` is for the cache per slot, where requests wait for a free one.

    Time: `prefill_rate` and `decode_rate` are tokens a second of each request, however many run; 0 takes no
    time. `latency` seconds pass before a request is looked at, and up to `jitter` more. `concurrency` is how
    many requests are worked on at once (None: all); the others wait in order.

    Limits: `rpm` and `tpm` are requests and tokens a minute (None: no limit). Each is a bucket that holds
    `burst` of a minute's worth and fills evenly. A request takes its prompt and the most it may answer.

    Faults: `fail_rate` is the share of requests answered 500, `drop_rate` that of answers cut in the middle.
    `seed` decides answers, jitter and random faults. `models` are the names that `GET /v1/models` lists.
    `remember` is how many requests, and how many background responses, can still be asked for.

    Raises:
        pydantic.ValidationError: if a value is out of range, of another type, or of an unknown name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cache: CacheKind = "shared"
    slots: Count = 4
    block: Count = 16
    min_prefix: Annotated[int, Field(ge=0)] = 0
    ttl: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = 300.0
    capacity: Count | None = None
    prefill_rate: Rate = 0.0
    decode_rate: Rate = 0.0
    latency: Seconds = 0.0
    jitter: Seconds = 0.0
    concurrency: Count | None = None
    rpm: Count | None = None
    tpm: Count | None = None
    burst: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    fail_rate: Share = 0.0
    drop_rate: Share = 0.0
    seed: int = 0
    models: Annotated[tuple[str, ...], Field(min_length=1)] = ("simulator",)
    remember: Count = 1000

    @model_validator(mode="after")
    def _capacity_holds_a_block(self) -> SimulatorSettings:
        if self.cache == "shared" and self.capacity is not None and self.capacity < self.block:
            raise ValueError(f"capacity of {self.capacity} tokens holds no block of {self.block} tokens")
        return self

    @property
    def places(self) -> int | None:
        """How many requests are worked on at once (None: all of them)."""
        if self.cache != "slot":
            return self.concurrency
        return self.slots if self.concurrency is None else min(self.slots, self.concurrency)
