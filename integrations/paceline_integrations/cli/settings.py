"""The settings of a command: by flag, then by `PACELINE_*` environment variable."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from paceline import Lane

from ._errors import CommandError

__all__ = ["DemoSettings", "LogLevel", "RunSettings", "read_settings"]

LogLevel = Literal["debug", "info", "warning", "error", "critical"]
Count = Annotated[int, Field(ge=1)]


class RunSettings(BaseSettings):
    """How `paceline run` runs. Fields are named like the flags; `lane` is a list of `NAME=WEIGHT`.

    In the environment lanes are separated by commas: `PACELINE_LANE=batch=1,interactive=4`.
    """

    model_config = SettingsConfigDict(
        env_prefix="PACELINE_", env_ignore_empty=True, extra="forbid", frozen=True
    )

    executor: Annotated[str, Field(pattern=r"^[^:]+:[^:]+$")]
    out: Path | None = None
    events: Path | None = None
    lane: Annotated[tuple[Lane, ...], NoDecode] = ()
    slots: Count = 8
    release: Literal["first_token", "complete"] = "first_token"
    in_flight: Count | None = None
    retries: Annotated[int, Field(ge=0)] = 0
    savings_by: Annotated[str | None, Field(min_length=1)] = None
    overwrite: bool = False
    json_report: Annotated[bool, Field(validation_alias="PACELINE_JSON")] = False
    log_level: LogLevel = "warning"
    log_json: bool = False

    @field_validator("log_level", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("out", "events", mode="before")
    @classmethod
    def _not_empty(cls, value: object) -> object:
        if value == "":
            raise ValueError("expected the path of a file, not an empty text")
        return value

    @field_validator("lane", mode="before")
    @classmethod
    def _lanes(cls, value: Any) -> tuple[Lane, ...]:
        texts: list[str] = value.split(",") if isinstance(value, str) else list(value)
        lanes = [_lane(text) for text in texts if text.strip()]
        names = [lane.name for lane in lanes]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"lane {name!r} is named twice")
        return tuple(lanes)


class DemoSettings(BaseSettings):
    """How `paceline demo` runs; these matter with a real provider."""

    model_config = SettingsConfigDict(
        env_prefix="PACELINE_", env_ignore_empty=True, extra="forbid", frozen=True
    )

    real: bool = False
    model: str = "gpt-5-mini"
    compare: bool = False
    yes: bool = False


def _lane(text: str) -> Lane:
    name, sign, weight = (part.strip() for part in text.rpartition("="))
    if not sign or not name:
        raise ValueError(f"expected NAME=WEIGHT, such as batch=1, not {text!r}")
    try:
        number = float(weight)
    except ValueError:
        raise ValueError(f"the weight of lane {name!r} must be a number, not {weight!r}") from None
    return Lane(name, number)


S = TypeVar("S", bound=BaseSettings)


def read_settings(kind: type[S], flags: dict[str, Any]) -> S:
    """Take the flags that were given and, for the others, the environment.

    Raises:
        CommandError: one line for each setting that is wrong, by the name under which it was given.
    """
    given = {name: value for name, value in flags.items() if value is not None and value != []}
    try:
        return kind(**given)
    except ValidationError as error:
        raise CommandError(*(_told(each, given) for each in error.errors(include_url=False))) from error


def _told(error: Any, given: dict[str, Any]) -> str:
    name = str(error["loc"][0]).lower().removeprefix("paceline_")
    flag = f"--{name.replace('_', '-')}"
    variable = f"PACELINE_{name.upper()}"
    if error["type"] == "missing":
        return f"{flag} is missing (or set {variable})"
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "string_pattern_mismatch":
        message = f"expected module:attribute, not {error['input']!r}"
    elif error["type"] != "value_error":
        # "Input should be a valid integer, unable to parse string as an integer"
        message = message.replace("Input should be", "must be").partition(", unable")[0]
        message = f"{message}, not {error['input']!r}"
    return f"{flag if name in given else variable}: {message}"
