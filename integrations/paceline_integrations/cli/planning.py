"""From the settings of `paceline plan` to its screen."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from paceline import Price, Provider, price_of
from paceline_integrations.planning import Forecast, PlannedGroup, Rates, forecast, recommendation

from ._errors import CommandError
from .groups_file import GroupsFile
from .known import known_prices, known_provider, known_providers
from .plan_settings import PlanSettings
from .plan_text import print_plan
from .prompts import Counting, planned_group
from .settings import read_settings

__all__ = ["plan_file"]


def plan_file(path: Path, flags: dict[str, Any]) -> None:
    """Print the plan of a file's groups.

    Raises:
        CommandError: if anything is wrong with settings or input.
    """
    settings = read_settings(PlanSettings, flags)
    provider = _provider(settings)
    if flags["model"] is not None and settings.prices is None:
        raise CommandError(f"--model {settings.model}: say by --prices FILE where its price stands")
    price = _price(settings)
    counting = Counting(settings.chars_per_token, settings.output_tokens)
    with GroupsFile(path) as groups:
        found = forecast(
            list(_planned(groups, counting)),
            provider,
            limits=settings.limits,
            slots=settings.slots,
            rates=Rates(settings.prefill_rate, settings.decode_rate, settings.latency),
            price=price,
        )
        name = groups.name
    if settings.json_report:
        print(json.dumps(_as_json(name, found, counting), indent=2))
    else:
        print_plan(Console(), name, found, counting)


def _provider(settings: PlanSettings) -> Provider:
    if settings.provider is None:
        known = known_providers(settings.providers)
        raise CommandError(
            f"--provider is missing (or set PACELINE_PROVIDER): one of {', '.join(sorted(known))}"
        )
    return known_provider(settings.provider, settings.providers)


def _price(settings: PlanSettings) -> Price | None:
    if settings.prices is None:
        return None  # a model in the environment alone is meant for other commands
    prices = known_prices(settings.prices)
    known = ", ".join(map(repr, sorted(prices))) or "none"
    if settings.model is None:
        raise CommandError(
            f"--model is missing: say whose price of {settings.prices} to take; known: {known}"
        )
    price = price_of(prices, settings.model)
    if price is None:
        raise CommandError(f"--model: {settings.prices} has no price of {settings.model!r}; known: {known}")
    return price


def _planned(groups: GroupsFile, counting: Counting) -> Iterator[PlannedGroup]:
    """All groups, in the order of the file."""
    lanes = [groups.lines(lane) for lane in groups.lanes]
    for _, line in heapq.merge(*lanes, key=lambda found: found[0]):
        yield planned_group(line, counting)


def _as_json(name: str, plan: Forecast, counting: Counting) -> dict[str, Any]:
    found = asdict(plan)
    for each in (*found["predictions"], *filter(None, [found["without_cache"]])):
        each["held_up_by"] = plan.prediction(each["policy"]).held_up_by
    return {"file": name, **found, "counting": asdict(counting), "recommendation": recommendation(plan)}
