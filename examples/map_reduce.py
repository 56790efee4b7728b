"""Map and reduce, twice: as a graph, which fans out over a list known only at run time, and as a capped flow.

A graph is drawn before it runs, so that it can be shown and checked; a flow is plain Python and decides as it
runs. The tasks are the same.
"""

import asyncio

from paceline import dag, flow, gather, task


@task
async def pick(items: list[int], least: int) -> list[int]:
    return [item for item in items if item >= least]


@task
async def work(x: int) -> int:
    await asyncio.sleep(0.02)
    return x * 2


@task
async def reduce_sum(xs: list[int]) -> int:
    return sum(xs)


@dag
async def map_reduce(items: list[int], least: int = 0) -> int:
    picked = await pick(items, least)
    doubled = await work.map(picked)  # as many jobs as there are items, once it is known how many
    return await reduce_sum(doubled)


@flow(max_running=4)
async def bounded(items: list[int]) -> int:
    sums = await gather(*(work(item) for item in items))
    while len(sums) > 1:  # sums of pairs, until one is left: no graph could tell how many rounds that takes
        sums = await gather(*(reduce_sum(sums[at : at + 2]) for at in range(0, len(sums), 2)))
    return sums[0]


async def main() -> None:
    items = list(range(10))

    report = await map_reduce.run(items=items, least=7)
    print(report)
    assert report.output == 2 * (7 + 8 + 9)
    assert report.tasks["work"].output == [14, 16, 18]
    assert report.tasks["work[1]"].output == 16
    assert await map_reduce([], least=7) == 0, "no items are no special case: the sum of nothing"

    capped = await bounded.run(items=items)
    narrow = await bounded.run(items=items, max_running=2)
    print(f"as a flow: {capped.output}, {capped.width} at once; with a cap of two, {narrow.width} at once")
    assert capped.output == narrow.output == 90
    assert (capped.width, narrow.width) == (4, 2)


asyncio.run(main())
