"""A run to look at: contracts are read by groups, a graph writes a report, and not everything goes well.

It is made on a virtual clock, so it takes no time and is the same each time. It writes run.jsonl, or the file
that is named after it. Then look at it:

    paceline replay run.jsonl --speed 10
    paceline show run.jsonl --html run.html
"""

import asyncio
import sys
from os import PathLike
from typing import Annotated, Any

from paceline import (
    Cost,
    Engine,
    Failure,
    From,
    Group,
    GroupPolicy,
    Job,
    JobContext,
    JsonlSink,
    Lane,
    Limits,
    RetryPolicy,
    Suspend,
    Usage,
    current_job,
    dag,
    task,
)
from paceline.testing import VirtualClock

PREFIX = 6_000
"""Tokens of a contract: what the jobs of a group share."""
CONTRACTS = {
    "lease-berlin": ["rent", "notice period", "repairs", "sublet", "deposit", "heating"],
    "supply-2026": ["prices", "delivery", "penalties", "force majeure", "warranty", "termination"],
    "nda-acme": ["scope", "duration", "exceptions", "penalties"],
    "loan-north": ["interest", "collateral", "default", "prepayment", "covenants", "fees"],
    "licence-kit": ["grant", "territory", "audit", "liability", "updates"],
    "fax-1998": ["parties", "term", "signatures"],
}
SLOW = {"penalties", "covenants", "liability"}
"""What takes the model twice as long."""
QUESTIONS = {
    "audit": "Annex 3 is confidential. May it be read?",
    "termination": "The supplier's notice is 11 days late. Send the reminder now?",
}
"""What it asks a person; the second one is never answered."""


class Busy(Exception):
    """429: too many tokens a minute."""


class Unreadable(Exception):
    """The page is not in a language that the model reads."""


class Model:
    """Stands for a provider's model with a prefix cache; it reads, then streams an answer."""

    resources = ("reader-large",)

    def __init__(self) -> None:
        self.cached: set[str] = set()

    def estimate(self, job: Job) -> Cost:
        return Cost(input_tokens=PREFIX + 200, output_tokens=300)

    async def execute(self, job: Job, ctx: JobContext) -> object:
        contract, question = str(ctx.group.name if ctx.group else job.lane), str(job.payload)
        warm = contract in self.cached
        await asyncio.sleep(0.4 if warm else 2.6)
        if question == "delivery" and ctx.attempt == 1:
            raise Busy("rate limit reached for reader-large: try again in 4 s")
        if question == "sublet" or (contract, job.role) == ("fax-1998", "primer"):
            raise Unreadable(f"{contract}.pdf, page {len(question)}: no text was found in the scan")
        self.cached.add(contract)  # as soon as it begins to answer
        if question in QUESTIONS and job.reply is None:
            ctx.usage(Usage(PREFIX + 140, PREFIX, 0, 60, requests=1))
            return Suspend(QUESTIONS[question], schema=bool)
        words = f"On {question}: see section {len(question)}, which is not limited by any other one.".split()
        for word in words:
            ctx.emit(f"{word} ")
            await asyncio.sleep(0.45 if question in SLOW else 0.22)
        cached = PREFIX if warm else 0
        ctx.usage(Usage(PREFIX + 140, cached, PREFIX - cached, 21 * len(words), requests=1))
        return " ".join(words)

    def classify(self, error: BaseException) -> Failure:
        busy = isinstance(error, Busy)
        return Failure(
            retryable=busy, retry_after=4.0 if busy else None, fault="limit" if busy else "request"
        )


async def _work(seconds: float, read: int, written: int) -> None:
    job = current_job()
    assert job is not None
    for step in range(4):
        job.progress(f"step {step + 1} of 4", (step + 1) / 4)
        await asyncio.sleep(seconds / 4)
    job.usage(Usage(read, 0, None, written, requests=1))


@task
async def collect() -> dict[str, Any]:
    await _work(3.0, 900, 80)
    return {"answers": 24}


@task
async def risks(answers: Annotated[int, From(collect, "answers")]) -> str:
    await _work(6.0, 4_200, 700)
    return f"{answers} answers, three risks"


@task
async def dates(answers: Annotated[int, From(collect, "answers")]) -> str:
    await _work(4.0, 4_200, 300)
    return f"{answers} answers, nine dates"


@task
async def letter(found: str, when: str) -> str:
    await _work(5.0, 1_800, 900)
    return f"{found}; {when}"


@dag
async def report() -> str:
    """What the partners read on Monday."""
    found = await collect()
    return await letter(await risks(found["answers"]), await dates(found["answers"]))


async def submit_contract(engine: Engine, contract: str, questions: list[str]) -> Group:
    lane = "partners" if contract in ("lease-berlin", "nda-acme") else "archive"
    policy = GroupPolicy(in_flight=2 if contract == "supply-2026" else None)
    metadata = {"client": contract.partition("-")[0]}
    async with engine.open_group(contract, lane=lane, policy=policy, metadata=metadata) as group:
        await group.submit_primer("Read the contract.", name="read")
        for question in questions:
            await group.add_follower(question, name=question)
    return group


async def answer(engine: Engine, group: Group, question: str) -> None:
    """A person comes back from lunch, and says yes."""
    await asyncio.sleep(33.0)
    asked = next(handle for handle in group.followers if handle.name == question)
    await engine.reply(asked.id, True)


async def record(path: str | PathLike[str]) -> None:
    """Make the run, and write it down: chunks and texts included, for this is nobody's secret."""
    async with Engine(
        Model(),
        lanes=[Lane("partners", weight=3.0), Lane("archive", weight=1.0)],
        slots=5,
        limits={"reader-large": Limits(input_tokens_per_minute=240_000, burst=0.3)},
        retry=RetryPolicy(attempts=3, base=2.0),
        sinks=[JsonlSink(path, content="full", chunks=True)],
        run_id="contracts-monday",
    ) as engine:
        groups = {name: await submit_contract(engine, name, each) for name, each in CONTRACTS.items()}
        after = groups["nda-acme"]
        await engine.submit("Translate the summary.", name="translate", lane="partners", after=after)
        await asyncio.sleep(5.0)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(report.with_options(lane="partners").run(engine))
            tasks.create_task(answer(engine, groups["licence-kit"], "audit"))


def make(path: str | PathLike[str]) -> float:
    """Make the run on a clock of its own, so that it is the same each time; return how long it took there."""
    clock = VirtualClock(seed=6)
    clock.run(record, path)
    return clock.time()


if __name__ == "__main__":
    target = sys.argv[1] if len(sys.argv) > 1 else "run.jsonl"
    seconds = make(target)
    print(f"{target}: a run of {seconds:.0f} seconds; see it with: paceline replay {target} --speed 10")
