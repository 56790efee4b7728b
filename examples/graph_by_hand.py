"""A graph by hand: each task says what it takes from whom, and starts the moment that is there.

Two loads run side by side, a report is built from both, and then published.
"""

import asyncio
from typing import Annotated

from paceline import Dag, From

report = Dag("report")


@report.task
async def load_users() -> dict[str, list[str]]:
    await asyncio.sleep(0.1)
    return {"users": ["Alice", "Bob"]}


@report.task
async def load_orders() -> dict[str, list[str]]:
    await asyncio.sleep(0.1)
    return {"orders": ["A-001", "A-002", "A-003"]}


@report.task
async def build_report(
    users: Annotated[list[str], From(load_users, "users")],
    orders: Annotated[list[str], From(load_orders, "orders")],
) -> dict[str, str]:
    return {"summary": f"{len(users)} users, {len(orders)} orders"}


@report.task
async def publish_report(summary: Annotated[str, From(build_report, "summary")]) -> None:
    print(summary)


async def main() -> None:
    print(report.plan(), end="\n\n")

    done = await report.run()
    print(done, end="\n\n")
    assert done.outputs["build_report"] == {"summary": "2 users, 3 orders"}
    assert done.width == 2, "the loads ran side by side"

    # Only what a target needs: of four tasks one runs. And the graph is a value: it can be run again, at once
    # and together with itself.
    part, again = await asyncio.gather(report.run(targets=load_users), report.run())
    print("asked for the users alone:", part.outputs)
    assert list(part.tasks) == ["load_users"]
    assert again.ok

    # A task is still the function that it was made of, to be tested as such.
    assert await build_report.fn(["Carol"], []) == {"summary": "1 users, 0 orders"}


asyncio.run(main())
