"""What a suspended job asks: the questions, the answers, and the time there is for them.

A reply is used once. It is looked at before anything changes: whether the job asks, whether this question of
its is open, whether the answer fits the schema. Only the last answer queues the job again.
"""

from __future__ import annotations

import asyncio
import reprlib
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from ._errors import AnswerTimeout, ReplyRefused, UnknownName
from ._job import NO_DEFAULT, Question, Suspend
from ._scheduler import State
from ._stopping import fail

if TYPE_CHECKING:
    from ._record import GroupRecord, Record
    from ._run import Run

__all__ = ["Asking", "called", "reply", "suspended", "take"]


class Asking:
    """One rest of a job: the answers so far, and when it is over."""

    __slots__ = ("answers", "clock")

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.clock: asyncio.TimerHandle | None = None

    def stop_clock(self) -> None:
        """There is no hurry any more."""
        if self.clock is not None:
            self.clock.cancel()
            self.clock = None


def suspended(run: Run, record: Record, suspend: Suspend) -> None:
    """An attempt has asked: its job rests until all is answered."""
    record.close_attempt("suspended")
    record.questions = suspend.questions
    record.job = replace(record.job, state=suspend.state, reply=None)
    record.asking = asking = Asking()
    record.answer_by = None
    if suspend.timeout is not None:
        record.answer_by = due = run.loop.time() + suspend.timeout
        asking.clock = run.loop.call_at(due, _expire, run, record, suspend, context=run.context)
    state = State.SUSPENDED
    if suspend.default is not NO_DEFAULT:
        state = State.DOZING if record.questions else State.RESTING
    run.scheduler.suspend(record, state, keeps_lock=run.settings.lock_held_while_suspended)
    if run.history is not None:
        run.history.suspended(record)
    run.settling.show_end(record, "suspended", None)
    group = record.group_record
    if group is not None and record is group.primer and not group.released:
        _primer_asks(run, group)
    if state is State.SUSPENDED:  # else it goes on by itself: nobody has to be told
        run.settling.rested(record)


def _primer_asks(run: Run, group: GroupRecord) -> None:
    if group.policy.on_primer_suspended == "run_followers":
        run.scheduler.release(group, run.loop.time())
        run.settling.announce_release(group, "primer_suspended")


def _expire(run: Run, record: Record, suspend: Suspend) -> None:
    """The time for the answers is over."""
    seconds = cast("float", suspend.timeout)
    if suspend.default is NO_DEFAULT:
        asked = ", ".join(called(each) for each in record.questions)
        error = AnswerTimeout(f"no answer within {seconds:g} s to question {asked}", seconds)
        fail(run, record, error, f"its parent {record.job.name!r} got no answer in time")
        return
    if not record.questions:
        _go_on(run, record, suspend.default)
    for each in record.questions:
        take(run, record, each, suspend.default)


def reply(run: Run, job_id: str, answer: Any, question: str | None) -> None:
    """Take an answer; when it was the last one, queue the job again. A refused one changes nothing."""
    record = run.records.get(job_id)
    if record is None:
        raise UnknownName("unfinished job", job_id, (), "it has ended, or its id is wrong")
    if record.state is State.RESTING and question is None:
        _go_on(run, record, answer)
        return
    if not record.questions or not record.asks:
        raise ReplyRefused(job_id, f"the job is {record.current_status()} and asks nothing{_others(record)}")
    asked = _find(job_id, record.questions, question)
    take(run, record, asked, _checked(job_id, asked, answer))


def take(run: Run, record: Record, asked: Question, answer: Any) -> None:
    """Take the answer to a question that is open."""
    record.questions = tuple(each for each in record.questions if each.id != asked.id)
    if run.history is not None:
        run.history.replied(record, asked)
    if record.body is not None and asked.id in record.body.asked:
        record.body.answer(asked.id, answer)
        return
    asking = record.asking
    assert asking is not None
    asking.answers[asked.id] = answer
    if record.questions:
        return
    answers = asking.answers
    _go_on(run, record, next(iter(answers.values())) if len(answers) == 1 else answers)


def _go_on(run: Run, record: Record, given: Any) -> None:
    """All is answered: the job is queued again, with that."""
    asking, record.asking = record.asking, None
    if asking is not None:
        asking.stop_clock()
    record.job = replace(record.job, reply=given)
    run.scheduler.again(record)
    run.dispatch()
    if record.held_by_question:
        run.settling.held_back(record)


def called(question: Question) -> str:
    """A question as people know it."""
    return f"{question.id!r} ({reprlib.repr(question.value)})"


def _others(record: Record) -> str:
    """Where to turn with an answer, if a body is asked for one that waits for jobs of its own."""
    waits = () if record.body is None else record.body.suspended()
    named = ", ".join(f"{each.job.name!r} ({each.job.id})" for each in waits)
    return f"; answer what it waits for: {named}" if named else ""


def _find(job_id: str, questions: tuple[Question, ...], wanted: str | None) -> Question:
    if wanted is None and len(questions) == 1:
        return questions[0]
    ids = ", ".join(called(each) for each in questions)
    if wanted is None:
        raise ReplyRefused(job_id, f"it asks several questions ({ids}); say which is answered: question=...")
    for each in questions:
        if each.id == wanted:
            return each
    raise ReplyRefused(job_id, f"question {wanted!r} is not open; open: {ids}")


def _checked(job_id: str, question: Question, answer: Any) -> Any:
    schema = question.schema
    if schema is None:
        if answer is None or (isinstance(answer, str) and not answer.strip()):
            raise ReplyRefused(
                job_id,
                f"the answer to question {called(question)} is empty: give a value (False is one), or cancel "
                "the job; where nothing is an answer, the schema says so (schema=Any)",
            )
        return answer
    if isinstance(schema, Mapping):
        wrong = _misfit(cast("Mapping[str, Any]", schema), answer)
        if wrong is not None:
            raise _unfit(job_id, question, wrong)
        return answer
    from pydantic import PydanticUserError, TypeAdapter, ValidationError

    try:
        return TypeAdapter(schema).validate_python(answer)
    except (ValidationError, PydanticUserError) as error:
        wrong = "" if isinstance(error, ValidationError) else "its own schema is no type for pydantic: "
        raise _unfit(job_id, question, f"{wrong}{error}") from error


def _unfit(job_id: str, question: Question, misfit: str) -> ReplyRefused:
    return ReplyRefused(job_id, f"the answer does not fit question {called(question)}: {misfit}", misfit)


def _misfit(schema: Mapping[str, Any], answer: Any) -> str | None:
    """What of an answer does not fit a JSON Schema."""
    try:
        import jsonschema
        from pydantic_core import PydanticSerializationError, to_jsonable_python
        from referencing.exceptions import Unresolvable
        from referencing.jsonschema import EMPTY_REGISTRY
    except ImportError:  # of no extra of core's: then it is for the form only, and the executor checks
        return None
    try:
        # A model or a dataclass is what it will be as JSON.
        answer = to_jsonable_python(answer)
        jsonschema.validate(answer, schema, registry=EMPTY_REGISTRY)  # else it would fetch what is elsewhere
    except PydanticSerializationError as error:
        return f"it is nothing that JSON has words for: {error}"
    except jsonschema.ValidationError as error:
        path = error.json_path.removeprefix("$").removeprefix(".")
        return f"{path}: {error.message}" if path else str(error.message)
    except jsonschema.SchemaError as error:
        return f"its own schema is no JSON Schema: {error.message}"
    except Unresolvable as error:
        return f"its own schema refers to what is not in it: {error}"
    return None
