"""The settings of a command: by flag, then by `PACELINE_*` environment variable."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from paceline import Budget, Lane

from ._errors import CommandError
from .admission import NamedLimits, parse_budget, parse_named_limits

__all__ = ["BackendName", "DemoSettings", "LogLevel", "RunSettings", "read_settings"]

BackendName = Literal["phoenix", "mlflow"]
LogLevel = Literal["debug", "info", "warning", "error", "critical"]
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class RunSettings(BaseSettings):
    """How `paceline run` runs. Fields are named like the flags; `lane` is a list of `NAME=WEIGHT`.

    None is what was not said, where a provider may say it. In the environment lanes are separated by commas:
    `PACELINE_LANE=batch=1,interactive=4`; limits and budgets, which have commas in them, by semicolons.
    """

    model_config = SettingsConfigDict(
        env_prefix="PACELINE_", env_ignore_empty=True, extra="forbid", frozen=True
    )

    executor: Annotated[str, Field(pattern=r"^[^:]+:[^:]+$")]
    out: Path | None = None
    events: Path | None = None
    events_content: Literal["none", "snippet", "full"] = "none"
    answers: Path | None = None
    questions: Path | None = None
    lane: Annotated[tuple[Lane, ...], NoDecode] = ()
    slots: Count = 8
    limits: Annotated[tuple[NamedLimits, ...], NoDecode] = ()
    budget: Annotated[tuple[Budget, ...], NoDecode] = ()
    provider: str | None = None
    providers: Path | None = None
    prices: Path | None = None
    release: Literal["first_token", "complete"] = "first_token"
    settle: Seconds | None = None
    in_flight: int | Literal["auto"] | None = None
    ttl: Seconds | None = None
    miss_hold: Seconds = 0.0
    retries: Annotated[int, Field(ge=0)] = 0
    savings_by: Annotated[str | None, Field(min_length=1)] = None
    overwrite: bool = False
    tui: bool = False
    json_report: Annotated[bool, Field(validation_alias="PACELINE_JSON")] = False
    log_level: LogLevel = "warning"
    log_json: bool = False

    @field_validator("log_level", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("out", "events", "answers", "questions", mode="before")
    @classmethod
    def _not_empty(cls, value: object) -> object:
        if value == "":
            raise ValueError("expected the path of a file, not an empty text")
        return value

    @field_validator("lane", mode="before")
    @classmethod
    def _lanes(cls, value: Any) -> tuple[Lane, ...]:
        lanes = [_lane(text) for text in _several(value, ",")]
        twice = _twice(lane.name for lane in lanes)
        if twice is not None:
            raise ValueError(f"lane {twice!r} is named twice")
        return tuple(lanes)

    @field_validator("limits", mode="before")
    @classmethod
    def _limits(cls, value: Any) -> tuple[NamedLimits, ...]:
        limits = [parse_named_limits(text) for text in _several(value, ";")]
        twice = _twice(each.name for each in limits)
        if twice is not None:
            what = repr(twice) if twice else "the executor"
            raise ValueError(f"{what} is limited twice: put all pairs in one")
        return tuple(limits)

    @field_validator("budget", mode="before")
    @classmethod
    def _budgets(cls, value: Any) -> tuple[Budget, ...]:
        budgets = [parse_budget(text) for text in _several(value, ";")]
        twice = _twice(budget.name for budget in budgets)
        if twice is not None:
            raise ValueError(f"two are named {twice!r}: give each a name of its own, name=...")
        return tuple(budgets)

    @field_validator("in_flight", mode="before")
    @classmethod
    def _in_flight(cls, value: Any) -> Any:
        if isinstance(value, str) and value != "auto" and not value.strip().isdecimal():
            raise ValueError(f"expected a whole number (0: no cap) or auto, not {value!r}")
        return value


class DemoSettings(BaseSettings):
    """How `paceline demo` runs; all but `traces` matter with a real provider."""

    model_config = SettingsConfigDict(
        env_prefix="PACELINE_", env_ignore_empty=True, extra="forbid", frozen=True
    )

    traces: BackendName | None = None
    real: bool = False
    model: str = "gpt-5-mini"
    provider: str | None = None
    providers: Path | None = None
    compare: bool = False
    yes: bool = False


def _several(value: Any, sign: str) -> list[str]:
    """The values of an option that can be repeated: of the command line, or of one variable."""
    return [each for each in value.split(sign) if each.strip()] if isinstance(value, str) else list(value)


def _twice(names: Iterable[str | None]) -> str | None:
    """The first name that comes twice, if one does."""
    seen: set[str | None] = set()
    for name in names:
        if name in seen:
            return name or ""
        seen.add(name)
    return None


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
_ALIASES = {"json": "PACELINE_JSON"}
"""Fields of pydantic's are not called json."""


def read_settings(kind: type[S], flags: dict[str, Any]) -> S:
    """Take the flags that were given and, for the others, the environment.

    Raises:
        CommandError: one line for each setting that is wrong, by the name under which it was given.
    """
    # A switch that was not given is False.
    given = {
        name: value
        for name, value in flags.items()
        if value is not None and value is not False and value != []
    }
    try:
        return kind(**{_ALIASES.get(name, name): value for name, value in given.items()})
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
