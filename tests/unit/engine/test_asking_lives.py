"""Random lives of jobs that ask: in groups, graphs and flows, answered, out of time, cancelled or left.

What was done is kept by the one who did it, what happened is read from the events, and the two are compared
at the end: nothing hangs, an answer is used once, policies hold, and what was held is given back.
"""

import asyncio
import gc
import random
import weakref
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from paceline import (
    NO_DEFAULT,
    AnswerTimeout,
    Dag,
    Engine,
    Group,
    GroupPolicy,
    Handle,
    Job,
    JobContext,
    Lane,
    MemorySink,
    Question,
    ReplyRefused,
    RetryPolicy,
    Suspend,
    UnknownName,
    current_job,
    events,
    flow,
)
from paceline._groups import group_of
from paceline._handles import record_of
from paceline._run import Run
from paceline._scheduler import State
from paceline.testing import VirtualClock

BODIES = {"graph", "flow", "map"}
GRACE = 5.0
LONG = 10_000.0


@dataclass
class Rules:
    """What was said of a scope, a group or a graph: how many of its jobs run, and whether it waits."""

    capacity: int | None = None
    waits: bool = False


@dataclass
class Diary:
    """What the jobs and the driver of one life have done, by job and attempt."""

    found: dict[tuple[str, int], tuple[Any, Any]] = field(default_factory=dict[Any, Any])
    kept: dict[tuple[str, int], Any] = field(default_factory=dict[Any, Any])
    asked: dict[tuple[str, int], Suspend] = field(default_factory=dict[Any, Any])
    given: dict[tuple[str, str], Any] = field(default_factory=dict[Any, Any])
    """Answers that were taken, by job and question; no two questions have one id."""
    let_go: list[tuple[str, Any]] = field(default_factory=list[Any])
    locks: dict[str, str] = field(default_factory=dict[str, str])
    wrong: list[str] = field(default_factory=list[str])
    """What must not be, seen inside a job, where an AssertionError would only fail the job."""


class Actor:
    """Lives as the dice say; what it asks and keeps goes into the diary."""

    def __init__(self, life: "Life") -> None:
        self.life = life

    def lock(self, job: Job) -> str | None:
        return job.payload if isinstance(job.payload, str) else None

    async def execute(self, job: Job, ctx: JobContext) -> object:
        return await self.life.attempt(ctx)

    async def discard(self, job: Job) -> None:
        await asyncio.sleep(self.life.dice.choice([0.0, 0.5]))
        self.life.diary.let_go.append((job.id, job.state))


