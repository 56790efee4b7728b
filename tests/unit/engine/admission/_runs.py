"""Whole runs in one call: submit these, leave the engine, see what became of them and when."""

from collections.abc import Mapping
from typing import Any

from paceline import Engine
from paceline.testing import VirtualClock

from ._providers import Call, Model, now

__all__ = ["NOTHING", "Options", "outcome", "run"]

Options = Mapping[str, Any]
NOTHING: Options = {}


def outcome(calls: list[Call], **options: Any) -> tuple[list[str], Model]:
    """Submit these, leave the engine, and see what became of them."""
    model = Model()

    async def main() -> list[str]:
        async with Engine(model, slots=64, **options) as engine:
            handles = [await engine.submit(call) for call in calls]
        return [handle.status for handle in handles]

    return VirtualClock().run(main), model


def run(
    model: Model, calls: list[Call], options: Options = NOTHING, *, slots: int = 64, **said: Any
) -> tuple[float, Model]:
    """Run these calls; when they were over."""

    async def main() -> tuple[float, Model]:
        async with Engine(model, slots=slots, **options) as engine:
            handles = [await engine.submit(call, **said) for call in calls]
            for handle in handles:
                await handle
            return now(), model

    return VirtualClock().run(main)
