"""The settings of `paceline plan`: by flag, then by `PACELINE_*` environment variable."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from paceline import Limits

from .admission import parse_named_limits

__all__ = ["PlanSettings"]

Rate = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class PlanSettings(BaseSettings):
    """How `paceline plan` plans. Fields are named like the flags."""

    model_config = SettingsConfigDict(
        env_prefix="PACELINE_", env_ignore_empty=True, extra="forbid", frozen=True
    )

    provider: str | None = None
    providers: Path | None = None
    limits: Annotated[Limits | None, NoDecode] = None
    slots: Annotated[int, Field(ge=1)] = 8
    prices: Path | None = None
    model: str | None = None
    output_tokens: Annotated[int, Field(ge=0)] = 256
    chars_per_token: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 4.0
    prefill_rate: Rate = 5000.0
    decode_rate: Rate = 50.0
    latency: Rate = 0.0
    json_report: Annotated[bool, Field(validation_alias="PACELINE_JSON")] = False

    @field_validator("limits", mode="before")
    @classmethod
    def _limits(cls, value: Any) -> Any:
        # All jobs of a plan use one model: its name, which may stand before limits as in run, adds nothing.
        return parse_named_limits(value).limits if isinstance(value, str) else value