class Life:
    """One of them; everything in it is drawn from one seed."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.diary = Diary()
        self.sink = MemorySink()
        self.rules: dict[str, Rules] = {}
        """By the name of a group, or the id of a graph."""
        self.handles: list[Handle] = []
        self.groups: list[Group] = []
        self.runs: list[Handle] = []
        self.waiters: list[asyncio.Task[Any]] = []
        self.numbers = 0
        self.slots: int = self.dice.choice([1, 3, 16])
        self.keeps_lock: bool = self.dice.random() < 0.5

    def token(self, kind: str) -> str:
        self.numbers += 1
        return f"{kind}{self.numbers}"

    # Jobs.

    async def attempt(self, ctx: JobContext) -> object:
        """Work, keep something, fail, ask; sooner or later succeed."""
        job, pick, diary = ctx.job, self.dice.choice, self.diary
        at = (job.id, ctx.attempt)
        if at in diary.found:
            diary.wrong.append(f"{at} ran twice")
        diary.found[at] = (job.state, job.reply)
        for _ in range(self.dice.randint(0, 3)):
            move = pick(["work", "work", "keep", "fail", "ask", "token"]) if ctx.attempt < 6 else "work"
            if move == "work":
                await asyncio.sleep(pick([0.0, 0.5, 1.0, 5.0]))
            elif move == "keep":
                diary.kept[at] = self.token("kept")
                ctx.checkpoint(diary.kept[at])
            elif move == "fail":
                raise ConnectionError
            elif move == "ask":
                diary.asked[at] = self.suspend()
                return diary.asked[at]
            else:
                ctx.first_token()
        return "done"

    def suspend(self) -> Suspend:
        pick = self.dice.choice
        asked = [Question(self.token("q"), "?", pick([None, str])) for _ in range(pick([1, 1, 2, 3]))]
        state = pick([None, self.token("asked")])
        timeout, default = pick([(None, NO_DEFAULT), (7.0, NO_DEFAULT), (7.0, "default"), (1.0, "default")])
        return Suspend(asked, state=state, timeout=timeout, default=default)

    async def submit(self, engine: Engine) -> None:
        pick = self.dice.choice
        lock, own = pick([None, None, "l"]), pick([None, None, "l"])
        handle = await engine.submit(
            lock,
            lane=pick(["default", "narrow"]),
            lock=own,
            timeout=pick([None, None, 3.0]),
            deadline=pick([None, None, 20.0]),
        )
        if lock or own:
            self.diary.locks[handle.id] = "l"
        self.handles.append(handle)

    async def group(self, engine: Engine) -> None:
        pick = self.dice.choice
        name = self.token("group")
        policy = GroupPolicy(
            release=pick(["first_token", "complete"]),
            settle=pick([0.0, 2.0]),
            in_flight=pick([None, 1, 2, "auto"]),
            on_primer_failure=pick(["skip_followers", "run_followers"]),
            on_follower_failure=pick(["continue", "continue", "cancel_group"]),
            ttl=pick([None, 3.0]),
            on_primer_suspended=pick(["wait", "run_followers"]),
            on_follower_suspended=pick(["continue", "wait"]),
        )
        self.rules[name] = Rules(
            policy.in_flight if isinstance(policy.in_flight, int) else None,
            policy.on_follower_suspended == "wait",
        )
        self.groups.append(
            await engine.submit_group(
                name,
                primer=pick([None, 1]),
                followers=range(self.dice.randint(1, 5)),
                policy=policy,
                lane=pick(["default", "narrow"]),
                timeout=pick([None, None, 3.0]),
                deadline=pick([None, None, 30.0]),
            )
        )

    async def graph(self, engine: Engine) -> None:
        pick = self.dice.choice
        graph, nodes = Dag[..., Any](self.token("graph")), list[Any]()

        async def node() -> object:
            ctx = current_job()
            assert ctx is not None
            return await self.attempt(ctx)

        @flow(name=self.token("flow"))
        async def asks() -> object:
            ctx = current_job()
            assert ctx is not None
            await asyncio.sleep(pick([0.0, 1.0]))
            return await ctx.ask("?")

        for number in range(self.dice.randint(1, 5)):
            after = [each for each in nodes if self.dice.random() < 0.4]
            work = asks if self.dice.random() < 0.2 else node
            nodes.append(graph.task(work, name=f"node{number}", after=after))
        waits, most = self.dice.random() < 0.5, pick([None, 1, 2])
        run = await graph.start(
            engine,
            on_suspended="wait" if waits else "continue",
            on_failure=pick(["skip_downstream", "fail_fast", "continue"]),
            max_running=most,
        )
        self.rules[run.id] = Rules(most, waits)
        self.runs.append(run.handle)

    async def flow(self, engine: Engine) -> None:
        pick, actor, life = self.dice.choice, Actor(self), self

        async def ask(ctx: JobContext) -> None:
            timeout, default = pick([(None, NO_DEFAULT), (7.0, NO_DEFAULT), (7.0, "default")])
            try:
                async with asyncio.timeout(pick([None, 4.0])):
                    answer = await ctx.ask("?", timeout=timeout, default=default)
            except (AnswerTimeout, TimeoutError):
                return
            if answer != "default" and answer not in life.diary.given.values():
                life.diary.wrong.append(f"flow {ctx.job.id} was answered {answer!r} by nobody")

        @flow(name=self.token("flow"))
        async def talks() -> None:
            ctx = current_job()
            assert ctx is not None
            if pick([False, True]):
                await asyncio.gather(ask(ctx), ask(ctx))
            else:
                await ask(ctx)
            await ctx.spawn(None, executor=actor)
            await ask(ctx)

        run = await talks.start(engine)
        self.runs.append(run.handle)

    # Whoever answers, cancels and waits.

    async def reply(self, engine: Engine, job: str, question: str) -> None:
        """Answer it well, or as one who does not look."""
        answer = self.token("answer")
        if self.dice.random() < 0.3:
            with pytest.raises((ReplyRefused, UnknownName)):
                await engine.reply(job, None, question=question)
            with pytest.raises((ReplyRefused, UnknownName)):
                await engine.reply(job, answer, question="another")
        self.diary.given[(job, question)] = answer
        await engine.reply(job, answer, question=question)
        with pytest.raises((ReplyRefused, UnknownName)):
            await engine.reply(job, "again", question=question)

    async def step(self, engine: Engine) -> None:
        """One thing that somebody does."""
        comes = [self.submit] * 3 + [self.group, self.graph, self.flow]
        does = [self.cancel, self.wait, self.answer, self.answer, self.answer, self.answer]
        await self.dice.choice([*comes, *does])(engine)
        if self.dice.random() < 0.5:
            await asyncio.sleep(self.dice.choice([0.0, 0.3, 1.0, 4.0]))

    async def answer(self, engine: Engine) -> None:
        questions = engine.snapshot().questions
        if questions:
            job = self.dice.choice(sorted(questions))
            await self.reply(engine, job, self.dice.choice(questions[job]).id)

    async def cancel(self, engine: Engine) -> None:
        ends: list[Callable[[], object]] = [each.cancel for each in (*self.handles, *self.runs)]
        ends += [each.cancel for each in self.groups]
        if ends and self.dice.random() < 0.3:
            self.dice.choice(ends)()

    async def wait(self, engine: Engine) -> None:
        waits: list[Callable[[], Coroutine[Any, Any, object]]] = [each.wait for each in self.runs]
        waits += [each.results for each in self.groups]
        waits += [partial(_completed, each) for each in self.groups]
        if waits:
            self.waiters.append(asyncio.create_task(self.dice.choice(waits)()))

    async def quiet(self) -> None:
        """Let pass what passes by itself; whoever waits for something that waits for an answer is told."""
        await asyncio.sleep(LONG)
        for group in self.groups:
            async with asyncio.timeout(1.0):
                results = await group.results()
                asks = any(each.status == "suspended" for each in results)
                ended = all(each.status not in ("waiting", "running", "suspended") for each in results)
                assert asks or ended
                await _completed(group)
        for run in self.runs:
            async with asyncio.timeout(1.0):
                await run.wait()
        await asyncio.sleep(0.0)
        assert all(waiter.done() for waiter in self.waiters)
        for handle in self.handles:
            held = handle.status == "waiting" and handle.waiting is not None and handle.waiting.kind == "lock"
            assert held or handle.status not in ("waiting", "running")

    async def answer_all(self, engine: Engine) -> None:
        while questions := engine.snapshot().questions:
            for job, asked in questions.items():
                for each in asked:
                    await self.reply(engine, job, each.id)
            await self.quiet()

    async def live(self) -> list[weakref.ref[Any]]:
        pick = self.dice.choice
        how = pick(["answered", "drained", "drained early", "by error"])
        run: Run | None = None
        try:
            async with Engine(
                Actor(self),
                slots=self.slots,
                lanes=[Lane("narrow", max_running=2)],
                retry=pick([None, RetryPolicy(3, base=0.5)]),
                max_active_groups=pick([None, 1]),
                sinks=[self.sink],
                grace=GRACE,
                lock_held_while_suspended=self.keeps_lock,
            ) as engine:
                run = engine._run
                for _ in range(40):
                    await self.step(engine)
                if how != "drained early":
                    await self.quiet()
                if how == "answered":
                    await self.answer_all(engine)
                elif how == "by error":
                    raise ZeroDivisionError
        except ZeroDivisionError:
            assert how == "by error"
        assert run is not None
        await asyncio.sleep(0.0)
        assert all(waiter.done() for waiter in self.waiters)
        for waiter in self.waiters:
            waiter.result()
        self.look_at(run, how)
        Judge(self).judge(left_open=how.startswith("drained"))
        every = [*self.handles, *self.runs, *(each for group in self.groups for each in group.followers)]
        return [weakref.ref(run), *(weakref.ref(record_of(each)) for each in every)]

    def look_at(self, run: Run, how: str) -> None:
        """Nothing is held, and nothing of the engine's is to come any more."""
        scheduler = run.scheduler
        if how in ("answered", "by error"):
            assert not run.records
            assert not run.groups
        assert {record.state for record in run.records.values()} <= {State.SUSPENDED}
        held = {record.lock for record in run.records.values()} - {None} if self.keeps_lock else set[Any]()
        assert set(scheduler._locks._queues) == held
        assert scheduler.queues.used == 0
        assert all(lane.used == 0 for lane in scheduler.lanes.values())
        for group in self.groups:
            cap = group_of(group).cap
            members = group_of(group).unended
            asking = sum(each.asks for each in members if cap in each.holds_while_asking())
            assert cap is None or (cap.used, cap.asking) == (0, asking)
        assert not run.discards
        assert not run.tasks
        assert not run.attempts.abandoned
        assert asyncio.all_tasks() == {asyncio.current_task()}
        loop: Any = asyncio.get_running_loop()
        assert not [timer for *_, timer in loop._timers if not timer.cancelled()]


