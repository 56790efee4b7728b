"""A tool that costs money, and jobs that ask before they use it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from agents import FunctionTool, function_tool
from agents.testing import function_call

from paceline import Engine, Handle, RetryPolicy
from paceline_adapters.openai_agents import AgentExecutor


class Unavailable(Exception):
    status_code = 503


@dataclass
class Till:
    """What has been paid, by a tool that asks first; it may break, or take its time."""

    paid: list[int] = field(default_factory=list[int])
    breaks: bool = False
    takes: float = 0.0

    def tool(self, **settings: Any) -> FunctionTool:
        async def pay(amount: int) -> str:
            """Pay so much."""
            self.paid.append(amount)
            await asyncio.sleep(self.takes)
            if self.breaks:
                raise ConnectionError("the till is stuck")
            return f"paid {amount}"

        settings.setdefault("needs_approval", True)
        return function_tool(pay, **settings)


def pay(amount: int, call_id: str = "c1") -> Any:
    return function_call("pay", {"amount": amount}, call_id=call_id)


def retrying(executor: AgentExecutor, attempts: int = 3) -> Engine:
    return Engine(executor, retry=RetryPolicy(attempts=attempts, base=0.001))


async def asked(engine: Engine, **options: Any) -> Handle:
    handle = await engine.submit("pay the bills", **options)
    assert (await handle.wait()).status == "suspended"
    return handle
