"""Promises of questions: a job that asks a person rests, and goes on with the answer."""

from __future__ import annotations

import json
import unittest

from paceline._errors import PacelineError
from paceline._handles import Handle
from paceline._policies import RetryPolicy

from ._base import Parts, promise
from ._scene import Answer, Refuse
from ._stage import PromiseBroken, Stage, check

__all__ = ["Suspending"]

_ASKS = "May I go on?"
_AT_ONCE = RetryPolicy(3, base=0.0)


class Suspending(Parts):
    """What becomes of a job that asks a person something before it asks its provider."""

    @promise(needs=("suspend",), question=_ASKS, slots=1)
    async def test_a_question_suspends_the_job_and_frees_its_slot(self, stage: Stage) -> None:
        """People take their time; others run meanwhile."""
        handle = await _asking(stage)
        check(
            any(_ASKS in repr(each.value) for each in handle.questions),
            f"A question can be read: {_ASKS!r} was to be asked, {handle.questions!r} is.",
        )
        check(
            not stage.scene.open,
            "A job that rests keeps no request open. Close it before Suspend is returned.",
        )
        other = await stage.engine.submit("meanwhile", executor=_echo)
        check((await stage.result(other)).ok, "A job that rests holds no slot: another did not run.")
        await _answer(stage, handle)

    @promise(needs=("suspend",), question=_ASKS)
    async def test_an_answer_lets_the_job_go_on_to_its_end(self, stage: Stage) -> None:
        """It ends as it would have, had nobody been asked."""
        handle = await _asking(stage)
        await _answer(stage, handle)
        stage.asked(1, "A job that goes on after an answer is asked for once")

    @promise(needs=("suspend",), question=_ASKS)
    async def test_an_answer_that_does_not_fit_leaves_the_question_open(self, stage: Stage) -> None:
        """Whoever answers can try again."""
        bad = stage.provided.bad_reply
        if bad is None:
            raise unittest.SkipTest("any answer fits: no bad_reply= is provided")
        handle = await _asking(stage)
        try:
            await stage.engine.reply(handle.id, bad, question=handle.questions[0].id)
        except PacelineError as refused:
            check(bool(str(refused)), "An answer that is refused is refused in words.")
        result = await stage.result(handle)
        told = "" if result.error is None else f": {result.error.message}"
        check(
            result.status == "suspended" and bool(handle.questions),
            f"An answer that does not fit leaves the question open: {bad!r} made the job "
            f"{result.status!r}{told}. Give the question a schema, or ask it again.",
        )
        await _answer(stage, handle)

    @promise(Refuse(503), Answer(), needs=("suspend", "errors"), question=_ASKS, retry=_AT_ONCE)
    async def test_a_failure_after_the_answer_does_not_ask_again(self, stage: Stage) -> None:
        """The next attempt has the answer: it is applied once, and a person is asked once."""
        handle = await _asking(stage)
        await _answer(stage, handle)
        stage.asked(2, "A job that fails once after its answer is asked for twice")

    @promise(needs=("suspend",), question=_ASKS)
    async def test_a_job_is_cancelled_while_it_asks(self, stage: Stage) -> None:
        """Nothing is kept for an answer that will not come."""
        handle = await _asking(stage)
        handle.cancel("nobody answers")
        result = await stage.result(handle)
        check(
            result.status == "cancelled",
            f"A job that is cancelled while it asks ends so: it is {result.status!r}.",
        )

    @promise(needs=("suspend",), question=_ASKS)
    async def test_what_a_suspended_job_keeps_is_plain_data(self, stage: Stage) -> None:
        """The answer may come after a restart, when only what can be written down is left."""
        handle = await _asking(stage)
        state = stage.around.states[-1]
        try:
            json.dumps(state)
        except (TypeError, ValueError) as error:
            raise PromiseBroken(
                f"Suspend(state=...) is plain data, such as JSON holds: this is not ({error}). Keep names "
                "and ids in it, by which another process finds the rest."
            ) from error
        await _answer(stage, handle)


async def _asking(stage: Stage) -> Handle:
    __tracebackhide__ = True
    handle = await stage.submit()
    result = await stage.result(handle)
    told = "" if result.error is None else f"\n{result.error.traceback}"
    check(
        result.status == "suspended" and bool(handle.questions),
        f"A job that asks a person is suspended: it is {result.status!r}. Return Suspend(question, "
        f"state=...) from execute(), and provide what asks scene.question.{told}",
    )
    return handle


async def _answer(stage: Stage, handle: Handle) -> None:
    """Answer all that is asked, and check that the job goes on to its answer."""
    __tracebackhide__ = True
    for question in handle.questions:
        await stage.engine.reply(handle.id, stage.provided.reply, question=question.id)
    result = await stage.result(handle)
    check(
        result.status != "suspended",
        f"An answer is used: after it the job asks again, {handle.questions!r}. job.reply is the answer, "
        "job.state what Suspend kept; ctx.checkpoint(state) keeps them for the attempt after.",
    )
    stage.answered(result)


async def _echo(payload: object) -> object:
    return payload