class Judge:
    """Reads the events of a life, one after another, and compares them with the diary."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.diary = life.diary
        self.jobs: dict[str, events.JobSubmitted] = {}
        self.running: Counter[str] = Counter()
        """Attempts under way by scope, lane, and in all."""
        self.open: dict[str, int] = {}
        """The attempt that is under way, by job."""
        self.asking: dict[str, set[str]] = defaultdict(set)
        """The open questions, by job."""
        self.expected: dict[str, tuple[Any, Any]] = defaultdict(lambda: (None, None))
        """What the next attempt at a job is to find."""
        self.rest: dict[str, tuple[Suspend, dict[str, Any]]] = {}
        self.ends: Counter[str] = Counter()
        self.locks: dict[str, str] = {}
        self.to_let_go: list[tuple[str, Any]] = []
        self.used: Counter[tuple[str, str]] = Counter()

    def judge(self, *, left_open: bool) -> None:
        assert not self.diary.wrong, self.diary.wrong
        for event in self.life.sink.events:
            match event:
                case events.JobSubmitted():
                    self.jobs[event.job] = event
                case events.JobStarted():
                    self.started(event.job, event.attempt)
                case events.JobSuspended():
                    self.suspended(event)
                case events.JobReplied():
                    self.replied(event.job, event.question)
                case events.JobRetried():
                    self.over(event.job)
                case events.JobEnded():
                    self.ended(event)
                case _:
                    pass
        assert all(count == 1 for count in self.ends.values())
        assert all(count == 1 for count in self.used.values())
        assert not self.open
        if not left_open:
            assert set(self.ends) == set(self.jobs)
        assert sorted(self.diary.let_go) == sorted(self.to_let_go)

    def scopes(self, job: str) -> list[str]:
        """The groups and graphs that a job is in."""
        told = self.jobs[job]
        found = [] if told.group is None else [told.group]
        while told.parent is not None:
            found.append(told.parent)
            told = self.jobs[told.parent]
        return [each for each in found if each in self.life.rules]

    def started(self, job: str, attempt: int) -> None:
        told = self.jobs[job]
        assert not self.ends[job]
        if told.role in BODIES:
            return
        assert job not in self.open
        assert not self.asking[job]
        self.open[job] = attempt
        for scope in self.scopes(job):
            rules = self.life.rules[scope]
            if rules.waits:
                assert not self.asks_in(scope), f"{job} started while one of {scope} asked"
            self.running[scope] += 1
            assert rules.capacity is None or self.running[scope] <= rules.capacity
        self.running[f"lane {told.lane}"] += 1
        assert self.running["lane narrow"] <= 2
        self.running["slots"] += 1
        assert self.running["slots"] <= self.life.slots
        lock = self.diary.locks.get(job)
        if lock is not None:
            assert self.locks.setdefault(lock, job) == job
        found = self.diary.found.get((job, attempt))
        if found is not None:
            assert found == self.expected[job], (job, attempt)
            if (job, attempt) in self.diary.kept:
                self.expected[job] = (self.diary.kept[job, attempt], None)

    def asks_in(self, scope: str) -> list[str]:
        """The jobs of a scope that ask; not a primer, for which there is another policy."""
        asking = [job for job, asked in self.asking.items() if asked and scope in self.scopes(job)]
        return [job for job in asking if self.jobs[job].role != "primer"]

    def over(self, job: str) -> int | None:
        """Its attempt is over; which, if one was under way."""
        attempt = self.open.pop(job, None)
        if attempt is not None:
            for scope in (*self.scopes(job), f"lane {self.jobs[job].lane}", "slots"):
                self.running[scope] -= 1
        return attempt

    def suspended(self, event: events.JobSuspended) -> None:
        job = event.job
        self.asking[job] = {each.id for each in event.questions}
        if self.jobs[job].role in BODIES:
            return
        assert self.over(job) == event.attempt
        suspend = self.diary.asked[job, event.attempt]
        self.rest[job] = (suspend, {})
        self.expected[job] = (suspend.state, None)
        if not self.life.keeps_lock:
            self.unlock(job)

    def replied(self, job: str, question: str) -> None:
        self.asking[job].discard(question)
        if self.jobs[job].role in BODIES:
            return
        self.used[job, question] += 1
        suspend, answers = self.rest[job]
        answers[question] = self.diary.given.get((job, question), suspend.default)
        assert answers[question] is not NO_DEFAULT
        if not self.asking[job]:
            reply = next(iter(answers.values())) if len(answers) == 1 else answers
            self.expected[job] = (suspend.state, reply)

    def ended(self, event: events.JobEnded) -> None:
        job = event.job
        self.ends[job] += 1
        self.over(job)
        state = self.expected[job][0]
        told = self.jobs[job]
        left = event.status in {"failed", "cancelled"} and state is not None
        if left and told.role not in BODIES and told.executor == "Actor":
            self.to_let_go.append((job, state))
        self.asking.pop(job, None)
        self.unlock(job)

    def unlock(self, job: str) -> None:
        lock = self.diary.locks.get(job)
        if lock is not None and self.locks.get(lock) == job:
            del self.locks[lock]


async def _completed(group: Group) -> list[str]:
    return [result.status async for result in group.as_completed()]


@pytest.mark.parametrize("seed", [*range(40), 111, 573])
def test_a_random_life_of_questions_keeps_every_promise(seed: int) -> None:
    life = Life(seed)
    references = VirtualClock(seed=seed).run(life.live)
    del life
    gc.collect()
    assert not [each for each in references if each() is not None]
